"""What the header `Retry-After` says: whole seconds, a date as HTTP writes it, or any text."""

from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import msgspec

from mock_server.clock import CLOCK_MS_MAX
from mock_server.durations import parse_duration_ms

HEADER = b"retry-after"
_SECOND_MS = 1_000

Header = tuple[bytes, bytes]


class RetryAfter(msgspec.Struct, frozen=True):
    """When a refusal says to come back: after `wait_ms`, in seconds or as a date; else what its `text` says."""

    wait_ms: int = 0
    as_date: bool = False
    text: str | None = None

    def header(self, date_ms: Callable[[], int]) -> Header:
        """Return the header; `date_ms` tells the date as the client reads it."""
        if self.text is not None:
            return HEADER, self.text.encode("ascii")
        return at(date_ms() + self.wait_ms) if self.as_date else within(self.wait_ms)


def make(source: Any) -> RetryAfter:
    """Return what `2s`, `{date: 3s}` or `{text: soon}` says; raise ValueError where it cannot be said."""
    if isinstance(source, str):
        return RetryAfter(parse_duration_ms(source))
    if "date" in source:
        return RetryAfter(parse_duration_ms(source["date"]), as_date=True)
    text: str = source["text"]
    if not (text.isascii() and text.isprintable()) or text != text.strip():
        raise ValueError(f"the text of a header is printable ASCII, without spaces around it, not {text!r}")
    return RetryAfter(text=text)


def within(wait_ms: int) -> Header:
    """Return the header for a wait: in whole seconds, up."""
    return HEADER, b"%d" % -(-wait_ms // _SECOND_MS)


def at(at_ms: int) -> Header:
    """Return the header for a moment: a date of whole seconds, up."""
    seconds = min(-(-at_ms // _SECOND_MS), CLOCK_MS_MAX // _SECOND_MS)
    return HEADER, formatdate(seconds, usegmt=True).encode("ascii")
