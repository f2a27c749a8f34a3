"""The twin as an ASGI application.

The spec's operations go straight to the endpoint. Below `/_mock/` are the twin's own pages, served by Starlette,
which is imported when the first of them is asked for.
"""

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from mock_server.exchange import Incoming, Reply
from mock_server.heads import KnownHead
from mock_server.sending import Held
from mock_server.twin import Twin

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

log = logging.getLogger("omnimock")

OWN_PREFIX = "/_mock/"

# A client that sends too much is read on for a while, so that it can see the refusal instead of a reset.
_DRAINED_BYTES_MAX = 256 * 1024 * 1024
_DRAIN_SECONDS_MAX = 10.0
# Callbacks under way when the server stops may end; what is left then is reported.
STOP_GRACE_SECONDS = 3.0

_JSON = (b"content-type", b"application/json")


class App:
    """An ASGI application around one twin."""

    def __init__(self, twin: Twin) -> None:
        self.twin, self.endpoint, self.body_bytes_max = twin, twin.endpoint, twin.settings.body_bytes_max
        self.held = Held()
        self._own: ASGIApp | None = None
        # What the protocol class has read in the heads of requests, by their bytes.
        self.known_heads: dict[bytes, KnownHead] = {}

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Serve one connection's request, or the life of the application."""
        if scope["type"] == "http":
            if scope["path"].startswith(OWN_PREFIX):
                await self._own_pages()(scope, receive, send)
            else:
                await self._operation(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _operation(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        limit = self.body_bytes_max
        length = b"0"
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
                break
        if length.isdigit() and int(length) > limit:
            await self._too_large(scope, receive, send, f"{int(length)} bytes", more=True)
            return
        message = await receive()
        body = message.get("body", b"")
        if message.get("more_body"):
            chunks, size = [body], len(body)
            while message.get("more_body") and size <= limit:
                message = await receive()
                chunks.append(message.get("body", b""))
                size += len(chunks[-1])
            body = b"".join(chunks)
        if message["type"] == "http.disconnect":
            self.endpoint.client_left(_incoming(scope, body))
        elif len(body) > limit:
            came = f"more than {limit} bytes, without a Content-Length"
            await self._too_large(scope, receive, send, came, more=bool(message.get("more_body")))
        else:
            incoming = _incoming(scope, body)
            reply = self.endpoint.answer(incoming)
            if reply.wire is None:
                await _send(send, reply)
            else:
                await self._send_spoiled(scope, receive, send, incoming, reply)

    async def _send_spoiled(
        self, scope: "Scope", receive: "Receive", send: "Send", incoming: Incoming, reply: Reply
    ) -> None:
        from mock_server.spoiled import send_spoiled

        if reply.first is not None:
            await self.twin.callbacks.send_first(reply.first)
        world, number = self.endpoint.last_entry(incoming)
        if await send_spoiled(scope, receive, send, reply, world.clock, self.held):
            world.journal.gave_up(number)

    async def _too_large(self, scope: "Scope", receive: "Receive", send: "Send", came: str, *, more: bool) -> None:
        explanation = {
            "came": came,
            "allowed": f"{self.body_bytes_max} bytes",
            "do": "send pictures as addresses, or raise --body-bytes-max",
        }
        reply = self.endpoint.refuse(_incoming(scope, b""), "body-too-large", explanation)
        if more and not any(name == b"expect" for name, _ in scope["headers"]):
            await _drain(receive)
        await _send(send, reply, (b"connection", b"close"))

    def _own_pages(self) -> "ASGIApp":
        if self._own is None:
            from mock_server.control import make_own_pages

            self._own = make_own_pages(self.twin)
        return self._own

    async def _lifespan(self, receive: "Receive", send: "Send") -> None:
        await receive()
        self.twin.callbacks.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        left = await self.twin.callbacks.stop(STOP_GRACE_SECONDS)
        for attempt in left:
            log.warning(
                "callback not delivered: %s of task %s to %s (attempt %d): %s",
                attempt.status,
                attempt.task_id,
                attempt.url,
                attempt.attempt,
                attempt.reason,
            )
        await send({"type": "lifespan.shutdown.complete"})


def _incoming(scope: "Scope", body: bytes) -> Incoming:
    path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    return Incoming(
        scope["method"], path, scope["query_string"], scope["headers"], bytes(body), scope.get("scheme", "http")
    )


async def _send(send: "Send", reply: Reply, *more: tuple[bytes, bytes]) -> None:
    headers: list[Any] = [_JSON, (b"content-length", b"%d" % len(reply.body)), *reply.headers, *more]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


async def _drain(receive: "Receive") -> None:
    drained = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS_MAX):
            while drained < _DRAINED_BYTES_MAX:
                message = await receive()
                drained += len(message.get("body", b""))
                if not message.get("more_body"):
                    return
