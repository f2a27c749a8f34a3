"""Each reference inside a text, such as `<<<image_2>>>`, names an item of a list of the same body, counted from 1."""

import re
from collections.abc import Callable, Container, Mapping
from typing import Any

from mock_server.pointers import MISSING, find, join, lookup, parse


def make(arguments: Mapping[str, Any]) -> Callable[[Any, str | None, Container[str]], list[tuple[str, Any]]]:
    """Make the check: `texts` are patterns of pointers, `pattern` gives kind and number, `lists` maps kind to list."""
    texts = [parse(text) for text in arguments["texts"]]
    pattern = re.compile(arguments["pattern"])
    has_reference = pattern.search
    lists = {kind: parse(pointer) for kind, pointer in arguments["lists"].items()}

    def check(body: Any, external_id: str | None, used: Container[str]) -> list[tuple[str, Any]]:
        broken: list[tuple[str, Any]] = []
        for parts in texts:
            if parts[0] in body:
                # Nearly every text is one at the top of the body, without a reference: that is told at once.
                found = [(parts, body[parts[0]])] if len(parts) == 1 else find(body, parts)
                for path, text in found:
                    if text.__class__ is str and has_reference(text) is not None:
                        broken += [(join(path), each) for each in _dangling(text, body)]
        return broken

    def _dangling(text: str, body: Any) -> list[str]:
        dangling = []
        for match in pattern.finditer(text):
            items = lookup(body, lists[match[1]])
            count = len(items) if items is not MISSING and isinstance(items, list) else 0
            if not 1 <= int(match[2]) <= count:
                dangling.append(match[0])
        return dangling

    return check
