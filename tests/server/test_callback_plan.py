"""Which deliveries a task gets, by the callback faults of its scenario: what holds for all, then each fault."""

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.callback_faults import CALLBACK_FAULTS, CallbackFault
from mock_server.callback_plan import ATTACKER_URL, Case, first_of, plan_deliveries
from mock_server.lifecycle import Plan, Step
from mock_server.outbox import Delivery
from mock_server.scenarios import CallbackStory
from mock_server.settings import Settings
from mock_server.task import Task
from mock_server.twin import load_program

TASK_TYPE = load_program(Settings()).spec.task_types["omni-video"]
STATUSES = ("submitted", "processing", "succeed")
MOMENTS = (1_000, 5_000, 60_000)
URL = "http://127.0.0.1:9/callback"


def task(moments: tuple[int, ...] = MOMENTS) -> Task:
    steps = (Step("submitted"), Step("processing"), Step("succeed", "success"))
    plan = Plan(steps[: len(moments)], moments)
    return Task("866889456698785798", "mine", "omni-video", moments[0], plan, b"{}", (), None, "http://twin.test")


def planned(*faults: CallbackFault, seed: int = 0, moments: tuple[int, ...] = MOMENTS, **more: Any) -> list[Delivery]:
    case = Case(task(moments), TASK_TYPE, URL, "tag", Random(seed).random, more.pop("from_step", 0))
    return plan_deliveries(case, STATUSES, CallbackStory(faults=faults, **more))


def fault(name: str, *statuses: str, chance: float = 1.0, **arguments: Any) -> CallbackFault:
    named = {key.replace("_", "-"): value for key, value in arguments.items()}
    return CallbackFault(name, frozenset(statuses) or None, chance, named)


def dues(deliveries: list[Delivery]) -> list[tuple[str, int]]:
    return [(each.status, each.due_ms) for each in deliveries]


def in_time(deliveries: list[Delivery]) -> list[str]:
    return [each.status for each in sorted(deliveries, key=lambda each: each.due_ms)]


ARGUMENTS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "duplicate": st.fixed_dictionaries({}, optional={"times": st.integers(1, 3), "after": st.integers(0, 90_000)}),
    "reorder": st.fixed_dictionaries({}, optional={"within": st.integers(0, 90_000)}),
    "late": st.fixed_dictionaries({}, optional={"by": st.just((5, 70_000))}),
    "stale": st.fixed_dictionaries({}, optional={"status": st.sampled_from(STATUSES), "after": st.integers(0, 9_000)}),
    "forged": st.fixed_dictionaries(
        {}, optional={"how": st.sampled_from(["unknown-task", "attacker-url"]), "after": st.integers(0, 90_000)}
    ),
}


@st.composite
def faults(draw: st.DrawFn) -> CallbackFault:
    name = draw(st.sampled_from(CALLBACK_FAULTS))
    statuses = None if name in ("stale", "forged") else draw(st.none() | st.frozensets(st.sampled_from(STATUSES)))
    chance = draw(st.sampled_from([0.0, 0.5, 1.0]))
    return CallbackFault(name, statuses, chance, draw(ARGUMENTS.get(name, st.just({}))))


stories = st.lists(faults(), max_size=4)
moments = st.lists(st.integers(0, 100_000), min_size=3, max_size=3).map(sorted).map(tuple)


@given(stories, st.integers(0, 2**32), moments)
def test_the_same_seed_gives_the_same_deliveries(story: list[CallbackFault], seed: int, at_ms: tuple[int, ...]) -> None:
    assert planned(*story, seed=seed, moments=at_ms) == planned(*story, seed=seed, moments=at_ms)


@given(stories, st.integers(0, 2**32), moments)
def test_each_delivery_has_an_id_of_its_own(story: list[CallbackFault], seed: int, at_ms: tuple[int, ...]) -> None:
    made = planned(*story, seed=seed, moments=at_ms)
    assert len({each.id for each in made}) == len(made)


@given(stories, st.integers(0, 2**32), moments)
def test_no_status_is_ever_missing(story: list[CallbackFault], seed: int, at_ms: tuple[int, ...]) -> None:
    """What is lost is planned as well, so that the journal can tell of it."""
    told = [each.status for each in planned(*story, seed=seed, moments=at_ms)]
    assert set(STATUSES) <= set(told)


@given(stories, st.integers(0, 2**32), moments)
def test_nothing_is_due_before_the_task_is_there(story: list[CallbackFault], seed: int, at_ms: tuple[int, ...]) -> None:
    assert min(each.due_ms for each in planned(*story, seed=seed, moments=at_ms)) >= at_ms[0]


@given(stories, st.integers(0, 2**32))
def test_only_an_early_one_is_due_before_its_status_is_reached(story: list[CallbackFault], seed: int) -> None:
    for each in planned(*story, seed=seed):
        if not each.suffers("early") and not each.suffers("forged"):
            assert each.due_ms >= MOMENTS[each.step]


@given(stories, st.integers(0, 2**32))
def test_a_fault_without_a_chance_changes_nothing(story: list[CallbackFault], seed: int) -> None:
    never = [CallbackFault(each.name, each.statuses, 0.0, each.arguments) for each in story]
    assert planned(*never, seed=seed) == planned()


