"""The places in a JSON value, and putting something else there."""

from collections.abc import Callable
from typing import Any

from mock_server.pointers import Path

# A member that no spec has.
UNKNOWN = {"unheard_of": {"since": "today", "values": [1, None, "three"]}}


def places_in(value: Any, path: Path = ()) -> list[Path]:
    """Return the path of everything in a value, the whole first."""
    found = [path]
    if isinstance(value, dict | list):
        members = value.items() if isinstance(value, dict) else enumerate(value)
        for key, member in members:
            found += places_in(member, (*path, key))
    return found


def placed(value: Any, path: Path, change: Callable[[Any], Any]) -> Any:
    """Return the value with what `change` makes of what stands at `path`."""
    if not path:
        return change(value)
    copy = value.copy()
    copy[path[0]] = placed(value[path[0]], path[1:], change)
    return copy


def without(value: Any, path: Path) -> Any:
    """Return the value without what stands at `path`, which is not the whole."""
    *above, last = path

    def taken(there: Any) -> Any:
        copy = there.copy()
        del copy[last]
        return copy

    return placed(value, tuple(above), taken)


def with_unknown(value: Any) -> Any:
    """Return the value with a member that nobody knows in each of its objects."""
    if isinstance(value, dict):
        return {key: with_unknown(each) for key, each in value.items()} | UNKNOWN
    return list(map(with_unknown, value)) if isinstance(value, list) else value
