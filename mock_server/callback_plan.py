"""Which deliveries a task gets, and how each is spoiled: decided once, when it is submitted.

    task, its statuses ──▶ one delivery for each ──▶ the story's faults, in their order ──▶ deliveries

A fault takes what those before it have left: `[{duplicate: 2}, {lost: {chance: 0.5}}]` loses each of the three by
chance. Chance is drawn here and nowhere later, so the schedule of a task is fixed from the start. Nothing here knows
of clocks or sockets.

The copies of a delivery have ids of their own here, and tell the id of the first on the wire, as a provider does that
sends the same message twice. A stale one is a message of its own: whoever knows messages apart by their id alone takes
it for news. A forged one has no good signature: whoever forges it does not know the secret.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

import msgspec

from mock_server.callback_faults import CallbackFault, Spoiling
from mock_server.exchange import First
from mock_server.identifiers import ids
from mock_server.outbox import Delivery
from mock_server.scenarios import CallbackStory
from mock_server.spec import TaskType
from mock_server.task import Task

# What happens where a scenario does not say how much. Late is longer than the usual pause between two polls.
LATE_MS = (30_000, 30_000)
REORDER_WITHIN_MS = 1_000
STALE_AFTER_MS = FORGED_AFTER_MS = 1_000
# Receivers are told to take signatures that are up to five minutes old.
OLD_MS = 600_000
DRIP_BYTES, DRIP_MS = 16, 20
WRONG_CONTENT_TYPE = "text/plain; charset=utf-8"
# A name that never leads anywhere (RFC 2606), should a client believe it.
ATTACKER_URL = "http://attacker.invalid/video.mp4"


class Case(msgspec.Struct, frozen=True, gc=False):
    """What the faults may know: the task, its type, where its callbacks go, and chance below 1."""

    task: Task
    task_type: TaskType
    url: str
    tag: str
    draw: Callable[[], float]
    from_step: int = 0

    def hits(self, fault: CallbackFault, status: str) -> bool:
        """Tell whether a fault is about this status, and comes. Chance is drawn only where it matters."""
        if fault.statuses is not None and status not in fault.statuses:
            return False
        return fault.chance >= 1 or self.draw() < fault.chance


def plan_deliveries(case: Case, statuses: Sequence[str], story: CallbackStory) -> list[Delivery]:
    """Return the deliveries of a task, from `case.from_step` of its plan on.

    `statuses` are those that are usually told; what the story says comes in their place.
    """
    told = statuses if story.statuses is None else story.statuses
    task, plan = case.task, case.task.plan
    deliveries = [
        Delivery(f"{case.tag}-{task.id}-{index}", task, index, case.url, plan.at_ms[index])
        for index, step in enumerate(plan.steps)
        if step.status in told and index >= case.from_step
    ]
    if not story.faults:
        return deliveries
    for number, fault in enumerate(story.faults, 1):
        deliveries = _FAULTS[fault.name](deliveries, fault, case, number)
    return _told_apart(deliveries)


def first_of(case: Case, deliveries: Sequence[Delivery]) -> First | None:
    """Return those deliveries that go out before the submit is answered; None where there are none."""
    early = tuple([each.id for each in deliveries if each.suffers("early")])
    return First(case.tag, early) if early else None


Fault = Callable[[list[Delivery], CallbackFault, Case, int], list[Delivery]]
Change = Callable[[Delivery, CallbackFault, Case], list[Delivery]]


# Faults of one delivery


def _of_each(change: Change) -> Fault:
    """Make a fault of what happens to each delivery that it hits."""

    def fault(deliveries: list[Delivery], said: CallbackFault, case: Case, number: int) -> list[Delivery]:
        made = [change(each, said, case) if case.hits(said, each.status) else [each] for each in deliveries]
        return [each for some in made for each in some]

    return fault


def _spoiled(delivery: Delivery, fault: CallbackFault, **how: Any) -> Delivery:
    before = delivery.spoiling or Spoiling()
    return msgspec.structs.replace(
        delivery, spoiling=msgspec.structs.replace(before, faults=(*before.faults, fault.name), **how)
    )


def _lost(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault)]


def _duplicate(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    apart_ms = fault.arguments.get("after", 0)
    message = delivery.spoiling.message if delivery.spoiling else ""
    copy = _spoiled(delivery, fault, message=message or delivery.id)
    copies = [
        msgspec.structs.replace(copy, due_ms=delivery.due_ms + apart_ms * (number + 1))
        for number in range(fault.arguments.get("times", 1))
    ]
    return [delivery, *copies]


def _late(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    shortest, longest = fault.arguments.get("by", LATE_MS)
    by_ms = shortest + int(case.draw() * (longest - shortest + 1)) if longest > shortest else shortest
    return [_spoiled(msgspec.structs.replace(delivery, due_ms=delivery.due_ms + by_ms), fault)]


def _bad_signature(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, signature="wrong")]


def _missing_signature(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, signature="none")]


def _two_signatures(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    """Whoever forges one does not know the right secret, and no second signature makes up for it."""
    signature = {} if delivery.suffers("forged") else {"signature": "two"}
    return [_spoiled(delivery, fault, **signature)]


def _stale_timestamp(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    usual = delivery.spoiling is None or delivery.spoiling.signature == "usual"
    signature = {"signature": "right"} if usual else {}
    return [_spoiled(delivery, fault, age_ms=fault.arguments.get("by", OLD_MS), **signature)]


def _unknown_fields(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, unknown_fields=True)]


def _rewritten(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, rewritten=True)]


def _truncated(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, body_bytes=fault.arguments.get("after-bytes", -1))]


def _wrong_content_type(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    return [_spoiled(delivery, fault, content_type=fault.arguments.get("content-type", WRONG_CONTENT_TYPE))]


def _slow_send(delivery: Delivery, fault: CallbackFault, case: Case) -> list[Delivery]:
    said = fault.arguments
    return [_spoiled(delivery, fault, drip_bytes=said.get("bytes", DRIP_BYTES), drip_ms=said.get("every", DRIP_MS))]


# Faults of the whole


def _reorder(deliveries: list[Delivery], fault: CallbackFault, case: Case, number: int) -> list[Delivery]:
    """Let each one that is hit come after one of a later step, however that one is moved itself."""
    within_ms = fault.arguments.get("within", REORDER_WITHIN_MS)
    moved = list(deliveries)
    for index in reversed(range(len(moved))):
        here = moved[index]
        later_ms = [each.due_ms for each in moved if each.step > here.step]
        if later_ms and case.hits(fault, here.status):
            due_ms = max(here.due_ms, min(later_ms) + 1 + int(case.draw() * within_ms))
            moved[index] = _spoiled(msgspec.structs.replace(here, due_ms=due_ms), fault)
    return moved


def _early(deliveries: list[Delivery], fault: CallbackFault, case: Case, number: int) -> list[Delivery]:
    """Send the first one, or those of the statuses that are named, before the submit is answered."""
    if not deliveries or case.from_step:
        return deliveries
    first = min(deliveries, key=lambda each: each.due_ms)

    def early(each: Delivery) -> Delivery:
        if (fault.statuses is None and each is not first) or not case.hits(fault, each.status):
            return each
        return _spoiled(msgspec.structs.replace(each, due_ms=case.task.created_at_ms), fault)

    return list(map(early, deliveries))


def _stale(deliveries: list[Delivery], fault: CallbackFault, case: Case, number: int) -> list[Delivery]:
    """After the last one tell an older status: the one that is named, else the one before the end."""
    plan = case.task.plan
    end = len(plan.steps) - 1
    if plan.steps[end].final is None:
        return deliveries
    named = fault.arguments.get("status")
    older = [index for index in range(end) if named in (None, plan.steps[index].status)]
    if not older or not case.hits(fault, plan.steps[older[-1]].status):
        return deliveries
    last_ms = max([plan.at_ms[end], *(each.due_ms for each in deliveries)])
    due_ms = last_ms + fault.arguments.get("after", STALE_AFTER_MS)
    one = Delivery(f"{case.tag}-{case.task.id}-stale{number}", case.task, older[-1], case.url, due_ms)
    return [*deliveries, _spoiled(one, fault)]


def _forged(deliveries: list[Delivery], fault: CallbackFault, case: Case, number: int) -> list[Delivery]:
    """Some time after the submit tell of a success that is none."""
    success = case.task_type.lifecycle.success[-1]
    if case.from_step or not case.hits(fault, success):
        return deliveries
    due_ms = case.task.created_at_ms + fault.arguments.get("after", FORGED_AFTER_MS)
    how: dict[str, str] = {}
    if fault.arguments.get("how", "unknown-task") == "unknown-task":
        how["task_id"] = ids(case.task_type.id, Random(case.draw()))()
    else:
        how["media_url"] = ATTACKER_URL
    if "url" in fault.arguments:
        how["media_url"] = fault.arguments["url"]
    one = Delivery(f"{case.tag}-{case.task.id}-forged{number}", case.task, 0, case.url, due_ms)
    return [*deliveries, _spoiled(one, fault, status=success, signature="wrong", **how)]


_FAULTS: Mapping[str, Fault] = {
    "lost": _of_each(_lost),
    "duplicate": _of_each(_duplicate),
    "reorder": _reorder,
    "late": _of_each(_late),
    "early": _early,
    "stale": _stale,
    "forged": _forged,
    "bad-signature": _of_each(_bad_signature),
    "missing-signature": _of_each(_missing_signature),
    "two-signatures": _of_each(_two_signatures),
    "stale-timestamp": _of_each(_stale_timestamp),
    "unknown-fields": _of_each(_unknown_fields),
    "rewritten": _of_each(_rewritten),
    "truncated": _of_each(_truncated),
    "wrong-content-type": _of_each(_wrong_content_type),
    "slow-send": _of_each(_slow_send),
}


def _told_apart(deliveries: list[Delivery]) -> list[Delivery]:
    """Number the copies of each delivery: the second of `…-1` is `…-1.2`."""
    seen: dict[str, int] = {}
    apart = []
    for each in deliveries:
        count = seen[each.id] = seen.get(each.id, 0) + 1
        apart.append(each if count == 1 else msgspec.structs.replace(each, id=f"{each.id}.{count}"))
    return apart
