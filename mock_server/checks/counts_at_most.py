"""Some lists of the body have together at most so many items; fewer, where a further list is not empty."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from mock_server.pointers import parse, reader


def make(arguments: Mapping[str, Any]) -> Callable[[Any, str | None, Container[str]], list[tuple[str, Any]]]:
    """Make the check: `lists` and `beside` are pointers; `at-most` holds alone, `at-most-beside` beside that list."""
    lists = [(pointer, reader(parse(pointer))) for pointer in arguments["lists"]]
    beside = reader(parse(arguments["beside"]))
    alone_max, beside_max = int(arguments["at-most"]), int(arguments["at-most-beside"])

    def check(body: Any, external_id: str | None, used: Container[str]) -> list[tuple[str, Any]]:
        counts = [_count(read(body)) for _, read in lists]
        most = beside_max if _count(beside(body)) else alone_max
        if sum(counts) <= most:
            return []
        named = " and ".join(f"{count} in {pointer}" for count, (pointer, _) in zip(counts, lists, strict=True))
        return [("", named)]

    return check


def _count(value: Any) -> int:
    return len(value) if isinstance(value, list) else 0
