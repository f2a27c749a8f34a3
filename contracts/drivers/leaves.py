"""Sees whether a client that runs has a library in its memory. What starts it may hand that on, or not.

    sh ─▶ env -u LD_PRELOAD ─▶ python       sh has it, and the client has not
    npm ─▶ sh ─▶ node                       all have it

So those are looked at that have started none of the others: the leaves. One of them may be a program that the client
itself has started, and needs for a moment.
"""

import contextlib
from pathlib import Path

from contracts.drivers.base import now
from contracts.drivers.child import pids_with
from contracts.drivers.preload import has_loaded

# A program loads its libraries before anything else, and what starts a client has become the client by then.
_SETTLED_SECONDS = 0.15
# One that has gone on for so long without the library is no passing helper of a client that has it.
_LACKING_SECONDS_MAX = 1.0


class Leaves:
    """What runs with a mark, from one look to the next."""

    def __init__(self, library: Path, mark: str) -> None:
        """`mark` is the `NAME=value` that they have in their environment."""
        self._library, self._mark = library, mark.encode()
        # Since when a program has the library, or lacks it.
        self._since: dict[tuple[int, bool], float] = {}
        self.any = False
        # Whether a client was ever seen that has it, and whether something was that lacks it.
        self.sure = self.doubtful = False

    def look(self) -> bool | None:
        """Tell whether the client has the library; None while that cannot be told."""
        parents = {pid: _parent(pid) for pid in pids_with(self._mark)}
        at = now()
        states = [(pid, has_loaded(pid, self._library)) for pid in parents]
        self.any = bool(states)
        self._since = {each: self._since.get(each, at) for each in states}
        ages = {(pid, has): at - since for (pid, has), since in self._since.items() if pid not in parents.values()}
        settled = {has for (_, has), age in ages.items() if age > _SETTLED_SECONDS}
        if any(not has and age > _LACKING_SECONDS_MAX for (_, has), age in ages.items()):
            return False
        if not settled:
            return None
        if False not in settled:
            self.sure = True
            return True
        self.doubtful = True
        return None


def _parent(pid: int) -> int:
    """Return the number of the program that started another; 0 where that is not known."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # The name stands in parentheses, and may hold some.
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
    return 0
