"""Some lists of the body have together at most so many items; fewer, where a further list is not empty."""

from collections.abc import Callable, Container, Mapping
from typing import Any

from mock_server.pointers import parse, reader


def make(arguments: Mapping[str, Any]) -> Callable[[Any, str | None, Container[str]], list[tuple[str, Any]]]:
    """Make the check: `lists` and `beside` are pointers; `at-most` holds alone, `at-most-beside` beside that list."""
    pointers = arguments["lists"]
    lists = [reader(parse(pointer)) for pointer in pointers]
    beside = reader(parse(arguments["beside"]))
    alone_max, beside_max = int(arguments["at-most"]), int(arguments["at-most-beside"])
    surely_kept = min(alone_max, beside_max)
    # At the top of the body, where they nearly always are, a look is quicker than a reader.
    names = [parts[0] for parts in map(parse, pointers) if len(parts) == 1]
    at_the_top = len(names) == len(lists)

    def check(body: Any, external_id: str | None, used: Container[str]) -> list[tuple[str, Any]]:
        if at_the_top:
            count = 0
            for name in names:
                if name in body and (value := body[name]).__class__ is list:
                    count += len(value)
            if count <= surely_kept:
                return []
        counts = [len(value) if (value := read(body)).__class__ is list else 0 for read in lists]
        beside_it = beside(body)
        most = beside_max if beside_it.__class__ is list and beside_it else alone_max
        if sum(counts) <= most:
            return []
        named = " and ".join(f"{count} in {pointer}" for count, pointer in zip(counts, pointers, strict=True))
        return [("", named)]

    return check
