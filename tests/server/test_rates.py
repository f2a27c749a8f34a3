"""How many requests are answered in a window, and what a client that sends more is told."""

from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.clock import CLOCK_MS_MAX, MANUAL_START_MS, ManualClock, SystemClock
from mock_server.rates import Window
from mock_server.scenarios import Rate
from mock_server.twin import Twin
from tests.support import Caller, explanation, is_refused

ROLES = frozenset(["submit"])


def window(requests: int, per_ms: int, retry_after: Any = "seconds") -> Window:
    return Window(Rate(requests, per_ms, ROLES, retry_after))


def date_ms(text: bytes) -> int:
    return int(parsedate_to_datetime(text.decode()).timestamp()) * 1_000


def told_ms(headers: dict[bytes, bytes], clock: ManualClock, per_ms: int) -> int:
    """Return how long a client waits that reads its headers, and else waits for a window."""
    value = headers.get(b"retry-after")
    if value is None:
        return per_ms
    return int(value) * 1_000 if value.isdigit() else date_ms(value) - clock.now_ms()


# One that breaks a rule, and two that break none.
BODIES: tuple[dict[str, Any] | None, ...] = ({}, None, None)

kinds = st.sampled_from(["seconds", "date", "none"])


@given(
    requests=st.integers(1, 5),
    per_ms=st.integers(1, 5_000),
    kind=kinds,
    start_ms=st.integers(0, 10_000),
    gaps_ms=st.lists(st.integers(0, 3_000), max_size=30),
)
def test_who_waits_as_told_is_let_in_and_who_comes_before_is_not(
    requests: int, per_ms: int, kind: Any, start_ms: int, gaps_ms: list[int]
) -> None:
    """The model: a window lasts from its first request; a refusal closes the door until the moment that was told."""
    counted, clock = window(requests, per_ms, kind), ManualClock(MANUAL_START_MS + start_ms)
    opened_ms, count, closed_until_ms = -per_ms, 0, 0
    for gap_ms in gaps_ms:
        clock.move_to(clock.now_ms() + gap_ms)
        now_ms = clock.now_ms()
        early = now_ms < closed_until_ms
        if not early:
            if now_ms >= opened_ms + per_ms:
                opened_ms, count = now_ms, 0
            count += 1
        shortage = counted.request("rate-limited", clock)
        assert (shortage is not None) == (early or count > requests)
        if shortage is not None:
            needed_ms = per_ms if early else opened_ms + per_ms - now_ms
            wait_ms = told_ms(dict(shortage.headers), clock, needed_ms)
            # What is told is rounded up, and never by more than a second.
            assert needed_ms <= wait_ms < needed_ms + 1_000
            closed_until_ms = now_ms + wait_ms


@given(kind=kinds, per_ms=st.integers(1, 100_000), early_ms=st.integers(1, 100))
def test_coming_back_too_early_means_a_whole_window_of_waiting(kind: Any, per_ms: int, early_ms: int) -> None:
    counted, clock = window(1, per_ms, kind), ManualClock()
    assert counted.request("rate-limited", clock) is None
    first = counted.request("rate-limited", clock)
    assert first is not None
    wait_ms = told_ms(dict(first.headers), clock, per_ms)
    clock.move_to(clock.now_ms() + max(0, wait_ms - early_ms))
    again = counted.request("rate-limited", clock)
    assert again is not None
    assert again.came == f"a request {min(early_ms, wait_ms)} ms before the wait was over"
    wait_ms = told_ms(dict(again.headers), clock, per_ms)
    assert wait_ms >= per_ms
    clock.move_to(clock.now_ms() + wait_ms)
    assert counted.request("rate-limited", clock) is None


