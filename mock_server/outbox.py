"""Deliveries booked and not finished: which callback is due where and when. Nothing is sent from here."""

from collections.abc import Callable, Container, Iterable, Iterator
from heapq import heapify, heappop, heappush

import msgspec

from mock_server.callback_faults import Spoiling
from mock_server.task import Task


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One callback due at one URL: a status change (`step` of the task's plan). Its id stays the same over retries.

    `spoiling` is what it suffers, None where all is well.
    """

    id: str
    task: Task
    step: int
    url: str
    due_ms: int
    attempt: int = 1
    spoiling: Spoiling | None = None

    @property
    def status(self) -> str:
        """The status that it tells."""
        return (self.spoiling and self.spoiling.status) or self.task.plan.steps[self.step].status

    @property
    def message(self) -> str:
        """The id that it tells: its own, or that of the delivery which it repeats."""
        return (self.spoiling and self.spoiling.message) or self.id

    def suffers(self, fault: str) -> bool:
        """Tell whether this fault is among those that it suffers."""
        return self.spoiling is not None and fault in self.spoiling.faults


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

    def book_all(self, deliveries: Iterable[Delivery]) -> None:
        """Take several in."""
        for each in deliveries:
            self.book(each)

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

    def take_due(self, now_ms: int, at_most: int | None = None) -> list[Delivery]:
        """Hand out, once, what is due at `now_ms`, in order: everything, or the first so many."""
        due: list[Delivery] = []
        while self._heap and self._heap[0][0] <= now_ms and len(due) != at_most:
            due.append(heappop(self._heap)[2])
        return due

    def take(self, ids: Container[str]) -> list[Delivery]:
        """Hand out, once, the deliveries with these ids, in order. Looks at everything that is booked."""
        taken = sorted((each for each in self._heap if each[2].id in ids), key=lambda each: each[:2])
        if taken:
            self._keep([each for each in self._heap if each[2].id not in ids])
        return [delivery for _, _, delivery in taken]

    def drop(self, task_id: str, after_step: int) -> None:
        """Forget what a task will not come to, of which `after_step` is the last step that it came to.

        A stale callback comes with the end, whatever it tells. Looks at everything that is booked.
        """

        def stays(each: Delivery) -> bool:
            return each.task.id != task_id or (each.step <= after_step and not each.suffers("stale"))

        kept = [each for each in self._heap if stays(each[2])]
        if len(kept) < len(self._heap):
            self._keep(kept)

    def take_all(self) -> list[Delivery]:
        """Hand out everything, in the order it is due."""
        everything = [delivery for _, _, delivery in sorted(self._heap, key=lambda each: each[:2])]
        self._heap.clear()
        return everything

    def _keep(self, entries: list[tuple[int, int, Delivery]]) -> None:
        heapify(entries)
        self._heap = entries
