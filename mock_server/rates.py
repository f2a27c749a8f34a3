"""How many requests are answered in a window of time, and what is told to a client that sends more.

The window is fixed: the first request opens it, and the first one after its end opens the next. Whoever is refused is
told how long to wait, and what is told holds. A client that comes back before that is refused again, and has to wait
for a whole window from then on: so a client that hammers is never let in.

All of it is in the client's time: a client sleeps in real seconds, however fast the world's clock runs.
"""

import msgspec

from mock_server import retry_after
from mock_server.clock import Clock
from mock_server.scenarios import Rate

_SECOND_MS = 1_000


class Shortage(msgspec.Struct, frozen=True, gc=False):
    """Why there is no room for a request: the problem, words for the developer, and headers for the client."""

    problem: str
    came: str
    allowed: str
    do: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Window:
    """The requests of one world, counted against a rate."""

    __slots__ = ("_closed_until_ms", "_count", "_opened_ms", "rate")

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self._opened_ms = -rate.per_ms
        self._count = 0
        self._closed_until_ms = 0

    def request(self, problem: str, clock: Clock) -> Shortage | None:
        """Count a request; return why it is refused, or None where it is within the rate."""
        rate, now_ms = self.rate, clock.client_ms()
        early_ms = self._closed_until_ms - now_ms
        if early_ms <= 0 and self._within(now_ms):
            return None
        wait_ms, headers = _told(rate, rate.per_ms if early_ms > 0 else self._opened_ms + rate.per_ms - now_ms, clock)
        self._closed_until_ms = now_ms + wait_ms
        roles = ", ".join(sorted(rate.roles))
        return Shortage(
            problem,
            f"a request {early_ms} ms before the wait was over" if early_ms > 0 else "one more in the same window",
            f"{rate.requests} in {rate.per_ms} ms ({roles})",
            f"wait {wait_ms} ms; who comes back before waits for a whole window again",
            headers,
        )

    def _within(self, now_ms: int) -> bool:
        if now_ms >= self._opened_ms + self.rate.per_ms:
            self._opened_ms, self._count = now_ms, 0
        self._count += 1
        return self._count <= self.rate.requests


def _told(rate: Rate, wait_ms: int, clock: Clock) -> tuple[int, tuple[tuple[bytes, bytes], ...]]:
    """How long a client has to wait, and how the reply says so: in whole seconds, up."""
    if rate.retry_after == "none":
        return wait_ms, ()
    if rate.retry_after == "date":
        free_ms = clock.date_ms() + wait_ms
        wait_ms += -free_ms % _SECOND_MS
        return wait_ms, (retry_after.at(free_ms),)
    wait_ms += -wait_ms % _SECOND_MS
    return wait_ms, (retry_after.within(wait_ms),)
