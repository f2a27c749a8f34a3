from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mock_server.lifecycle import Plan, Step
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.store import Room, Store
from mock_server.task import Task
from mock_server.twin import Twin, make_twin
from mock_server.worlds import Bounds
from tests.support import MINIMAL, Caller

TYPES = ("video", "image")


def a_task(name: str, external_id: str | None = None, task_type: str = TYPES[0]) -> Task:
    return Task(name, external_id, task_type, 0, Plan((Step("done"),), (0,)), b"", (), None, "http://twin.test")


def ids(tasks: Any) -> list[str]:
    return [task.id for task in tasks]


class TwoStores(RuleBasedStateMachine):
    """Two stores that share a room, against two lists. A store makes room by forgetting its own, all but the last."""

    @initialize(limit=st.integers(1, 8))
    def open(self, limit: int) -> None:
        self.room = Room(limit)
        self.stores, self.kept = (Store(self.room), Store(self.room)), ([], [])  # type: tuple[Store, ...], tuple[list[Task], ...]
        self.every: list[Task] = []

    @rule(which=st.integers(0, 1), task_type=st.sampled_from(TYPES), named=st.booleans())
    def add(self, which: int, task_type: str, named: bool) -> None:
        number = len(self.every)
        task = a_task(f"id-{number}", f"mine-{number}" if named else None, task_type)
        self.every.append(task)
        self.stores[which].add(task)
        kept = self.kept[which]
        kept.append(task)
        while len(self.kept[0]) + len(self.kept[1]) > self.room.limit and len(kept) > 1:
            kept.pop(0)

    @rule(which=st.integers(0, 1))
    def clear(self, which: int) -> None:
        self.stores[which].clear()
        self.kept[which].clear()

    @invariant()
    def everything_kept_is_found_and_nothing_else(self) -> None:
        for store, kept in zip(self.stores, self.kept, strict=True):
            for task in self.every:
                wanted = task if task in kept else None
                assert store.find(task.id) is wanted
                assert task.external_id is None or store.find(task.external_id) is wanted

    @invariant()
    def the_kept_are_in_order_and_counted(self) -> None:
        for store, kept in zip(self.stores, self.kept, strict=True):
            assert store.tasks() == kept
            assert len(store) == len(kept)
            assert list(store.external_ids) == [task.external_id for task in kept if task.external_id]
        assert self.room.used == len(self.kept[0]) + len(self.kept[1])
        assert self.room.used <= self.room.limit + 1

    @rule(which=st.integers(0, 1), task_type=st.sampled_from(TYPES), size=st.integers(1, 4))
    def pages_cover_a_type_once_newest_first(self, which: int, task_type: str, size: int) -> None:
        wanted = [task for task in reversed(self.kept[which]) if task.type == task_type]
        pages = [self.stores[which].page(task_type, number, size) for number in range(1, len(wanted) // size + 2)]
        assert [task for page in pages for task in page] == wanted
        assert all(len(page) == size for page in pages[:-1])


TestTwoStores = TwoStores.TestCase
TestTwoStores.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


@given(count=st.integers(0, 30), limit=st.integers(1, 10))
def test_the_oldest_are_forgotten_first(count: int, limit: int) -> None:
    store = Store(Room(limit))
    for number in range(count):
        store.add(a_task(str(number)))
    assert ids(store.tasks()) == [str(number) for number in range(max(0, count - limit), count)]


def test_a_page_past_the_end_is_empty() -> None:
    store = Store(Room(9))
    store.add(a_task("1"))
    assert store.page(TYPES[0], 2, 30) == []


def test_an_id_wins_over_an_external_id_that_looks_the_same() -> None:
    store = Store(Room(9))
    store.add(a_task("1", "2"))
    store.add(a_task("2"))
    found = store.find("2")
    assert found is not None
    assert found.id == "2"


def test_a_task_in_a_full_room_is_kept_where_it_is_the_only_one() -> None:
    room = Room(1)
    Store(room).add(a_task("1"))
    other = Store(room)
    other.add(a_task("2"))
    assert ids(other.tasks()) == ["2"]
    assert room.over


def test_two_tasks_with_one_external_id_can_be_forgotten_one_after_the_other() -> None:
    """The profile `page` does not refuse a repeated external id, so a store meets it."""
    store = Store(Room(2))
    for name, external_id in (("1", "same"), ("2", "same"), ("3", None), ("4", None)):
        store.add(a_task(name, external_id))
    assert ids(store.tasks()) == ["3", "4"]
    assert store.find("same") is None


def test_forgetting_a_task_leaves_a_later_one_with_its_external_id_in_place() -> None:
    store = Store(Room(2))
    for name, external_id in (("1", "same"), ("2", "same"), ("3", None)):
        store.add(a_task(name, external_id))
    found = store.find("same")
    assert found is not None
    assert found.id == "2"


def test_a_twin_that_takes_repeated_external_ids_goes_on_when_it_is_full(make: Callable[..., Twin]) -> None:
    program: Program = make(profile="page").program
    caller = Caller(make_twin(Settings(clock="manual", profile="page"), program, bounds=Bounds(tasks=2)))
    for external_id in ("same", "same", "other", "another"):
        reply = caller.submit({**MINIMAL, "external_task_id": external_id})
        assert reply.status == 200, msgspec.json.decode(reply.body)


@given(count=st.integers(1, 12), limit=st.integers(1, 12), which=st.integers(0, 11))
def test_a_task_that_is_replaced_is_found_as_the_new_one_in_the_same_place(count: int, limit: int, which: int) -> None:
    store = Store(Room(limit))
    for number in range(count):
        # Some are of the same moment.
        store.add(msgspec.structs.replace(a_task(str(number), f"mine-{number}"), created_at_ms=number // 3))
    kept = store.tasks()
    old = kept[which % len(kept)]
    new = msgspec.structs.replace(old, plan=Plan((Step("over"),), (9,)))
    store.replace(old, new)
    assert store.find(old.id) is store.find(f"mine-{old.id}") is new
    assert [new if task is old else task for task in kept] == store.tasks()
