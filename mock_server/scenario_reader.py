"""Reads what a scenario's file says, with its parameters filled in, into a `Scenario` for a spec."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from mock_server import retry_after
from mock_server.callback_faults import CALLBACK_FAULTS, CallbackFault
from mock_server.durations import parse_duration_ms, parse_range_ms
from mock_server.faults import FAULTS, Fault
from mock_server.faults import latency as latencies
from mock_server.faults.latency import Latency
from mock_server.problems import Problem
from mock_server.roles import ROLES
from mock_server.scenario_form import Pointer, ScenarioError, check_form, unknown
from mock_server.scenario_ways import read_ways
from mock_server.scenarios import CallbackStory, Happening, Limits, Outage, Rate, Scenario, Script
from mock_server.spec import Spec

T = TypeVar("T")

# More copies of one callback than any receiver needs to show what it makes of them; faults multiply each other.
COPIES_MAX = 1_000


def compile_scenario(source: Any, spec: Spec, name: str) -> Scenario:
    """Return the scenario that a source (what stands in a file, parameters filled in) describes.

    Raise ScenarioError where it does not fit the format, or names what the spec does not have.
    """
    check_form(source)
    return Scenario(
        name=name,
        about=source["about"],
        seen=source.get("seen", ""),
        ways=read_ways(source.get("lifecycle", {}), spec),
        scripts={role: _script(role, source[role], spec) for role in ROLES if source.get(role)},
        latencies=_latencies(source.get("latency")),
        outages=tuple(_outage(each, ("outages", index), spec) for index, each in enumerate(source.get("outages", ()))),
        limits=_limits(source["capacity"], spec) if source.get("capacity") else None,
        callbacks=_callbacks(source.get("callbacks", {}), spec),
        dialect=_dialect(source.get("dialect"), spec),
        expires_ms=_expiry(source.get("lifecycle", {})),
    )


# What befalls requests


def _script(role: str, items: Sequence[Any], spec: Spec) -> Script:
    steps: list[tuple[int, int | None, Happening]] = []
    following: int | None = 1
    for index, item in enumerate(items):
        place = (role, index)
        if following is None:
            raise ScenarioError(place, "comes after a step that lasts always")
        if item == "normal":
            following += 1
            continue
        happening = _happening(item, place, (role,), spec)
        first = item.get("at", following)
        if first < following:
            raise ScenarioError((*place, "at"), f"attempt {first} has a step already; the next is {following}")
        times = item.get("times", 1)
        last = None if times == "always" else first + times - 1
        steps.append((first, last, happening))
        following = None if last is None else last + 1
    return Script(tuple(steps))


def _happening(item: Mapping[str, Any], place: Pointer, roles: Iterable[str], spec: Spec) -> Happening:
    problem = item.get("problem")
    if problem is not None and problem not in spec.problems:
        raise ScenarioError((*place, "problem"), unknown("problem", problem, spec.problems))
    for key in ("message", "status"):
        if key in item and problem is None:
            raise ScenarioError((*place, key), "is that of a refusal: name a problem beside it")
    if "message" in item and not _takes_message(spec.problems[item["problem"]]):
        raise ScenarioError((*place, "message"), f"the problem {problem} always says the same; leave the message out")
    faults = _faults(item.get("fault", []), (*place, "fault"), _statuses(spec))
    if problem is None and not faults and "latency" not in item:
        raise ScenarioError(place, "does nothing: name a problem, a fault or a latency")
    if "retry-after" in item and problem is None and all(each.name != "http-error" for each in faults):
        raise ScenarioError(
            (*place, "retry-after"), "is that of a refusal: name a problem or the fault http-error beside it"
        )
    then = item.get("then")
    if then is not None and "submit" not in roles:
        raise ScenarioError((*place, "then"), f"is about submits; this is about {', '.join(sorted(roles))}")
    stores = then == "store" if then is not None else problem is None
    if (problem is not None or not stores) and (unfit := next((each for each in faults if each.needs_success), None)):
        raise ScenarioError((*place, "fault"), f"{unfit.name} spoils the reply of a success, and here is none")
    if set(roles) - {"query"} and (unfit := next((each for each in faults if each.reads != "now"), None)):
        raise ScenarioError(
            (*place, "fault"), f"{unfit.name} is about queries; this is about {', '.join(sorted(roles))}"
        )
    return Happening(
        problem=problem,
        message=item.get("message", ""),
        status=item.get("status"),
        retry_after=_made(retry_after.make, item["retry-after"], (*place, "retry-after"))
        if "retry-after" in item
        else None,
        faults=faults,
        latency=_latency(item["latency"], (*place, "latency")) if "latency" in item else None,
        stores=stores,
        chance=item.get("chance", 1.0),
    )


def _takes_message(problem: Problem) -> bool:
    return b"$problem.detail" in msgspec.json.encode(problem.body)


def _faults(source: Any, place: Pointer, known: Iterable[str]) -> tuple[Fault, ...]:
    if not isinstance(source, list):
        return (_fault(source, place, known),)
    return tuple(_fault(each, (*place, index), known) for index, each in enumerate(source))


def _fault(source: Any, place: Pointer, known: Iterable[str]) -> Fault:
    name, arguments = _named(source)
    if name not in FAULTS:
        raise ScenarioError(place, unknown("fault", name, FAULTS))
    if isinstance(arguments, dict) and "instead-of" in arguments:
        _check_statuses([arguments["instead-of"]], (*place, name, "instead-of"), known)
    return _made(FAULTS[name], arguments, place)


def _named(source: Any) -> tuple[str, Any]:
    """A name alone, or {NAME: ARGUMENTS}."""
    if isinstance(source, str):
        return source, None
    ((name, arguments),) = source.items()
    return name, arguments


def _made(make: Callable[[Any], T], source: Any, place: Pointer) -> T:
    try:
        return make(source)
    except ValueError as error:
        raise ScenarioError(place, str(error)) from None


def _latencies(source: Any) -> dict[str, Latency]:
    if source is None:
        return {}
    if isinstance(source, dict) and set(source) <= set(ROLES):
        return {role: _latency(each, ("latency", role)) for role, each in source.items()}
    return dict.fromkeys(ROLES, _latency(source, ("latency",)))


def _latency(source: Any, place: Pointer) -> Latency:
    return _made(latencies.make, source, place)


def _outage(item: Mapping[str, Any], place: Pointer, spec: Spec) -> Outage:
    roles = frozenset(item.get("on", ROLES))
    lengths = {key: _duration(item[key], (*place, key)) for key in ("from", "for", "every") if key in item}
    if lengths.get("for") == 0:
        raise ScenarioError((*place, "for"), "lasts no time at all; leave it out for an outage without an end")
    if "every" in lengths and not 0 < lengths.get("for", 0) < lengths["every"]:
        raise ScenarioError((*place, "every"), "comes again before it has ended: say `for`, and less than `every`")
    return Outage(
        happening=_happening(item, place, roles, spec),
        roles=roles,
        from_ms=lengths.get("from", 0),
        for_ms=lengths.get("for"),
        every_ms=lengths.get("every"),
    )


def _expiry(lifecycle: Mapping[str, Any]) -> int | None:
    return _duration(lifecycle["expires"], ("lifecycle", "expires")) if "expires" in lifecycle else None


def _duration(text: str, place: Pointer) -> int:
    return _made(parse_duration_ms, text, place)


# Limits


def _limits(source: Mapping[str, Any], spec: Spec) -> Limits:
    types = spec.task_types.values()
    for key, there in (
        ("concurrency", any(each.concurrency for each in types)),
        ("rate", any(each.rate_problem for each in types)),
        ("quota", any(each.quota_problem for each in types)),
    ):
        if key in source and not there:
            raise ScenarioError(("capacity", key), f"the spec does not say with which problem: no type has `{key}`")
    return Limits(
        concurrency=source.get("concurrency"),
        rate=_rate(source["rate"]) if "rate" in source else None,
        quota=source.get("quota"),
        parallel=source.get("queue", {}).get("parallel"),
    )


def _rate(source: Any) -> Rate:
    place = ("capacity", "rate")
    if isinstance(source, str):
        requests, _, per = source.partition("/")
        # 10/s is ten in one second.
        source = {"requests": int(requests), "per": per if per[0].isdigit() else f"1{per}"}
    per_ms = _duration(source["per"], (*place, "per"))
    if not per_ms or not source["requests"]:
        raise ScenarioError(place, "a rate is at least one request in a window of at least 1ms")
    roles = frozenset(source.get("on", ("submit",)))
    return Rate(source["requests"], per_ms, roles, source.get("retry-after", "seconds"))


# Callbacks


def _callbacks(source: Mapping[str, Any], spec: Spec) -> CallbackStory:
    place = ("callbacks",)
    known = _statuses(spec)
    _check_statuses(source.get("send", ()), (*place, "send"), known)
    faults = [
        _callback_fault(each, (*place, "faults", index), known) for index, each in enumerate(source.get("faults", ()))
    ]
    copies = math.prod(1 + each.arguments.get("times", 1) for each in faults if each.name == "duplicate")
    if copies > COPIES_MAX:
        raise ScenarioError((*place, "faults"), f"sends each callback {copies} times; at most {COPIES_MAX} are sent")
    timeout_ms = _duration(source["timeout"], (*place, "timeout")) if "timeout" in source else None
    if timeout_ms == 0:
        raise ScenarioError(
            (*place, "timeout"), "leaves no time at all; a receiver on the same machine needs some 10ms"
        )
    return CallbackStory(
        statuses=tuple(source["send"]) if "send" in source else None,
        retries_ms=tuple(_duration(text, (*place, "retries", index)) for index, text in enumerate(source["retries"]))
        if "retries" in source
        else None,
        timeout_ms=timeout_ms,
        signed=source.get("sign"),
        faults=tuple(faults),
    )


# What a fault's one value, without a name, is called.
_SHORT = {"duplicate": "times", "late": "by"}
_DURATIONS = {"after", "within", "every"}


def _callback_fault(source: Any, place: Pointer, known: Iterable[str]) -> CallbackFault:
    name, said = _named(source)
    if name not in CALLBACK_FAULTS:
        raise ScenarioError(place, unknown("callback fault", name, CALLBACK_FAULTS))
    arguments = dict(said) if isinstance(said, dict) else {} if said is None else {_SHORT[name]: said}
    statuses = arguments.pop("on", None)
    _check_statuses(statuses or (), (*place, name, "on"), known)
    if "status" in arguments:
        _check_statuses([arguments["status"]], (*place, name), known)
    chance = arguments.pop("chance", 1.0)
    for key in arguments.keys() & _DURATIONS:
        arguments[key] = _duration(arguments[key], (*place, name, key))
    if "by" in arguments:
        parse: Callable[[str], Any] = parse_range_ms if name == "late" else parse_duration_ms
        arguments["by"] = _made(parse, arguments["by"], (*place, name, "by"))
    return CallbackFault(name, frozenset(statuses) if statuses is not None else None, chance, arguments)


def _statuses(spec: Spec) -> set[str]:
    return {status for each in spec.task_types.values() for status in each.lifecycle.statuses}


def _check_statuses(statuses: Iterable[str], place: Pointer, known: Iterable[str]) -> None:
    for status in statuses:
        if status not in known:
            raise ScenarioError(place, unknown("status", status, known))


def _dialect(name: str | None, spec: Spec) -> str | None:
    if name is not None and name not in spec.dialects:
        raise ScenarioError(("dialect",), unknown("dialect", name, spec.dialects))
    return name
