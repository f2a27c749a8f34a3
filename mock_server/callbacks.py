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
import traceback
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

import msgspec

from mock_server.callback_message import Messages
from mock_server.clock import ManualClock, SystemClock
from mock_server.exchange import First
from mock_server.journal import Attempt, Outcome
from mock_server.outbox import Delivery
from mock_server.post import Post, PostFailed
from mock_server.scenarios import Scenario
from mock_server.task import Task
from mock_server.turns import Turns
from mock_server.worlds import World

log = logging.getLogger("omnimock")

# So many at once go to one receiver; one that hangs keeps no more sockets than that. More are not faster to one on the
# same machine, and the answers of so many, if they come all at once, hold up a request for some milliseconds.
IN_FLIGHT_PER_RECEIVER_MAX = 64
# Beside two thousand clients, this stays within the open files that servers are usually given.
IN_FLIGHT_MAX = 1_024
# So many are taken from an outbox before requests have their turn again: some milliseconds' work.
TAKEN_AT_ONCE_MAX = 64
# In a manual clock's advance the caller waits: no receiver may hold it up for long.
ADVANCE_TIMEOUT_SECONDS = 2.0
# A client waits longer than that for the answer to a submit.
FIRST_SECONDS_MAX = 10.0
# A receiver that is down is named once on the terminal, not for every task.
_TOLD_MAX = 1_000


class Schedule(msgspec.Struct, frozen=True):
    """How long an attempt may take, and how long after a failed one the next is made."""

    timeout_ms: int
    retries_ms: tuple[int, ...]


class Fired(msgspec.Struct, frozen=True):
    """Something that happened while a manual clock moved: a status change, or an attempt to deliver a callback."""

    at_ms: int
    what: str
    task_id: str
    status: str
    callback: Attempt | None = None


class _Try:
    """An attempt that is to be made: after the task's attempt before it, when its turn has come."""

    __slots__ = ("attempt", "delivery", "followers", "gone", "making", "receiver", "retry", "timeout_seconds", "timer",
                 "waiter", "world")  # fmt: skip

    def __init__(self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool) -> None:
        self.world, self.delivery, self.timeout_seconds, self.retry = world, delivery, timeout_seconds, retry
        self.receiver = urlsplit(delivery.url).netloc
        # The status changes of the same task that wait until this one has ended.
        self.followers: list[_Try] = []
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


