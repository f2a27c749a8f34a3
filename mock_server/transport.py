"""The twin in process: an httpx transport, so that a unit test needs no server and no socket.

    twin = twin_transport(scenario="instant")
    client = httpx.Client(transport=twin, base_url="https://api.example.com")      # or httpx.AsyncClient

Nothing leaves the process. Callbacks go to `receiver`, when the clock is moved; whatever their address, that function
is asked. The endpoint is the one that the server runs, so replies are the same to the byte. Faults of the connection
are what httpx raises over a socket, without any wait: a read time-out comes at once where the reply would be later.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any, TypeVar

import httpx

from mock_server.app import OWN_PREFIX, App
from mock_server.callbacks import Fired
from mock_server.clock import ManualClock
from mock_server.durations import parse_duration_ms
from mock_server.exchange import Incoming, Reply
from mock_server.in_process import Receiver, in_process_twin
from mock_server.received import received
from mock_server.twin import Twin
from mock_server.worlds import World

T = TypeVar("T")

_OWN_PREFIX = OWN_PREFIX.encode("ascii")
_CONTENT_TYPE = (b"content-type", b"application/json")


def twin_transport(*, receiver: Receiver | None = None, clock: str = "manual", **settings: Any) -> "TwinTransport":
    """Return a transport onto a fresh twin; the rest are fields of `Settings` (`scenario`, `profile`, `seed` …).

    `receiver` takes the callbacks of every address, as `httpx.Request`; it answers with an `httpx.Response`, a status,
    or nothing, which is 200. Without one no callback is sent. Raise ValueError, naming the setting, for one that is
    not known or cannot be.
    """
    return TwinTransport(in_process_twin(receiver, {"clock": clock, **settings}))


class TwinTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A twin behind `httpx.Client` and `httpx.AsyncClient`. Closing a client leaves it as it is."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self._endpoint = twin.endpoint
        self._pages = httpx.ASGITransport(App(twin))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client; serves as a side effect of a respx route, too."""
        target = request.url.raw_path
        if target.startswith(_OWN_PREFIX):
            return self._run(self._page(request), "an AsyncClient")
        incoming, reply = self._answer(request, target, request.read())
        if reply.first is not None:
            self._run(self.twin.callbacks.send_first(reply.first), "an AsyncClient")
        return self._received(request, incoming, reply)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        target = request.url.raw_path
        if target.startswith(_OWN_PREFIX):
            return await self._page(request)
        incoming, reply = self._answer(request, target, await request.aread())
        if reply.first is not None:
            await self.twin.callbacks.send_first(reply.first)
        return self._received(request, incoming, reply)

    def world(self, key: str) -> World:
        """Return the world of a bearer key: its tasks, journal and scenarios."""
        return self.twin.worlds.open(key)

    def advance(self, by: str, *, key: str) -> list[Fired]:
        """Move the manual clock of a key's world, such as by `5m`; return what happened on the way, in order.

        Callbacks that fall due are sent, those due at once with `0s`. Raise ValueError for what is no duration.
        """
        return self._run(self.advance_async(by, key=key), "advance_async")

    async def advance_async(self, by: str, *, key: str) -> list[Fired]:
        """Do the same inside a running event loop."""
        world = self.world(key)
        if not isinstance(world.clock, ManualClock):
            raise ValueError(f"the clock is a {self.twin.settings.clock} one: it runs by itself")
        return await self.twin.callbacks.advance(world, world.clock.now_ms() + parse_duration_ms(by))

    def _answer(self, request: httpx.Request, target: bytes, body: bytes) -> tuple[Incoming, Reply]:
        path, _, query = target.partition(b"?")
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        incoming = Incoming(request.method, path, query, headers, body, request.url.scheme)
        return incoming, self._endpoint.answer(incoming)

    def _received(self, request: httpx.Request, incoming: Incoming, reply: Reply) -> httpx.Response:
        if reply.wire is None:
            return _response(reply)
        world, number = self._endpoint.last_entry(incoming)
        return received(request, reply, reply.wire, partial(world.journal.gave_up, number))

    async def _page(self, request: httpx.Request) -> httpx.Response:
        # Who may use these pages is checked by the Host header, which here is that of another server.
        headers = [(name, value) for name, value in request.headers.raw if name.lower() != b"host"]
        here = httpx.Request(
            request.method, request.url, headers=[(b"host", b"localhost"), *headers], content=await request.aread()
        )
        response = await self._pages.handle_async_request(here)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())

    def _run(self, work: Coroutine[Any, Any, T], instead: str) -> T:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(work)
        work.close()
        raise RuntimeError(f"an event loop is running here already: use {instead}")


def _response(reply: Reply) -> httpx.Response:
    headers = [_CONTENT_TYPE, (b"content-length", b"%d" % len(reply.body)), *reply.headers]
    return httpx.Response(reply.status, headers=headers, content=reply.body)
