"""Outages, brown-outs and error rates: what befalls requests by the world's clock, and by chance."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.catalogue import Catalogue
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from tests.support import OMNI, Caller, explanation

PROGRAM = load_program(Settings())
CATALOGUE = Catalogue(PROGRAM.spec)


def facing(*outages: dict[str, Any], seed: int = 0, **more: Any) -> Caller:
    """Return a client of a fresh twin, in whose world a scenario with these outages is armed."""
    caller = Caller(make_twin(Settings(clock="manual", seed=seed), PROGRAM))
    source = {"name": "mine", "about": "A test.", "outages": list(outages), **more}
    caller.world.arm(CATALOGUE.define(source), None)
    return caller


def listed(caller: Caller) -> int:
    return caller.send("GET", OMNI).status


seconds = st.integers(1, 30)
MAINTENANCE = {"problem": "maintenance"}


@given(start=st.none() | st.integers(0, 30), lasts=st.none() | seconds, pause=st.none() | seconds, data=st.data())
def test_an_outage_holds_in_its_windows_and_at_no_other_time(
    start: int | None, lasts: int | None, pause: int | None, data: st.DataObject
) -> None:
    said: dict[str, Any] = {**MAINTENANCE}
    windows: list[tuple[float, float]] = [(start or 0, float("inf"))]
    if start is not None:
        said["from"] = f"{start}s"
    if lasts is not None:
        said["for"] = f"{lasts}s"
        windows = [(start or 0, (start or 0) + lasts)]
        if pause is not None:
            said["every"] = f"{lasts + pause}s"
            first = start or 0
            windows = [(first + n * (lasts + pause), first + n * (lasts + pause) + lasts) for n in range(300)]
    caller = facing(said)
    began_ms = caller.clock.now_ms()
    edges = [edge * 1_000 for window in windows[:5] for edge in window if edge != float("inf")]
    near = [int(edge) + by for edge in edges for by in (-1, 0, 1) if edge + by >= 0]
    looks = data.draw(st.lists(st.integers(0, 300_000) | st.sampled_from([0, *near]), max_size=12).map(sorted))
    for at_ms in looks:
        caller.clock.move_to(began_ms + at_ms)
        down = any(begin * 1_000 <= at_ms < end * 1_000 for begin, end in windows)
        assert listed(caller) == (503 if down else 200)


def test_a_timetable_begins_with_the_first_request_where_nobody_armed_it() -> None:
    caller = Caller(make_twin(Settings(clock="manual"), PROGRAM))
    scenario = CATALOGUE.define({"name": "x", "about": "A.", "outages": [{**MAINTENANCE, "from": "5s"}]})
    steering, clock = caller.world.steering, caller.clock
    assert listed(caller) == 200
    clock.move_to(clock.now_ms() + 60_000)
    caller.twin.endpoint.scenarios.default = scenario
    assert listed(caller) == 200
    clock.move_to(clock.now_ms() + 4_999)
    assert listed(caller) == 200
    clock.move_to(clock.now_ms() + 1)
    assert listed(caller) == 503
    assert steering.began_ms(scenario, 0) == clock.now_ms() - 5_000


def test_a_timetable_begins_with_a_first_request_that_a_step_refuses_too() -> None:
    caller = Caller(make_twin(Settings(clock="manual"), PROGRAM))
    caller.twin.endpoint.scenarios.default = CATALOGUE.define(
        {"name": "x", "about": "A.", "list": [{"problem": "rate-limited"}], "outages": [{**MAINTENANCE, "from": "5s"}]}
    )
    assert listed(caller) == 429
    caller.clock.move_to(caller.clock.now_ms() + 5_000)
    assert listed(caller) == 503


def test_arming_again_begins_the_timetable_anew() -> None:
    caller = facing({**MAINTENANCE, "from": "5s"})
    caller.clock.move_to(caller.clock.now_ms() + 5_000)
    assert listed(caller) == 503
    armed = caller.world.steering.armed
    assert armed is not None
    caller.world.arm(armed.scenario, None)
    assert listed(caller) == 200


def test_many_timetables_are_remembered_and_not_more(make: Callable[..., Any]) -> None:
    caller = Caller(make())
    steering = caller.world.steering
    scenarios = [CATALOGUE.define({"name": f"x-{n}", "about": "A.", "outages": [MAINTENANCE]}) for n in range(1_001)]
    for at_ms, each in enumerate(scenarios):
        steering.began_ms(each, at_ms)
    assert (steering.began_ms(scenarios[1], 5_000), steering.began_ms(scenarios[0], 5_000)) == (1, 5_000)


def test_of_several_outages_the_first_that_applies_counts() -> None:
    caller = facing(
        {"problem": "internal-error", "for": "10s", "on": ["submit"]},
        {"problem": "maintenance", "for": "20s", "chance": 0},
        {"problem": "rate-limited", "for": "20s"},
        {"problem": "maintenance"},
    )
    assert (caller.submit().status, listed(caller)) == (500, 429)
    caller.clock.move_to(caller.clock.now_ms() + 10_000)
    assert (caller.submit().status, listed(caller)) == (429, 429)
    caller.clock.move_to(caller.clock.now_ms() + 10_000)
    assert (caller.submit().status, listed(caller)) == (503, 503)


def test_a_step_comes_before_an_outage_and_an_outage_where_the_step_does_not_come() -> None:
    steps = [{"problem": "internal-error"}, {"problem": "internal-error", "chance": 0}]
    caller = facing(MAINTENANCE, list=steps)
    assert [listed(caller) for _ in range(3)] == [500, 503, 503]


def test_a_brown_out_is_slow_only_while_it_lasts() -> None:
    caller = facing({"latency": "2s", "from": "5s", "for": "5s"}, latency="100ms")
    delays = []
    for by_ms in (0, 5_000, 5_000):
        caller.clock.move_to(caller.clock.now_ms() + by_ms)
        wire = caller.submit().wire
        assert wire is not None
        delays.append(wire.delay_ms)
    assert delays == [100, 2_000, 100]


def test_an_outage_says_so_to_the_developer() -> None:
    told = explanation(facing(MAINTENANCE).submit())
    assert (told["scenario"], told["problem"]) == ("mine", "maintenance")
    assert told["what"] == "this submit, by an outage, is refused: maintenance"


def test_a_submit_that_an_outage_refuses_stores_its_task_where_it_says_so() -> None:
    caller = facing({**MAINTENANCE, "then": "store", "on": ["submit"]})
    assert caller.submit().status == 503
    assert len(caller.listed()) == 1


class TestErrorRates:
    TRIES = 3_000

    @pytest.mark.parametrize("chance", [0, 0.02, 0.3, 0.9, 1])
    def test_errors_come_near_their_share(self, chance: float) -> None:
        caller = facing({**MAINTENANCE, "chance": chance, "on": ["query"]})
        came = sum(caller.query("x").status == 503 for _ in range(self.TRIES))
        # Five standard deviations of a binomial distribution: two seeds in a million are further off.
        assert abs(came - self.TRIES * chance) <= 5 * (self.TRIES * chance * (1 - chance)) ** 0.5

    def test_the_same_seed_brings_the_same_errors_and_another_seed_others(self) -> None:
        def errors(seed: int) -> list[int]:
            caller = facing({**MAINTENANCE, "chance": 0.5}, seed=seed)
            return [listed(caller) for _ in range(64)]

        assert errors(1) == errors(1) != errors(2)

    def test_what_is_drawn_for_one_operation_changes_nothing_for_another(self, program: Program) -> None:
        """A client that polls more often gets the same answers to its submits, and its tasks the same outcomes."""

        step = {"problem": "internal-error", "chance": 0.5, "times": "always"}
        unsure: dict[str, Any] = {role: [step] for role in ("submit", "query", "list")}

        def submits(polls: int) -> list[Any]:
            caller = facing(
                {**MAINTENANCE, "chance": 0.5},
                latency="1ms..1s",
                lifecycle={"outcome": {"shares": {"success": 1, "failure": 1}}},
                **unsure,
            )
            replies = []
            for _ in range(20):
                replies.append(caller.submit())
                for _ in range(polls):
                    caller.query("x")
                    listed(caller)
            tasks = caller.world.store.tasks()
            return [[(each.status, each.wire) for each in replies], [(each.id, each.plan) for each in tasks]]

        assert submits(0) == submits(1) == submits(3)
