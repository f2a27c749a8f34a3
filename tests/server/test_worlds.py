from collections import OrderedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.clock import ManualClock
from mock_server.exchange import Incoming
from mock_server.lifecycle import Plan, Step
from mock_server.outbox import Delivery
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.store import Room
from mock_server.task import Task
from mock_server.twin import make_twin
from mock_server.worlds import Bounds, World, Worlds
from tests.support import Caller

TASK = Task("1", "mine", "video", 0, Plan((Step("done"),), (0,)), b"", (), None, "http://twin.test")
DAY = 86_400.0
names = st.lists(st.sampled_from("abcdefgh"), max_size=40)


class House:
    """Worlds at a real-time clock that is set by hand, and a list of what was opened and closed."""

    def __init__(self, worlds: int = 1_000, idle_seconds: float = DAY) -> None:
        self.now = 1_000.0
        self.task_room, self.journal_room = Room(10**6), Room(10**6)
        bounds = Bounds(worlds=worlds, idle_seconds=idle_seconds)
        self.worlds = Worlds(self.make, bounds=bounds, monotonic_seconds=lambda: self.now)
        self.opened, self.closed = list[str](), list[str]()
        self.worlds.on_open = lambda world: self.opened.append(world.name)
        self.worlds.on_close = lambda world: self.closed.append(world.name)

    def make(self, name: str) -> World:
        return World(
            name,
            seed=0,
            clock=ManualClock(),
            task_types={},
            concurrency=None,
            task_room=self.task_room,
            journal_room=self.journal_room,
        )

    @property
    def names(self) -> list[str]:
        return [world.name for world in self.worlds]

    def open(self, *names: str) -> None:
        for name in names:
            self.worlds.open(name)

    def waits(self, name: str) -> None:
        """Give the world a callback that is still to be sent."""
        self.worlds.open(name).outbox.book(Delivery("d", TASK, 0, "http://127.0.0.1/", 10**15))


def test_each_world_may_have_a_seed_of_its_own(program: Program) -> None:
    asked: list[str] = []

    def seed_of(key: str) -> int:
        asked.append(key)
        return len(key)

    twin = make_twin(Settings(clock="manual"), program, seed_of=seed_of)
    usual = make_twin(Settings(clock="manual", seed=4), program)
    ids = {key: Caller(twin, key=key).created() for key in ("sk-a", "sk-b", "sk-long")}
    assert ids["sk-a"] == ids["sk-b"] == Caller(usual, key="sk-long").created() != ids["sk-long"]
    assert asked == ["sk-a", "sk-b", "sk-long"]


@given(names=names, bound=st.integers(1, 8))
def test_beyond_the_bound_the_world_that_was_used_longest_ago_is_closed(names: list[str], bound: int) -> None:
    house, model, closed = House(bound), OrderedDict[str, None](), list[str]()
    for name in names:
        if name not in model and len(model) == bound:
            closed.append(model.popitem(last=False)[0])
        model[name] = None
        model.move_to_end(name)
        house.open(name)
        assert house.names == list(model)
    assert house.closed == closed
    assert len(house.worlds) == len(model) <= bound


@given(uses=st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 2 * DAY)), max_size=20))
def test_opening_a_new_world_closes_those_that_were_idle_for_a_day(uses: list[tuple[str, float]]) -> None:
    house, used = House(), dict[str, float]()
    for name, pause in uses:
        house.now += pause
        if name not in used:
            used = {each: at for each, at in used.items() if at > house.now - DAY}
        used[name] = house.now
        house.open(name)
        assert set(house.names) == set(used)


def test_a_world_with_callbacks_to_send_stays_in_place_of_an_older_one() -> None:
    house = House(3)
    house.waits("a")
    house.open("b", "c", "d")
    assert (house.names, house.closed) == (["a", "c", "d"], ["b"])


def test_where_every_world_has_callbacks_to_send_the_oldest_is_closed() -> None:
    house = House(2)
    house.waits("a")
    house.waits("b")
    house.open("c")
    assert (house.names, house.closed) == (["b", "c"], ["a"])


def test_an_idle_world_with_callbacks_to_send_does_not_cost_the_others_their_place() -> None:
    house = House()
    house.waits("idle")
    house.now += DAY / 2
    house.open("b", "c")
    house.now += DAY / 2 + 1
    house.open("d")
    assert {"b", "c", "d"} <= set(house.names)


def test_the_owner_is_told_of_each_world_once_it_is_in_and_before_it_is_emptied() -> None:
    house, seen = House(1), list[tuple[str, int, bool]]()
    house.worlds.on_open = lambda world: seen.append((world.name, len(house.worlds), world.closed))
    house.worlds.on_close = lambda world: seen.append((world.name, len(world.store), world.closed))
    house.worlds.open("a").store.add(TASK)
    house.open("b")
    assert seen == [("a", 1, False), ("a", 1, False), ("b", 1, False)]


def test_a_closed_world_gives_its_room_back() -> None:
    house = House()
    world = house.worlds.open("a")
    world.store.add(TASK)
    world.journal.exchange(0, Incoming("GET", b"/", b"", [], b""), None, None, None, None, head_bytes=1)
    assert (house.task_room.used > 0, house.journal_room.used > 0) == (True, True)
    house.worlds.close(world)
    assert (house.task_room.used, house.journal_room.used, world.closed) == (0, 0, True)
    assert (house.names, house.worlds.by_tag(world.tag)) == ([], None)


def test_a_key_that_comes_back_finds_a_new_world() -> None:
    house = House()
    first = house.worlds.open("a")
    house.worlds.close(first)
    assert house.worlds.open("a") is not first
    assert house.opened == ["a", "a"]


def test_a_world_is_found_by_the_tag_in_its_result_urls() -> None:
    house = House()
    house.open("a", "b")
    assert [house.worlds.by_tag(world.tag) for world in house.worlds] == list(house.worlds)
    assert house.worlds.by_tag("0" * 16) is None


def test_the_lobby_is_not_among_the_worlds() -> None:
    house = House()
    assert house.names == []
    assert house.worlds.by_tag(house.worlds.lobby.tag) is None


@pytest.mark.parametrize("part", ["store", "clock", "capacity", "outbox", "journal"])
def test_two_worlds_share_nothing(part: str) -> None:
    house = House()
    assert getattr(house.worlds.open("a"), part) is not getattr(house.worlds.open("b"), part)


def test_two_worlds_of_one_seed_draw_the_same_chance() -> None:
    house = House()
    first, second = house.worlds.open("a"), house.worlds.open("b")
    assert [first.chance(), first.request_id()] == [second.chance(), second.request_id()]
