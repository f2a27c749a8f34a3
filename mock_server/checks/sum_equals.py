"""The numbers at one pattern of pointers add up to the number at another place. All are written as text."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from mock_server.pointers import MISSING, find, lookup, parse


def make(arguments: Mapping[str, Any]) -> Callable[[Any, str | None, Container[str]], list[tuple[str, Any]]]:
    """Make the check: `parts` is a pattern of pointers, `total` a pointer. What is not a number is for the schema."""
    parts, total = parse(arguments["parts"]), parse(arguments["total"])
    default = arguments.get("total-default")

    def check(body: Any, external_id: str | None, used: Container[str]) -> list[tuple[str, Any]]:
        if parts[0] not in body:
            return []
        numbers = [value for _, value in find(body, parts)]
        if not numbers:
            return []
        expected = lookup(body, total)
        expected = str(default) if expected is MISSING else expected
        if not all(_is_number(value) for value in (*numbers, expected)):
            return []
        added = sum(map(int, numbers))
        return [] if added == int(expected) else [("", f"{' + '.join(numbers)} = {added}, not {expected}")]

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10
