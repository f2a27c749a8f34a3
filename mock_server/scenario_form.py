"""The form of a scenario's file: checked against its JSON Schema, with complaints that people can use."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.durations import without_unit
from mock_server.names import nearest
from mock_server.resources import resource

Pointer = tuple[str | int, ...]

_SHOWN_CHARACTERS_MAX = 100


class ScenarioError(ValueError):
    """A scenario that cannot be used: where in it, and why."""

    def __init__(self, pointer: Sequence[str | int], reason: str) -> None:
        place = "/".join(map(str, pointer))
        super().__init__(f"{place}: {reason}" if place else reason)
        self.pointer, self.reason = tuple(pointer), reason


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
        elif error.instance is None and not place:
            yield place, "is empty; a scenario has a `name` and an `about`"
        elif isinstance(options := getattr(error.kind, "options", None), list):
            yield place, unknown("value", str(error.instance), map(str, options))
        else:
            yield place, str(error.message)


def _keys_beside(schema_path: Sequence[str | int]) -> list[str]:
    return sorted(_schema_at(schema_path[:-1]).get("properties", ()))


def _expected(error: Any) -> str:
    title = _schema_at(error.schema_path[:-1])["title"]
    if title.startswith("a duration") and (hint := without_unit(error.instance)):
        return hint
    value = msgspec.json.encode(error.instance).decode()
    return f"{value[:_SHOWN_CHARACTERS_MAX]} came; {title} is expected"


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
    """Return what to say of a name that nothing has: the nearest that something has, or which there are."""
    return f"there is no {kind} {name!r}; {nearest(name, sorted(known))}"
