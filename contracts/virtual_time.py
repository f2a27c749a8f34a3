"""Virtual time: a clock that is a counter, and jumps to the next timer when nothing else is ready.

    result = run_virtual(client(), limit_seconds=3_600)

Hours of backoff pass in milliseconds, and each moment is exact. Nothing is patched: the client runs in an event loop
whose selector moves the counter instead of waiting (`virtual_loop.py`). docs/virtual-time.md says what is virtual.
"""

import asyncio
import contextlib
import functools
import platform
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, TypeVar

from contracts.virtual_loop import (
    LimitPassed,
    NothingToWaitFor,
    RealWaitTooLong,
    Spinning,
    Stopped,
    VirtualLoop,
    ns,
)
from mock_server.clock import MANUAL_START_MS

__all__ = [
    "LimitPassed",
    "NothingToWaitFor",
    "RealWaitTooLong",
    "Spinning",
    "Stopped",
    "UnfitPython",
    "VirtualClock",
    "VirtualLoop",
    "run_virtual",
]

T = TypeVar("T")

# A correct client is through with one moment in a few dozen turns; this many take half a second of real time.
TURNS_AT_ONE_MOMENT_MAX = 100_000
# Beyond that a float of seconds no longer tells nanoseconds apart as finely as asyncio compares them.
LIMIT_SECONDS_MAX = 90 * 86_400.0
# What is cancelled at the end may take so long over it, and be asked so often.
_FAREWELL_SECONDS = 60.0
_FAREWELLS_MAX = 10


class UnfitPython(RuntimeError):
    """The asyncio of this Python does not work as virtual time needs it."""


