"""What an httpx client gets of a reply that has a `Wire`: the response, or what httpx raises over a socket.

Nothing here waits. Where a client would give up by its read time-out, it gets the time-out, and `gave_up` is told after
how long; any other wait is as if it had passed.
"""

from collections.abc import AsyncIterator, Callable, Iterator

import httpx

from mock_server.exchange import Reply, Wire

GaveUp = Callable[[int], None]


def received(request: httpx.Request, reply: Reply, wire: Wire, gave_up: GaveUp) -> httpx.Response:
    """Return the response; raise httpx.TransportError where there is none. Its body may raise as well."""
    waits_ms = _patience_ms(request)
    if wire.delay_ms > waits_ms:
        gave_up(round(waits_ms))
        raise _timed_out(request)
    if wire.raw is not None:
        raise httpx.RemoteProtocolError(f"illegal status line: {bytearray(wire.raw[:50])!r}", request=request)
    if not wire.head:
        raise _ended(request, wire, waits_ms, gave_up, "Server disconnected without sending a response.")
    framing = (b"transfer-encoding", b"chunked") if wire.chunked else (b"content-length", b"%d" % len(reply.body))
    headers = [(b"content-type", reply.content_type), framing, *reply.headers]
    return httpx.Response(reply.status, headers=headers, stream=_body(request, reply, wire, waits_ms, gave_up))


def _patience_ms(request: httpx.Request) -> float:
    """How long the client waits for something to come."""
    seconds = request.extensions.get("timeout", {}).get("read")
    return float("inf") if seconds is None else seconds * 1_000


def _timed_out(request: httpx.Request) -> httpx.ReadTimeout:
    return httpx.ReadTimeout("The read operation timed out", request=request)


def _ended(request: httpx.Request, wire: Wire, waits_ms: float, gave_up: GaveUp, closed: str) -> httpx.TransportError:
    """What is raised where the connection ends before the reply does."""
    if wire.end == "reset":
        return httpx.ReadError("[Errno 104] Connection reset by peer", request=request)
    if wire.end == "hang" and wire.hang_ms > waits_ms:
        gave_up(round(wire.delay_ms + waits_ms))
        return _timed_out(request)
    return httpx.RemoteProtocolError(closed, request=request)


def _body(request: httpx.Request, reply: Reply, wire: Wire, waits_ms: float, gave_up: GaveUp) -> "_Body":
    whole = b"" if request.method == "HEAD" else reply.body
    part = whole if wire.body_bytes is None else whole[: wire.body_bytes]
    if wire.drip_bytes and wire.drip_bytes < len(part) and wire.drip_ms > waits_ms:

        def impatient() -> httpx.TransportError:
            gave_up(round(wire.delay_ms + waits_ms))
            return _timed_out(request)

        return _Body(part[: wire.drip_bytes], impatient)
    if len(part) == len(whole):
        return _Body(part, None)
    how = "incomplete chunked read" if wire.chunked else f"received {len(part)} bytes, expected {len(whole)}"
    closed = f"peer closed connection without sending complete message body ({how})"
    return _Body(part, lambda: _ended(request, wire, waits_ms, gave_up, closed))


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body of which a part comes, and then perhaps an error."""

    def __init__(self, part: bytes, error: Callable[[], httpx.TransportError] | None) -> None:
        self._part, self._error = part, error

    def __iter__(self) -> Iterator[bytes]:
        yield self._part
        if self._error is not None:
            raise self._error()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part
