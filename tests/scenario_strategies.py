"""Draws scenarios: dicts as they stand in a file, from the whole language, valid for a spec, and most of them small.

    @given(source=scenarios(program.spec))

What is drawn shrinks towards a scenario that says nothing. A fault is drawn only where the twin has it.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from mock_server.callback_faults import CALLBACK_FAULTS
from mock_server.faults import FAULTS
from mock_server.lifecycle import Lifecycle
from mock_server.roles import ROLES
from mock_server.spec import Spec

Source = dict[str, Any]
Sources = st.SearchStrategy[Source]

durations = st.sampled_from(["0s", "1s", "2s", "5s", "30s", "500ms", "1m"])
lasting = st.sampled_from(["1s", "2s", "5s", "30s", "1m"])
ranges = durations | st.sampled_from(["0s..1s", "1s..5s", "2s..1m"])
chances = st.sampled_from([0.5, 0.1, 0.9, 0, 1])
counts = st.integers(1, 3)

latencies = (
    st.sampled_from(["0ms", "200ms", "1s..3s"])
    | st.just({"lognormal": {"median": "100ms", "p99": "2s"}})
    | st.just({"percentiles": {"50": "100ms", "90": "1s", "99.9": "3s"}})
)

retry_afters = (
    st.sampled_from(["0s", "2s", "1500ms"])
    | st.sampled_from(["0s", "3s"]).map(lambda wait: {"date": wait})
    | st.sampled_from(["0", "-5", "soon", "Wed, 21 Oct 2015 07:28:00 GMT"]).map(lambda text: {"text": text})
)

# What may stand behind each fault's name; None is the name alone.
FAULT_ARGUMENTS: Mapping[str, st.SearchStrategy[Any]] = {
    "http-error": st.sampled_from([None, 502, {"status": 404, "body": "no"}]),
    "wrong-shape": st.sampled_from(
        [None, {"as": "null"}, {"as": "missing"}, {"as": "extra"}, {"at": "/code", "value": 7}]
    ),
    "rewritten": st.none(),
    "malformed-json": st.sampled_from([None, {"how": "cut"}, {"how": "two-documents"}]),
    "html-page": st.sampled_from([None, 502]),
    "empty-body": st.sampled_from([None, 200]),
    "truncated-body": st.sampled_from([None, {"how": "cut-chunk"}, {"after-bytes": 3}]),
    "reset": st.sampled_from([None, "before", "inside"]),
    "close": st.sampled_from([None, "after", {"when": "announced"}]),
    "drip": st.sampled_from([None, "10ms", {"every": "10ms", "bytes": 4}]),
    "hang": st.sampled_from([None, "1s"]),
    "garbage": st.sampled_from([None, {"bytes": 9}]),
    "redirect": st.sampled_from([None, {"to": "same"}, {"to": "http://127.0.0.1:9", "status": 302}]),
    "unknown-status": st.sampled_from([None, "queued_v2", {"status": None, "instead-of": "failed"}]),
    "stale-read": st.sampled_from([None, "nothing", "first"]),
}
CALLBACK_FAULT_ARGUMENTS: Mapping[str, Sources] = {
    "lost": st.just({}),
    "duplicate": st.fixed_dictionaries({"times": counts}, optional={"after": durations}),
    "reorder": st.fixed_dictionaries({}, optional={"within": lasting}),
    "late": st.fixed_dictionaries({"by": ranges}),
    "early": st.just({}),
    "stale": st.fixed_dictionaries({}, optional={"after": durations}),
    "forged": st.fixed_dictionaries({}, optional={"how": st.sampled_from(["unknown-task", "attacker-url"])}),
    "bad-signature": st.just({}),
    "missing-signature": st.just({}),
    "two-signatures": st.just({}),
    "stale-timestamp": st.fixed_dictionaries({}, optional={"by": lasting}),
    "unknown-fields": st.just({}),
    "rewritten": st.just({}),
    "truncated": st.fixed_dictionaries({}, optional={"after-bytes": st.integers(0, 9)}),
    "wrong-content-type": st.fixed_dictionaries({}, optional={"content-type": st.just("text/plain")}),
    "slow-send": st.just({"every": "1ms", "bytes": 512}),
}
# These are about one callback, not about each.
_SINGLE = ("stale", "forged")


@st.composite
def scenarios(draw: st.DrawFn, spec: Spec, *, sections_max: int = 3) -> Source:
    """Draw a scenario that says at most so many things of a spec."""
    sections: Mapping[str, st.SearchStrategy[Any]] = {
        **{role: scripts(spec, role) for role in ROLES},
        "latency": latencies | st.dictionaries(st.sampled_from(ROLES), latencies, min_size=1),
        "lifecycle": lifecycles(spec),
        "callbacks": callback_stories(spec),
        "capacity": capacities(spec),
        "outages": st.lists(outages(spec), min_size=1, max_size=3),
        "dialect": st.sampled_from(list(spec.dialects)),
    }
    chosen = draw(st.lists(st.sampled_from(list(sections)), unique=True, max_size=sections_max))
    source: Source = {"name": "drawn", "about": "Drawn by a test.", **{key: draw(sections[key]) for key in chosen}}
    if "lifecycle" not in source and draw(st.booleans()):
        source["extends"] = draw(_bases(spec))
    if "quota" in source.get("capacity", {}) and draw(st.booleans()):
        source["parameters"] = {"tasks": {"default": source["capacity"]["quota"]}}
        source["capacity"] = {**source["capacity"], "quota": "$tasks"}
    return source


def _bases(spec: Spec) -> st.SearchStrategy[str]:
    shipped = ["instant", "never-finishes", "always-failed"]
    problems = st.tuples(st.sampled_from(list(spec.problems)), st.sampled_from(ROLES))
    return st.sampled_from(shipped) | problems.map("; on=".join)


@st.composite
def happenings(draw: st.DrawFn, spec: Spec, roles: Sequence[str]) -> Source:
    """Draw what befalls requests of these roles: a problem, faults or a latency, and perhaps with a chance."""
    happening: Source = {}
    kinds = ["problem", "latency", "fault"] if FAULTS else ["problem", "latency"]
    for kind in draw(st.lists(st.sampled_from(kinds), unique=True, min_size=1)):
        happening[kind] = draw(_kind(kind, spec))
    if "submit" in roles and draw(st.booleans()):
        happening["then"] = draw(st.sampled_from(["store", "refuse"]))
    if "fault" in happening:
        succeeds = "problem" not in happening and happening.get("then") != "refuse"
        fitting = [name for name in FAULTS if _fits(name, roles, succeeds=succeeds)]
        drawn = draw(st.lists(_faults(fitting), min_size=1, max_size=2))
        happening["fault"] = drawn[0] if len(drawn) == 1 else drawn
    if _refuses(happening) and draw(st.booleans()):
        happening["retry-after"] = draw(retry_afters)
    if draw(st.booleans()):
        happening["chance"] = draw(chances)
    return happening


def _refuses(happening: Source) -> bool:
    """Tell whether it can say when to come back."""
    fault = happening.get("fault", [])
    faults = fault if isinstance(fault, list) else [fault]
    names = [next(iter(each)) if isinstance(each, dict) else each for each in faults]
    return "problem" in happening or "http-error" in names


def _kind(kind: str, spec: Spec) -> st.SearchStrategy[Any]:
    if kind == "problem":
        return st.sampled_from(list(spec.problems))
    return latencies if kind == "latency" else st.none()


def _fits(name: str, roles: Sequence[str], *, succeeds: bool) -> bool:
    fault = FAULTS[name](None)
    return (succeeds or not fault.needs_success) and (fault.reads == "now" or set(roles) == {"query"})


@st.composite
def _faults(draw: st.DrawFn, names: Sequence[str]) -> Any:
    name = draw(st.sampled_from(names))
    arguments = draw(FAULT_ARGUMENTS[name])
    return name if arguments is None else {name: arguments}


@st.composite
def scripts(draw: st.DrawFn, spec: Spec, role: str) -> list[Any]:
    """Draw what the attempts of one operation meet."""
    items: list[Any] = []
    following = 1
    for item in draw(st.lists(st.just("normal") | happenings(spec, (role,)), min_size=1, max_size=4)):
        if isinstance(item, dict):
            if draw(st.booleans()):
                item["at"] = following = following + draw(st.integers(0, 2))
            match draw(st.sampled_from([None, 2, "always"])):
                case None:
                    following += 1
                case int(times):
                    item["times"] = times
                    following += times
                case always:
                    return [*items, {**item, "times": always}]
        else:
            following += 1
        items.append(item)
    return items


@st.composite
def outages(draw: st.DrawFn, spec: Spec) -> Source:
    """Draw an outage, a brown-out or an error rate."""
    roles = draw(st.none() | st.lists(st.sampled_from(ROLES), unique=True, min_size=1))
    outage = draw(happenings(spec, roles or ROLES))
    if roles is not None:
        outage["on"] = roles
    if draw(st.booleans()):
        outage["from"] = draw(durations)
    if draw(st.booleans()):
        outage["for"] = draw(st.sampled_from(["1s", "2s", "5s"]))
        if draw(st.booleans()):
            outage["every"] = draw(st.sampled_from(["6s", "30s"]))
    return outage


def lifecycles(spec: Spec) -> Sources:
    """Draw what becomes of tasks, and how fast."""
    lifecycle = [each.lifecycle for each in spec.task_types.values()]
    live = sorted({name for each in lifecycle for name, status in each.statuses.items() if not status.final})
    usual = sorted({status for each in lifecycle for status in each.success[:-1]})
    failures = sorted({name for each in spec.task_types.values() for name in each.failures})
    single = ["success", "never", *(["failure", *failures] if all(map(_can_fail, lifecycle)) else [])]
    pace = ranges | st.dictionaries(st.sampled_from(live), ranges, min_size=1)
    outcome = (
        st.sampled_from(single)
        | st.sampled_from(usual).map(lambda status: {"stays": status})
        | st.dictionaries(st.sampled_from(single), st.sampled_from([1, 0.25, 7]), min_size=2).map(
            lambda shares: {"shares": shares}
        )
    )
    usual_way = st.fixed_dictionaries({}, optional={"pace": pace, "outcome": outcome})
    said = st.just({"outcome": {"message": "For a reason of its own."}})
    own_way = st.fixed_dictionaries({"way": _ways(lifecycle)}, optional={"pace": pace})
    return usual_way | (st.tuples(own_way, said | st.just({})).map(lambda parts: {**parts[0], **parts[1]}))


def _can_fail(lifecycle: Lifecycle) -> bool:
    before = [lifecycle.statuses[name] for name in lifecycle.success[:-1]]
    return any(lifecycle.statuses[each].final == "failure" for status in before for each in status.next)


@st.composite
def _ways(draw: st.DrawFn, lifecycles: Sequence[Lifecycle]) -> list[str]:
    """Draw moves that the first table has, of which each other table has all or lacks a status."""
    table = lifecycles[0].statuses
    way = [lifecycles[0].initial]
    for _ in range(draw(st.integers(1, 4))):
        moves = [each for each in table[way[-1]].next if _allowed(lifecycles, [*way, each])]
        if not moves:
            break
        way.append(draw(st.sampled_from(moves)))
    return way


def _allowed(lifecycles: Sequence[Lifecycle], way: Sequence[str]) -> bool:
    fitting = [each for each in lifecycles if set(way) <= set(each.statuses)]
    return all(each.initial == way[0] and all(b in each.statuses[a].next for a, b in pairwise(way)) for each in fitting)


def callback_stories(spec: Spec) -> Sources:
    """Draw which callbacks are sent, and how they misbehave."""
    known = sorted({status for each in spec.task_types.values() for status in each.lifecycle.statuses})
    statuses = st.lists(st.sampled_from(known), unique=True, min_size=1)
    return st.fixed_dictionaries(
        {},
        optional={
            "send": statuses,
            "retries": st.lists(durations, max_size=3),
            "timeout": lasting,
            "sign": st.booleans(),
            "faults": st.lists(_callback_faults(known), min_size=1, max_size=2),
        },
    )


@st.composite
def _callback_faults(draw: st.DrawFn, known: Sequence[str]) -> Any:
    name = draw(st.sampled_from(CALLBACK_FAULTS))
    arguments = dict(draw(CALLBACK_FAULT_ARGUMENTS[name]))
    if name == "stale" and draw(st.booleans()):
        arguments["status"] = draw(st.sampled_from(known))
    if name not in _SINGLE:
        if draw(st.booleans()):
            arguments["chance"] = draw(chances)
        if draw(st.booleans()):
            arguments["on"] = [draw(st.sampled_from(known))]
    return {name: arguments} if arguments else name


def capacities(spec: Spec) -> Sources:
    """Draw limits, those that the spec has a problem for."""
    types = spec.task_types.values()
    rate = st.fixed_dictionaries(
        {"requests": counts, "per": lasting},
        optional={
            "on": st.lists(st.sampled_from(ROLES), unique=True, min_size=1),
            "retry-after": st.sampled_from(["seconds", "date", "none"]),
        },
    )
    limits: dict[Any, st.SearchStrategy[Any]] = {"queue": st.fixed_dictionaries({"parallel": counts})}
    if any(each.concurrency for each in types):
        limits["concurrency"] = counts
    if any(each.rate_problem for each in types):
        limits["rate"] = st.sampled_from(["1/s", "3/5s"]) | rate
    if any(each.quota_problem for each in types):
        limits["quota"] = counts
    return st.fixed_dictionaries({}, optional=limits)
