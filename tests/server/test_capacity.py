"""Slots, quotas and places: what the provider can take, as values and from outside."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.capacity import Capacity, Places, Slots
from mock_server.lifecycle import NEVER_MS, Plan, Step
from mock_server.program import Program
from mock_server.scenario_reader import compile_scenario
from mock_server.scenarios import Scenario
from mock_server.settings import Settings
from mock_server.spec import Spec
from mock_server.twin import Twin, make_twin
from tests.support import MINIMAL, Caller, explanation, is_refused

groups = st.sampled_from(["kling-video-o1", "kling-v3-omni", None])
# When a task starts (after the one before it), how long it lives, and its group.
arrivals = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 20), groups), max_size=40)


def scenario(spec: Spec, name: str = "mine", **more: Any) -> Scenario:
    """Compile a scenario that says no more than it must besides what is given."""
    return compile_scenario({"name": name, "about": "A test.", **more}, spec, name)


def plan(*moments: int, final: bool = True) -> Plan:
    """Return a plan with a step at each moment; the last one ends it, if it is `final`."""
    names = ["submitted", "processing", "succeed"]
    steps = [Step(names[min(index, 1)]) for index in range(len(moments))]
    if final:
        steps[-1] = Step("succeed", "success")
    return Plan(tuple(steps), moments)


class TestSlots:
    @given(arrivals=arrivals, limit=st.integers(1, 4))
    def test_a_slot_is_taken_from_submission_to_the_end_of_a_task_in_its_group_alone(
        self, arrivals: list[tuple[int, int, Any]], limit: int
    ) -> None:
        slots, now, live = Slots(limit), 0, list[tuple[int, Any]]()
        for index, (wait, life, group) in enumerate(arrivals):
            now += wait
            taken = sum(end > now and other == group for end, other in live)
            assert slots.taken(group, now) == taken
            assert slots.full(group, now) == (taken >= limit)
            if taken < limit:
                slots.take(group, now + life, str(index))
                live.append((now + life, group))

    def test_a_slot_is_free_at_the_very_moment_its_task_ends(self) -> None:
        slots = Slots(1)
        slots.take("a", 1_000, "1")
        assert [slots.full("a", now) for now in (0, 999, 1_000)] == [True, True, False]

    def test_another_group_has_its_own_slots(self) -> None:
        slots = Slots(1)
        slots.take("a", 1_000, "1")
        assert (slots.full("a", 0), slots.full("b", 0)) == (True, False)

    def test_looking_twice_takes_nothing(self) -> None:
        slots = Slots(2)
        slots.take("a", 1_000, "1")
        assert [slots.taken("a", 0), slots.taken("a", 0)] == [1, 1]

    def test_a_slot_given_back_is_free_at_once(self) -> None:
        slots = Slots(3)
        for end in (300, 100, 200):
            slots.take("a", end, f"until {end}")
        slots.give_back("until 100")
        slots.give_back("nobody")
        assert [slots.taken("a", now) for now in (0, 150, 200, 300)] == [2, 2, 1, 0]


# When a task comes (after the one before it), how long it waits and how long it is worked on without a queue.
queued = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 8), st.integers(0, 20)), max_size=30)


class TestPlaces:
    @given(queued=queued, parallel=st.integers(1, 4))
    def test_work_begins_with_the_first_place_that_is_free_for_it_and_no_sooner_than_alone(
        self, queued: list[tuple[int, int, int]], parallel: int
    ) -> None:
        places, now, worked = Places(parallel), 0, list[tuple[int, int]]()
        free = [0] * parallel
        for index, (gap, wait, work) in enumerate(queued):
            now += gap
            alone = plan(now, now + wait, now + wait + work)
            made = places.take(alone, str(index))
            first = min(range(parallel), key=lambda each: free[each])
            begins = max(now + wait, free[first])
            free[first] = max(free[first], begins + work)
            assert made == Plan(alone.steps, (now, begins, begins + work))
            worked.append((begins, begins + work))
            # Places of tasks that have ended are not remembered.
            assert len(places._taken) <= sum(end >= now for _, end in worked)
        for moment, _ in worked:
            assert sum(begin <= moment < end for begin, end in worked) <= parallel

    @given(queued=queued, parallel=st.integers(1, 4), ended=st.sets(st.integers(0, 29)))
    def test_never_more_are_worked_on_than_there_are_places_even_where_tasks_end_early(
        self, queued: list[tuple[int, int, int]], parallel: int, ended: set[int]
    ) -> None:
        places, now, worked = Places(parallel), 0, dict[int, tuple[int, int]]()
        for index, (gap, wait, work) in enumerate(queued):
            now += gap
            _, begins, ends = places.take(plan(now, now + wait, now + wait + work), str(index)).at_ms
            worked[index] = (begins, ends)
            early = index // 2
            if early in ended and worked[early][1] > now:
                places.give_back(str(early), now)
                worked[early] = (worked[early][0], now)
            assert len(places._taken) <= parallel
        for moment, _ in worked.values():
            assert sum(begin <= moment < end for begin, end in worked.values()) <= parallel

    def test_the_place_of_a_task_that_ends_early_is_free_for_the_next(self) -> None:
        places = Places(1)
        places.take(plan(0, 10, 100), "first")
        places.give_back("first", 20)
        assert places.take(plan(20, 30, 40), "second").at_ms == (20, 30, 40)

    def test_a_task_that_gives_up_waiting_leaves_the_place_to_who_works_there(self) -> None:
        places = Places(1)
        places.take(plan(0, 10, 100), "works")
        places.take(plan(0, 10, 100), "waits")
        places.give_back("waits", 20)
        assert places.take(plan(20, 30, 40), "next").at_ms == (20, 100, 110)

    def test_a_way_without_a_second_status_is_worked_on_all_along(self) -> None:
        places = Places(1)
        assert [places.take(plan(0, 10), each).at_ms for each in "abc"] == [(0, 10), (0, 20), (0, 30)]

    def test_a_task_that_stays_on_its_first_status_takes_no_place(self) -> None:
        places, staying = Places(1), plan(0, final=False)
        assert places.take(staying, "a") == staying
        assert places.take(plan(0, 10, 20), "b").at_ms == (0, 10, 20)

    def test_behind_tasks_that_never_end_others_wait_for_ever(self) -> None:
        places = Places(1)
        places.take(plan(0, 10, final=False), "never ends")
        behind = places.take(plan(5, 10, 20), "behind")
        assert behind == plan(5, final=False)
        assert behind.ends_at_ms == NEVER_MS
        places.give_back("never ends", 30)
        assert places.take(plan(30, 40, 50), "after").at_ms == (30, 40, 50)


class TestCapacity:
    def test_without_a_limit_nothing_is_counted(self, program: Program) -> None:
        assert Capacity().usage(scenario(program.spec)) is None

    def test_the_setting_counts_where_a_scenario_says_nothing_of_concurrency(self, program: Program) -> None:
        capacity, spec = Capacity(2), program.spec
        usual, quota = capacity.usage(scenario(spec)), capacity.usage(scenario(spec, capacity={"quota": 5}))
        own = capacity.usage(scenario(spec, capacity={"concurrency": 7}))
        assert usual is not None
        assert quota is not None
        assert own is not None
        assert usual.slots is quota.slots
        assert [each.slots and each.slots.limit for each in (usual, own)] == [2, 7]

    def test_the_same_limits_are_counted_together_and_renewed_by_name(self, program: Program) -> None:
        capacity, spec = Capacity(), program.spec
        first = capacity.usage(scenario(spec, capacity={"quota": 5}))
        assert capacity.usage(scenario(spec, capacity={"quota": 5})) is first
        assert capacity.usage(scenario(spec, capacity={"quota": 6})) is not first
        capacity.renew("other")
        assert capacity.usage(scenario(spec, capacity={"quota": 5})) is first
        capacity.renew("mine")
        assert capacity.usage(scenario(spec, capacity={"quota": 5})) is not first

    def test_only_so_many_scenarios_are_counted_the_least_recently_used_starts_anew(self, program: Program) -> None:
        capacity, spec = Capacity(), program.spec
        kept, gone = (scenario(spec, name, capacity={"quota": 1}) for name in ("kept", "gone"))
        used = capacity.usage(kept), capacity.usage(gone)
        for index in range(99):
            capacity.usage(scenario(spec, f"more-{index}", capacity={"quota": 1}))
            capacity.usage(kept)
        assert len(capacity._usages) == 100
        assert capacity.usage(kept) is used[0]
        assert capacity.usage(gone) is not used[1]


LIMITED = "mine"


@pytest.fixture
def limited(make: Callable[..., Twin]) -> Callable[..., Caller]:
    """Make a client whose world has a scenario armed, with these limits."""

    def make_one(more: dict[str, Any] | None = None, settings: dict[str, Any] | None = None, **capacity: Any) -> Caller:
        caller = Caller(make(**(settings or {})))
        arm(caller, **(more or {}), capacity=capacity)
        return caller

    return make_one


def arm(caller: Caller, times: int | None = None, **more: Any) -> None:
    """Arm a scenario that is given whole."""
    caller.world.arm(caller.twin.catalogue.define({"name": LIMITED, "about": "A test.", **more}), times)


class TestFromOutside:
    def test_concurrency_of_a_scenario_refuses_the_task_too_many(self, limited: Callable[..., Caller]) -> None:
        caller = limited(concurrency=2)
        first = caller.created()
        caller.created()
        refused = caller.submit()
        assert is_refused(refused, 429, 1303)
        told = explanation(refused)
        assert (told["scenario"], told["problem"]) == (LIMITED, "concurrency-exceeded")
        assert told["came"] == "one more task, with 2 live"
        assert told["allowed"].startswith("2 at once")
        assert "wait" in told["do"]
        caller.finish(first)
        assert caller.submit().status == 200

    def test_slots_are_counted_for_each_model(self, limited: Callable[..., Caller]) -> None:
        caller = limited(concurrency=1)
        caller.created()
        caller.created({**MINIMAL, "model_name": "kling-v3-omni"})
        assert caller.submit().status == 429

    def test_a_quota_is_used_up_for_good(self, limited: Callable[..., Caller]) -> None:
        caller = limited(quota=2)
        for _ in range(2):
            caller.finish(caller.created())
        refused = caller.submit()
        assert is_refused(refused, 429, 1102)
        told = explanation(refused)
        assert (told["came"], told["allowed"]) == ("one more task, after 2", "2 in all")
        assert b"retry-after" not in dict(refused.headers)
        caller.clock.move_to(caller.clock.now_ms() + 10**9)
        assert caller.submit().status == 429

    def test_what_is_refused_uses_up_no_quota(self, limited: Callable[..., Caller]) -> None:
        caller = limited({"submit": [{"problem": "maintenance"}]}, quota=1)
        bodies: list[dict[str, Any] | None] = [{}, None, None, None, None]
        assert [caller.submit(body).status for body in bodies] == [400, 503, 200, 503, 429]

    def test_a_task_whose_reply_is_a_refusal_uses_up_quota(self, limited: Callable[..., Caller]) -> None:
        caller = limited({"submit": [{"problem": "maintenance", "then": "store"}]}, quota=1)
        assert [caller.submit().status, caller.submit().status] == [503, 429]

    def test_arming_again_starts_anew(self, limited: Callable[..., Caller]) -> None:
        caller = limited(quota=1)
        caller.created()
        assert caller.submit().status == 429
        arm(caller, capacity={"quota": 1})
        assert caller.submit().status == 200

    def test_a_refusal_for_want_of_room_is_an_attempt(self, limited: Callable[..., Caller]) -> None:
        caller = limited({"submit": ["normal", "normal", {"problem": "maintenance"}]}, quota=1)
        assert [caller.submit().status for _ in range(4)] == [200, 429, 503, 429]

    def test_a_play_ends_with_a_refusal_for_want_of_room_too(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make())
        arm(caller, 1, submit=["normal", {"problem": "maintenance", "chance": 0}], capacity={"quota": 1})
        assert [caller.submit().status for _ in range(3)] == [200, 429, 200]

    def test_worlds_have_each_their_own(self, limited: Callable[..., Caller]) -> None:
        caller = limited(settings={"concurrency": 1}, quota=1)
        other = Caller(caller.twin, "sk-other")
        arm(other, capacity={"quota": 1})
        assert [caller.submit().status, other.submit().status, caller.submit().status] == [200, 200, 429]

    def test_a_scenario_of_the_server_has_limits_too(self, program: Program, tmp_path: Any) -> None:
        (tmp_path / "tight.yaml").write_text("name: tight\nabout: A test.\ncapacity: {quota: 1}\n", encoding="utf-8")
        settings = Settings(clock="manual", scenario="tight", scenarios=tmp_path)
        caller = Caller(make_twin(settings, program))
        caller.created()
        refused = caller.submit()
        assert refused.status == 429
        assert "scenario" not in explanation(refused)

    def test_a_queue_stretches_the_first_status(self, limited: Callable[..., Caller]) -> None:
        pace = {"lifecycle": {"pace": {"submitted": "1s", "processing": "10s"}}}
        caller = limited(pace, queue={"parallel": 2})
        start = caller.clock.now_ms()
        ids = [caller.created() for _ in range(5)]
        tasks = [caller.world.store.find(each) for each in ids]
        moments = [[at_ms - start for at_ms in task.plan.at_ms] for task in tasks if task is not None]
        assert moments == [
            [0, 1_000, 11_000],
            [0, 1_000, 11_000],
            [0, 11_000, 21_000],
            [0, 11_000, 21_000],
            [0, 21_000, 31_000],
        ]
        caller.clock.move_to(start + 10_999)
        assert caller.task(ids[2])["task_status"] == "submitted"
        caller.clock.move_to(start + 11_000)
        assert caller.task(ids[2])["task_status"] == "processing"

    def test_a_task_holds_its_slot_while_it_waits_in_the_queue(self, limited: Callable[..., Caller]) -> None:
        pace = {"lifecycle": {"pace": {"submitted": "1s", "processing": "10s"}}}
        caller = limited(pace, queue={"parallel": 1}, concurrency=2)
        caller.created()
        caller.created()
        caller.clock.move_to(caller.clock.now_ms() + 20_999)
        assert caller.task(caller.created())["task_status"] == "submitted"
        assert caller.submit().status == 429

    def test_in_the_dialect_of_the_scenario(self, limited: Callable[..., Caller]) -> None:
        caller = limited({"dialect": "gateway-wrapper"}, quota=1)
        assert caller.submit().status == 200
        assert set(msgspec.json.decode(caller.submit().body)) == {"code", "message", "data"}