def test_the_window_opens_with_its_first_request() -> None:
    counted, clock = window(2, 10_000, "none"), ManualClock()
    assert counted.request("p", clock) is None
    clock.move_to(MANUAL_START_MS + 9_999)
    assert counted.request("p", clock) is None
    clock.move_to(MANUAL_START_MS + 10_000)
    assert [counted.request("p", clock) is None for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize("scale", [1, 60])
def test_what_a_client_is_told_is_in_real_time_whatever_the_scale(scale: float) -> None:
    wall_ns, monotonic_ns = 1_800_000_000_250 * 1_000_000, 0
    clock = SystemClock(scale=scale, wall_ns=lambda: wall_ns, monotonic_ns=lambda: monotonic_ns)
    seconds, date = window(1, 2_500), window(1, 2_500, "date")
    assert (seconds.request("p", clock), date.request("p", clock)) == (None, None)
    refused = seconds.request("p", clock)
    assert refused is not None
    assert dict(refused.headers) == {b"retry-after": b"3"}
    refused = date.request("p", clock)
    assert refused is not None
    assert date_ms(dict(refused.headers)[b"retry-after"]) == 1_800_000_003_000
    monotonic_ns = 2_500 * 1_000_000
    wall_ns += monotonic_ns
    assert clock.now_ms() == 1_800_000_000_250 + 2_500 * scale
    assert date.request("p", clock) is not None
    monotonic_ns += 500 * 1_000_000
    assert seconds.request("p", clock) is None


def test_a_date_is_that_of_the_clients_clock_though_somebody_sets_it() -> None:
    """A laptop that slept has a date that its steady clock knows nothing of."""
    wall_ns = 1_800_000_000_000 * 1_000_000
    clock = SystemClock(wall_ns=lambda: wall_ns, monotonic_ns=lambda: 0)
    counted = window(1, 5_000, "date")
    counted.request("p", clock)
    wall_ns += 3_600_000 * 1_000_000
    refused = counted.request("p", clock)
    assert refused is not None
    assert date_ms(dict(refused.headers)[b"retry-after"]) == 1_800_003_605_000


def test_a_date_after_the_last_one_is_the_last_one() -> None:
    clock = ManualClock(CLOCK_MS_MAX)
    counted = window(1, 86_400_000, "date")
    counted.request("p", clock)
    refused = counted.request("p", clock)
    assert refused is not None
    assert dict(refused.headers) == {b"retry-after": b"Fri, 31 Dec 9999 23:59:59 GMT"}


class TestFromOutside:
    @pytest.fixture
    def limited(self, make: Callable[..., Twin]) -> Callable[..., Caller]:
        """Make a client whose world has a scenario armed, with this rate."""

        def make_one(rate: Any, **more: Any) -> Caller:
            caller = Caller(make())
            source = {"name": "mine", "about": "A test.", "capacity": {"rate": rate}, **more}
            caller.world.arm(caller.twin.catalogue.define(source), None)
            return caller

        return make_one

    def test_one_too_many_is_refused_and_told_when_to_come_back(self, limited: Callable[..., Caller]) -> None:
        caller = limited("2/3s")
        assert [caller.submit().status for _ in range(2)] == [200, 200]
        refused = caller.submit()
        assert is_refused(refused, 429, 1302)
        assert dict(refused.headers)[b"retry-after"] == b"3"
        told = explanation(refused)
        assert (told["scenario"], told["problem"]) == ("mine", "rate-limited")
        assert (told["came"], told["allowed"]) == ("one more in the same window", "2 in 3000 ms (submit)")
        assert told["do"].startswith("wait 3000 ms")
        caller.clock.move_to(caller.clock.now_ms() + 3_000)
        assert caller.submit().status == 200

    def test_only_its_operations_are_counted(self, limited: Callable[..., Caller]) -> None:
        caller = limited({"requests": 3, "per": "1m", "on": ["query", "list"], "retry-after": "none"})
        task_id, *_ = [caller.created() for _ in range(5)]
        assert [caller.query(task_id).status, caller.query("unknown").status] == [200, 400]
        assert caller.send("GET", "/kling/v1/videos/omni-video").status == 200
        refused = caller.query(task_id)
        assert is_refused(refused, 429, 1302)
        assert b"retry-after" not in dict(refused.headers)
        assert explanation(refused)["allowed"] == "3 in 60000 ms (list, query)"
        assert caller.send("GET", "/kling/v1/videos/omni-video").status == 429
        assert caller.submit().status == 200

    def test_what_breaks_a_rule_or_is_refused_by_a_step_is_not_counted(self, limited: Callable[..., Caller]) -> None:
        caller = limited("1/1m", submit=[{"problem": "maintenance"}, {"problem": "maintenance", "times": "always"}])
        assert [caller.submit(body).status for body in BODIES] == [400, 503, 503]
        caller.world.arm(caller.twin.catalogue.define({"name": "mine", "about": "A.", "capacity": {"rate": "1/1m"}}), 9)
        assert [caller.submit(body).status for body in BODIES] == [400, 200, 429]

    def test_a_refusal_takes_as_long_as_any_answer(self, limited: Callable[..., Caller]) -> None:
        caller = limited("1/1m", latency="300ms")
        caller.created()
        refused = caller.submit()
        assert refused.wire is not None
        assert (refused.status, refused.wire.delay_ms) == (429, 300)
        assert dict(refused.headers)[b"retry-after"] == b"60"
