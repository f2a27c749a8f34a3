"""Sends what the outboxes hold, when it is due, and tries again where it failed.

    outbox ──due──▶ guard ──▶ signature ──▶ POST ──▶ journal
       ▲                                      │
       └────────── a retry, later ◀───────────┘

Every delivery is a coroutine of its own, so a receiver that is slow or dead holds up nobody else. Only the status
changes of one task wait for each other, a time-out at most, so that first attempts arrive in order.

Under a system clock a timer for each world wakes up for its earliest delivery; under a manual clock `advance` does. A
delivery keeps its id over all its attempts, and arrives at least once where the receiver answers 2xx at last.
"""

import asyncio
import functools
import logging
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlsplit

import msgspec

from mock_server import __version__
from mock_server.clock import ManualClock, SystemClock
from mock_server.journal import Attempt, Outcome
from mock_server.outbox import Delivery
from mock_server.post import Post, PostFailed
from mock_server.reply import Replies, Scene
from mock_server.signature import Signer
from mock_server.worlds import World

log = logging.getLogger("omnimock")

# So many at once go to one receiver; one that hangs keeps no more sockets than that.
IN_FLIGHT_PER_RECEIVER_MAX = 256
# Beside two thousand clients, this stays within the open files that servers are usually given.
IN_FLIGHT_MAX = 1_024
# In a manual clock's advance the caller waits: no receiver may hold it up for long.
ADVANCE_TIMEOUT_SECONDS = 2.0
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


