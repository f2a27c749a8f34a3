"""Those who follow a journal while it grows: how many there may be, how they wake up, and that they all end.

A reader keeps nothing but the number of the entry that it has come to. What it has not read yet stands in the journal,
which is bounded; so a reader that is slow, or stops, costs the twin a place among the readers and no memory.
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Iterator

from mock_server.journal import Journal
from mock_server.worlds import Bounds, World


class TooManyReaders(Exception):
    """No reader more has room; the message says which bound is reached."""


class Follower:
    """One reader's sight of one journal."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        # Set with each new entry, and at the end; also by whoever has a reason of their own to look again.
        self.woken = asyncio.Event()
        self.stopped = False

    @property
    def ended(self) -> bool:
        """Tell whether nothing more can come."""
        return self.stopped or self.journal.closed

    async def news(self, within_seconds: float) -> bool:
        """Wait until there is something to look at, or the end; tell whether it came in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, within_seconds)):
                await self.woken.wait()
        came = self.woken.is_set()
        self.woken.clear()
        return came


class Readers:
    """The readers of all worlds."""

    def __init__(self, bounds: Bounds) -> None:
        """How long a client may let a reply lie unread (`stalled_seconds`) is for the shell that sends it to see to."""
        self.in_all_max, self.per_world_max = bounds.readers, bounds.readers_per_world
        self.stalled_seconds, self.silent_seconds = bounds.stalled_seconds, bounds.silent_seconds
        self._followers: set[Follower] = set()
        self._by_world = Counter[World]()
        self._stopped = False

    def __len__(self) -> int:
        return len(self._followers)

    @contextlib.contextmanager
    def follow(self, world: World) -> Iterator[Follower]:
        """Give a reader its place for as long as it reads; raise TooManyReaders where there is none."""
        if len(self._followers) >= self.in_all_max:
            raise TooManyReaders(f"{self.in_all_max} readers wait on or stream the journals of this server already")
        if self._by_world[world] >= self.per_world_max:
            raise TooManyReaders(f"{self.per_world_max} readers wait on or stream this journal already")
        follower = Follower(world.journal)
        follower.stopped = self._stopped
        self._followers.add(follower)
        self._by_world[world] += 1
        world.journal.watchers.add(follower.woken.set)
        try:
            yield follower
        finally:
            world.journal.watchers.discard(follower.woken.set)
            self._followers.discard(follower)
            self._by_world[world] -= 1
            if not self._by_world[world]:
                del self._by_world[world]

    def stop(self) -> None:
        """End all readers, and those that may still come: the server stops."""
        self._stopped = True
        for follower in self._followers:
            follower.stopped = True
            follower.woken.set()