@given(st.sets(st.sampled_from(range(2))), st.integers(0, 2**32), st.integers(0, 90_000))
def test_what_is_reordered_comes_after_a_later_status(steps: set[int], seed: int, within_ms: int) -> None:
    hit = [STATUSES[step] for step in steps]
    made = planned(fault("reorder", *hit, within=within_ms), seed=seed) if hit else []
    for each in made:
        if each.status in hit:
            assert any(other.step > each.step and other.due_ms < each.due_ms for other in made)


def test_without_faults_each_status_is_told_at_its_moment() -> None:
    assert dues(planned()) == list(zip(STATUSES, MOMENTS, strict=True))


def test_what_the_story_sends_comes_in_the_place_of_what_is_usual() -> None:
    assert dues(planned(statuses=("succeed", "failed"))) == [("succeed", 60_000)]


def test_a_plan_that_goes_on_tells_nothing_anew() -> None:
    again = planned(fault("early"), fault("forged"), from_step=2)
    assert dues(again) == [("succeed", 60_000)]


def test_a_fault_is_of_the_statuses_that_it_names() -> None:
    made = planned(fault("lost", "processing", "failed"))
    assert [each.status for each in made if each.suffers("lost")] == ["processing"]


def test_chance_hits_some_and_misses_some() -> None:
    hit = [each.suffers("lost") for seed in range(50) for each in planned(fault("lost", chance=0.5), seed=seed)]
    assert 40 < sum(hit) < 110


def test_a_fault_takes_what_those_before_it_have_left() -> None:
    made = planned(fault("duplicate", "succeed", times=2), fault("late", "succeed", by=(7, 7)))
    assert dues(made)[2:] == [("succeed", 60_007)] * 3


def test_copies_follow_each_other_and_tell_the_id_of_the_first() -> None:
    first, *copies = planned(fault("duplicate", "succeed", times=2, after=500))[2:]
    assert [each.due_ms for each in (first, *copies)] == [60_000, 60_500, 61_000]
    assert {each.message for each in copies} == {first.id} == {first.message}
    assert [each.id for each in copies] == [f"{first.id}.2", f"{first.id}.3"]


def test_late_is_within_its_range() -> None:
    by = {planned(fault("late", "submitted", by=(10, 12)), seed=seed)[0].due_ms - 1_000 for seed in range(50)}
    assert by == {10, 11, 12}


def test_of_all_that_are_reordered_the_last_comes_first() -> None:
    assert in_time(planned(fault("reorder", within=1)))[0] == "succeed"


def test_early_is_the_first_one_unless_it_says_which() -> None:
    assert [each.suffers("early") for each in planned(fault("early"))] == [True, False, False]
    assert dues(planned(fault("early", "succeed")))[2] == ("succeed", 1_000)


def test_those_that_go_first_are_told_by_their_ids() -> None:
    made = planned(fault("early"), fault("duplicate", "submitted"))
    case = Case(task(), TASK_TYPE, URL, "tag", Random(0).random)
    first = first_of(case, made)
    assert first is not None
    assert first.deliveries == (made[0].id, made[1].id)
    assert first_of(case, planned()) is None


def test_where_nothing_is_told_nothing_is_early() -> None:
    assert planned(fault("early"), statuses=("failed",)) == []


def test_a_stale_one_tells_the_status_before_the_end_after_the_last() -> None:
    made = planned(fault("late", "succeed", by=(100_000, 100_000)), fault("stale", after=5))
    assert dues(made)[-1] == ("processing", 160_005)
    assert made[-1].message not in {each.message for each in made[:-1]}


@pytest.mark.parametrize(("status", "told"), [("submitted", ["submitted"]), ("succeed", []), ("failed", [])])
def test_a_stale_one_can_be_named_if_the_task_was_there(status: str, told: list[str]) -> None:
    assert [each.status for each in planned(fault("stale", status=status))[3:]] == told


def test_a_task_that_never_ends_has_nothing_stale() -> None:
    assert len(planned(fault("stale"), moments=MOMENTS[:2])) == 2


def test_a_forged_one_tells_a_success_of_a_task_that_nobody_knows() -> None:
    *_, forged = planned(fault("forged", after=10))
    assert (forged.status, forged.due_ms) == ("succeed", 1_010)
    assert forged.spoiling is not None
    assert forged.spoiling.task_id != task().id
    assert len(forged.spoiling.task_id) == len(task().id)


def test_a_forged_one_can_tell_of_the_task_itself_with_somebody_elses_address() -> None:
    *_, usual = planned(fault("forged", how="attacker-url"))
    *_, named = planned(fault("forged", how="attacker-url", url="http://10.0.0.1/x"))
    told = [each.spoiling and (each.spoiling.task_id, each.spoiling.media_url) for each in (usual, named)]
    assert told == [("", ATTACKER_URL), ("", "http://10.0.0.1/x")]


def test_an_old_signature_of_a_forger_stays_wrong() -> None:
    *_, forged = planned(fault("forged"), fault("stale-timestamp", by=90))
    assert forged.spoiling is not None
    assert (forged.spoiling.signature, forged.spoiling.age_ms) == ("wrong", 90)
