"""JSON pointers (RFC 6901) into plain values, and patterns of them with `*` for every item of an array."""

import re
from collections.abc import Callable, Iterator
from typing import Any

Path = tuple[str | int, ...]

# An index is written in plain digits, without a leading zero; nobody has an array of a billion items.
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")


class _Missing:
    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


def parse(pointer: str) -> tuple[str, ...]:
    """Return the parts of a pointer; raise ValueError where it is none."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is not a JSON pointer: it starts with /")
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


def join(path: Path) -> str:
    """Return the pointer of a path; the whole value is the empty pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def lookup(value: Any, parts: tuple[str, ...]) -> Any:
    """Return what stands at a parsed pointer, or MISSING."""
    for part in parts:
        if isinstance(value, dict):
            if part not in value:
                return MISSING
            value = value[part]
        elif isinstance(value, list) and _INDEX.fullmatch(part) and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def reader(parts: tuple[str, ...], default: Any = None) -> Callable[[Any], Any]:
    """Return a quick function that looks up the same place in many values; `default` where nothing stands there."""
    if not parts:
        return lambda value: value
    first = parts[0]
    if len(parts) == 1:
        return lambda value: value.get(first, default) if value.__class__ is dict else lookup_or(value, parts, default)
    return lambda value: default if value.__class__ is dict and first not in value else lookup_or(value, parts, default)


def lookup_or(value: Any, parts: tuple[str, ...], default: Any) -> Any:
    """Return what stands at a parsed pointer, or `default`."""
    found = lookup(value, parts)
    return default if found is MISSING else found


def find(value: Any, parts: tuple[str, ...], path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Give the path and the value of everything that a pattern such as `/shots/*/duration` reaches."""
    if not parts:
        yield path, value
    elif isinstance(value, dict) and parts[0] in value:
        yield from find(value[parts[0]], parts[1:], (*path, parts[0]))
    elif isinstance(value, list):
        chosen = range(len(value)) if parts[0] == "*" else [int(parts[0])] if _INDEX.fullmatch(parts[0]) else []
        for index in chosen:
            if index < len(value):
                yield from find(value[index], parts[1:], (*path, index))
