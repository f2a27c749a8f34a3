"""Worlds: everything that belongs to one bearer key. Two of them share nothing but the room they are kept in."""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import msgspec

from mock_server.capacity import Capacity
from mock_server.clock import Clock
from mock_server.identifiers import Chances, ids, opaque_tag, stream, uuid_ids
from mock_server.journal import Journal
from mock_server.outbox import Outbox
from mock_server.redaction import Redactor
from mock_server.scenarios import Scenario
from mock_server.spec import TaskType
from mock_server.steering import Steering
from mock_server.store import Room, Store
from mock_server.tally import Tally


class Bounds(msgspec.Struct, frozen=True):
    """How much is kept, over all worlds."""

    # A key for each test of a large suite, with room to look at the last ones.
    worlds: int = 1_000
    # About a gigabyte of tasks.
    tasks: int = 1_000_000
    # What a developer's machine spares for a journal.
    journal_bytes: int = 256 * 1024 * 1024
    # A key that nobody used for a day is not coming back.
    idle_seconds: float = 86_400.0
    # Waits and streams at once: one for each of a few dozen tests that run side by side, and somebody who looks on.
    readers: int = 256
    readers_per_world: int = 32
    # A client on the same machine reads at once; one that lets a reply lie for so long has stopped.
    stalled_seconds: float = 10.0
    # Proxies give up a silent connection after 30 s or 60 s; so a stream says in time that it is there.
    silent_seconds: float = 15.0


class World:
    """The tasks, clock, scenarios, capacity, callbacks, journal and chance of one key."""

    __slots__ = ("callback_chance", "capacity", "chance", "chances", "clock", "closed", "journal", "name", "outbox",
                 "request_id", "steering", "store", "tag", "tally", "task_ids", "used_at")  # fmt: skip

    def __init__(
        self,
        name: str,
        *,
        seed: int,
        clock: Clock,
        task_types: Mapping[str, TaskType],
        concurrency: int | None,
        task_room: Room,
        journal_room: Room,
        tally: Tally | None = None,
        real_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self.tag = opaque_tag(name)
        self.clock = clock
        self.store = Store(task_room)
        self.capacity = Capacity(concurrency)
        self.outbox = Outbox()
        self.steering = Steering()
        # Counted over all worlds; it outlives this one.
        self.tally = tally or Tally()
        self.journal = Journal(journal_room, tally=self.tally, real_ns=real_ns)
        self.used_at = 0.0
        self.closed = False
        # Chance of its own for each use, so that a query never changes the pace of the next task.
        self.chances = Chances(seed)
        self.chance = self.chances.of("pace")
        self.callback_chance = self.chances.of("callbacks")
        # Types whose ids look alike draw from one source, so that no two of their tasks have the same id.
        chance = stream(seed, "tasks")
        sources = {form: ids(form, chance) for form in dict.fromkeys(each.id for each in task_types.values())}
        self.task_ids = {name: sources[each.id] for name, each in task_types.items()}
        self.request_id = uuid_ids(stream(seed, "requests"))

    def arm(self, scenario: Scenario, times: int | None, *, anew: bool = True) -> None:
        """Give the next tasks a scenario, which begins anew: for `times` plays, or always (None).

        Where it is not played `anew`, its list of submits is that of the world: after its end everything is normal.
        """
        self.capacity.renew(scenario.name)
        self.steering.arm(scenario, times, self.clock.now_ms(), anew=anew)

    def told(self, text: str) -> str:
        """Return a text as it may stand in the log: without the key of this world."""
        return Redactor([self.name]).text(text)


class Worlds:
    """All worlds, least recently used first. Beyond the bound, and after a day, one that nobody uses is closed."""

    def __init__(
        self,
        make: Callable[[str], World],
        *,
        bounds: Bounds,
        monotonic_seconds: Callable[[], float],
    ) -> None:
        self._make, self._bounds, self._seconds = make, bounds, monotonic_seconds
        self._by_name: OrderedDict[str, World] = OrderedDict()
        self._by_tag: dict[str, World] = {}
        # Told of each new world, and of each one that is closed, before its callbacks are lost.
        self.on_open: Callable[[World], None] = lambda world: None
        self.on_close: Callable[[World], None] = lambda world: None
        # Requests without a good key have no world; their exchanges are recorded here.
        self.lobby = make("")

    def __len__(self) -> int:
        return len(self._by_name)

    def __iter__(self) -> Iterator[World]:
        return iter(list(self._by_name.values()))

    def open(self, name: str) -> World:
        """Return the world of a key, a new one where the key is new."""
        world = self._by_name.get(name)
        if world is None:
            world = self._open(name)
        else:
            self._by_name.move_to_end(name)
        world.used_at = self._seconds()
        return world

    def by_tag(self, tag: str) -> World | None:
        """Return the world whose result URLs carry this tag."""
        return self._by_tag.get(tag)

    def close(self, world: World) -> None:
        """Forget a world."""
        self.on_close(world)
        world.closed = True
        world.store.clear()
        world.journal.close()
        del self._by_name[world.name], self._by_tag[world.tag]

    def _open(self, name: str) -> World:
        world = self._make(name)
        stale_before = self._seconds() - self._bounds.idle_seconds
        while self._by_name and (oldest := next(iter(self._by_name.values()))).used_at <= stale_before:
            self.close(oldest)
        while len(self._by_name) >= self._bounds.worlds:
            self.close(self._least_wanted())
        self._by_name[name] = self._by_tag[world.tag] = world
        self.on_open(world)
        return world

    def _least_wanted(self) -> World:
        """The oldest of the first few that has no callback left to send, else the oldest."""
        oldest = next(iter(self._by_name.values()))
        few = [world for world, _ in zip(self._by_name.values(), range(16), strict=False)]
        return next((world for world in few if not len(world.outbox)), oldest)
