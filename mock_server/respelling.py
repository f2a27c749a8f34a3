"""The same JSON, written as nobody usually does: for clients that read it by its looks, or check its bytes too late."""

import json
from collections.abc import Callable
from typing import Any

# Beyond it not every whole number is one to a parser that takes what has an exponent for a float.
_EXACT_MAX = 2**53


def respelled(body: bytes, scalar: Callable[[Any], str] = json.dumps) -> bytes:
    """Return the same JSON with its members backwards, one a line, and spaces before colons and commas.

    `scalar` writes keys and whatever has no members. Raise ValueError where the body is not JSON.
    """
    return _written(json.loads(body), scalar, "\n").encode()


def strange(value: Any) -> str:
    """Return a text with its letters as escapes, and a whole number of two digits or more with an exponent."""
    if isinstance(value, str):
        return '"' + "".join(map(_escaped, value)) + '"'
    if isinstance(value, int) and not isinstance(value, bool) and 10 <= abs(value) <= _EXACT_MAX:
        return _with_exponent(value)
    return json.dumps(value)


def _written(value: Any, scalar: Callable[[Any], str], margin: str) -> str:
    if not isinstance(value, dict | list) or not value:
        return scalar(value)
    inner = margin + " "
    if isinstance(value, list):
        opening, closing = "[", "]"
        members = [_written(each, scalar, inner) for each in value]
    else:
        opening, closing = "{", "}"
        members = [f"{scalar(key)} : {_written(each, scalar, inner)}" for key, each in reversed(value.items())]
    return f"{opening}{inner}{f' ,{inner}'.join(members)}{margin}{closing}"


def _escaped(character: str) -> str:
    if character.isascii() and character.isalpha():
        return f"\\u{ord(character):04x}"
    return json.dumps(character)[1:-1]


def _with_exponent(number: int) -> str:
    """1000 is 1e3, and 1500 is 1.5e3."""
    first, rest = str(abs(number))[0], str(abs(number))[1:]
    fraction = rest.rstrip("0")
    return f"{'-' if number < 0 else ''}{first}{'.' if fraction else ''}{fraction}e{len(rest)}"