class VirtualClock:
    """The counter, in nanoseconds. To a sync client it is the clock that it takes: monotonic(), time() and sleep()."""

    def __init__(self, *, start_ms: int = MANUAL_START_MS, limit_seconds: float = LIMIT_SECONDS_MAX) -> None:
        """The date is `start_ms` where the counter is 0. Past the limit `sleep` raises LimitPassed."""
        self.ns = 0
        self.turns = 0
        self._start_ns = start_ms * 1_000_000
        self._limit_seconds, self._limit_ns = 0.0, 0
        self._real = 0
        self._loop: VirtualLoop | None = None
        self.limit(limit_seconds)

    def __enter__(self) -> "VirtualClock":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def monotonic(self) -> float:
        """Return the virtual seconds so far."""
        return self.ns / 1e9

    def time(self) -> float:
        """Return the date, in seconds since 1970."""
        return self.wall_ns() / 1e9

    def monotonic_ns(self) -> int:
        """Return the virtual nanoseconds so far."""
        return self.ns

    def wall_ns(self) -> int:
        """Return the date, in nanoseconds since 1970."""
        return self._start_ns + self.ns

    def sleep(self, seconds: float) -> None:
        """Let time pass, for a sync client. What is due on the way, such as a callback, happens at its moment."""
        if seconds < 0:
            raise ValueError(f"nobody sleeps for {seconds} seconds; 0 or more is expected")
        self.run(asyncio.sleep(seconds))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work of an event loop, for a sync client, and return its result; time may pass over it."""
        _refuse_inside_a_loop(work, "await asyncio.sleep(), which is virtual there")
        if self._loop is None:
            check_python()
            self._loop = VirtualLoop(self)
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """Let go of what `sleep` needed; drop what is under way."""
        if self._loop is not None:
            _end(self._loop)
            self._loop = None

    @contextlib.contextmanager
    def something_real(self) -> Iterator[None]:
        """Meanwhile, wait for something outside of virtual time, such as a thread, instead of jumping."""
        self._real += 1
        try:
            yield
        finally:
            self._real -= 1

    @property
    def awaits_something_real(self) -> bool:
        """Whether a thread or the like is under way that somebody waits for."""
        return self._real > 0

    def limit(self, seconds: float) -> None:
        """Stop, from now on, when so many seconds have passed; raise ValueError for what is no limit."""
        if not 0 < seconds <= LIMIT_SECONDS_MAX:
            raise ValueError(f"a limit is above 0 and at most {LIMIT_SECONDS_MAX:.0f} seconds (90 days), not {seconds}")
        self._limit_seconds = seconds
        self._limit_ns = min(self.ns + ns(seconds), ns(LIMIT_SECONDS_MAX))

    def advance(self, by_ns: int) -> None:
        """Move on; raise LimitPassed where that is past the limit."""
        if by_ns <= 0:
            self.turn()
            return
        self.turns = 0
        if self.ns + by_ns > self._limit_ns:
            self.ns = max(self.ns, self._limit_ns)
            raise LimitPassed(
                f"the client had not ended after {self._limit_seconds:g} s of virtual time. Does it wait for ever, or "
                "measure its deadline with time.monotonic(), which is real time? See docs/virtual-time.md"
            )
        self.ns += by_ns

    def turn(self, count: int = 1) -> None:
        """Count something that happened while time did not pass; raise Spinning where that is too much."""
        self.turns += count
        if self.turns > TURNS_AT_ONE_MOMENT_MAX:
            self.turns = 0
            raise Spinning(
                f"the client is busy at {self.monotonic():g} s of virtual time and never waits, so that time does not "
                "pass. Does it ask again and again without a sleep between?"
            )


def run_virtual(coroutine: Coroutine[Any, Any, T], *, limit_seconds: float, clock: VirtualClock | None = None) -> T:
    """Run a client in virtual time, and return its result. What it leaves behind is cancelled.

    Raise LimitPassed, NothingToWaitFor, Spinning or RealWaitTooLong where it does not come to an end, and UnfitPython
    where this Python's asyncio is not as expected. Time goes on from where `clock` is, and stays there.
    """
    _refuse_inside_a_loop(coroutine, "call run_virtual outside of it")
    try:
        check_python()
        clock = clock or VirtualClock()
        clock.limit(limit_seconds)
    except BaseException:
        coroutine.close()
        raise
    clock.turns = 0
    loop = VirtualLoop(clock)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        _end(loop)
        clock.limit(LIMIT_SECONDS_MAX)


@functools.cache
def check_python() -> None:
    """Raise UnfitPython where virtual time does not work with the asyncio of this Python."""
    check_loop(VirtualLoop)


def check_loop(make: Callable[[VirtualClock], asyncio.AbstractEventLoop]) -> None:
    """Try a loop out: two milliseconds, which must be passed exactly, and past a timer that is cancelled."""
    clock = VirtualClock()
    seen: list[tuple[int, int]] = []

    async def probe() -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(0.001, seen.append, (0, 0)).cancel()
        await asyncio.sleep(0.002)
        await asyncio.sleep(0)
        seen.append((clock.ns, min(clock.turns, 1)))

    try:
        loop = make(clock)
        try:
            loop.run_until_complete(probe())
        finally:
            loop.close()
    except Exception as error:
        raise UnfitPython(_unfit(repr(error))) from error
    if seen != [(2_000_000, 1)]:
        raise UnfitPython(_unfit(f"a sleep of 2 ms took {seen}"))


def _unfit(reason: str) -> str:
    return (
        f"virtual time does not work with {platform.python_implementation()} {platform.python_version()}: its asyncio "
        f"is not as expected ({reason}). Run the client over sockets instead: omnimock check -- COMMAND"
    )


def _refuse_inside_a_loop(work: Coroutine[Any, Any, Any], instead: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    work.close()
    raise RuntimeError(f"an event loop is running here already: {instead}")


def _end(loop: VirtualLoop) -> None:
    """Cancel what is left, as often as it takes, and close the loop; what will not go is left where it is."""
    for _ in range(_FAREWELLS_MAX):
        left = asyncio.all_tasks(loop)
        if not left:
            break
        for task in left:
            task.cancel()
        _until_it_stops(loop, asyncio.gather(*left, return_exceptions=True))
    else:
        # It has been said already, by what was raised, that the client does not end.
        loop.set_exception_handler(lambda _loop, _context: None)
    _until_it_stops(loop, loop.create_task(loop.shutdown_asyncgens()))
    loop.close()


def _until_it_stops(loop: VirtualLoop, work: "asyncio.Future[Any]") -> None:
    loop.clock.turns = 0
    loop.clock.limit(_FAREWELL_SECONDS)
    with contextlib.suppress(Stopped):
        loop.run_until_complete(work)
