"""Draws behaviours, with Hypothesis: from the whole language of scenarios, biased toward what is interesting.

What is drawn never lies about the end of a task: a spoiled reply does not say `succeed` where the twin does not mean
it, because no client could tell. Nor is anything left to chance within a session: it plays the same each time.
"""

import re
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from contracts.fuzz.behaviour import PACE, Behaviour
from contracts.fuzz.steps import (
    LATENCIES,
    RETRY_AFTERS,
    STEPS_MAX,
    Source,
    Sources,
    going_on,
    passing_problems,
    scripts,
)
from mock_server.spec import Spec

_MILLISECONDS = re.compile(r"(\d+)ms")
_PACES = st.sampled_from(["10ms", "0ms", "40ms", "120ms"])
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
    {"slow-send": {"bytes": 32, "every": "5ms"}},
    {"wrong-content-type": {"content-type": "text/plain"}},
]
_CAPACITIES: Sequence[Source] = [
    {"rate": {"requests": 2, "per": "300ms", "on": ["query"]}},
    {"rate": {"requests": 3, "per": "1000ms", "on": ["submit", "query"], "retry-after": "date"}},
    {"rate": {"requests": 1, "per": "500ms", "on": ["query"], "retry-after": "none"}},
    {"quota": 1},
    {"concurrency": 1},
    {"queue": {"parallel": 1}},
]


def behaviours(
    spec: Spec, *, requests: Sequence[Source], bodies: Sequence[Any], callbacks: bool, times: int = 1
) -> st.SearchStrategy[Behaviour]:
    """Draw behaviours for a spec. `requests` are to be asked of the client, `bodies` replies that a schema allows.

    The simplest request stands first. `callbacks` says whether the client has a receiver. What is told in milliseconds
    fits a poll interval of 20 ms, and is so many `times` as long for a client that polls more seldom.
    """
    parts: dict[str, Sources] = {
        "query": scripts(spec, "query", bodies),
        "submit": scripts(spec, "submit", bodies),
        "lifecycle": _lifecycles(spec),
        "latency": st.fixed_dictionaries({}, optional={"query": LATENCIES, "submit": LATENCIES}).filter(bool),
        "capacity": st.sampled_from(list(_CAPACITIES)),
        "outages": st.lists(_outages(spec), min_size=1, max_size=2),
    }
    if callbacks:
        parts["callbacks"] = _callbacks(spec)
    # Most scenarios say little: what needs one or two things to go wrong is found soon, and shrinks well.
    few = st.lists(st.sampled_from(list(parts)), unique=True, max_size=3).flatmap(
        lambda names: st.fixed_dictionaries({name: parts[name] for name in sorted(names)})
    )
    whole = st.one_of(few, few, _coinciding(spec)).map(_whole).map(lambda source: _stretched(source, times))
    return st.builds(
        Behaviour,
        scenario=whole,
        request=st.sampled_from(list(requests)) if requests else st.just({}),
        callbacks=st.booleans() if callbacks else st.just(False),
    ).map(_with_receiver)


def _coinciding(spec: Spec) -> Sources:
    """Trouble with the submit, and with what a client asks then: chance alone brings both together too rarely."""
    passing = [{"problem": name} for name in passing_problems(spec)]
    spoiled = [{"fault": name} for name in ("reset", "close", "empty-body", "html-page")]
    return st.fixed_dictionaries(
        {
            "query": st.lists(st.sampled_from([*passing, *spoiled]), min_size=1, max_size=STEPS_MAX),
            "submit": st.lists(st.sampled_from([*spoiled, *passing]), min_size=1, max_size=STEPS_MAX),
        }
    )


def _whole(source: Source) -> Source:
    """A task takes minutes where nothing is said, and no session waits so long."""
    return {**source, "lifecycle": source.get("lifecycle", {"pace": PACE})}


def _stretched(tree: Any, times: int) -> Any:
    if isinstance(tree, dict):
        return {name: _stretched(each, times) for name, each in tree.items()}
    if isinstance(tree, list):
        return [_stretched(each, times) for each in tree]
    if times > 1 and isinstance(tree, str) and (told := _MILLISECONDS.fullmatch(tree)):
        return f"{int(told[1]) * times}ms"
    return tree


def _with_receiver(one: Behaviour) -> Behaviour:
    """A story about callbacks is one that the receiver is told."""
    told = "callbacks" in one.scenario
    return one if one.callbacks or not told else Behaviour(one.scenario, one.request, callbacks=True)


def _outages(spec: Spec) -> Sources:
    """For a while all is refused, lost or late."""
    passing = [name for name in passing_problems(spec) if spec.problems[name].status >= 500]
    befalling: Sources = st.one_of(
        st.fixed_dictionaries(
            {"problem": st.sampled_from(passing)}, optional={"retry-after": st.sampled_from(list(RETRY_AFTERS))}
        ),
        st.fixed_dictionaries({"fault": st.sampled_from(["reset", "close", "html-page"])}),
        st.fixed_dictionaries({"latency": LATENCIES}),
    )
    window: Sources = st.fixed_dictionaries(
        {"from": st.sampled_from(["0ms", "50ms", "150ms"]), "for": st.sampled_from(["60ms", "300ms"])},
        optional={"on": st.sampled_from([["query"], ["submit"]])},
    )
    return st.tuples(window, befalling).map(lambda both: {**both[0], **both[1]})


def _lifecycles(spec: Spec) -> Sources:
    failures = sorted({name for each in spec.task_types.values() for name in each.failures})
    stays: list[Any] = [{"stays": name} for name in going_on(spec)]
    told: list[Any] = [{"message": "Said no, \u98ce\u63a7: \u201cnot this\u201d."}]
    outcomes: Sources = st.sampled_from(["success", "failure", *failures, *told, "success", "never", *stays])
    each = st.fixed_dictionaries(dict.fromkeys(going_on(spec), _PACES))
    return st.fixed_dictionaries({"pace": st.one_of(_PACES, _PACES, each)}, optional={"outcome": outcomes})


def _callbacks(spec: Spec) -> Sources:
    statuses = sorted({name for each in spec.task_types.values() for name in each.lifecycle.statuses})
    return st.fixed_dictionaries(
        {"retries": st.sampled_from([["50ms"], []])},
        optional={
            "faults": st.lists(st.sampled_from(list(_CALLBACK_FAULTS)), min_size=1, max_size=2),
            "sign": st.booleans(),
            "send": st.lists(st.sampled_from(statuses), unique=True, min_size=1),
            "timeout": st.sampled_from(["100ms", "1000ms"]),
        },
    )
