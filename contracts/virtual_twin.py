"""A twin in virtual time: what it tells of time, and what its replies take, follows one `VirtualClock`.

    with VirtualTwin(scenario="realistic") as twin:
        result = twin.run(client(httpx.AsyncClient(transport=twin.transport)), limit_seconds=3_600)
        for sighting in twin.log("sk-test"): …

A sync client gets `twin.clock` for its own, and its time passes when it sleeps by that, or waits for a reply. Its
callbacks, if there is a receiver, come in that time: nobody else acts while such a client works.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine
from typing import Any, TypeVar

from contracts.virtual_time import VirtualClock, VirtualLoop, run_virtual
from contracts.virtual_transport import VirtualTransport
from contracts.wire import WireLog
from mock_server.clock import SystemClock
from mock_server.in_process import Receiver, in_process_twin
from mock_server.worlds import World

T = TypeVar("T")

_OF_TIME = ("clock", "time_scale")


class VirtualTwin:
    """A twin, its clock, and what came over the wire, by key."""

    def __init__(self, *, clock: VirtualClock | None = None, receiver: Receiver | None = None, **settings: Any) -> None:
        """`receiver` takes the callbacks of every address; the rest are fields of `Settings`, as for twin_transport.

        Raise ValueError, naming the setting, for one that is not known or cannot be.
        """
        if given := next((name for name in _OF_TIME if name in settings), None):
            raise ValueError(f"{given} is no setting of a twin in virtual time: it has that of the VirtualClock alone")
        self.clock = clock or VirtualClock()
        shown = SystemClock(wall_ns=self.clock.wall_ns, monotonic_ns=self.clock.monotonic_ns)
        self.twin = in_process_twin(
            receiver,
            settings,
            clock=lambda: shown,
            wall_seconds=self.clock.time,
            monotonic_seconds=self.clock.monotonic,
            real_ns=self.clock.wall_ns,
        )
        self.logs: defaultdict[str, WireLog] = defaultdict(WireLog)
        self.transport = VirtualTransport(self)
        self._sends_in: asyncio.AbstractEventLoop | None = None
        self._connections = 0

    def __enter__(self) -> "VirtualTwin":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what a sync client's time needed; drop callbacks that are under way."""
        self.clock.close()

    def run(self, coroutine: Coroutine[Any, Any, T], *, limit_seconds: float) -> T:
        """Run an async client in the twin's time, as `run_virtual` does."""
        return run_virtual(coroutine, limit_seconds=limit_seconds, clock=self.clock)

    def log(self, key: str) -> WireLog:
        """Return what came over the wire with a bearer key; without a good one, that of the key ""."""
        return self.logs[key]

    def whole_log(self) -> WireLog:
        """Return what came over the wire with any key, and with none."""
        whole = WireLog()
        for each in sorted((each for log in self.logs.values() for each in log), key=lambda each: each.began):
            whole.add(each)
        return whole

    def world(self, key: str) -> World:
        """Return the world of a bearer key: its tasks, journal and scenarios."""
        return self.twin.worlds.open(key)

    def new_connection(self) -> int:
        """Return the number of one more connection."""
        self._connections += 1
        return self._connections

    def send_callbacks_here(self) -> None:
        """Send, from now on, what falls due in the event loop that runs now; raise RuntimeError where it is another's.

        An event loop in real time would make the clocks disagree.
        """
        loop = asyncio.get_running_loop()
        if loop is self._sends_in:
            return
        if not isinstance(loop, VirtualLoop) or loop.clock is not self.clock:
            raise RuntimeError(
                "this event loop is not in the twin's time: run the client with twin.run(…), or with "
                "run_virtual(…, clock=twin.clock)"
            )
        self.twin.callbacks.start()
        self._sends_in = loop
