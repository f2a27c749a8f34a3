"""The only source of time. Everything in a world reads its clock, in whole milliseconds since 1970.

A *system* clock follows real time, or runs `scale` times faster. A *manual* clock stands still until it is moved.
"""

import time
from collections.abc import Callable
from typing import Protocol

# Where a manual clock starts: a fixed moment, so that the same requests give the same bytes (2026-01-01T00:00:00Z).
MANUAL_START_MS = 1_767_225_600_000

# Year 9999: the last moment that a date can name.
CLOCK_MS_MAX = 253_402_300_799_000


class Clock(Protocol):
    """What a world needs to know of time."""

    @property
    def now_ms(self) -> Callable[[], int]:
        """Tell the time of this clock, in milliseconds since 1970."""

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

        def plain_now_ms() -> int:
            return (origin_ns + monotonic_ns() - started_ns) // 1_000_000

        def scaled_now_ms() -> int:
            return (origin_ns + int((monotonic_ns() - started_ns) * scale)) // 1_000_000

        self.now_ms: Callable[[], int] = plain_now_ms if scale == 1 else scaled_now_ms
        # Waits are measured with a clock that nobody sets; a date is compared with the client's own, which is set.
        self.client_ms: Callable[[], int] = plain_now_ms
        self.date_ms: Callable[[], int] = lambda: wall_ns() // 1_000_000

    def wait_seconds(self, until_ms: int) -> float:
        """Return how many real seconds pass until this clock shows `until_ms`; never negative."""
        return max(0, until_ms - self.now_ms()) / 1_000 / self.scale


class ManualClock:
    """A clock that moves only when told, and only forwards."""

    def __init__(self, start_ms: int = MANUAL_START_MS) -> None:
        self._now_ms = start_ms
        self.now_ms: Callable[[], int] = lambda: self._now_ms
        self.client_ms = self.date_ms = self.now_ms

    def move_to(self, at_ms: int) -> None:
        """Set the clock to `at_ms`; raise ValueError for a moment that has passed or is past the year 9999."""
        self.check_move(at_ms)
        self._now_ms = at_ms

    def check_move(self, at_ms: int) -> None:
        """Raise ValueError where the clock cannot be set to `at_ms`."""
        if at_ms < self._now_ms:
            raise ValueError(f"the clock shows {self._now_ms} and does not go back to {at_ms}")
        if at_ms > CLOCK_MS_MAX:
            raise ValueError(f"{at_ms} is past the year 9999")
