"""Sends what the outboxes hold, when it is due, and tries again where it failed.

    outbox ──due──▶ guard ──▶ turns ──▶ message ──▶ POST ──▶ journal
       ▲                                             │
       └──────────────── a retry, later ◀────────────┘

What waits for its turn is a value; a coroutine is made for what is under way. So a receiver that is slow or dead holds
up nobody else, and a hundred thousand deliveries due at once cost no more than those that are sent. Only the status
changes of one task wait for each other, a time-out at most, so that first attempts arrive in order.

Under a system clock a timer for each world wakes up for its earliest delivery; under a manual clock `advance` does. A
delivery keeps its id over all its attempts, and arrives at least once where the receiver answers 2xx at last.
"""

import asyncio
import functools
import logging
from collections.abc import Callable

import msgspec

from mock_server.attempts import Attempts
from mock_server.clock import ManualClock, SystemClock
from mock_server.exchange import First
from mock_server.journal import Attempt
from mock_server.outbox import Delivery
from mock_server.tries import Tries, Try, all_ended
from mock_server.worlds import World

log = logging.getLogger("omnimock")

# So many are taken from an outbox before requests have their turn again: some milliseconds' work.
TAKEN_AT_ONCE_MAX = 64
# In a manual clock's advance the caller waits: no receiver may hold it up for long.
ADVANCE_TIMEOUT_SECONDS = 2.0
# A client waits longer than that for the answer to a submit.
FIRST_SECONDS_MAX = 10.0


class Fired(msgspec.Struct, frozen=True):
    """Something that happened while a manual clock moved: a status change, or an attempt to deliver a callback."""

    at_ms: int
    what: str
    task_id: str
    status: str
    callback: Attempt | None = None


