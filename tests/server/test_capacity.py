from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mock_server.capacity import Slots

groups = st.sampled_from(["kling-video-o1", "kling-v3-omni", None])
# When a task starts (after the one before it), how long it lives, and its group.
arrivals = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), groups), max_size=40)


@given(arrivals=arrivals, limit=st.integers(1, 4))
def test_a_slot_is_taken_from_submission_to_the_end_of_a_task_in_its_group_alone(
    arrivals: list[tuple[int, int, Any]], limit: int
) -> None:
    slots, now, live = Slots(limit), 0, list[tuple[int, Any]]()
    for wait, life, group in arrivals:
        now += wait
        taken = sum(end > now and other == group for end, other in live)
        assert slots.taken(group, now) == taken
        assert slots.full(group, now) == (taken >= limit)
        if taken < limit:
            slots.take(group, now + life)
            live.append((now + life, group))


def test_a_slot_is_free_at_the_very_moment_its_task_ends() -> None:
    slots = Slots(1)
    slots.take("a", 1_000)
    assert [slots.full("a", now) for now in (0, 999, 1_000)] == [True, True, False]


def test_another_group_has_its_own_slots() -> None:
    slots = Slots(1)
    slots.take("a", 1_000)
    assert (slots.full("a", 0), slots.full("b", 0)) == (True, False)


@given(count=st.integers(0, 50))
def test_without_a_limit_nothing_is_ever_full(count: int) -> None:
    slots = Slots(None)
    for _ in range(count):
        slots.take(None, 1_000)
    assert not slots.full(None, 0)


def test_looking_twice_takes_nothing() -> None:
    slots = Slots(2)
    slots.take("a", 1_000)
    assert [slots.taken("a", 0), slots.taken("a", 0)] == [1, 1]


def test_a_slot_given_back_is_free_at_once() -> None:
    slots = Slots(3)
    for end in (300, 100, 200):
        slots.take("a", end)
    slots.give_back("a", 100)
    slots.give_back("a", 7)
    slots.give_back("b", 200)
    assert [slots.taken("a", now) for now in (0, 150, 200, 300)] == [2, 2, 1, 0]
