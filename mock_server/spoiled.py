"""Sends a spoiled reply through ASGI, as far as ASGI goes, and past it where the server hands over its transport.

ASGI can be late and slow, and end a connection where the head says so. It cannot reset one, or promise more than it
sends: a server does that for which `scope["extensions"]` has the transport, as with the protocol classes here.
`TwinProtocol` needs none of this.

    uvicorn.Config(App(twin), http=H11WithTransport)
"""

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_server.clock import Clock
from mock_server.exchange import CLOSING, Reply, Wire
from mock_server.sending import HELD_SECONDS_MAX, Held, Sending, rendered

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

log = logging.getLogger("omnimock")

TRANSPORT = "omnimock.transport"


class H11WithTransport(H11Protocol):
    """uvicorn's protocol class on h11, with the transport in reach of the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand the transport on."""
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


class HttpToolsWithTransport(HttpToolsProtocol):
    """uvicorn's protocol class on httptools, with the transport in reach of the application."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Hand the transport on."""
        super().connection_made(transport)
        self.app = _with_transport(self.app, transport)


def _with_transport(app: Any, transport: asyncio.Transport) -> Any:
    async def handing_on(scope: "Scope", receive: "Receive", send: "Send") -> None:
        await app({**scope, "extensions": {**scope.get("extensions", {}), TRANSPORT: transport}}, receive, send)

    return handing_on


async def send_spoiled(
    scope: "Scope",
    receive: "Receive",
    send: "Send",
    reply: Reply,
    clock: Clock,
    held: Held,
    *,
    seconds_max: float = HELD_SECONDS_MAX,
) -> bool:
    """Send a reply that has a wire; return whether the client left while it was held back.

    After `seconds_max` the connection is ended, where the transport is in reach; else nothing more is sent.
    """
    assert reply.wire is not None
    wire = held.take(reply.wire)
    transport: asyncio.Transport | None = scope.get("extensions", {}).get(TRANSPORT)
    try:
        async with asyncio.timeout(seconds_max):
            if _within_asgi(reply, wire):
                return await _through_asgi(receive, send, reply, wire, clock)
            if transport is None:
                return await _through_asgi(receive, send, reply, _without_transport(wire), clock)
            parts = rendered(reply, wire, with_body=scope["method"] != "HEAD")
            return await _past_asgi(receive, Sending(transport, parts, wire, clock, lambda kept: None))
    except TimeoutError:
        if transport is not None:
            transport.abort()
        return False
    finally:
        held.give()


def _within_asgi(reply: Reply, wire: Wire) -> bool:
    """A server closes behind a reply by itself where the head says so."""
    whole = wire.raw is None and wire.head and wire.body_bytes is None
    return whole and (wire.end == "keep" or (wire.end == "close" and CLOSING in reply.headers))


def _without_transport(wire: Wire) -> Wire:
    log.warning("this server does not hand its transport on: a fault that needs it is left out (see docs/faults.md)")
    return Wire(delay_ms=wire.delay_ms + wire.hang_ms, drip_bytes=wire.drip_bytes, drip_ms=wire.drip_ms)


async def _through_asgi(receive: "Receive", send: "Send", reply: Reply, wire: Wire, clock: Clock) -> bool:
    length = (b"content-length", b"%d" % len(reply.body))
    headers = [(b"content-type", reply.content_type), length, *reply.headers]
    body, size = reply.body, wire.drip_bytes or len(reply.body) or 1
    leaving = asyncio.ensure_future(receive())
    try:
        if await _leaves_within(leaving, clock, wire.delay_ms):
            return True
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        for start in range(0, len(body), size):
            if start and await _leaves_within(leaving, clock, wire.drip_ms):
                return True
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return False
    finally:
        leaving.cancel()


async def _leaves_within(leaving: "asyncio.Future[Any]", clock: Clock, milliseconds: int) -> bool:
    """Wait so long, by the clock; tell whether the client has left meanwhile."""
    if not milliseconds:
        return leaving.done()
    waited = asyncio.get_running_loop().create_future()
    booked = clock.call_after(milliseconds, lambda: None if waited.done() else waited.set_result(None))
    try:
        await asyncio.wait((leaving, waited), return_when=asyncio.FIRST_COMPLETED)
    finally:
        booked.cancel()
    return leaving.done()


async def _past_asgi(receive: "Receive", sending: Sending) -> bool:
    """All that goes this way ends the connection; the server hears of it before it looks for a reply."""
    sending.start()
    try:
        while (await receive())["type"] != "http.disconnect":
            pass
        return not sending.over
    finally:
        sending.cancel()
