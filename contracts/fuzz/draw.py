"""Draws behaviours, with Hypothesis: from the whole language of scenarios, biased toward what is interesting.

What is drawn never lies about the end of a task: a spoiled reply does not say `succeed` where the twin does not mean
it, because no client could tell. It shrinks toward a scenario that says nothing, and the shortest request.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import strategies as st

from contracts.fuzz.behaviour import PACE, Behaviour
from mock_server.spec import Spec

Source = dict[str, Any]
Sources = st.SearchStrategy[Any]

_PACES = st.sampled_from(["10ms", "0ms", "40ms", "120ms"])
_LATENCIES = st.sampled_from(["10ms", "60ms", "250ms"])
_STEPS_MAX = 3

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
    "hang": ["10s"],
    "drip": [{"every": "20ms", "bytes": 1}],
    "rewritten": [None],
    "redirect": [{"to": "$elsewhere", "status": 302}],
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
_CALLBACK_FAULTS: Sequence[Any] = [
    "lost",
    {"duplicate": {"times": 2, "after": "20ms"}},
    {"reorder": {"within": "30ms"}},
    {"late": {"by": "150ms"}},
    "early",
    {"stale": {"after": "20ms"}},
    {"forged": {"how": "unknown-task", "after": "20ms"}},
    {"forged": {"how": "attacker-url", "url": "$elsewhere-video", "after": "20ms"}},
    "bad-signature",
    "missing-signature",
    {"stale-timestamp": {"by": "10m"}},
    "two-signatures",
    "unknown-fields",
    "rewritten",
    "truncated",
    {"wrong-content-type": {"content-type": "text/plain"}},
]
# How long a client is told to wait: of use, of no use, beyond its deadline.
_RETRY_AFTERS: Sequence[Any] = ["1s", {"text": "0"}, {"text": "abc"}, {"text": "86400"}, {"date": "1s"}]


def behaviours(
    spec: Spec, *, requests: Sequence[Source], bodies: Sequence[Any], callbacks: bool
) -> st.SearchStrategy[Behaviour]:
    """Draw behaviours for a spec. `requests` are to be asked of the client, `bodies` replies that a schema allows.

    The simplest request stands first. `callbacks` says whether the client has a receiver.
    """
    parts: dict[str, Sources] = {
        "query": _scripts(spec, "query", bodies),
        "submit": _scripts(spec, "submit", bodies),
        "lifecycle": _lifecycles(spec),
        "latency": st.fixed_dictionaries({}, optional={"query": _LATENCIES, "submit": _LATENCIES}).filter(bool),
        "capacity": st.sampled_from(
            [{"rate": {"requests": 2, "per": "300ms", "on": ["query"]}}, {"quota": 1}, {"concurrency": 1}]
        ),
        "outages": st.fixed_dictionaries(
            {"from": st.sampled_from(["0ms", "50ms", "150ms"]), "for": st.sampled_from(["60ms", "300ms"])},
            optional={"on": st.sampled_from([["query"], ["submit"]])},
        ).flatmap(lambda window: _outage(spec, window)),
        "dialect": st.sampled_from(list(spec.dialects)),
    }
    if callbacks:
        parts["callbacks"] = _callbacks(spec)
    # Most scenarios say little: what needs one or two things to go wrong is found soon, and shrinks well.
    few = st.lists(st.sampled_from(list(parts)), unique=True, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: parts[name] for name in sorted(names)})
    )
    whole = st.one_of(few, few, _coinciding(spec)).map(_whole)
    return st.builds(
        Behaviour,
        scenario=whole,
        request=st.sampled_from(list(requests)) if requests else st.just({}),
        callbacks=st.booleans() if callbacks else st.just(False),
    ).map(_with_receiver)


def _coinciding(spec: Spec) -> Sources:
    """Trouble with the submit, and with what a client asks then: chance alone brings both together too rarely."""
    passing = [{"problem": name} for name in _passing_problems(spec)]
    spoiled = [{"fault": name} for name in ("reset", "close", "empty-body", "html-page")]
    return st.fixed_dictionaries(
        {
            "query": st.lists(st.sampled_from([*passing, *spoiled]), min_size=1, max_size=_STEPS_MAX),
            "submit": st.lists(st.sampled_from([*spoiled, *passing]), min_size=1, max_size=_STEPS_MAX),
        }
    )


def _whole(source: Source) -> Source:
    """A task takes minutes where nothing is said, and no session waits so long."""
    return {**source, "lifecycle": source.get("lifecycle", {"pace": PACE})}


def _with_receiver(one: Behaviour) -> Behaviour:
    """A story about callbacks is one that the receiver is told."""
    told = "callbacks" in one.scenario
    return one if one.callbacks or not told else Behaviour(one.scenario, one.request, callbacks=True)


def _scripts(spec: Spec, role: str, bodies: Sequence[Any]) -> Sources:
    return st.lists(_steps(spec, role, bodies), min_size=1, max_size=_STEPS_MAX).map(_until_always)


def _until_always(steps: list[Any]) -> list[Any]:
    """Nothing comes after a step that lasts always."""
    for index, step in enumerate(steps):
        if isinstance(step, dict) and step.get("times") == "always":
            return steps[: index + 1]
    return steps


def _steps(spec: Spec, role: str, bodies: Sequence[Any]) -> Sources:
    """One attempt: normal, a problem, a spoiled reply, or a late one."""
    kinds = [st.just("normal"), _problems(spec, role), _faults(spec, role, bodies), st.builds(_late, _LATENCIES)]
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
        step["retry-after"] = draw(st.sampled_from(list(_RETRY_AFTERS)))
    if draw(st.integers(0, 7)) == 7:
        step["times"] = draw(st.sampled_from([2, "always"]))
    return step


def _fitting_problems(spec: Spec) -> list[str]:
    """Those that come and go stand first, because they are the most telling."""
    passing = _passing_problems(spec)
    return passing + [name for name in spec.problems if name not in passing]


def _passing_problems(spec: Spec) -> list[str]:
    return [name for name, each in spec.problems.items() if each.retry != "never"]


@st.composite
def _faults(draw: st.DrawFn, spec: Spec, role: str, bodies: Sequence[Any]) -> Source:
    """A spoiled reply; of a submit the task is stored, unless it is said."""
    names = [*_FAULTS, "wrong-shape", "unknown-status", "body"]
    name = draw(st.sampled_from(names if bodies else names[:-1]))
    fault: Any
    if name == "body":
        text = json.dumps(draw(st.sampled_from(list(bodies))))
        fault = {"other-body": text}
    elif name == "wrong-shape":
        fault = {name: draw(st.sampled_from(list(_SUBMIT_SHAPES if role == "submit" else _WRONG_SHAPES)))}
    elif name == "unknown-status":
        fault = {name: {"status": draw(st.sampled_from(_UNKNOWN_STATUSES))}}
    else:
        argument = draw(st.sampled_from(list(_FAULTS[name])))
        fault = {name: argument} if argument is not None else name
    step: Source = {"fault": fault}
    if role == "submit" and name != "unknown-status" and draw(st.integers(0, 3)) == 3:
        step["then"] = "refuse"
    return step


def _outage(spec: Spec, window: Source) -> Sources:
    passing = [name for name in _passing_problems(spec) if spec.problems[name].status >= 500]
    return st.sampled_from(passing).map(lambda problem: [{**window, "problem": problem}])


def _lifecycles(spec: Spec) -> Sources:
    failures = sorted({name for each in spec.task_types.values() for name in each.failures})
    outcomes: Sources = st.sampled_from(["success", "failure", *failures, "success", "never"])
    return st.fixed_dictionaries({"pace": _PACES}, optional={"outcome": outcomes})


def _callbacks(spec: Spec) -> Sources:
    return st.fixed_dictionaries(
        {"retries": st.just(["50ms"])},
        optional={
            "faults": st.lists(st.sampled_from(list(_CALLBACK_FAULTS)), min_size=1, max_size=2),
            "sign": st.booleans(),
        },
    )
