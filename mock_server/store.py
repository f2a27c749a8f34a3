"""The tasks of one world, found by id, by external id, or page by page."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import islice

from mock_server.task import Task


class Room:
    """A bound that several collections share: how much is used of how much there is."""

    def __init__(self, limit: int) -> None:
        self.limit, self.used = limit, 0

    @property
    def over(self) -> bool:
        """Tell whether more is used than there is."""
        return self.used > self.limit


class Store:
    """All tasks of a world. When there is no room for more, the oldest are forgotten."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._by_id: dict[str, Task] = {}
        self._by_external_id: dict[str, Task] = {}
        # Oldest first; what was forgotten is cut off in large pieces, because cutting moves everything behind it.
        self._order: list[Task] = []
        self._forgotten = 0
        # How many tasks are gone because there was no room for them.
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def external_ids(self) -> dict[str, Task]:
        """The external ids in use, each with its task."""
        return self._by_external_id

    def add(self, task: Task) -> None:
        """Keep a task, whose ids are not in use yet."""
        self._by_id[task.id] = task
        if task.external_id is not None:
            self._by_external_id[task.external_id] = task
        self._order.append(task)
        self._room.used += 1
        while self._room.over and len(self._by_id) > 1:
            self._forget_oldest()

    def replace(self, old: Task, new: Task) -> None:
        """Keep `new` in the place of `old`, whose ids and time of creation it has."""
        self._by_id[old.id] = new
        if old.external_id is not None and self._by_external_id.get(old.external_id) is old:
            self._by_external_id[old.external_id] = new
        self._order[self._index(old)] = new

    def find(self, name: str) -> Task | None:
        """Return the task with this id or external id."""
        return self._by_id.get(name) or self._by_external_id.get(name)

    def page(self, task_type: str, number: int, size: int) -> Sequence[Task]:
        """Return page `number` (from 1) of the tasks of a type, newest first, `size` on a page."""
        newest_first = islice(reversed(self._order), len(self._by_id))
        same = (task for task in newest_first if task.type == task_type)
        return list(islice(same, (number - 1) * size, number * size))

    def older(self, than: Task, size: int) -> Sequence[Task]:
        """Return the next `size` tasks of the same type, newest first, that came before a task."""
        before = islice(reversed(self._order), len(self._order) - self._index(than), len(self._by_id))
        return list(islice((task for task in before if task.type == than.type), size))

    def tasks(self) -> Sequence[Task]:
        """Return all tasks, oldest first."""
        return self._order[self._forgotten :]

    def clear(self) -> None:
        """Forget everything, and give the room back."""
        self._room.used -= len(self._by_id)
        self._by_id.clear()
        self._by_external_id.clear()
        self._order.clear()
        self._forgotten = 0

    def _index(self, task: Task) -> int:
        """A clock never goes back, so the order is that of creation; a few may be of the same moment."""
        index = bisect_left(self._order, task.created_at_ms, self._forgotten, key=lambda each: each.created_at_ms)
        while self._order[index] is not task:
            index += 1
        return index

    def _forget_oldest(self) -> None:
        oldest = self._order[self._forgotten]
        self._forgotten += 1
        self.dropped += 1
        del self._by_id[oldest.id]
        # Where the profile lets an external id repeat, it belongs to the newest task that has it.
        if oldest.external_id is not None and self._by_external_id.get(oldest.external_id) is oldest:
            del self._by_external_id[oldest.external_id]
        self._room.used -= 1
        if self._forgotten * 2 > len(self._order):
            del self._order[: self._forgotten]
            self._forgotten = 0
