"""The pages of a world's callbacks: list the deliveries, and send one again.

Nothing is kept for them: what is due stands in the outbox, what is under way with the sender, what was tried in the
journal. So a delivery that has ended is listed for as long as the journal has an attempt of it.
"""

import heapq
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, get_args

import msgspec
from starlette.responses import Response

from mock_server.control.asking import shown
from mock_server.control.base import Asked, ControlError, in_turns
from mock_server.control.paging import read_paging
from mock_server.journal import Attempt, Outcome
from mock_server.outbox import Delivery

# How a delivery stands; the outcomes of a last attempt, but for `failed`, which is `given-up` when it was the last.
_STATES = ("booked", "under-way", *(each for each in get_args(Outcome) if each != "failed"), "given-up")


class _Known(msgspec.Struct):
    """What is known of one delivery."""

    id: str
    attempts: list[Attempt] = msgspec.field(default_factory=list)
    booked: Delivery | None = None
    under_way: bool = False

    @property
    def outcome(self) -> str:
        if self.under_way:
            return "under-way"
        if self.booked is not None:
            return "booked"
        last = self.attempts[-1]
        return "given-up" if last.outcome == "failed" else last.outcome

    @property
    def _faults(self) -> tuple[str, ...]:
        if self.booked is None:
            return self.attempts[-1].faults
        return self.booked.spoiling.faults if self.booked.spoiling is not None else ()

    def shown(self) -> dict[str, Any]:
        booked, last = self.booked, self.attempts[-1] if self.attempts else None
        return {
            "delivery": self.id,
            "task_id": booked.task.id if booked else last and last.task_id,
            "status": booked.status if booked else last and last.status,
            "url": booked.url if booked else last and last.url,
            "outcome": self.outcome,
            "faults": list(self._faults),
            "due_ms": booked.due_ms if booked else None,
            "attempts": [_shown(each) for each in self.attempts],
        }


async def listed(asked: Asked) -> Response:
    """Answer with the deliveries of the world: first those that were tried, by their last attempt, then by due time."""
    task_id, outcome = asked.query.text("task_id"), asked.query.choice("outcome", _STATES)
    paging = read_paging(asked.query)
    tried, booked = await _known(asked, lambda each: task_id in (None, _task_id(each)))
    found = [each for each in tried.values() if outcome in (None, each.outcome)]
    waiting = booked if outcome in (None, "booked") else []
    # No more of them are put in order than are shown: there may be millions.
    first = heapq.nsmallest(max(0, paging.first + paging.limit - len(found)), waiting, key=lambda each: each[:2])
    page = [*found, *(_Known(each.id, booked=each) for _, _, each in first)]
    return asked.json(
        {
            "callbacks": [each.shown() for each in page[paging.first : paging.first + paging.limit]],
            "total": len(found) + len(waiting),
        }
    )


async def redelivered(asked: Asked) -> Response:
    """Send a delivery that has ended once more, now, and answer with the attempt when it has ended."""
    await asked.body()
    name = asked.path("delivery")
    tried, booked = await _known(asked, lambda each: name == _delivery_id(each))
    for _, _, delivery in booked:
        tried[name] = _Known(name, booked=delivery)
    if name not in tried:
        raise ControlError(
            HTTPStatus.NOT_FOUND,
            f"the world of this key has no delivery {shown(name)}; GET /_mock/callbacks lists those that are booked, "
            "under way, or in the journal",
        )
    attempt = await asked.twin.callbacks.redeliver(asked.world, _again(asked, tried[name]))
    if attempt is None:
        raise ControlError(HTTPStatus.CONFLICT, "this world was reset while the callback was under way")
    return asked.json(_shown(attempt))


async def secret(asked: Asked) -> Response:
    """Tell the secret that callbacks are signed with, where it belongs to the seed; one that was set is known."""
    signing = asked.twin.signing
    told = signing.secret if signing.derived else None
    return asked.json({"secret": told, "from": "the seed" if signing.derived else "--callback-secret"})


def _again(asked: Asked, known: _Known) -> Delivery:
    if known.outcome == "under-way":
        raise ControlError(HTTPStatus.CONFLICT, f"{known.id} is under way; ask again when that attempt has ended")
    if known.booked is not None:
        raise ControlError(
            HTTPStatus.CONFLICT,
            f"{known.id} is not over: attempt {known.booked.attempt} is due at {known.booked.due_ms}; "
            "let the clock come to that moment, and redeliver it afterwards",
        )
    last = known.attempts[-1]
    task = asked.world.store.find(last.task_id)
    spoiling = last.spoiling.sent_again() if last.spoiling is not None else None
    now_ms = asked.world.clock.now_ms()
    if task is not None and last.step < len(task.plan.steps):
        again = Delivery(known.id, task, last.step, last.url, now_ms, last.attempt + 1, spoiling)
        if again.status == last.status:
            return again
    raise ControlError(
        HTTPStatus.CONFLICT, f"the task {last.task_id} is no longer kept as it was, so there is no body to send"
    )


async def _known(
    asked: Asked, wanted: Callable[[Attempt | Delivery], bool]
) -> tuple[dict[str, _Known], list[tuple[int, int, Delivery]]]:
    """Return the wanted deliveries that were tried or are under way, and those that are booked and were not."""
    tried: dict[str, _Known] = {}
    for entry in asked.world.journal.entries:
        if isinstance(entry, Attempt) and wanted(entry):
            # Those that were tried the last come last.
            each = tried.pop(entry.delivery) if entry.delivery in tried else _Known(entry.delivery)
            each.attempts.append(entry)
            tried[entry.delivery] = each
    booked = []
    async for item in in_turns(asked.world.outbox.snapshot()):
        delivery = item[2]
        if wanted(delivery):
            if delivery.id in tried:
                tried[delivery.id].booked = delivery
            else:
                booked.append(item)
    # The last look is at what is under way: until then, others may have had their turn.
    for delivery in filter(wanted, asked.twin.callbacks.under_way(asked.world)):
        each = tried.setdefault(delivery.id, _Known(delivery.id))
        each.booked, each.under_way = delivery, True
    return tried, [item for item in booked if item[2].id not in tried]


def _task_id(each: Attempt | Delivery) -> str:
    return each.task_id if isinstance(each, Attempt) else each.task.id


def _delivery_id(each: Attempt | Delivery) -> str:
    return each.delivery if isinstance(each, Attempt) else each.id


def _shown(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "at_ms": attempt.at_ms,
        "real_ms": attempt.real_ms,
        "delivery": attempt.delivery,
        "attempt": attempt.attempt,
        "outcome": attempt.outcome,
        "http_status": attempt.http_status,
        "reason": attempt.reason,
        "final": attempt.final,
        "faults": list(attempt.faults),
    }
