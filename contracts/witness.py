"""The protocol class of a twin that is watched: each request becomes a sighting, with the moments of its parts.

It adds nothing to what the twin says, and nothing to the twin that users serve.
"""

import asyncio
import time
from collections import OrderedDict
from itertools import count
from typing import Any

from contracts.sightings import sighting_of
from contracts.wire import Sighting, WireLog
from mock_server.app import App
from mock_server.exchange import Incoming, Reply
from mock_server.protocol import TwinProtocol
from mock_server.twin import Twin

# More than a run has sessions.
_FORMER_MAX = 10_000


class WatchedApp(App):
    """A twin's application that knows whom its requests are told to."""

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        # The log of each session, by the port at which its client calls.
        self.logs: dict[int, WireLog] = {}
        # Keys of sessions that are over: a client that goes on with one tells nothing of the next session.
        self.former: OrderedDict[str, None] = OrderedDict()
        self.connections = count(1)

    def forget(self, key: str) -> None:
        """Log nothing of a key any more."""
        self.former[key] = None
        while len(self.former) > _FORMER_MAX:
            self.former.popitem(last=False)


class Witness(TwinProtocol):
    """One connection, watched."""

    app: WatchedApp

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.began = 0.0
        self.number = self.port = 0
        self.log: WireLog | None = None
        self.current: Sighting | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn's is the same.
        """Number the connection, and remember the port that was called."""
        super().connection_made(transport)
        self.number = next(self.app.connections)
        self.port = transport.get_extra_info("sockname")[1]

    def data_received(self, data: bytes) -> None:
        """Note when the first byte of a request came, and tell the session by the port that was called.

        A client may keep its connection from one session to the next.
        """
        if self.in_head and not self.head_bytes:
            self.began = time.monotonic()
            self.log = self.app.logs.get(self.port)
        super().data_received(data)

    def put(self, incoming: Incoming, reply: Reply, *, keep_alive: bool) -> None:
        """Note the request, and when its reply was out."""
        self.current = self.seen(incoming, reply)
        super().put(incoming, reply, keep_alive=keep_alive)
        if reply.wire is None and self.current is not None:
            self.current.replied = time.monotonic()
            self.current = None

    def go_on(self, kept: bool) -> None:
        """Note that a reply that was held back is out, as far as it ever will be."""
        if self.current is not None:
            self.current.replied = time.monotonic()
            self.current = None
        super().go_on(kept)

    def connection_lost(self, exc: Exception | None) -> None:
        """Note when a client left."""
        if self.parts is not None:
            incoming = self.incoming()
            super().connection_lost(exc)
            self.current = self.seen(incoming, None)
        else:
            super().connection_lost(exc)
        if self.current is not None:
            self.current.left = time.monotonic()
            self.current = None

    def seen(self, incoming: Incoming, reply: Reply | None) -> Sighting | None:
        """Return the sighting of the request that was answered last, which is told to the session."""
        if self.log is None:
            return None
        whole = time.monotonic()
        began = min(self.began or whole, whole)
        world, sighting = sighting_of(self.app.twin, incoming, reply, connection=self.number, began=began, whole=whole)
        if world.name in self.app.former:
            return None
        self.log.add(sighting)
        return sighting
