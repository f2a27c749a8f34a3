"""The event loop of virtual time. All that asyncio's documentation does not promise, and that is relied on, is here.

A loop asks its selector once a turn to wait: for 0 seconds where something is ready, for None where there is nothing to
wait for, and else until the next timer that is not cancelled. Here the selector moves the clock instead of waiting. And
a loop has a `_clock_resolution`, by which timers are due.

`virtual_time.check_python` looks at this before first use.
"""

import asyncio
import selectors
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, TypeVar, TypeVarTuple

if TYPE_CHECKING:
    from contracts.virtual_time import VirtualClock

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# As long as somebody waits at a terminal for an address to be looked up, or a thread to end.
REAL_SECONDS_MAX = 60.0
# A thread that nobody knows of may be about to wake the loop up.
STRAY_SECONDS = 0.1
_RESOLUTION_SECONDS = 1e-9


class Stopped(BaseException):
    """Virtual time cannot go on. Not an Exception, so that no client under test takes it for a failed request."""


class LimitPassed(Stopped):
    """The client had not ended when its time was up."""


class NothingToWaitFor(Stopped):
    """The client waits, and nothing can ever wake it up."""


class Spinning(Stopped):
    """The client is busy, and time does not pass."""


class RealWaitTooLong(Stopped):
    """Something outside of virtual time took too long."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop in virtual time."""

    def __init__(self, clock: "VirtualClock") -> None:
        self.clock = clock
        waiting = _Selector(clock)
        super().__init__(waiting)
        waiting.seal()
        if not hasattr(self, "_clock_resolution"):
            self.close()
            raise AttributeError("an event loop has no _clock_resolution")
        # Else timers within a system's tick would be early; some tick only every 16 ms.
        self._clock_resolution = _RESOLUTION_SECONDS

    def time(self) -> float:
        """Return the virtual seconds so far."""
        return self.clock.monotonic()

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> "asyncio.Future[T]":
        """Run something in a thread: real time passes until it ends, and virtual time does not jump."""
        future = super().run_in_executor(executor, func, *args)
        real = self.clock.something_real()
        real.__enter__()
        future.add_done_callback(lambda _: real.__exit__(None, None, None))
        return future


class _Selector(selectors.BaseSelector):
    """Where a loop waits. Here it moves the clock, unless something real may come."""

    def __init__(self, clock: "VirtualClock") -> None:
        self._clock = clock
        self._real = selectors.DefaultSelector()
        self._own = 0
        self._real_seconds = REAL_SECONDS_MAX

    def seal(self) -> None:
        """Take all that is registered so far for the loop's own."""
        self._own = len(self.get_map())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what has come; else move the clock by `timeout`. None means that nothing else is awaited."""
        if came := self._real.select(0):
            self._clock.turns = 0
            return came
        if timeout is not None and timeout <= 0:
            self._clock.turn()
            return []
        if len(self.get_map()) > self._own or self._clock.awaits_something_real:
            came = self._wait(timeout)
        elif timeout is None:
            came = self._real.select(STRAY_SECONDS)
            if not came:
                raise NothingToWaitFor(
                    f"the client waits at {self._clock.monotonic():g} s of virtual time, and there is no timer, no "
                    "connection and no thread that could wake it up: it would wait for ever"
                )
        if not came and timeout is not None:
            self._clock.advance(ns(timeout))
        return came

    def _wait(self, timeout: float | None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for something real, in real time; it is not said how much of that a run may spend."""
        seconds = self._real_seconds if timeout is None else min(timeout, self._real_seconds)
        started = time.monotonic()
        came = self._real.select(seconds)
        self._real_seconds -= time.monotonic() - started
        if not came and self._real_seconds <= 0:
            self._real_seconds = REAL_SECONDS_MAX
            raise RealWaitTooLong(
                f"the client waited {REAL_SECONDS_MAX:g} s of real time for a connection or a thread of its own, which "
                "virtual time cannot hurry. Run it over sockets instead: omnimock check -- COMMAND"
            )
        return came

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def ns(seconds: float) -> int:
    """Return seconds in whole nanoseconds."""
    return round(seconds * 1e9)
