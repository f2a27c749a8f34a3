import asyncio
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.clock import CLOCK_MS_MAX, MANUAL_START_MS, ManualClock, SystemClock

START_NS = 1_780_000_000_123_456_789
SCALES = [1.0, 2.0, 0.5, 60.0, 1_000.0, 1_000_000.0]
steps_ns = st.lists(st.integers(0, 10**12), min_size=1, max_size=20)


class Hands:
    """The two clocks of a machine, moved by hand."""

    def __init__(self) -> None:
        self.wall, self.monotonic = START_NS, 77

    def clock(self, scale: float = 1.0) -> SystemClock:
        return SystemClock(scale=scale, wall_ns=lambda: self.wall, monotonic_ns=lambda: self.monotonic)


@given(steps=steps_ns, walls=st.lists(st.integers(0, 2 * START_NS), min_size=20, max_size=20))
def test_a_system_clock_never_runs_backwards_whatever_the_wall_does(steps: list[int], walls: list[int]) -> None:
    hands = Hands()
    clock = hands.clock()
    shown = [clock.now_ms()]
    for step, hands.wall in zip(steps, walls, strict=False):
        hands.monotonic += step
        shown.append(clock.now_ms())
    assert shown == [(START_NS + passed) // 1_000_000 for passed in accumulate([0, *steps])]


@given(steps=steps_ns, scale=st.floats(1e-6, 1e6))
def test_a_scaled_clock_never_runs_backwards(steps: list[int], scale: float) -> None:
    hands = Hands()
    clock = hands.clock(scale)
    before = clock.now_ms()
    for step in steps:
        hands.monotonic += step
        assert clock.now_ms() >= before
        before = clock.now_ms()


@given(passed=st.integers(0, 10**15), scale=st.sampled_from(SCALES))
def test_a_scaled_clock_shows_exactly_so_many_times_the_time_that_passed(passed: int, scale: float) -> None:
    hands = Hands()
    clock = hands.clock(scale)
    hands.monotonic += passed
    exact_ms = Fraction(START_NS + int(passed * Fraction(scale))) / 1_000_000
    assert clock.now_ms() == exact_ms.__floor__()


@given(ahead=st.integers(0, 10**9), scale=st.sampled_from(SCALES))
def test_after_the_wait_the_clock_shows_the_awaited_moment(ahead: int, scale: float) -> None:
    hands = Hands()
    clock = hands.clock(scale)
    until = clock.now_ms() + ahead
    hands.monotonic += round(clock.wait_seconds(until) * 1e9)
    assert until - clock.now_ms() in (0, 1)


def test_nothing_is_left_to_wait_for_what_has_passed() -> None:
    clock = Hands().clock()
    assert clock.wait_seconds(clock.now_ms() - 1_000) == 0


@pytest.mark.parametrize("scale", [0, -1, 1_000_001, float("nan"), float("inf")])
def test_a_scale_that_cannot_be_is_refused(scale: float) -> None:
    with pytest.raises(ValueError, match="time scale"):
        SystemClock(scale=scale)


def test_a_manual_clock_starts_where_every_run_starts() -> None:
    assert ManualClock().now_ms() == MANUAL_START_MS == ManualClock().now_ms()


@given(moments=st.lists(st.integers(MANUAL_START_MS, CLOCK_MS_MAX), min_size=1).map(sorted))
def test_a_manual_clock_shows_what_it_was_moved_to(moments: list[int]) -> None:
    clock = ManualClock()
    for moment in moments:
        clock.move_to(moment)
        assert clock.now_ms() == moment


@given(back=st.integers(1, MANUAL_START_MS))
def test_a_manual_clock_does_not_go_back(back: int) -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.move_to(MANUAL_START_MS - back)
    assert clock.now_ms() == MANUAL_START_MS


def test_a_manual_clock_does_not_leave_the_calendar() -> None:
    clock = ManualClock()
    with pytest.raises(ValueError, match="year 9999"):
        clock.move_to(CLOCK_MS_MAX + 1)
    assert clock.now_ms() == MANUAL_START_MS


@given(waits=st.lists(st.integers(0, 1_000), max_size=30), steps=st.lists(st.integers(0, 400), max_size=8))
def test_a_manual_clock_calls_on_the_way_what_is_booked_each_at_its_moment(waits: list[int], steps: list[int]) -> None:
    clock = ManualClock()
    called: list[tuple[int, int]] = []
    for number, wait in enumerate(waits):
        clock.call_after(wait, lambda number=number: called.append((clock.now_ms(), number)))  # type: ignore[misc]
    due = sorted((MANUAL_START_MS + wait, number) for number, wait in enumerate(waits))
    for step in steps:
        clock.move_to(clock.now_ms() + step)
        assert called == [each for each in due if each[0] <= clock.now_ms()]


def test_what_is_booked_on_the_way_is_called_on_the_way() -> None:
    clock = ManualClock()
    shown: list[int] = []

    def again() -> None:
        shown.append(clock.now_ms() - MANUAL_START_MS)
        clock.call_after(10, again)

    again()
    clock.move_to(MANUAL_START_MS + 35)
    assert shown == [0, 10, 20, 30]
    assert clock.now_ms() == MANUAL_START_MS + 35


@given(cancelled=st.sets(st.integers(0, 299)))
def test_what_is_cancelled_is_not_called(cancelled: set[int]) -> None:
    clock = ManualClock()
    called: list[int] = []
    booked = [clock.call_after(7, lambda number=number: called.append(number)) for number in range(300)]  # type: ignore[misc]
    for number in cancelled:
        booked[number].cancel()
    clock.call_after(8, lambda: called.append(300))
    clock.move_to(MANUAL_START_MS + 10)
    assert called == [number for number in range(301) if number not in cancelled]


async def test_a_system_clock_calls_after_real_time_whatever_its_scale() -> None:
    called = asyncio.Event()
    booked = SystemClock(scale=0.000_001).call_after(1, called.set)
    async with asyncio.timeout(10):
        await called.wait()
    booked.cancel()