class Callbacks:
    """The sender of all worlds' callbacks."""

    def __init__(
        self,
        *,
        messages: Messages,
        schedules: Mapping[str, Schedule],
        scenario: Callable[[Task], Scenario],
        post: Callable[[], Post],
        refusal: Callable[[str], str],
    ) -> None:
        """`schedules` are by task type; `scenario`, that of a task, may say another. `post` is made when needed.

        `refusal` says why nothing is sent to an address, or nothing.
        """
        self._messages, self._schedules, self._scenario = messages, schedules, scenario
        self._make_post = post
        self._post: Post | None = None
        self._refusal = refusal
        self._watched: dict[str, World] = {}
        self._timers: dict[World, asyncio.TimerHandle | asyncio.Handle] = {}
        self._open: dict[_Try, None] = {}
        # The newest of each task that has not ended: the next status change waits for it.
        self._newest: dict[tuple[World, str], _Try] = {}
        # From which journal entry on a world's attempts have not been told by an advance.
        self._untold: dict[World, int] = {}
        self._advancing: dict[World, asyncio.Lock] = {}
        self._turns: Turns[_Try] = Turns(
            self._begin, in_all_max=IN_FLIGHT_MAX, per_receiver_max=IN_FLIGHT_PER_RECEIVER_MAX
        )
        self._told: set[str] = set()
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
            self._record(world, each, "abandoned", None, "its world was closed") for each in world.outbox.take_all()
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
        return [
            each.delivery
            for each in self._open
            if each.world is world and (each.making is None or not each.making.done())
        ]

    async def redeliver(self, world: World, delivery: Delivery) -> Attempt | None:
        """Attempt a delivery once more, now, and return what came of it; None where its world was closed meanwhile."""
        one = self._start(world, delivery, self._schedule(delivery).timeout_ms / 1_000, retry=False)
        await one.ended()
        return one.attempt

    async def send_first(self, first: First) -> None:
        """Return when these deliveries have been attempted, or a while has passed; send those still booked."""
        world = self._watched.get(first.world_tag)
        if world is None:
            return
        for delivery in world.outbox.take(first.deliveries):
            self._start(world, delivery, self._schedule(delivery).timeout_ms / 1_000)
        await _all_ended(
            (each for each in self._open if each.world is world and each.delivery.id in first.deliveries),
            FIRST_SECONDS_MAX,
        )

    def forget(self, world: World) -> None:
        """Drop all callbacks of a world, those under way too, without a trace."""
        world.outbox.take_all()
        self._end_unmade([each for each in self._open if each.world is world], lambda each: None)
        for each in self._open:
            if each.world is world and each.making is not None:
                each.making.cancel()

    async def stop(self, grace_seconds: float) -> list[Attempt]:
        """Let attempts under way end, for at most `grace_seconds`; record all that is left, and return it.

        What is returned is for the log: its addresses are without keys.
        """
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        await _all_ended(self._open, grace_seconds)
        left = list(self._open)
        self._end_unmade(left, self._abandoned)
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
            recorded = [self._record(world, each, "abandoned", None, "the server stopped") for each in booked]
            told += [_told(world, each) for each in recorded]
        if self._post is not None:
            await self._post.close()
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
            self._start(world, delivery, self._schedule(delivery).timeout_ms / 1_000)
        self._wake(world)

    def _schedule(self, delivery: Delivery) -> Schedule:
        usual, story = self._schedules[delivery.task.type], self._scenario(delivery.task).callbacks
        if story.timeout_ms is None and story.retries_ms is None:
            return usual
        return Schedule(
            usual.timeout_ms if story.timeout_ms is None else story.timeout_ms,
            usual.retries_ms if story.retries_ms is None else story.retries_ms,
        )

    def _start(self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool = True) -> _Try:
        one = _Try(world, delivery, timeout_seconds, retry=retry)
        if delivery.suffers("lost"):
            one.end(self._record(world, delivery, "lost", None, "never sent, as its scenario has it"))
            return one
        if reason := self._refusal(delivery.url):
            self._tell_once(reason, world.told(f"callback of task {delivery.task.id} not sent: {reason}"))
            one.end(self._record(world, delivery, "refused", None, reason))
            return one
        key = (world, delivery.task.id)
        before = self._newest.get(key)
        self._newest[key] = one
        self._open[one] = None
        if before is None:
            self._turns.ask(one.receiver, one)
        else:
            # In order, then; but a receiver that hangs on one status change shall still hear of the next.
            before.followers.append(one)
            one.timer = asyncio.get_running_loop().call_later(timeout_seconds, self._follow, one)
        return one

    def _follow(self, one: _Try) -> None:
        """Stand in line, unless that has been done: what was before has ended, or taken long enough."""
        if one.timer is not None and not one.gone:
            one.timer.cancel()
            one.timer = None
            self._turns.ask(one.receiver, one)

    def _begin(self, one: _Try) -> None:
        """Make an attempt whose turn has come."""
        making = self._attempt(one.world, one.delivery, one.timeout_seconds, retry=one.retry)
        one.making = asyncio.get_running_loop().create_task(making)
        one.making.add_done_callback(functools.partial(self._made, one))

    def _made(self, one: _Try, making: asyncio.Task[Attempt]) -> None:
        self._turns.end(one.receiver)
        self._end(one, None if making.cancelled() else making.result())

    def _end(self, one: _Try, attempt: Attempt | None) -> None:
        one.end(attempt)
        del self._open[one]
        key = (one.world, one.delivery.task.id)
        if self._newest.get(key) is one:
            del self._newest[key]
        for each in one.followers:
            self._follow(each)

    def _end_unmade(self, tries: Iterable[_Try], came: Callable[[_Try], Attempt | None]) -> None:
        """End those that wait for their turn. All at once, so that none of them gets its turn by another's end."""
        waiting = [each for each in tries if each.making is None]
        for each in waiting:
            each.gone = True
        self._turns.withdraw(lambda each: each.gone)
        for each in waiting:
            self._end(each, came(each))

    def _abandoned(self, one: _Try) -> Attempt:
        return self._record(one.world, one.delivery, "abandoned", None, "the server stopped before its turn came")

    async def _settled(self, world: World) -> None:
        """Wait for what was sent before, so that it arrives before what comes next."""
        await _all_ended((each for each in self._open if each.world is world), ADVANCE_TIMEOUT_SECONDS)

    async def _all(self, world: World, due: list[Delivery]) -> list[Attempt]:
        seconds = [min(self._schedule(each).timeout_ms / 1_000, ADVANCE_TIMEOUT_SECONDS) for each in due]
        started: list[_Try] = []
        for delivery, timeout_seconds in zip(due, seconds, strict=True):
            started.append(self._start(world, delivery, timeout_seconds))
            if len(started) % TAKEN_AT_ONCE_MAX == 0:
                await asyncio.sleep(0)
        await _all_ended(started, None)
        return [each.attempt for each in started if each.attempt is not None]

    # What

    async def _attempt(self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool) -> Attempt:
        try:
            status = await self._send(world, delivery, timeout_seconds)
        except PostFailed as error:
            return self._failed(world, delivery, None, str(error), retry=retry)
        except asyncio.CancelledError:
            if not self._stopping:
                raise
            return self._record(world, delivery, "abandoned", None, "the server stopped while it was under way")
        except Exception as error:  # noqa: BLE001  A defect of ours must be told, and the delivery recorded.
            told = world.told("".join(traceback.format_exception(error)))
            log.error("sending a callback crashed; this is a defect of omnimock, please report it\n%s", told)
            return self._record(world, delivery, "failed", None, f"omnimock crashed: {error!r}")
        if 200 <= status < 300:
            return self._record(world, delivery, "delivered", status, "")
        kind = "redirects are not followed" if 300 <= status < 400 else "only 2xx counts as received"
        return self._failed(world, delivery, status, f"the receiver answered {status}; {kind}", retry=retry)

    async def _send(self, world: World, delivery: Delivery, timeout_seconds: float) -> int:
        message = self._messages.message(delivery, world.tag)
        if self._post is None:
            self._post = self._make_post()
        return await self._post.send(delivery.url, message.body, message.headers, timeout_seconds, message.manner)

    def _failed(self, world: World, delivery: Delivery, status: int | None, reason: str, *, retry: bool) -> Attempt:
        retries_ms = self._schedule(delivery).retries_ms
        final = not retry or delivery.attempt > len(retries_ms)
        attempt = self._record(world, delivery, "failed", status, reason, final=final)
        if final:
            tries = f"after {delivery.attempt} attempts"
            self._tell_once(
                delivery.url,
                world.told(f"callback of task {delivery.task.id} to {delivery.url} given up {tries}: {reason}"),
            )
        elif world.closed:
            url = world.told(delivery.url)
            log.warning("callback of task %s to %s dropped: its world is closed", delivery.task.id, url)
        else:
            due_ms = world.clock.now_ms() + retries_ms[delivery.attempt - 1]
            again = msgspec.structs.replace(delivery, due_ms=due_ms, attempt=delivery.attempt + 1)
            world.outbox.book(again)
        return attempt

    def _record(
        self,
        world: World,
        delivery: Delivery,
        outcome: Outcome,
        status: int | None,
        reason: str,
        *,
        final: bool = True,
    ) -> Attempt:
        def make(number: int, real_ms: int) -> Attempt:
            return Attempt(
                number=number,
                at_ms=world.clock.now_ms(),
                delivery=delivery.id,
                attempt=delivery.attempt,
                task_id=delivery.task.id,
                status=delivery.status,
                url=delivery.url,
                outcome=outcome,
                http_status=status,
                reason=reason,
                final=final,
                real_ms=real_ms,
                step=delivery.step,
                spoiling=delivery.spoiling,
            )

        return world.journal.attempt(make)

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

    def _tell_once(self, about: str, message: str) -> None:
        if about not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add(about)
            log.warning("%s (told once)", message)


def _told(world: World, attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(attempt, url=world.told(attempt.url))


async def _all_ended(tries: Iterable[_Try], timeout_seconds: float | None) -> None:
    if waiters := [each.ended() for each in tries]:
        await asyncio.wait(waiters, timeout=timeout_seconds)
