"""Carries requests to a twin in virtual time, and spends the time that each reply's `Wire` says.

What comes when is known to `mock_server.received`; here it is waited for, as httpx waits over a socket: for so long at
most for each part as the client's read time-out says. A client that gives up, or is cancelled, has *left*.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from email.utils import formatdate
from typing import TYPE_CHECKING

import httpx

from contracts.sightings import note_left, sighting_of
from contracts.wire import Sighting
from mock_server.app import OWN_PREFIX
from mock_server.exchange import Incoming, Reply, Wire
from mock_server.received import Arrival, Head, arrivals, patience_ms, timed_out
from mock_server.transport import TwinTransport
from mock_server.worlds import World

if TYPE_CHECKING:
    from contracts.virtual_twin import VirtualTwin

_OWN_PREFIX = OWN_PREFIX.encode("ascii")
# Ten thousand requests at one moment are more than any client means.
_TURNS_OF_A_REQUEST = 10


class VirtualTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient` and `httpx.Client`. Closing a client leaves it as it is.

    Connections are numbered as httpx would open them: one that is idle is used again.
    """

    def __init__(self, twin: "VirtualTwin") -> None:
        self._of, self._twin, self._clock = twin, twin.twin, twin.clock
        self._pages = TwinTransport(twin.twin)
        self._idle: list[int] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        self._of.send_callbacks_here()
        if request.url.raw_path.startswith(_OWN_PREFIX):
            with self._clock.something_real():
                return await self._pages.handle_async_request(request)
        # The loop stops what spins; raised here, it could be lost in a task of the client's.
        self._clock.turns += _TURNS_OF_A_REQUEST
        began = self._clock.monotonic()
        coming = self._answer(request, await request.aread(), began)
        with coming:
            if coming.reply.first is not None:
                await self._twin.callbacks.send_first(coming.reply.first)
            coming.begin()
            return self._response(coming, await coming.next_async())

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client, whose time passes meanwhile."""
        if request.url.raw_path.startswith(_OWN_PREFIX):
            return self._pages.handle_request(request)
        self._clock.turn(_TURNS_OF_A_REQUEST)
        began = self._clock.monotonic()
        coming = self._answer(request, request.read(), began)
        with coming:
            if not _inside_a_loop():
                self._clock.run(self._begin(coming.reply))
            coming.begin()
            return self._response(coming, coming.next())

    async def _begin(self, reply: Reply) -> None:
        self._of.send_callbacks_here()
        if reply.first is not None:
            await self._twin.callbacks.send_first(reply.first)

    def _answer(self, request: httpx.Request, body: bytes, began: float) -> "Coming":
        path, _, query = request.url.raw_path.partition(b"?")
        headers = [(name.lower(), value) for name, value in request.headers.raw]
        incoming = Incoming(request.method, path, query, headers, body, request.url.scheme)
        whole = self._clock.monotonic()
        reply = self._twin.endpoint.answer(incoming)
        connection = self._idle.pop() if self._idle else self._of.new_connection()
        world, sighting = sighting_of(self._twin, incoming, reply, connection=connection, began=began, whole=whole)
        self._of.logs[world.name].add(sighting)
        return Coming(self, request, reply, world, sighting)

    def _response(self, coming: "Coming", head: Arrival | None) -> httpx.Response:
        assert isinstance(head, Head)  # Else it was raised.
        # As a server adds it. Clients hold a Retry-After that is a date against it.
        date = (b"date", formatdate(self._clock.time(), usegmt=True).encode())
        return httpx.Response(head.status, headers=[date, *head.headers], stream=_Body(coming))

    # What a reply on its way needs

    def now_ns(self) -> int:
        """Return the virtual nanoseconds so far."""
        return self._clock.ns

    def sleep(self, seconds: float) -> None:
        """Let time pass for a sync client; none passes for one that waits for nothing."""
        if seconds:
            self._clock.sleep(seconds)

    def keep(self, connection: int) -> None:
        """Use a connection again."""
        self._idle.append(connection)


class Coming:
    """One reply on its way to a client. As a context it notes a client that leaves before it has the head."""

    def __init__(
        self, transport: VirtualTransport, request: httpx.Request, reply: Reply, world: World, sighting: Sighting
    ) -> None:
        self.reply = reply
        self._transport, self._request, self._world, self._sighting = transport, request, world, sighting
        self._wire = reply.wire or Wire()
        self._arrivals = list(arrivals(request, reply, self._wire))
        self._next = 0
        self._patience_ns = patience_ms(request) * 1e6
        self._begun_ns = transport.now_ns()
        self._over = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            self.close()

    def begin(self) -> None:
        """Count the reply's time from now: what goes out before it has gone out."""
        self._begun_ns = self._transport.now_ns()
        self._settle()

    async def next_async(self) -> Arrival | None:
        """Wait for what comes next, and return it, or None after the last; raise what httpx would."""
        seconds, what = self._look()
        # At least one turn of the loop, so that a client that never sleeps is seen to spin.
        await asyncio.sleep(seconds)
        return self._taken(what)

    def next(self) -> Arrival | None:
        """Do the same for a sync client."""
        seconds, what = self._look()
        self._transport.sleep(seconds)
        return self._taken(what)

    def close(self) -> None:
        """Say that the client takes no more. It has left, unless all was out."""
        self._settle()
        if not self._over:
            self._over = True
            note_left(self._world, self._sighting, self._transport.now_ns() / 1e9)

    def _look(self) -> tuple[float, Arrival | None]:
        """How long to wait, and what for."""
        if self._next == len(self._arrivals):
            return 0.0, None
        at_ms, what = self._arrivals[self._next]
        silence_ns = max(0, self._begun_ns + at_ms * 1_000_000 - self._transport.now_ns())
        if silence_ns > self._patience_ns:
            return self._patience_ns / 1e9, timed_out(self._request)
        self._next += 1
        return silence_ns / 1e9, what

    def _taken(self, what: Arrival | None) -> Arrival | None:
        if isinstance(what, httpx.ReadTimeout):
            self.close()
            raise what
        self._settle()
        if isinstance(what, httpx.TransportError):
            raise what
        return what

    def _settle(self) -> None:
        """Note the reply's end once it has come. It goes out by itself, whether or not the client reads on."""
        at_ns = self._begun_ns + self._arrivals[-1][0] * 1_000_000
        if self._over or at_ns > self._transport.now_ns():
            return
        self._over = True
        self._sighting.replied = at_ns / 1e9
        if self._wire.end == "keep":
            self._transport.keep(self._sighting.connection)


class _Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of a reply on its way."""

    def __init__(self, coming: Coming) -> None:
        self._coming = coming

    def __iter__(self) -> Iterator[bytes]:
        while isinstance(part := self._coming.next(), bytes):
            yield part

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while isinstance(part := await self._coming.next_async(), bytes):
            yield part

    def close(self) -> None:
        self._coming.close()

    async def aclose(self) -> None:
        self._coming.close()


def _inside_a_loop() -> bool:
    """A receiver of callbacks may be a sync client itself, and asks while the loop waits for it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
