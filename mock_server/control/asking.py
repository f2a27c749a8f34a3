"""Reads what a control page is asked: its query and its body. An unknown name is refused, with the nearest there is."""

from collections.abc import Collection, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request

from mock_server.durations import parse_duration_ms
from mock_server.names import nearest

_BODY_BYTES_MAX = 65_536
# More than any page has; the rest cannot be right.
_PARAMETERS_MAX = 50
_SHOWN_CHARACTERS_MAX = 100


class BadInput(Exception):
    """What was asked cannot be understood; the message says what came, what is expected, and what to do."""

    def __init__(self, detail: str, status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY) -> None:
        super().__init__(detail)
        self.status = status


def shown(text: str) -> str:
    """Return a text as it is repeated in a message: quoted, and not too long."""
    return repr(text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…")


class Query:
    """The parameters of a query, each at most once, and no others than the page takes."""

    def __init__(self, query: str, names: Collection[str] | None) -> None:
        """Raise BadInput for a parameter that is not among `names`; without `names` all are ignored."""
        self._values: dict[str, str] = {}
        if names is None:
            return
        try:
            pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_PARAMETERS_MAX)
        except ValueError:
            raise BadInput(f"the query has more than {_PARAMETERS_MAX} parameters") from None
        for name, value in pairs:
            if name not in names:
                raise BadInput(f"there is no query parameter {shown(name)} here; {nearest(name, names)}")
            if name in self._values:
                raise BadInput(f"the query parameter {name} was given twice; give it once")
            self._values[name] = value

    def text(self, name: str) -> str | None:
        """Return a parameter, or None where it was not given."""
        value = self._values.get(name)
        if value is not None and not value:
            raise self.bad(name, "a value, or leave the parameter out")
        return value

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """Return a parameter that is a whole number within bounds."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdigit()) or len(text) > 18 or not least <= int(text) <= most:
            raise self.bad(name, f"a whole number from {least} to {most}")
        return int(text)

    def choice(self, name: str, names: Sequence[str]) -> str | None:
        """Return a parameter that is one of these names."""
        text = self.text(name)
        if text is None or text in names:
            return text
        raise BadInput(f"the query parameter {name}: there is no {shown(text)}; {nearest(text, names)}")

    def duration_ms(self, name: str, default_ms: int, *, most_ms: int) -> int:
        """Return a parameter that is a length of time."""
        text = self.text(name)
        if text is None:
            return default_ms
        try:
            milliseconds = parse_duration_ms(text)
        except ValueError as error:
            raise BadInput(f"the query parameter {name}: {error}") from None
        if milliseconds > most_ms:
            raise self.bad(name, f"at most {most_ms // 1_000}s")
        return milliseconds

    def bad(self, name: str, expected: str) -> BadInput:
        """Return what to raise for a parameter that is not as expected."""
        return BadInput(f"the query parameter {name}: {shown(self._values[name])} came, expected is {expected}")


async def read_body(request: Request, members: Collection[str]) -> dict[str, Any]:
    """Return the JSON object that was sent; nothing at all counts as an empty one."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise BadInput(f"at most {_BODY_BYTES_MAX} bytes are read", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    if not body.strip():
        return {}
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadInput(f"the body is not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise BadInput(f"the body is a JSON {_kind(asked)}; an object is expected")
    for name in asked:
        if name not in members:
            raise BadInput(f"there is no member {shown(name)} here; {nearest(name, members)}")
    return asked


def _kind(value: Any) -> str:
    kinds = {list: "array", str: "text", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value), "null")
