"""Reads what a client prints: the lines that are JSON objects, and everything else, which is its log.

A flood costs little: what does not begin like an object is passed on in pieces, and a line without an end is cut.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from contracts.drivers.base import LINE_BYTES_MAX, Log

_READ_BYTES = 65_536
# A line that begins like a JSON object.
_LIKE_AN_OBJECT = re.compile(rb"^[ \t\r]*\{[^\n]*\n?", re.MULTILINE)


def object_of(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line is; None where it is none."""
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def objects_in(output: bytes) -> Iterator[dict[str, Any]]:
    """Yield the lines of an output that are JSON objects."""
    for each in _LIKE_AN_OBJECT.finditer(output):
        found = object_of(each.group())
        if found is not None:
            yield found


async def keep(stream: asyncio.StreamReader, into: Callable[[bytes], None]) -> None:
    """Pass on what comes, until its end."""
    while part := await stream.read(_READ_BYTES):
        into(part)


class Messages:
    """The messages of a stream: lines that are JSON objects with a type. All else goes to `other`."""

    def __init__(self, stream: asyncio.StreamReader, other: Callable[[bytes], None]) -> None:
        self._stream, self.other = stream, other
        self._rest = b""
        # Whether the beginning of the line that is read was passed on already.
        self._cut = False
        self._found: deque[dict[str, Any]] = deque()
        # The last line that began like a message and was none: the reason, often, why none came.
        self.spoiled = b""

    async def next(self) -> dict[str, Any] | None:
        """Return the next message; None at the end of the stream."""
        while not self._found:
            part = await self._stream.read(_READ_BYTES)
            if part:
                self._take(part)
            elif self._rest:
                self._take(b"\n")
            else:
                return None
        return self._found.popleft()

    def _take(self, part: bytes) -> None:
        whole, end, rest = part.rpartition(b"\n")
        if not end:
            self._rest += rest
            if len(self._rest) > LINE_BYTES_MAX:
                self.other(self._rest)
                self._rest, self._cut = b"", True
            return
        lines, self._rest = self._rest + whole + end, rest
        at = 0
        if self._cut:
            at, self._cut = lines.index(b"\n") + 1, False
        self.other(lines[:at])
        for each in _LIKE_AN_OBJECT.finditer(lines, at):
            self.other(lines[at : each.start()])
            at = each.end()
            line = each.group()
            message = object_of(line)
            if message is not None and isinstance(message.get("type"), str):
                self._found.append(message)
                continue
            self.other(line)
            if message is None or "outcome" in message:
                self.spoiled = line.strip()
        self.other(lines[at:])


def last_line(log: Log) -> str:
    """Return the last words of a client, for an error message."""
    lines = log.content.decode("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:200] if lines else ""
