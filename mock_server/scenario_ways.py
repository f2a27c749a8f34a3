"""Reads the lifecycle of a scenario: for each type of task the way that its tasks take, and how fast."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mock_server.durations import parse_range_ms
from mock_server.lifecycle import Way
from mock_server.scenario_form import Pointer, ScenarioError, unknown
from mock_server.spec import Spec, TaskType

Paces = Mapping[str, tuple[int, int]]
MakeWay = Callable[[TaskType, Paces], Way]


def read_ways(lifecycle: Mapping[str, Any], spec: Spec) -> tuple[tuple[float, Mapping[str, Way]], ...]:
    """Return the ways of each type of task, each with the chance below which it is taken; the last is for the rest.

    Raise ScenarioError for an unknown status or outcome, and for a move that the lifecycle does not have.
    """
    paces = _paces(lifecycle.get("pace", {}), spec)
    found: list[tuple[float, Mapping[str, Way]]] = []
    upto = 0.0
    for share, make in _outcomes(lifecycle, spec):
        upto += share
        found.append((upto, {name: make(each, paces[name]) for name, each in spec.task_types.items()}))
    return tuple(found)


def _outcomes(lifecycle: Mapping[str, Any], spec: Spec) -> list[tuple[float, MakeWay]]:
    outcome = lifecycle.get("outcome", "success")
    if "way" in lifecycle:
        return [(1.0, _explicit(lifecycle["way"], outcome, spec))]
    if isinstance(outcome, dict) and "shares" in outcome:
        shares: Mapping[str, float] = outcome["shares"]
        whole = sum(shares.values())
        place = ("lifecycle", "outcome", "shares")
        return [(share / whole, _outcome(name, spec, (*place, name))) for name, share in shares.items()]
    return [(1.0, _outcome(outcome, spec, ("lifecycle", "outcome")))]


def _paces(pace: Any, spec: Spec) -> dict[str, Paces]:
    """For each type of task, what the scenario says of the pace on its statuses."""
    types = spec.task_types
    if isinstance(pace, str):
        one = _range(pace, ("lifecycle", "pace"))
        return {name: dict.fromkeys(each.lifecycle.statuses, one) for name, each in types.items()}
    known = _statuses(spec)
    for status in pace:
        if status not in known:
            raise ScenarioError(("lifecycle", "pace", status), unknown("status", status, known))
        if all(status not in each.pace_ms for each in types.values()):
            raise ScenarioError(("lifecycle", "pace", status), "is final: a task stays there, at no pace")
    said = {status: _range(text, ("lifecycle", "pace", status)) for status, text in pace.items()}
    return {
        name: {key: value for key, value in said.items() if key in each.lifecycle.statuses}
        for name, each in types.items()
    }


def _range(text: str, place: Pointer) -> tuple[int, int]:
    try:
        return parse_range_ms(text)
    except ValueError as error:
        raise ScenarioError(place, str(error)) from None


def _statuses(spec: Spec) -> set[str]:
    return {status for each in spec.task_types.values() for status in each.lifecycle.statuses}


def _outcome(outcome: Any, spec: Spec, place: Pointer) -> MakeWay:
    match outcome:
        case "success":
            return lambda each, pace: each.lifecycle.succeeding({**each.pace_ms, **pace})
        case "never":
            return lambda each, pace: each.lifecycle.staying({**each.pace_ms, **pace})
        case {"stays": status}:
            return _staying(status, spec, (*place, "stays"))
        case {"message": message}:
            return _failing("failure", spec, place, message)
        case _:
            return _failing(outcome, spec, place)


def _staying(status: str, spec: Spec, place: Pointer) -> MakeWay:
    usual = {name for each in spec.task_types.values() for name in each.lifecycle.success[:-1]}
    if status not in usual:
        raise ScenarioError(place, unknown("status to stay on", status, usual))

    def make(task_type: TaskType, pace: Paces) -> Way:
        there = status in task_type.lifecycle.success[:-1]
        return task_type.lifecycle.staying({**task_type.pace_ms, **pace}, status if there else None)

    return make


def _failing(name: str, spec: Spec, place: Pointer, said: str | None = None) -> MakeWay:
    known = {each for task_type in spec.task_types.values() for each in task_type.failures}
    if name != "failure" and name not in known:
        raise ScenarioError(place, unknown("outcome", name, (*known, "success", "failure", "never")))

    def make(task_type: TaskType, pace: Paces) -> Way:
        failure = task_type.failures.get(name) or next(iter(task_type.failures.values()), None)
        message, usual = said or "", task_type.pace_ms
        if failure is not None and said is None:
            message, usual = failure.message, failure.pace_ms
        try:
            return task_type.lifecycle.failing(message, {**usual, **pace})
        except ValueError as error:
            raise ScenarioError(place, f"tasks of the type {task_type.name}: {error}") from None

    return make


def _explicit(way: Sequence[str], outcome: Any, spec: Spec) -> MakeWay:
    """A way that is written out. Types of task that do not have all its statuses take the usual one."""
    place = ("lifecycle", "way")
    known = _statuses(spec)
    for index, status in enumerate(way):
        if status not in known:
            raise ScenarioError((*place, index), unknown("status", status, known))
    fitting = [each for each in spec.task_types.values() if set(way) <= set(each.lifecycle.statuses)]
    if not fitting:
        raise ScenarioError(place, f"no type of task has all of {', '.join(way)}")
    if outcome != "success" and not (isinstance(outcome, dict) and "message" in outcome):
        raise ScenarioError(("lifecycle", "outcome"), "is said by the way already; beside it stands {message: TEXT}")
    message = outcome["message"] if isinstance(outcome, dict) else ""
    for task_type in fitting:
        try:
            task_type.lifecycle.along(way, message, task_type.pace_ms)
        except ValueError as error:
            raise ScenarioError(place, str(error)) from None

    def make(task_type: TaskType, pace: Paces) -> Way:
        paced = {**task_type.pace_ms, **pace}
        if task_type not in fitting:
            return task_type.lifecycle.succeeding(paced)
        return task_type.lifecycle.along(way, message, paced)

    return make
