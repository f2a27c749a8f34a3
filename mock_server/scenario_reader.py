"""Reads what a scenario's file says, with its parameters filled in, into a `Scenario` for a spec."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.durations import parse_range_ms
from mock_server.lifecycle import Way
from mock_server.resources import resource
from mock_server.scenarios import Scenario, Script, ScriptStep
from mock_server.spec import Spec, TaskType

Pointer = tuple[str | int, ...]

ROLES = ("submit", "query", "list", "cancel")
# Described in the schema, so that the format has a place for them; nothing acts on them yet.
_NOT_SERVED = ("callbacks", "capacity", "extends")
_SHOWN_CHARACTERS_MAX = 100


class ScenarioError(ValueError):
    """A scenario that cannot be used: where in it, and why."""

    def __init__(self, pointer: Sequence[str | int], reason: str) -> None:
        place = "/".join(map(str, pointer))
        super().__init__(f"{place}: {reason}" if place else reason)
        self.pointer, self.reason = tuple(pointer), reason


def compile_scenario(source: Any, spec: Spec, name: str) -> Scenario:
    """Return the scenario that a source (what stands in a file, parameters filled in) describes.

    Raise ScenarioError where it does not fit the format, or names what the spec does not have.
    """
    check_form(source)
    for key in _NOT_SERVED:
        if key in source:
            raise ScenarioError((key,), "is described but not served by this version: take it out")
    lifecycle = source.get("lifecycle", {})
    return Scenario(
        name=name,
        about=source["about"],
        ways=_ways(lifecycle, spec),
        scripts={role: _script(role, source[role], spec) for role in ROLES if source.get(role)},
        dialect=_dialect(source.get("dialect"), spec),
    )


def check_form(source: Any) -> None:
    """Raise ScenarioError where a source does not fit fixtures/schemas/scenario.schema.json."""
    validator = _validator()
    if validator.is_valid(source):
        return
    # The deepest complaint is the one that names the slip.
    errors = sorted(_complaints(validator.iter_errors(source)), key=lambda each: -len(each[0]))
    raise ScenarioError(*errors[0])


@cache
def _validator() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(_schema())


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = msgspec.json.decode(resource("fixtures/schemas/scenario.schema.json").read_bytes())
    return {key: value for key, value in schema.items() if key != "$id"}


def _complaints(errors: Iterable[Any]) -> Iterable[tuple[Pointer, str]]:
    """What is wrong, in words: of alternatives, that which came nearest."""
    for error in errors:
        place = tuple(error.instance_path)
        if unexpected := getattr(error.kind, "unexpected", None):
            yield (*place, unexpected[0]), unknown("key", unexpected[0], _keys_beside(error.schema_path))
        elif context := getattr(error.kind, "context", None):
            inner = [each for branch in context for each in _complaints(branch)]
            deeper = [each for each in inner if len(each[0]) > len(place)]
            yield from deeper or [(place, _expected(error))]
        else:
            yield place, str(error.message)


def _keys_beside(schema_path: Sequence[str | int]) -> list[str]:
    return sorted(_schema_at(schema_path[:-1]).get("properties", ()))


def _expected(error: Any) -> str:
    value = msgspec.json.encode(error.instance).decode()
    return f"{value[:_SHOWN_CHARACTERS_MAX]} came; {_schema_at(error.schema_path[:-1])['title']} is expected"


def _schema_at(path: Sequence[str | int]) -> dict[str, Any]:
    node: Any = _schema()
    for part in path:
        if part == "$ref":
            continue
        node = node[part]
        if isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
            node = _schema()["$defs"][ref.rpartition("/")[2]]
    return dict(node)


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Return what to say of a name that nothing has: the nearest that something has, or all there are."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}" if names else "there is none"
    return f"there is no {kind} {name!r}; {hint}"


# Scripts


def _script(role: str, items: Sequence[Any], spec: Spec) -> Script:
    steps: list[tuple[int, int | None, ScriptStep]] = []
    following: int | None = 1
    for index, item in enumerate(items):
        place = (role, index)
        if following is None:
            raise ScenarioError(place, "comes after a step that lasts always")
        if item == "normal":
            following += 1
            continue
        step = _step(role, item, place, spec)
        first = item.get("at", following)
        if first < following:
            raise ScenarioError((*place, "at"), f"attempt {first} has a step already; the next is {following}")
        times = item.get("times", 1)
        last = None if times == "always" else first + times - 1
        steps.append((first, last, step))
        following = None if last is None else last + 1
    return Script(tuple(steps))


def _step(role: str, item: Mapping[str, Any], place: Pointer, spec: Spec) -> ScriptStep:
    if "fault" in item:
        raise ScenarioError((*place, "fault"), "is described but not served by this version: take it out")
    problem = item.get("problem")
    if problem is None:
        raise ScenarioError(place, "does nothing: write normal, or name a problem")
    if problem not in spec.problems:
        raise ScenarioError((*place, "problem"), unknown("problem", problem, spec.problems))
    stores = item.get("then") == "store"
    if stores and role != "submit":
        raise ScenarioError((*place, "then"), f"a {role} stores nothing; only a submit does")
    return ScriptStep(problem, stores)


# Lifecycles


def _ways(lifecycle: Mapping[str, Any], spec: Spec) -> dict[str, Way]:
    paces = _paces(lifecycle.get("pace", {}), spec)
    outcome = lifecycle.get("outcome", "success")
    make = _outcome(outcome, spec)
    return {name: make(each, paces[name]) for name, each in spec.task_types.items()}


Paces = Mapping[str, tuple[int, int]]
MakeWay = Callable[[TaskType, Paces], Way]


def _paces(pace: Any, spec: Spec) -> dict[str, Paces]:
    """For each type of task, what the scenario says of the pace on its statuses."""
    types = spec.task_types
    if isinstance(pace, str):
        one = _range(pace, ("lifecycle", "pace"))
        return {name: dict.fromkeys(each.lifecycle.statuses, one) for name, each in types.items()}
    known = {status for each in types.values() for status in each.lifecycle.statuses}
    for status in pace:
        if status not in known:
            raise ScenarioError(("lifecycle", "pace", status), unknown("status", status, known))
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


def _outcome(outcome: Any, spec: Spec) -> MakeWay:
    match outcome:
        case "success":
            return lambda each, pace: each.lifecycle.succeeding({**each.pace_ms, **pace})
        case "never":
            return lambda each, pace: each.lifecycle.staying({**each.pace_ms, **pace})
        case {"stays": status}:
            return _staying(status, spec)
        case {"message": message}:
            return _failing("failure", spec, message)
        case _:
            return _failing(outcome, spec)


def _staying(status: str, spec: Spec) -> MakeWay:
    usual = {name for each in spec.task_types.values() for name in each.lifecycle.success[:-1]}
    if status not in usual:
        raise ScenarioError(("lifecycle", "outcome", "stays"), unknown("status to stay on", status, usual))

    def make(task_type: TaskType, pace: Paces) -> Way:
        there = status in task_type.lifecycle.success[:-1]
        return task_type.lifecycle.staying({**task_type.pace_ms, **pace}, status if there else None)

    return make


def _failing(name: str, spec: Spec, said: str | None = None) -> MakeWay:
    known = {each for task_type in spec.task_types.values() for each in task_type.failures}
    if name != "failure" and name not in known:
        raise ScenarioError(("lifecycle", "outcome"), unknown("outcome", name, (*known, "success", "failure", "never")))

    def make(task_type: TaskType, pace: Paces) -> Way:
        failure = task_type.failures.get(name) or next(iter(task_type.failures.values()), None)
        message, usual = said or "", task_type.pace_ms
        if failure is not None and said is None:
            message, usual = failure.message, failure.pace_ms
        try:
            return task_type.lifecycle.failing(message, {**usual, **pace})
        except ValueError as error:
            raise ScenarioError(("lifecycle", "outcome"), f"tasks of the type {task_type.name}: {error}") from None

    return make


def _dialect(name: str | None, spec: Spec) -> str | None:
    if name is not None and name not in spec.dialects:
        raise ScenarioError(("dialect",), unknown("dialect", name, spec.dialects))
    return name
