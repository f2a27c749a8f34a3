"""What is smaller than a behaviour, and how one shrinks: properties over all that can be drawn."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import generate
from worker import CAPABILITIES

from contracts.drivers.base import Declared
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.draw import behaviours
from contracts.fuzz.pools import body_pool, request_pool, validity
from contracts.fuzz.shrinking import smallest
from contracts.fuzz.smaller import smaller
from contracts.virtual_stage import VirtualStage

PLAIN = Behaviour({"lifecycle": {"pace": "10ms"}})
WHOLE = frozenset(CAPABILITIES)
often = settings(max_examples=150, database=None, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def stage() -> VirtualStage:
    return VirtualStage(generate, Declared("client", WHOLE))


@pytest.fixture(scope="module")
def drawn(stage: VirtualStage) -> st.SearchStrategy[Behaviour]:
    program = stage.twin.program
    requests, bodies = request_pool(program, WHOLE, 0), body_pool(program, 0)
    return behaviours(program.spec, requests=requests, bodies=bodies, callbacks=True)


@pytest.fixture(scope="module")
def valid(stage: VirtualStage) -> Callable[[Behaviour], bool]:
    return validity(stage.twin.program, stage.twin.catalogue)


def shrunk(
    first: Behaviour, breaks: Callable[[Behaviour], bool], valid: Callable[[Behaviour], bool], room: int = 24
) -> Behaviour:
    def judged(several: Sequence[Behaviour]) -> list[bool | None]:
        return [breaks(each) or None for each in several]

    return smallest(first, breaks=judged, valid=valid, room=room, over=lambda: False, kept=lambda one, shown: None)


def test_whatever_is_drawn_can_be_played(
    drawn: st.SearchStrategy[Behaviour], valid: Callable[[Behaviour], bool]
) -> None:
    @often
    @given(drawn)
    def can_be_played(behaviour: Behaviour) -> None:
        assert valid(behaviour)

    can_be_played()


def test_what_is_smaller_is_so_and_can_be_played_and_ends_tasks_soon(
    drawn: st.SearchStrategy[Behaviour], valid: Callable[[Behaviour], bool]
) -> None:
    @often
    @given(drawn)
    def is_smaller(behaviour: Behaviour) -> None:
        candidates = smaller(behaviour, valid=valid)
        sizes = [each.size() for each in candidates]
        assert sizes == sorted(sizes)
        assert all(each < behaviour.size() for each in sizes)
        assert all(valid(each) and "pace" in each.scenario["lifecycle"] for each in candidates)
        assert len({each.key() for each in candidates}) == len(candidates)
        assert behaviour == PLAIN or candidates or behaviour.size() <= PLAIN.size()

    is_smaller()


def test_what_always_breaks_shrinks_to_nothing(
    drawn: st.SearchStrategy[Behaviour], valid: Callable[[Behaviour], bool]
) -> None:
    @often
    @given(drawn, st.sampled_from([1, 2, 24]))
    def shrinks(behaviour: Behaviour, room: int) -> None:
        least = shrunk(behaviour, lambda each: True, valid, room)
        assert least.size() <= PLAIN.size()
        assert not least.request
        assert not least.callbacks

    shrinks()


def parts(scenario: dict[str, Any]) -> set[str]:
    """What a scenario is about, in small pieces."""
    return {
        f"{key}: {json.dumps(each, sort_keys=True)}"
        for key in ("submit", "query", "outages")
        for each in scenario.get(key, ())
        if each != "normal"
    }


def test_what_needs_two_things_shrinks_to_these_two(
    drawn: st.SearchStrategy[Behaviour], valid: Callable[[Behaviour], bool]
) -> None:
    @often
    @given(drawn, st.data())
    def shrinks(behaviour: Behaviour, data: st.DataObject) -> None:
        there = sorted(parts(behaviour.scenario))
        if len(there) < 2:
            return
        needed = set(data.draw(st.lists(st.sampled_from(there), min_size=2, max_size=2, unique=True)))
        least = shrunk(behaviour, lambda each: needed <= parts(each.scenario), valid)
        assert parts(least.scenario) == needed
        assert set(least.scenario) <= {"submit", "query", "outages", "lifecycle"}
        assert least.scenario["lifecycle"] == {"pace": "10ms"}
        assert not least.request

    shrinks()


def test_a_step_keeps_its_place_where_it_needs_to(valid: Callable[[Behaviour], bool]) -> None:
    long: dict[str, Any] = {"lifecycle": {"pace": "10ms"}, "query": [{"fault": "reset"}, {"latency": "60ms"}, "normal"]}
    least = shrunk(Behaviour(long), lambda each: each.scenario.get("query", [])[1:2] == [{"latency": "60ms"}], valid)
    assert least.scenario["query"] == ["normal", {"latency": "60ms"}]


def test_a_body_shrinks_too(valid: Callable[[Behaviour], bool]) -> None:
    body = json.dumps({"code": 0, "data": {"task_status": "processing", "future": [1, 2, 3]}, "more": "x" * 50})
    one = Behaviour({"lifecycle": {"pace": "10ms"}, "query": [{"fault": {"other-body": body}}]}, {"prompt": "p" * 40})
    least = shrunk(one, lambda each: '"future"' in json.dumps(each.scenario).replace("\\", ""), valid)
    assert least.scenario["query"] == [{"fault": {"other-body": '{"data": {"future": []}}'}}]
    assert not least.request


def test_what_breaks_only_every_other_time_takes_nobodys_place(valid: Callable[[Behaviour], bool]) -> None:
    plays = iter(range(1_000_000))
    first = Behaviour({"lifecycle": {"pace": "10ms"}, "query": [{"fault": "reset"}, {"fault": "close"}]})
    for room in (1, 24):
        assert shrunk(first, lambda each: next(plays) % 2 == 0, valid, room) == first


def test_it_stops_where_the_time_is_over(valid: Callable[[Behaviour], bool]) -> None:
    first = Behaviour({"lifecycle": {"pace": "10ms"}, "query": [{"fault": "reset"}]})

    def never(several: Sequence[Behaviour]) -> list[bool | None]:
        raise AssertionError("nothing may be played")

    assert smallest(first, breaks=never, valid=valid, room=2, over=lambda: True, kept=lambda one, shown: None) == first
