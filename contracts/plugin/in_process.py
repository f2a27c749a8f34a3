"""The twin in the process of the test: an httpx transport for sync and async clients, and its worlds."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx

from contracts.plugin.world import World
from mock_server.callbacks import Fired
from mock_server.in_process import Receiver
from mock_server.transport import TwinTransport, twin_transport

T = TypeVar("T")


class InProcess(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A fresh twin behind `httpx.Client` and `httpx.AsyncClient`, with a clock that stands still.

    Any key opens a world; `key` is one for clients that need to be given one. A sync client may be used where an event
    loop runs, too: its request is then answered in a thread.
    """

    def __init__(self, base_url: str, key: str, arm: Callable[[World], None], **settings: Any) -> None:
        """`arm` readies the world of `key`; `settings` are those of `twin_transport`. Raise ValueError as that does."""
        self.base_url, self.key = base_url, key
        self._arm, self._settings = arm, settings
        self._clients: list[httpx.Client] = []
        self._begin(None)

    def _begin(self, receiver: Receiver | None) -> None:
        self._twin: TwinTransport = twin_transport(receiver=receiver, **self._settings)
        self._arm(self.world(self.key))

    @property
    def headers(self) -> dict[str, str]:
        """The header by which a request belongs to the world of `key`."""
        return {"Authorization": f"Bearer {self.key}"}

    def send_callbacks_to(self, receiver: Receiver) -> None:
        """Send the callbacks of every address to a function, or to a transport such as `httpx.ASGITransport(app)`.

        It is a choice for the whole test: raise RuntimeError where a request came already.
        """
        if self._keys_seen():
            raise RuntimeError("a request came already: say where callbacks go before the first one")
        self._begin(receiver)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client."""
        return _outside_of_a_loop(lambda: self._twin.handle_request(request))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        return await self._twin.handle_async_request(request)

    def advance(self, by: str, *, key: str | None = None) -> list[Fired]:
        """Move the clock, such as by `5m`: that of every world, or of one key's. Return what happened on the way."""
        return [fired for each in self._keys(key) for fired in self._twin.advance(by, key=each)]

    async def advance_async(self, by: str, *, key: str | None = None) -> list[Fired]:
        """Do the same inside a running event loop."""
        return [fired for each in self._keys(key) for fired in await self._twin.advance_async(by, key=each)]

    def world(self, key: str | None = None) -> World:
        """Return the world of a key, to steer and to assert; without one, that of the only client there was."""
        if key is None:
            keys = self._keys_seen()
            key = keys[0] if len(keys) == 1 else self.key
        return World(self._client(), self.base_url, key)

    def worlds(self) -> list[World]:
        """Return every world that a request came to."""
        return [self.world(key) for key in self._keys_seen()]

    def let_go(self) -> None:
        """Close what the worlds were reached by. `close` is what clients under test call: it leaves the twin alone."""
        while self._clients:
            self._clients.pop().close()

    def _keys_seen(self) -> list[str]:
        return [each.name for each in self._twin.twin.worlds if len(each.journal)]

    def _keys(self, key: str | None) -> list[str]:
        return [key] if key is not None else [each.name for each in self._twin.twin.worlds]

    def _client(self) -> httpx.Client:
        if not self._clients:
            self._clients.append(httpx.Client(transport=self, base_url=self.base_url))
        return self._clients[0]


def _outside_of_a_loop(work: Callable[[], T]) -> T:
    """Run what brings an event loop of its own, though one may run here."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(work).result()
