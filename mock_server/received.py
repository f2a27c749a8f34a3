"""What a client gets of a reply that has a `Wire`, and when: its parts, or what httpx raises over a socket.

`arrivals` is the knowledge, `received` a client of it that waits for nothing: where it would give up by its read
time-out, it gets the time-out, and `gave_up` is told after how long; any other wait is as if it had passed.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import msgspec

from mock_server.exchange import Headers, Reply, Wire

GaveUp = Callable[[int], None]


class Head(msgspec.Struct, frozen=True):
    """The head of a response."""

    status: int
    headers: Headers


# A head, some of the body, or what is raised because the connection ends before the reply does: that comes last.
Arrival = Head | bytes | httpx.TransportError


def arrivals(request: httpx.Request, reply: Reply, wire: Wire) -> Iterator[tuple[int, Arrival]]:
    """Give what comes, in order, each with how many milliseconds after the request was whole."""
    at_ms = wire.delay_ms
    if wire.raw is not None:
        yield at_ms, httpx.RemoteProtocolError(f"illegal status line: {bytearray(wire.raw[:50])!r}", request=request)
        return
    if not wire.head:
        yield _ended(request, wire, at_ms, "Server disconnected without sending a response.")
        return
    framing = (b"transfer-encoding", b"chunked") if wire.chunked else (b"content-length", b"%d" % len(reply.body))
    yield at_ms, Head(reply.status, [(b"content-type", reply.content_type), framing, *reply.headers])
    whole = b"" if request.method == "HEAD" else reply.body
    part = whole if wire.body_bytes is None else whole[: wire.body_bytes]
    piece_bytes = wire.drip_bytes or len(part) or 1
    for start in range(0, len(part), piece_bytes):
        at_ms += wire.drip_ms if start else 0
        yield at_ms, part[start : start + piece_bytes]
    if len(part) < len(whole):
        how = "incomplete chunked read" if wire.chunked else f"received {len(part)} bytes, expected {len(whole)}"
        yield _ended(request, wire, at_ms, f"peer closed connection without sending complete message body ({how})")


def patience_ms(request: httpx.Request) -> float:
    """Return how long the client waits for something to come."""
    seconds = request.extensions.get("timeout", {}).get("read")
    return float("inf") if seconds is None else seconds * 1_000


def timed_out(request: httpx.Request) -> httpx.ReadTimeout:
    """Return what is raised where nothing has come for longer than that."""
    return httpx.ReadTimeout("The read operation timed out", request=request)


def received(request: httpx.Request, reply: Reply, wire: Wire, gave_up: GaveUp) -> httpx.Response:
    """Return the response; raise httpx.TransportError where there is none. Its body may raise as well."""
    coming = _patiently(request, arrivals(request, reply, wire), gave_up)
    head = next(coming)
    assert isinstance(head, Head)  # Else it was raised.
    return httpx.Response(head.status, headers=head.headers, stream=_Body(coming))


def _ended(request: httpx.Request, wire: Wire, at_ms: int, closed: str) -> tuple[int, httpx.TransportError]:
    """When the connection ends before the reply does, and what is raised."""
    if wire.end == "reset":
        return at_ms, httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    silence_ms = wire.hang_ms if wire.end == "hang" else 0
    return at_ms + silence_ms, httpx.RemoteProtocolError(closed, request=request)


def _patiently(
    request: httpx.Request, coming: Iterator[tuple[int, Arrival]], gave_up: GaveUp
) -> Iterator[Head | bytes]:
    waits_ms, before_ms = patience_ms(request), 0
    for at_ms, what in coming:
        if at_ms - before_ms > waits_ms:
            gave_up(round(before_ms + waits_ms))
            raise timed_out(request)
        if isinstance(what, httpx.TransportError):
            raise what
        yield what
        before_ms = at_ms


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of which a part comes, and then perhaps an error."""

    def __init__(self, coming: Iterator[Head | bytes]) -> None:
        self._coming = coming

    def __iter__(self) -> Iterator[bytes]:
        for part in self._coming:
            assert isinstance(part, bytes)  # A head comes first.
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part