class Callbacks:
    """The sender of all worlds' callbacks."""

    def __init__(self, attempts: Attempts, refusal: Callable[[str], str]) -> None:
        """`refusal` says why nothing is sent to an address, or nothing."""
        self._attempts, self._refusal = attempts, refusal
        self._tries = Tries(attempts.make)
        self._watched: dict[str, World] = {}
        self._timers: dict[World, asyncio.TimerHandle | asyncio.Handle] = {}
        # From which journal entry on a world's attempts have not been told by an advance.
        self._untold: dict[World, int] = {}
        self._advancing: dict[World, asyncio.Lock] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def start(self) -> None:
        """Send by itself, from now on, what falls due; before that, only `advance` sends."""
        self._loop = asyncio.get_running_loop()
        for world in self._watched.values():
            self._wake(world)

    def watch(self, world: World) -> None:
        """Send what this world books from now on."""
        self._watched[world.tag] = world
        world.outbox.on_earlier = functools.partial(self._wake, world)

    def unwatch(self, world: World) -> None:
        """Stop sending for a world that is closed; what it still had booked is recorded and reported."""
        self._watched.pop(world.tag, None)
        world.outbox.on_earlier = lambda: None
        if timer := self._timers.pop(world, None):
            timer.cancel()
        self._advancing.pop(world, None)
        self._untold.pop(world, None)
        dropped = [
            self._attempts.record(world, each, "abandoned", None, "its world was closed")
            for each in world.outbox.take_all()
        ]
        if dropped:
            log.warning("closing a world that nobody used drops %d callbacks", len(dropped))

    async def advance(self, world: World, to_ms: int) -> list[Fired]:
        """Move the manual clock of `world` to `to_ms`, and return what happened on the way, in order.

        Each delivery that falls due is attempted at its moment, and its retries too where they fall due before the
        end. Those due at the same moment go out together; the next moment comes when they have ended.
        Raise ValueError for a moment that has passed.
        """
        clock = world.clock
        if not isinstance(clock, ManualClock):
            raise TypeError("only a manual clock can be moved")
        async with self._advancing.setdefault(world, asyncio.Lock()):
            clock.check_move(to_ms)
            await self._settled(world)
            start_ms = clock.now_ms()
            fired = [*self._sent_before(world), *self._status_changes(world, start_ms, to_ms)]
            while (due_ms := world.outbox.next_due_ms) is not None and due_ms <= to_ms:
                clock.move_to(max(due_ms, clock.now_ms()))
                attempts = await self._all(world, world.outbox.take_due(clock.now_ms()))
                fired += [Fired(each.at_ms, "callback", each.task_id, each.status, each) for each in attempts]
            if not world.closed:
                clock.move_to(to_ms)
                self._untold[world] = world.journal.next_number
            return sorted(fired, key=lambda each: each.at_ms)

    def under_way(self, world: World) -> list[Delivery]:
        """Return the deliveries of a world that are being attempted, or wait for their turn."""
        return [each.delivery for each in self._tries.of(world) if each.making is None or not each.making.done()]

    async def redeliver(self, world: World, delivery: Delivery) -> Attempt | None:
        """Attempt a delivery once more, now, and return what came of it; None where its world was closed meanwhile."""
        one = self._start(world, delivery, self._attempts.schedule(delivery).timeout_ms / 1_000, retry=False)
        await one.ended()
        return one.attempt

    async def send_first(self, first: First) -> None:
        """Return when these deliveries have been attempted, or a while has passed; send those still booked."""
        world = self._watched.get(first.world_tag)
        if world is None:
            return
        for delivery in world.outbox.take(first.deliveries):
            self._start(world, delivery, self._attempts.schedule(delivery).timeout_ms / 1_000)
        await all_ended(
            [each for each in self._tries.of(world) if each.delivery.id in first.deliveries], FIRST_SECONDS_MAX
        )

    def forget(self, world: World) -> None:
        """Drop all callbacks of a world, those under way too, without a trace."""
        world.outbox.take_all()
        self._tries.end_unmade(self._tries.of(world), lambda each: None)
        for each in self._tries.of(world):
            if each.making is not None:
                each.making.cancel()

    async def stop(self, grace_seconds: float) -> list[Attempt]:
        """Let attempts under way end, for at most `grace_seconds`; record all that is left, and return it.

        What is returned is for the log: its addresses are without keys.
        """
        self._stopping = self._attempts.stopping = True
        for timer in self._timers.values():
            timer.cancel()
        await all_ended(self._tries.all(), grace_seconds)
        left = self._tries.all()
        self._tries.end_unmade(left, self._abandoned)
        made = [each.making for each in left if each.making is not None]
        for making in made:
            making.cancel()
        await asyncio.gather(*made, return_exceptions=True)
        for each in left:
            if each.attempt is None and not each.world.closed:
                # It was cancelled before its first step.
                each.attempt = self._abandoned(each)
        told = [
            _told(each.world, each.attempt)
            for each in left
            if each.attempt is not None and each.attempt.outcome == "abandoned"
        ]
        for world in self._watched.values():
            booked = world.outbox.take_all()
            recorded = [self._attempts.record(world, each, "abandoned", None, "the server stopped") for each in booked]
            told += [_told(world, each) for each in recorded]
        await self._attempts.close()
        return sorted(told, key=lambda each: each.at_ms)

    # When

    def _wake(self, world: World) -> None:
        """Set the world's timer for its earliest delivery."""
        due_ms = world.outbox.next_due_ms
        if self._loop is None or self._stopping or due_ms is None:
            return
        if timer := self._timers.pop(world, None):
            timer.cancel()
        if isinstance(world.clock, SystemClock):
            seconds = world.clock.wait_seconds(due_ms)
            self._timers[world] = self._loop.call_later(seconds, self._fire, world)
        elif due_ms <= world.clock.now_ms():
            self._timers[world] = self._loop.call_soon(self._fire, world)

    def _fire(self, world: World) -> None:
        for delivery in world.outbox.take_due(world.clock.now_ms(), TAKEN_AT_ONCE_MAX):
            self._start(world, delivery, self._attempts.schedule(delivery).timeout_ms / 1_000)
        self._wake(world)

    def _start(self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool = True) -> Try:
        one = Try(world, delivery, timeout_seconds, retry=retry)
        if delivery.suffers("lost"):
            one.end(self._attempts.record(world, delivery, "lost", None, "never sent, as its scenario has it"))
            return one
        if reason := self._refusal(delivery.url):
            self._attempts.tell_once(reason, world.told(f"callback of task {delivery.task.id} not sent: {reason}"))
            one.end(self._attempts.record(world, delivery, "refused", None, reason))
            return one
        self._tries.add(one)
        return one

    def _abandoned(self, one: Try) -> Attempt:
        return self._attempts.record(
            one.world, one.delivery, "abandoned", None, "the server stopped before its turn came"
        )

    async def _settled(self, world: World) -> None:
        """Wait for what was sent before, so that it arrives before what comes next."""
        await all_ended(self._tries.of(world), ADVANCE_TIMEOUT_SECONDS)

    async def _all(self, world: World, due: list[Delivery]) -> list[Attempt]:
        seconds = [min(self._attempts.schedule(each).timeout_ms / 1_000, ADVANCE_TIMEOUT_SECONDS) for each in due]
        started: list[Try] = []
        for delivery, timeout_seconds in zip(due, seconds, strict=True):
            started.append(self._start(world, delivery, timeout_seconds))
            if len(started) % TAKEN_AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        await all_ended(started, None)
        return [each.attempt for each in started if each.attempt is not None]

    # What there is to tell

    def _sent_before(self, world: World) -> list[Fired]:
        """What was due at once, and so was sent since the last advance without being asked."""
        return [
            Fired(entry.at_ms, "callback", entry.task_id, entry.status, entry)
            for entry in world.journal.entries
            if isinstance(entry, Attempt) and entry.number >= self._untold.get(world, 0)
        ]

    def _status_changes(self, world: World, after_ms: int, until_ms: int) -> list[Fired]:
        return [
            Fired(at_ms, "status", task.id, step.status)
            for task in world.store.tasks()
            for step, at_ms in zip(task.plan.steps, task.plan.at_ms, strict=True)
            if after_ms < at_ms <= until_ms
        ]


def _told(world: World, attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, url=world.told(attempt.url))
