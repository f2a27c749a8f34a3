"""Attempts that are to be made: in the order of their task, when their turn has come.

    asked for ──▶ behind the task's attempt before it ──▶ in line for its receiver ──▶ made ──▶ ended

Only what is being made is a coroutine.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine, Iterable
from typing import Any
from urllib.parse import urlsplit

from mock_server.journal import Attempt
from mock_server.outbox import Delivery
from mock_server.turns import Turns
from mock_server.worlds import World

# So many at once go to one receiver; one that hangs keeps no more sockets than that. More are not faster to one on the
# same machine, and the answers of so many, if they come all at once, hold up a request for some milliseconds.
IN_FLIGHT_PER_RECEIVER_MAX = 64
# Beside two thousand clients, this stays within the open files that servers are usually given.
IN_FLIGHT_MAX = 1_024


class Try:
    """An attempt that is to be made: after the task's attempt before it, when its turn has come."""

    __slots__ = ("attempt", "delivery", "followers", "gone", "making", "receiver", "retry", "timeout_seconds", "timer",
                 "waiter", "world")  # fmt: skip

    def __init__(self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool) -> None:
        self.world, self.delivery, self.timeout_seconds, self.retry = world, delivery, timeout_seconds, retry
        self.receiver = urlsplit(delivery.url).netloc
        # The status changes of the same task that wait until this one has ended.
        self.followers: list[Try] = []
        self.timer: asyncio.TimerHandle | None = None
        self.making: asyncio.Task[Attempt] | None = None
        self.waiter: asyncio.Future[None] | None = None
        # What came of it; nothing where its world was forgotten.
        self.attempt: Attempt | None = None
        self.gone = False

    def ended(self) -> asyncio.Future[None]:
        """Return what is done when this has ended."""
        if self.waiter is None:
            self.waiter = asyncio.get_running_loop().create_future()
            if self.gone:
                self.waiter.set_result(None)
        return self.waiter

    def end(self, attempt: Attempt | None) -> None:
        """Say what came of it."""
        self.attempt, self.gone = attempt, True
        if self.timer is not None:
            self.timer.cancel()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)


class Tries:
    """All that have been asked for and have not ended."""

    def __init__(self, make: Callable[[Try], Coroutine[Any, Any, Attempt]]) -> None:
        """`make` makes an attempt whose turn has come."""
        self._make = make
        self._open: dict[Try, None] = {}
        # The newest of each task: the next status change waits for it.
        self._newest: dict[tuple[World, str], Try] = {}
        self._turns: Turns[Try] = Turns(
            self._begin, in_all_max=IN_FLIGHT_MAX, per_receiver_max=IN_FLIGHT_PER_RECEIVER_MAX
        )

    def all(self) -> list[Try]:
        """Return all, in the order they were asked for."""
        return list(self._open)

    def of(self, world: World) -> list[Try]:
        """Return those of a world, in the order they were asked for."""
        return [each for each in self._open if each.world is world]

    def add(self, one: Try) -> None:
        """Ask for an attempt."""
        key = (one.world, one.delivery.task.id)
        before = self._newest.get(key)
        self._newest[key] = one
        self._open[one] = None
        if before is None:
            self._turns.ask(one.receiver, one)
        else:
            # In order, then; but a receiver that hangs on one status change shall still hear of the next.
            before.followers.append(one)
            one.timer = asyncio.get_running_loop().call_later(one.timeout_seconds, self._follow, one)

    def end_unmade(self, tries: Iterable[Try], came: Callable[[Try], Attempt | None]) -> None:
        """End those that wait for their turn. All at once, so that none of them gets its turn by another's end."""
        waiting = [each for each in tries if each.making is None]
        for each in waiting:
            each.gone = True
        self._turns.withdraw(lambda each: each.gone)
        for each in waiting:
            self._end(each, came(each))

    def _follow(self, one: Try) -> None:
        """Stand in line, unless that has been done: what was before has ended, or taken long enough."""
        if one.timer is not None and not one.gone:
            one.timer.cancel()
            one.timer = None
            self._turns.ask(one.receiver, one)

    def _begin(self, one: Try) -> None:
        """Make an attempt whose turn has come."""
        one.making = asyncio.get_running_loop().create_task(self._make(one))
        one.making.add_done_callback(functools.partial(self._made, one))

    def _made(self, one: Try, making: asyncio.Task[Attempt]) -> None:
        self._turns.end(one.receiver)
        ended_well = not making.cancelled() and making.exception() is None
        self._end(one, making.result() if ended_well else None)

    def _end(self, one: Try, attempt: Attempt | None) -> None:
        one.end(attempt)
        del self._open[one]
        key = (one.world, one.delivery.task.id)
        if self._newest.get(key) is one:
            del self._newest[key]
        for each in one.followers:
            self._follow(each)


async def all_ended(tries: Iterable[Try], timeout_seconds: float | None) -> None:
    """Return when all of them have ended, or after a while."""
    if waiters := [each.ended() for each in tries]:
        await asyncio.wait(waiters, timeout=timeout_seconds)
