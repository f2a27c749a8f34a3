"""Puts a reply on a socket where its `Wire` says how: late, in pieces, cut off, or with a connection that ends badly.

It writes to a transport of asyncio, and knows no server: the protocol class and the ASGI shell both use it.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable, Sequence
from http import HTTPStatus

import msgspec

from mock_server.clock import Booked, Clock
from mock_server.exchange import CLOSING, Reply, Wire

log = logging.getLogger("omnimock")

# Five times as many clients as a load test leaves hanging; each costs a socket and a few kilobytes.
HELD_MAX = 10_000
# No client waits longer for one reply: ten minutes is the longest time-out that API libraries come with.
HELD_SECONDS_MAX = 600.0
# A reset must not overtake what was sent before it. How often it is looked at whether that is out.
_FLUSH_GLANCE_SECONDS = 0.005
_LINGER_NOT_AT_ALL = struct.pack("ii", 1, 0)


class Held:
    """Counts the replies that are held back."""

    def __init__(self, limit: int = HELD_MAX) -> None:
        self._limit = limit
        self._told = False
        self.count = 0

    def take(self, wire: Wire) -> Wire:
        """Count one in; beyond the limit it goes out without any wait."""
        self.count += 1
        if self.count <= self._limit:
            return wire
        if not self._told:
            self._told = True
            log.warning("%d replies are held back already: more go out at once (told once)", self._limit)
        return msgspec.structs.replace(wire, delay_ms=0, drip_bytes=0, hang_ms=0)

    def give(self) -> None:
        """Count one out."""
        self.count -= 1


class Sending:
    """One reply on its way out.

    `done` is called once, when all is sent, before the connection is closed or reset; it is told whether it is kept.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        parts: tuple[bytes, bytes],
        wire: Wire,
        clock: Clock,
        done: Callable[[bool], None],
    ) -> None:
        """`parts` are the head and the body."""
        self._transport, self._wire, self._clock, self._done = transport, wire, clock, done
        self._head, self._body = parts
        self._sent = 0
        self._booked: Booked | None = None
        self.over = False

    def start(self) -> None:
        """Send what can be sent now, unless it was cancelled; the rest comes when it is due."""
        if not self.over:
            self._after(self._wire.delay_ms, self._begin)

    def cancel(self) -> None:
        """Send nothing more."""
        self.over = True
        if self._booked is not None:
            self._booked.cancel()

    def _begin(self) -> None:
        if self._wire.drip_bytes and self._body:
            self._transport.write(self._head)
            self._drip()
        else:
            self._transport.write(self._head + self._body)
            self._end()

    def _drip(self) -> None:
        self._transport.write(self._body[self._sent : self._sent + self._wire.drip_bytes])
        self._sent += self._wire.drip_bytes
        if self._sent < len(self._body):
            self._after(self._wire.drip_ms, self._drip)
        else:
            self._end()

    def _end(self) -> None:
        match self._wire.end:
            case "keep":
                self._finish(kept=True)
            case "close":
                self._close()
            case "reset":
                self._reset()
            case "hang":
                self._after(self._wire.hang_ms, self._close)

    def _close(self) -> None:
        self._finish(kept=False)
        self._transport.close()

    def _reset(self) -> None:
        if self._transport.get_write_buffer_size():
            self._booked = asyncio.get_running_loop().call_later(_FLUSH_GLANCE_SECONDS, self._reset)
            return
        self._finish(kept=False)
        # A transport that is not a socket of this machine has no linger time; it can be aborted all the same.
        with contextlib.suppress(OSError, AttributeError):
            raw: socket.socket = self._transport.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT_AT_ALL)
        self._transport.abort()

    def _finish(self, *, kept: bool) -> None:
        self.over = True
        self._booked = None
        self._done(kept)

    def _after(self, milliseconds: int, then: Callable[[], None]) -> None:
        if milliseconds:
            self._booked = self._clock.call_after(milliseconds, then)
        else:
            then()


def rendered(
    reply: Reply,
    wire: Wire,
    usual: Sequence[tuple[bytes, bytes]] = (),
    *,
    keep_alive: bool = True,
    with_body: bool = True,
) -> tuple[bytes, bytes]:
    """Return the head and the body that a wire lets out."""
    if wire.raw is not None:
        return b"", wire.raw
    if not wire.head:
        return b"", b""
    framing = (b"transfer-encoding", b"chunked") if wire.chunked else (b"content-length", b"%d" % len(reply.body))
    headers = [*usual, (b"content-type", reply.content_type), framing, *reply.headers]
    if not keep_alive and CLOSING not in reply.headers:
        headers.append(CLOSING)
    head = b"".join([_status_line(reply.status), *[b"%s: %s\r\n" % header for header in headers], b"\r\n"])
    if not with_body:
        return head, b""
    body = reply.body if wire.body_bytes is None else reply.body[: wire.body_bytes]
    if wire.chunked:
        body = b"%x\r\n" % len(reply.body) + body
        if wire.body_bytes is None:
            body += b"\r\n0\r\n\r\n"
    return head, body


def _status_line(status: int) -> bytes:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")
