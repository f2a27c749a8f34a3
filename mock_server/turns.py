"""Who may go next: so many at once to one receiver, and so many in all.

What waits for its turn is a value in a line, not a coroutine, so a hundred thousand cost little. Each receiver has a
line of its own; those that have somebody waiting, and room, are served in turn.
"""

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Line(Generic[Item]):
    __slots__ = ("going", "waiting")

    def __init__(self) -> None:
        self.going = 0
        self.waiting: deque[Item] = deque()


class Turns(Generic[Item]):
    """The lines of all receivers."""

    def __init__(self, begin: Callable[[Item], None], *, in_all_max: int, per_receiver_max: int) -> None:
        """`begin` is called with each one whose turn has come; it does not end it before it returns."""
        self._begin = begin
        self._in_all_max, self._per_receiver_max = in_all_max, per_receiver_max
        self._going = 0
        self._lines: dict[str, _Line[Item]] = {}
        # Receivers with somebody waiting and room, the one that is served next first.
        self._ready: dict[str, None] = {}

    def ask(self, receiver: str, item: Item) -> None:
        """Stand in line."""
        line = self._lines.get(receiver)
        if line is None:
            line = self._lines[receiver] = _Line()
        line.waiting.append(item)
        self._look(receiver, line)
        self._serve()

    def end(self, receiver: str) -> None:
        """Say that one has ended whose turn it was."""
        self._going -= 1
        line = self._lines[receiver]
        line.going -= 1
        self._look(receiver, line)
        self._serve()

    def withdraw(self, gone: Callable[[Item], bool]) -> None:
        """Take those out of their lines who are gone."""
        for receiver, line in list(self._lines.items()):
            line.waiting = deque(item for item in line.waiting if not gone(item))
            self._look(receiver, line)

    def _look(self, receiver: str, line: _Line[Item]) -> None:
        if line.waiting and line.going < self._per_receiver_max:
            self._ready.setdefault(receiver)
        else:
            self._ready.pop(receiver, None)
            if not line.waiting and not line.going:
                del self._lines[receiver]

    def _serve(self) -> None:
        while self._ready and self._going < self._in_all_max:
            receiver = next(iter(self._ready))
            del self._ready[receiver]
            line = self._lines[receiver]
            item = line.waiting.popleft()
            line.going += 1
            self._going += 1
            self._look(receiver, line)
            self._begin(item)
