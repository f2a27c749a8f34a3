from collections.abc import Mapping
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.lifecycle import Final, Lifecycle, Plan, Status, Step, Way, cut_short, make_plan, step_index

PACE = {"submitted": (2_000, 10_000), "processing": (30_000, 250_000)}
NOW_MS = 1_767_225_600_000


def table(**rows: tuple[str, ...] | Final | None) -> dict[str, Status]:
    """A row is where to go on to, or how it ends."""
    return {
        name: Status(name, next=row) if isinstance(row, tuple) else Status(name, final=row)
        for name, row in rows.items()
    }


KLING = table(submitted=("processing", "failed"), processing=("succeed", "failed"), succeed="success", failed="failure")

ranges = st.tuples(st.integers(0, 10**7), st.integers(0, 10**7)).map(lambda pair: (min(pair), max(pair)))
draws = st.floats(0, 1, exclude_max=True)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    pace = draw(st.lists(ranges, max_size=6))
    steps = tuple(Step(f"s{index}") for index in range(len(pace) + 1))
    return make_plan(Way(steps, tuple(pace)), NOW_MS, lambda: draw(draws))


@given(plan=plans(), times=st.lists(st.integers(NOW_MS - 10**8, NOW_MS + 10**8)).map(sorted))
def test_a_status_never_goes_back_as_time_goes_on(plan: Plan, times: list[int]) -> None:
    indexes = [step_index(plan, time) for time in times]
    assert indexes == sorted(indexes)


@given(plan=plans(), times=st.lists(st.integers(NOW_MS - 10**8, NOW_MS + 10**8)))
def test_looking_changes_nothing(plan: Plan, times: list[int]) -> None:
    alone = [step_index(Plan(plan.steps, plan.at_ms), time) for time in times]
    assert [step_index(plan, time) for time in times] == alone


@given(plan=plans())
def test_each_status_begins_exactly_at_its_moment(plan: Plan) -> None:
    for index, moment in enumerate(plan.at_ms):
        together = max(later for later, other in enumerate(plan.at_ms) if other == moment)
        assert step_index(plan, moment) == together
        assert step_index(plan, moment - 1) == max((i for i in range(index) if plan.at_ms[i] < moment), default=0)


@given(plan=plans(), before=st.integers(0, 10**10), after=st.integers(0, 10**10))
def test_before_its_first_moment_a_task_is_on_its_first_step_and_after_its_end_on_its_last(
    plan: Plan, before: int, after: int
) -> None:
    assert plan.at_ms[0] == NOW_MS
    assert step_index(plan, NOW_MS - 1 - before) == 0
    assert step_index(plan, plan.ends_at_ms + after) == len(plan.steps) - 1


@given(pace=st.lists(ranges, max_size=6), draw=draws)
def test_a_task_stays_on_each_step_within_its_pace(pace: list[tuple[int, int]], draw: float) -> None:
    plan = make_plan(Way((Step("s"),) * (len(pace) + 1), tuple(pace)), NOW_MS, lambda: draw)
    stays = [later - earlier for earlier, later in pairwise(plan.at_ms)]
    assert all(low <= stay <= high for stay, (low, high) in zip(stays, pace, strict=True))


@pytest.mark.parametrize(("draw", "stay"), [(0.0, 2_000), (0.5, 6_000), (1 - 2**-53, 10_000)])
def test_chance_reaches_both_ends_of_a_pace(draw: float, stay: int) -> None:
    plan = make_plan(Way((Step("a"), Step("b")), ((2_000, 10_000),)), NOW_MS, lambda: draw)
    assert plan.at_ms == (NOW_MS, NOW_MS + stay)


def test_a_fixed_pace_draws_no_chance() -> None:
    def never() -> float:
        raise AssertionError

    assert make_plan(Way((Step("a"), Step("b")), ((400, 400),)), 0, never).at_ms == (0, 400)


def test_the_usual_way_is_the_first_next_of_each_status() -> None:
    lifecycle = Lifecycle(KLING)
    assert (lifecycle.initial, lifecycle.success) == ("submitted", ("submitted", "processing", "succeed"))
    assert lifecycle.succeeding(PACE) == Way(
        (Step("submitted"), Step("processing"), Step("succeed", "success")), (PACE["submitted"], PACE["processing"])
    )


def test_the_failing_way_ends_in_failure_with_its_reason() -> None:
    way = Lifecycle(KLING).failing("Image pixel is invalid", PACE)
    assert way.steps == (Step("submitted"), Step("processing"), Step("failed", "failure", "Image pixel is invalid"))
    assert way.pace_ms == (PACE["submitted"], PACE["processing"])


def test_where_only_the_start_can_fail_the_failing_way_is_short() -> None:
    statuses = table(submitted=("processing", "failed"), processing=("succeed",), succeed="success", failed="failure")
    assert [step.status for step in Lifecycle(statuses).failing("", PACE).steps] == ["submitted", "failed"]


def test_where_nothing_can_fail_there_is_no_failing_way() -> None:
    with pytest.raises(ValueError, match="goes on to a failure"):
        Lifecycle(table(submitted=("done",), done="success")).failing("", PACE)


@pytest.mark.parametrize(
    ("statuses", "reason"),
    [
        (table(a=("b",), b=("c",)), "'b' goes on to 'c', which is not among a, b"),
        (table(a=("b",), b="success", c="failure"), "'c' cannot be reached from 'a'"),
        (table(a=("b",), b="success", c=("b", "d"), d=("c",)), "'c' cannot be reached from 'a'"),
        (table(a=("b",), b=("a", "c"), c="success"), "runs in a circle at 'a'"),
        (table(a=("a", "b"), b="success"), "runs in a circle at 'a'"),
        (table(a=("b", "c"), b="failure", c="success"), "ends in 'b', not in a success"),
        (table(a=("b",), b=None), "'b' needs either `next` or `final`"),
        ({"a": Status("a", ("b",), "success"), "b": Status("b", final="success")}, "'a' needs either"),
    ],
)
def test_a_table_that_does_not_hold_together_is_refused(statuses: Mapping[str, Status], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Lifecycle(statuses)


@given(plan=plans(), share=st.floats(0, 1))
def test_a_plan_cut_short_is_the_same_until_then_and_ends_at_once(plan: Plan, share: float) -> None:
    now = NOW_MS + int(share * (plan.ends_at_ms - NOW_MS))
    short = cut_short(plan, now, (Step("stopped"), Step("over")))
    assert [short.steps[step_index(short, time)] for time in (now, now + 10**8)] == [Step("over")] * 2
    assert short.ends_at_ms == now
    for time in range(NOW_MS, now, max(1, (now - NOW_MS) // 7)):
        assert short.steps[step_index(short, time)] == plan.steps[step_index(plan, time)]


def test_between_two_statuses_the_shortest_way_is_taken() -> None:
    lifecycle = Lifecycle(KLING)
    assert lifecycle.between("submitted", "failed") == ("failed",)
    assert lifecycle.between("submitted", "succeed") == ("processing", "succeed")
    with pytest.raises(ValueError, match="no way leads from the status 'failed' to 'succeed'"):
        lifecycle.between("failed", "succeed")
