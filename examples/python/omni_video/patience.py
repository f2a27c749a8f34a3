"""When to try again, and when no more: the deadline, the poll interval, the backoff, and what Retry-After asks for."""

import math
from collections.abc import Callable, Generator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from omni_video.answers import Reading
from omni_video.errors import OmniVideoError
from omni_video.steps import Settings, Step, Tries, Wait

# A task that was created a moment ago, and is not found, is asked for again so soon.
_ABSENT_SECONDS_MAX = 4.0
# What can go wrong with a date.
_NO_DATE = (ValueError, TypeError, IndexError, OverflowError)


class Patience:
    """The time of one job. The clocks and chance come in from outside; nothing here reads one by itself."""

    wakes_early = True
    task_id: str | None = None

    def __init__(
        self,
        settings: Settings,
        now: Callable[[], float],
        wall: Callable[[], float],
        chance: Callable[[], float],
    ) -> None:
        self.settings = settings
        self._now, self._wall, self._chance = now, wall, chance
        self._ends_at = math.inf

    def begin(self) -> None:
        """Let the deadline begin."""
        self._ends_at = self._now() + self.settings.deadline_seconds

    def left_seconds(self) -> float:
        """Return how much of the deadline is left."""
        return self._ends_at - self._now()

    def pause(self) -> Generator[Step, Any, None]:
        """Wait until it is time to ask again. A callback is believed in nothing but that it is time now."""
        seconds = min(self.poll_wait_seconds(), self.left_seconds())
        if seconds <= 0:
            raise self.out_of_time(Reading("fine"))
        yield Wait(seconds, self.wakes_early)
        if self.left_seconds() <= 0:
            raise self.out_of_time(Reading("fine"))

    def poll_wait_seconds(self) -> float:
        """Return how long to wait between two polls."""
        return self.settings.poll_interval_seconds

    def back_off(self, tries: Tries, reading: Reading, failures_max: int) -> Generator[Step, Any, None]:
        """Wait before the next try; raise where there is none, by their number or by the deadline."""
        throttled = reading.kind == "throttled"
        if throttled:
            tries.throttled += 1
        else:
            tries.failed += 1
        count, most = (tries.throttled, self.settings.throttles_max) if throttled else (tries.failed, failures_max)
        if count > most:
            raise self.given_up(reading, f"given up after {count} tries")
        yield Wait(self.in_time(tries, reading, self.retry_wait_seconds(reading, count - 1)))

    def in_time(self, tries: Tries, reading: Reading, seconds: float) -> float:
        """Return the wait, cut short where it would outlast the deadline; raise where nothing is left to try.

        The last look is worth more than the full wait: it may find a task that is paid for.
        """
        left = self.left_seconds()
        if seconds < left:
            return seconds
        if self.asked_seconds(reading) is not None:
            raise self.given_up(reading, f"to be tried again in {seconds:.0f} s, and {max(left, 0):.1f} s are left")
        shorter = left - min(self.settings.request_timeout_seconds, left / 2)
        throttled = reading.kind == "throttled"
        least = (self.settings.throttled_backoff_seconds if throttled else self.settings.backoff_seconds) / 2
        if tries.last or shorter < least:
            raise self.out_of_time(reading)
        tries.last = True
        return shorter

    def retry_wait_seconds(self, reading: Reading, retries: int) -> float:
        """Return how long to wait after so many retries: as the answer asks, else ever longer."""
        asked = self.asked_seconds(reading)
        if asked is not None:
            return asked
        if reading.kind == "absent" and self.task_id is not None:
            # What is new is found in a moment: this is no trouble that must be left in peace.
            return max(self.backoff_seconds(retries, base=self.settings.backoff_seconds), self.absent_wait_seconds())
        return self.backoff_seconds(retries, base=self.base_seconds(reading), throttled=reading.kind == "throttled")

    def base_seconds(self, reading: Reading) -> float:
        """Return the longest first wait; a task in trouble is not asked for more often than one that is well."""
        throttled = reading.kind == "throttled"
        base = self.settings.throttled_backoff_seconds if throttled else self.settings.backoff_seconds
        return base if self.task_id is None else max(base, 2 * self.settings.poll_interval_seconds)

    def backoff_seconds(self, retries: int, *, base: float, throttled: bool = False) -> float:
        """Return a wait that doubles, half of it fixed and half drawn, so that clients do not come back all at once."""
        longest = self.settings.throttled_seconds_max if throttled else self.settings.backoff_seconds_max
        full: float = min(base * 2 ** min(retries, 30), max(longest, base))
        return full * (0.5 + 0.5 * self._chance())

    def absent_wait_seconds(self) -> float:
        """Return how soon to ask again for a task that is not known yet."""
        return min(self.settings.poll_interval_seconds, _ABSENT_SECONDS_MAX)

    def asked_seconds(self, reading: Reading) -> float | None:
        """Return the wait that Retry-After asks for; None where it asks for none, or for what cannot be."""
        value = reading.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit() and len(value) < 12:
            return float(value) or None
        try:
            until = _moment(value)
        except _NO_DATE:
            return None
        try:
            # By the server's own clock, where it tells: ours may be wrong.
            seconds = until - _moment(reading.headers.get("date", ""))
        except _NO_DATE:
            # A date has whole seconds; it may mean the end of this one.
            seconds = until + 1 - self._wall() if until > self._wall() else 0
        return seconds if seconds > 0 else None

    def out_of_time(self, reading: Reading) -> OmniVideoError:
        """Return the error for the end of the deadline."""
        raise NotImplementedError

    def given_up(self, reading: Reading, why: str) -> OmniVideoError:
        """Return the error for a job that is tried no more."""
        raise NotImplementedError


def _moment(text: str) -> float:
    """A date of HTTP, in seconds since 1970."""
    date: datetime = parsedate_to_datetime(text)
    return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
