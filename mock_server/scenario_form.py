"""The form of a scenario's file: checked against its JSON Schema, with complaints that people can use."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.resources import resource

Pointer = tuple[str | int, ...]

_SHOWN_CHARACTERS_MAX = 100
# As many names as one reads through.
_NAMED_MAX = 20


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
    """Return what to say of a name that nothing has: the nearest that something has, or which there are."""
    # Only a mistake needs it, and a start without one is quicker.
    import difflib

    names = sorted(known)
    near = difflib.get_close_matches(name, names, 1)
    more = f" and {len(names) - _NAMED_MAX} more" if len(names) > _NAMED_MAX else ""
    there = f"there are {', '.join(names[:_NAMED_MAX])}{more}"
    hint = f"did you mean {near[0]}?" if near else there if names else "there is none"
    return f"there is no {kind} {name!r}; {hint}"
