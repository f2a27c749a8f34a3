"""A reply whose shape is wrong: a part is missing, null or of another type, or there is one that nobody knows."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered
from mock_server.faults.places import UNKNOWN, placed, places_in, without
from mock_server.pointers import Path, find, parse


def make(arguments: Any) -> Fault:
    """`at` a pointer (`*` is every item), `as` what stands there then; either is drawn where it is not said.

    With `value` this very value stands at `at`.

    A reply that does not have the place, or has there what is said already, goes out as it is.
    """
    given = arguments or {}
    at = parse(given["at"]) if "at" in given else None
    wanted: str | None = given.get("as")
    if "value" in given:
        if at is None or wanted is not None:
            raise ValueError("a value needs `at`, the place where it stands, and goes in place of `as`")
        return Fault("wrong-shape", lambda reply, around: _with_value(reply, at, given["value"]))
    if at == () and wanted == "missing":
        raise ValueError("the whole reply is not missing but empty: that is the fault empty-body")

    def spoil(reply: Reply, around: Around) -> Reply:
        try:
            value = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return reply
        candidates = _drawn_from(value, at, wanted)
        if not candidates:
            return reply
        path, kind = candidates[around.below(len(candidates))]
        # A pattern says all its places, and the same of each. Later items first: one that is taken out moves the rest.
        paths = [path] if at is None else [each for each, one in candidates if one == kind]
        for each in reversed(paths):
            value = _changed(value, each, kind)
        return answered(reply, None, msgspec.json.encode(value))

    return Fault("wrong-shape", spoil)


def _with_value(reply: Reply, at: tuple[str, ...], said: Any) -> Reply:
    try:
        value = msgspec.json.decode(reply.body)
    except msgspec.DecodeError:
        return reply
    for path, _ in find(value, at):
        value = placed(value, path, lambda there: said)
    return answered(reply, None, msgspec.json.encode(value))


def _drawn_from(value: Any, at: tuple[str, ...] | None, wanted: str | None) -> list[tuple[Path, str]]:
    """Each place of the reply that may be meant, with each thing that may be done to it."""
    paths = places_in(value) if at is None else [path for path, _ in find(value, at)]
    kinds = (*_KINDS, "missing", "extra") if wanted is None else (wanted,)
    reached = [(path, _at(value, path)) for path in paths]
    return [(path, kind) for path, there in reached for kind in kinds if _changes(path, there, kind)]


def _at(value: Any, path: Path) -> Any:
    for part in path:
        value = value[part]
    return value


def _changes(path: Path, there: Any, kind: str) -> bool:
    if kind == "missing":
        return bool(path)
    if kind == "extra":
        return isinstance(there, dict)
    return not isinstance(there, _TYPES[kind]) or isinstance(there, bool)


def _changed(value: Any, path: Path, kind: str) -> Any:
    if kind == "missing":
        return without(value, path)
    if kind == "extra":
        return placed(value, path, lambda there: {**there, **UNKNOWN})
    return placed(value, path, _KINDS[kind])


def _text(there: Any) -> str:
    return msgspec.json.encode(there).decode()


def _number(there: Any) -> int:
    """The number that a text says, as where ids are sent as numbers; else its length, or 0 or 1."""
    if isinstance(there, str):
        return int(there) if there.isascii() and there.isdigit() and len(there) <= _DIGITS_MAX else len(there)
    return len(there) if isinstance(there, dict | list) else int(there or 0)


def _object(there: Any) -> dict[str, Any]:
    """An array of one item is often sent as the item."""
    if isinstance(there, list):
        return there[0] if there and isinstance(there[0], dict) else {}
    return {"value": there}


# What fits into 64 bits.
_DIGITS_MAX = 18
_KINDS: Mapping[str, Callable[[Any], Any]] = {
    "null": lambda there: None,
    "text": _text,
    "number": _number,
    "object": _object,
    "array": lambda there: [there],
}
_TYPES: Mapping[str, Any] = {"null": type(None), "text": str, "number": int | float, "object": dict, "array": list}
