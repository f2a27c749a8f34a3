"""Makes one attempt to deliver a callback, records it, and books the next one where it failed."""

import asyncio
import logging
import traceback
from collections.abc import Callable, Mapping

import msgspec

from mock_server.callback_message import Messages
from mock_server.journal import Attempt, Outcome
from mock_server.outbox import Delivery
from mock_server.post import Post, PostFailed
from mock_server.scenarios import Scenario
from mock_server.task import Task
from mock_server.tries import Try
from mock_server.worlds import World

log = logging.getLogger("omnimock")

# A receiver that is down is named once on the terminal, not for every task.
_TOLD_MAX = 1_000


class Schedule(msgspec.Struct, frozen=True):
    """How long an attempt may take, and how long after a failed one the next is made."""

    timeout_ms: int
    retries_ms: tuple[int, ...]


class Attempts:
    """Makes attempts, for all worlds."""

    def __init__(
        self,
        *,
        messages: Messages,
        schedules: Mapping[str, Schedule],
        scenario: Callable[[Task], Scenario],
        post: Callable[[], Post],
    ) -> None:
        """`schedules` are by task type; `scenario`, that of a task, may say another. `post` is made when needed."""
        self._messages, self._schedules, self._scenario = messages, schedules, scenario
        self._make_post = post
        self._post: Post | None = None
        self._told: set[str] = set()
        # Whether what is cancelled is recorded: else it is to leave no trace.
        self.stopping = False

    def schedule(self, delivery: Delivery) -> Schedule:
        """Return by which schedule a delivery is attempted."""
        usual, story = self._schedules[delivery.task.type], self._scenario(delivery.task).callbacks
        if story.timeout_ms is None and story.retries_ms is None:
            return usual
        return Schedule(
            usual.timeout_ms if story.timeout_ms is None else story.timeout_ms,
            usual.retries_ms if story.retries_ms is None else story.retries_ms,
        )

    async def make(self, one: Try) -> Attempt:
        """Attempt a delivery; return what came of it, which is recorded."""
        world, delivery, retry = one.world, one.delivery, one.retry
        try:
            status = await self._send(world, delivery, one.timeout_seconds)
        except PostFailed as error:
            return self._failed(world, delivery, None, str(error), retry=retry)
        except asyncio.CancelledError:
            if not self.stopping:
                raise
            return self.record(world, delivery, "abandoned", None, "the server stopped while it was under way")
        except Exception as error:  # noqa: BLE001  A defect of ours must be told, and the delivery recorded.
            told = world.told("".join(traceback.format_exception(error)))
            log.error("sending a callback crashed; this is a defect of omnimock, please report it\n%s", told)
            return self.record(world, delivery, "failed", None, f"omnimock crashed: {error!r}")
        if 200 <= status < 300:
            return self.record(world, delivery, "delivered", status, "")
        kind = "redirects are not followed" if 300 <= status < 400 else "only 2xx counts as received"
        return self._failed(world, delivery, status, f"the receiver answered {status}; {kind}", retry=retry)

    async def close(self) -> None:
        """Let go of all connections."""
        if self._post is not None:
            await self._post.close()

    async def _send(self, world: World, delivery: Delivery, timeout_seconds: float) -> int:
        message = self._messages.message(delivery, world.tag)
        if self._post is None:
            self._post = self._make_post()
        return await self._post.send(delivery.url, message.body, message.headers, timeout_seconds, message.manner)

    def record(
        self,
        world: World,
        delivery: Delivery,
        outcome: Outcome,
        status: int | None,
        reason: str,
        *,
        final: bool = True,
    ) -> Attempt:
        """Record an attempt."""

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

    def tell_once(self, about: str, message: str) -> None:
        """Say something on the terminal, if that has not been said about this before."""
        if about not in self._told and len(self._told) < _TOLD_MAX:
            self._told.add(about)
            log.warning("%s (told once)", message)

    def _failed(self, world: World, delivery: Delivery, status: int | None, reason: str, *, retry: bool) -> Attempt:
        retries_ms = self.schedule(delivery).retries_ms
        final = not retry or delivery.attempt > len(retries_ms)
        attempt = self.record(world, delivery, "failed", status, reason, final=final)
        if final:
            tries = f"after {delivery.attempt} attempts"
            self.tell_once(
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
