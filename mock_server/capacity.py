"""Concurrency slots: how many tasks may be live at once. A task holds one from its submission to its end."""

from heapq import heapify, heappop, heappush
from typing import Any


class Slots:
    """The slots of one world, counted apart for each group of tasks (each model, say)."""

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._ends_ms: dict[Any, list[int]] = {}

    def full(self, group: Any, now_ms: int) -> bool:
        """Tell whether every slot of the group is taken at `now_ms`."""
        return self.limit is not None and self.taken(group, now_ms) >= self.limit

    def take(self, group: Any, until_ms: int) -> None:
        """Take a slot until a task ends."""
        if self.limit is not None:
            heappush(self._ends_ms.setdefault(group, []), until_ms)

    def give_back(self, group: Any, until_ms: int) -> None:
        """Free a slot that was taken until `until_ms`, because its task has ended before."""
        ends = self._ends_ms.get(group, [])
        if until_ms in ends:
            ends.remove(until_ms)
            heapify(ends)

    def taken(self, group: Any, now_ms: int) -> int:
        """Return how many slots of the group are taken at `now_ms`, which never goes back."""
        ends = self._ends_ms.get(group)
        if not ends:
            return 0
        while ends and ends[0] <= now_ms:
            heappop(ends)
        if not ends:
            del self._ends_ms[group]
            return 0
        return len(ends)