class Callbacks:
    """The sender of all worlds' callbacks."""

    def __init__(
        self,
        *,
        replies: Mapping[str, Replies],
        dialect: str,
        schedules: Mapping[str, Schedule],
        post: Callable[[], Post],
        wall_seconds: Callable[[], float],
        refusal: Callable[[str], str],
        signer: Signer | None = None,
    ) -> None:
        """`replies` and `schedules` are by task type; `post` is made with the first callback.

        `refusal` says why nothing is sent to an address, or nothing.
        """
        self._replies, self._dialect, self._schedules = replies, dialect, schedules
        self._make_post = post
        self._post: Post | None = None
        self._wall_seconds, self._signer = wall_seconds, signer
        self._refusal = refusal
        self._watched: set[World] = set()
        self._timers: dict[World, asyncio.TimerHandle | asyncio.Handle] = {}
        self._running: dict[asyncio.Task[Attempt], tuple[World, Delivery]] = {}
        # The newest attempt of each task that is under way: the next status change waits for it.
        self._newest: dict[tuple[World, str], asyncio.Task[Attempt]] = {}
        # From which journal entry on a world's attempts have not been told by an advance.
        self._untold: dict[World, int] = {}
        self._advancing: dict[World, asyncio.Lock] = {}
        self._turns = _Turns()
        self._told: set[str] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = False

    def start(self) -> None:
        """Send by itself, from now on, what falls due; before that, only `advance` sends."""
        self._loop = asyncio.get_running_loop()
        for world in self._watched:
            self._wake(world)

    def watch(self, world: World) -> None:
        """Send what this world books from now on."""
        self._watched.add(world)
        world.outbox.on_earlier = functools.partial(self._wake, world)

    def unwatch(self, world: World) -> None:
        """Stop sending for a world that is closed; what it still had booked is recorded and reported."""
        self._watched.discard(world)
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
            if not self._running:
                # In process, each advance may run in an event loop of its own.
                self._turns = _Turns()
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
        return [each for task, (owner, each) in self._running.items() if owner is world and not task.done()]

    async def redeliver(self, world: World, delivery: Delivery) -> Attempt | None:
        """Attempt a delivery once more, now, and return what came of it; None where its world was closed meanwhile."""
        timeout_seconds = self._schedules[delivery.task.type].timeout_ms / 1_000
        task = self._start(world, delivery, timeout_seconds, retry=False)
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    def forget(self, world: World) -> None:
        """Drop all callbacks of a world, those under way too, without a trace."""
        world.outbox.take_all()
        for task, (owner, _) in self._running.items():
            if owner is world:
                task.cancel()

    async def stop(self, grace_seconds: float) -> list[Attempt]:
        """Let attempts under way end, for at most `grace_seconds`; record all that is left, and return it.

        What is returned is for the log: its addresses are without keys.
        """
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        if self._running:
            await asyncio.wait(list(self._running), timeout=grace_seconds)
        running = {task: world for task, (world, _) in self._running.items()}
        for task in running:
            task.cancel()
        ended = await asyncio.gather(*running, return_exceptions=True)
        left = [
            _told(world, each)
            for world, each in zip(running.values(), ended, strict=True)
            if isinstance(each, Attempt) and each.outcome == "abandoned"
        ]
        for world in self._watched:
            booked = world.outbox.take_all()
            recorded = [self._record(world, each, "abandoned", None, "the server stopped") for each in booked]
            left += [_told(world, each) for each in recorded]
        if self._post is not None:
            await self._post.close()
        return sorted(left, key=lambda each: each.at_ms)

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
        for delivery in world.outbox.take_due(world.clock.now_ms()):
            self._start(world, delivery, self._schedules[delivery.task.type].timeout_ms / 1_000)
        self._wake(world)

    def _start(
        self, world: World, delivery: Delivery, timeout_seconds: float, *, retry: bool = True
    ) -> asyncio.Task[Attempt]:
        key = (world, delivery.task.id)
        attempt = self._attempt(world, delivery, timeout_seconds, after=self._newest.get(key), retry=retry)
        task = self._newest[key] = asyncio.get_running_loop().create_task(attempt)
        self._running[task] = (world, delivery)
        task.add_done_callback(functools.partial(self._ended, key))
        return task

    def _ended(self, key: tuple[World, str], task: asyncio.Task[Attempt]) -> None:
        self._running.pop(task, None)
        if self._newest.get(key) is task:
            del self._newest[key]
        if not task.cancelled():
            task.exception()

    async def _settled(self, world: World) -> None:
        """Wait for what was sent before, so that it arrives before what comes next."""
        if running := [task for task, (owner, _) in self._running.items() if owner is world]:
            await asyncio.wait(running, timeout=ADVANCE_TIMEOUT_SECONDS)

    async def _all(self, world: World, due: list[Delivery]) -> list[Attempt]:
        seconds = [min(self._schedules[each.task.type].timeout_ms / 1_000, ADVANCE_TIMEOUT_SECONDS) for each in due]
        started = list(map(functools.partial(self._start, world), due, seconds))
        await asyncio.wait(started)
        return [task.result() for task in started if not task.cancelled()]

    # What

    async def _attempt(
        self,
        world: World,
        delivery: Delivery,
        timeout_seconds: float,
        *,
        after: asyncio.Task[Attempt] | None,
        retry: bool,
    ) -> Attempt:
        if reason := self._refusal(delivery.url):
            self._tell_once(reason, world.told(f"callback of task {delivery.task.id} not sent: {reason}"))
            return self._record(world, delivery, "refused", None, reason)
        try:
            if after is not None:
                # In order, then; but a receiver that hangs on one status change shall still hear of the next.
                await asyncio.wait([after], timeout=timeout_seconds)
            status = await self._turns.run(
                delivery.url, functools.partial(self._send, world, delivery, timeout_seconds)
            )
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
        template = self._replies[delivery.task.type].callbacks[self._dialect]
        body = template.render(Scene(delivery.task, delivery.step, world.tag))
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": f"omnimock/{__version__}"}
        if self._signer is not None:
            headers |= self._signer.headers(delivery.id, int(self._wall_seconds()), body)
        if self._post is None:
            self._post = self._make_post()
        return await self._post.send(delivery.url, body, headers, timeout_seconds)

    def _failed(self, world: World, delivery: Delivery, status: int | None, reason: str, *, retry: bool) -> Attempt:
        retries_ms = self._schedules[delivery.task.type].retries_ms
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
                status=delivery.task.plan.steps[delivery.step].status,
                url=delivery.url,
                outcome=outcome,
                http_status=status,
                reason=reason,
                final=final,
                real_ms=real_ms,
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


class _Turns:
    """Lets so many attempts at once go to one receiver (host and port), and so many in all. Waiting is in order."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(IN_FLIGHT_MAX)
        self._by_receiver: dict[str, asyncio.Semaphore] = {}
        self._users = Counter[str]()

    async def run(self, url: str, send: Callable[[], Awaitable[int]]) -> int:
        receiver = urlsplit(url).netloc
        turn = self._by_receiver.setdefault(receiver, asyncio.Semaphore(IN_FLIGHT_PER_RECEIVER_MAX))
        self._users[receiver] += 1
        try:
            async with turn, self._all:
                return await send()
        finally:
            self._users[receiver] -= 1
            if not self._users[receiver]:
                del self._users[receiver], self._by_receiver[receiver]
