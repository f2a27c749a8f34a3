"""Draws what happens on each attempt of an operation: a normal reply, a refusal, a spoiled one, or a late one."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from mock_server.spec import Spec

Source = dict[str, Any]
Sources = st.SearchStrategy[Any]

STEPS_MAX = 3
LATENCIES = st.sampled_from(["10ms", "60ms", "250ms"])
# Faults of a reply, and their arguments. None of them says what is not so of the end of a task.
_FAULTS: Mapping[str, Sequence[Any]] = {
    "reset": [None, {"when": "inside"}],
    "close": [None, {"when": "after"}, {"when": "announced"}],
    "truncated-body": [{"how": "short-length"}, {"how": "cut-chunk"}],
    "empty-body": [None],
    "html-page": [None, {"status": 502}],
    "malformed-json": [{"how": "cut"}, {"how": "two-documents"}],
    "http-error": [{"status": 502}, {"status": 504}, {"status": 500}],
    "garbage": [{"bytes": 16}],
    "hang": ["10000ms"],
    "drip": [{"every": "20ms", "bytes": 1}],
    "rewritten": [None],
    "redirect": [{"to": "$elsewhere", "status": 302}],
    "stale-read": [None, {"shows": "first"}],
}
_WRONG_SHAPES: Sequence[Source] = [
    {"as": "extra"},
    {"at": "/data", "as": "null"},
    {"at": "/data", "as": "array"},
    {"at": "/data/task_status", "as": "null"},
    {"at": "/data/task_status", "as": "missing"},
    {"at": "/data/task_result", "as": "missing"},
    {"at": "/code", "value": "0"},
]
_SUBMIT_SHAPES: Sequence[Source] = [{"as": "extra"}, {"at": "/data/task_id", "as": "missing"}]
_UNKNOWN_STATUSES = ["queued_v2", "", None]
# How long a client is told to wait: of use, of no use, beyond its deadline.
RETRY_AFTERS: Sequence[Any] = ["1s", {"text": "0"}, {"text": "abc"}, {"text": "86400"}, {"date": "1s"}]
# What only replies to queries suffer.
_OF_QUERIES = frozenset(("stale-read",))
# A submit that is answered so was not carried out: a client may take the server at its word.
_SAY_NOT_HERE = frozenset(("redirect",))


def scripts(spec: Spec, role: str, bodies: Sequence[Any]) -> Sources:
    """Draw a list of steps for an operation."""
    return st.lists(_steps(spec, role, bodies), min_size=1, max_size=STEPS_MAX).map(_until_always)


def _until_always(steps: list[Any]) -> list[Any]:
    """Nothing comes after a step that lasts always."""
    for index, step in enumerate(steps):
        if isinstance(step, dict) and step.get("times") == "always":
            return steps[: index + 1]
    return steps


def _steps(spec: Spec, role: str, bodies: Sequence[Any]) -> Sources:
    """One attempt: normal, a problem, a spoiled reply, or a late one."""
    kinds = [st.just("normal"), _problems(spec, role), _faults(spec, role, bodies), st.builds(_late, LATENCIES)]
    return st.one_of(kinds)


def _late(latency: str) -> Source:
    return {"latency": latency}


@st.composite
def _problems(draw: st.DrawFn, spec: Spec, role: str) -> Source:
    """A refusal. A task is stored behind one only where the provider may have failed after it was created."""
    problem = draw(st.sampled_from(_fitting_problems(spec)))
    step: Source = {"problem": problem}
    if role == "submit" and spec.problems[problem].status >= 500 and draw(st.booleans()):
        step["then"] = "store"
    if draw(st.integers(0, 3)) == 3:
        step["status"] = 200
    elif spec.problems[problem].status in (429, 503) and draw(st.booleans()):
        step["retry-after"] = draw(st.sampled_from(list(RETRY_AFTERS)))
    if draw(st.integers(0, 7)) == 7:
        step["times"] = draw(st.sampled_from([2, "always"]))
    return step


def going_on(spec: Spec) -> list[str]:
    """Return the statuses of tasks that have not ended."""
    types = spec.task_types.values()
    return sorted({name for each in types for name, one in each.lifecycle.statuses.items() if one.final is None})


def _fitting_problems(spec: Spec) -> list[str]:
    """Those that come and go stand first, because they are the most telling."""
    passing = passing_problems(spec)
    return passing + [name for name in spec.problems if name not in passing]


def passing_problems(spec: Spec) -> list[str]:
    """Return the problems that come and go."""
    return [name for name, each in spec.problems.items() if each.retry != "never"]


@st.composite
def _faults(draw: st.DrawFn, spec: Spec, role: str, bodies: Sequence[Any]) -> Source:
    """A spoiled reply; of a submit the task is stored, unless it is said."""
    fitting = [each for each in _FAULTS if role == "query" or each not in _OF_QUERIES]
    names = [*fitting, "wrong-shape", "unknown-status", "body"]
    name = draw(st.sampled_from(names if bodies else names[:-1]))
    fault: Any
    if name == "body":
        text = json.dumps(draw(st.sampled_from(list(bodies))))
        fault = {"other-body": text}
    elif name == "wrong-shape":
        fault = {name: draw(st.sampled_from(list(_SUBMIT_SHAPES if role == "submit" else _WRONG_SHAPES)))}
    elif name == "unknown-status":
        instead_of = draw(st.sampled_from([{}, *({"instead-of": each} for each in going_on(spec))]))
        fault = {name: {"status": draw(st.sampled_from(_UNKNOWN_STATUSES)), **instead_of}}
    else:
        argument = draw(st.sampled_from(list(_FAULTS[name])))
        fault = {name: argument} if argument is not None else name
    step: Source = {"fault": fault}
    if role == "submit" and (name in _SAY_NOT_HERE or (name != "unknown-status" and draw(st.integers(0, 3)) == 3)):
        step["then"] = "refuse"
    if draw(st.integers(0, 7)) == 7:
        step["times"] = 2
    return step
