"""The only source of time. Everything in a world reads its clock, in whole milliseconds since 1970.

A *system* clock follows real time, or runs `scale` times faster. A *manual* clock stands still until it is moved.
"""

import asyncio
import heapq
import time
from collections.abc import Callable
from typing import Protocol

# Where a manual clock starts: a fixed moment, so that the same requests give the same bytes (2026-01-01T00:00:00Z).
MANUAL_START_MS = 1_767_225_600_000

# Year 9999: the last moment that a date can name.
CLOCK_MS_MAX = 253_402_300_799_000

# Moments of cancelled calls are taken out when they are more than the others, and worth the work.
_CANCELLED_MAX = 100


class Booked(Protocol):
    """Something that will be called, unless it is cancelled."""

    def cancel(self) -> None:
        """Do not call it."""


class Clock(Protocol):
    """What a world needs to know of time."""

    @property
    def now_ms(self) -> Callable[[], int]:
        """Tell the time of this clock, in milliseconds since 1970."""

    def call_after(self, after_ms: int, then: Callable[[], None]) -> Booked:
        """Call `then` when a client has waited for so long.

        A client waits in real time, so that is what a system clock takes, whatever its scale; a manual clock calls
        when it is moved there.
        """

    @property
    def client_ms(self) -> Callable[[], int]:
        """Tell time as it passes for a client, in milliseconds: real time, or what a manual clock shows."""

    @property
    def date_ms(self) -> Callable[[], int]:
        """Tell the date as a client reads it, in milliseconds since 1970."""


class SystemClock:
    """Real time, `scale` times as fast, from the moment the clock was made. It never runs backwards."""

    def __init__(
        self,
        *,
        scale: float = 1.0,
        wall_ns: Callable[[], int] = time.time_ns,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if not 0 < scale <= 1_000_000:
            raise ValueError(f"a time scale is above 0 and at most 1000000, not {scale}")
        self.scale = scale
        origin_ns, started_ns = wall_ns(), monotonic_ns()
        ahead_ns = origin_ns - started_ns

        def plain_now_ms() -> int:
            return (ahead_ns + monotonic_ns()) // 1_000_000

        def scaled_now_ms() -> int:
            return (origin_ns + int((monotonic_ns() - started_ns) * scale)) // 1_000_000

        self.now_ms: Callable[[], int] = plain_now_ms if scale == 1 else scaled_now_ms
        # Waits are measured with a clock that nobody sets; a date is compared with the client's own, which is set.
        self.client_ms: Callable[[], int] = plain_now_ms
        self.date_ms: Callable[[], int] = lambda: wall_ns() // 1_000_000

    def wait_seconds(self, until_ms: int) -> float:
        """Return how many real seconds pass until this clock shows `until_ms`; never negative."""
        return max(0, until_ms - self.now_ms()) / 1_000 / self.scale

    def call_after(self, after_ms: int, then: Callable[[], None]) -> Booked:
        """Call `then` after so much real time, from the event loop that runs now."""
        return asyncio.get_running_loop().call_later(after_ms / 1_000, then)


class ManualClock:
    """A clock that moves only when told, and only forwards."""

    def __init__(self, start_ms: int = MANUAL_START_MS) -> None:
        self._now_ms = start_ms
        self.now_ms: Callable[[], int] = lambda: self._now_ms
        # What is booked: the moments with a number each, and by number what is called; what is cancelled has none.
        self._moments: list[tuple[int, int]] = []
        self._booked: dict[int, Callable[[], None]] = {}
        self._number = 0
        self.client_ms = self.date_ms = self.now_ms

    def move_to(self, at_ms: int) -> None:
        """Set the clock to `at_ms`; raise ValueError for a moment that has passed or is past the year 9999.

        What is booked until then is called on the way, each when the clock shows its moment.
        """
        self.check_move(at_ms)
        while self._moments and self._moments[0][0] <= at_ms:
            due_ms, number = heapq.heappop(self._moments)
            if then := self._booked.pop(number, None):
                self._now_ms = max(due_ms, self._now_ms)
                then()
        self._now_ms = max(at_ms, self._now_ms)

    def check_move(self, at_ms: int) -> None:
        """Raise ValueError where the clock cannot be set to `at_ms`."""
        if at_ms < self._now_ms:
            raise ValueError(f"the clock shows {self._now_ms} and does not go back to {at_ms}")
        if at_ms > CLOCK_MS_MAX:
            raise ValueError(f"{at_ms} is past the year 9999")

    def call_after(self, after_ms: int, then: Callable[[], None]) -> Booked:
        """Call `then` when the clock is moved so far, or farther."""
        if len(self._moments) > 2 * len(self._booked) + _CANCELLED_MAX:
            self._moments = sorted(each for each in self._moments if each[1] in self._booked)
        self._number += 1
        self._booked[self._number] = then
        heapq.heappush(self._moments, (self._now_ms + after_ms, self._number))
        return _OnManual(self._booked, self._number)


class _OnManual:
    """Something booked with a manual clock."""

    def __init__(self, booked: dict[int, Callable[[], None]], number: int) -> None:
        self._booked, self._number = booked, number

    def cancel(self) -> None:
        self._booked.pop(self._number, None)
