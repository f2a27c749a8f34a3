"""Deliveries booked and not finished: which callback is due where and when. Nothing is sent from here."""

from collections.abc import Callable, Iterator
from heapq import heapify, heappop, heappush

import msgspec

from mock_server.task import Task


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One callback due at one URL: a status change (`step` of the task's plan). Its id stays the same over retries."""

    id: str
    task: Task
    step: int
    url: str
    due_ms: int
    attempt: int = 1


class Outbox:
    """The deliveries of one world, by when they are due; those due together go in the order they were booked."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Delivery]] = []
        self._booked = 0
        # Told when the earliest delivery changes, so that somebody can wake up for it.
        self.on_earlier: Callable[[], None] = lambda: None

    def __len__(self) -> int:
        return len(self._heap)

    def book(self, delivery: Delivery) -> None:
        """Take a delivery in."""
        self._booked += 1
        heappush(self._heap, (delivery.due_ms, self._booked, delivery))
        if self._heap[0][1] == self._booked:
            self.on_earlier()

    def __iter__(self) -> Iterator[Delivery]:
        """Go through what is booked, in no order."""
        return (delivery for _, _, delivery in self._heap)

    def snapshot(self) -> list[tuple[int, int, Delivery]]:
        """Return what is booked, in no order: when each is due, which of all bookings it is, and the delivery."""
        return list(self._heap)

    @property
    def next_due_ms(self) -> int | None:
        """When the earliest delivery is due; None where nothing is booked."""
        return self._heap[0][0] if self._heap else None

    def take_due(self, now_ms: int) -> list[Delivery]:
        """Hand out, once, everything that is due at `now_ms`, in order."""
        due = []
        while self._heap and self._heap[0][0] <= now_ms:
            due.append(heappop(self._heap)[2])
        return due

    def drop(self, task_id: str, after_step: int) -> None:
        """Forget what is booked for later steps of a task than `after_step`. Looks at everything that is booked."""
        kept = [each for each in self._heap if each[2].task.id != task_id or each[2].step <= after_step]
        if len(kept) < len(self._heap):
            heapify(kept)
            self._heap = kept

    def take_all(self) -> list[Delivery]:
        """Hand out everything, in the order it is due."""
        everything = [delivery for _, _, delivery in sorted(self._heap, key=lambda each: each[:2])]
        self._heap.clear()
        return everything


def book_status_changes(
    outbox: Outbox, task: Task, url: str, statuses: tuple[str, ...], tag: str, *, from_step: int = 0
) -> None:
    """Book a delivery for each step of the task's plan, from `from_step` on, whose status is among `statuses`."""
    plan = task.plan
    for index, step in enumerate(plan.steps):
        if step.status in statuses and index >= from_step:
            outbox.book(Delivery(f"{tag}-{task.id}-{index}", task, index, url, plan.at_ms[index]))


def step_of(delivery_id: str) -> int:
    """Return which step of its task's plan a delivery tells of: the id says so."""
    return int(delivery_id.rpartition("-")[2])
