"""Latencies: how long a reply takes, for a chance below 1."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.faults import latency

chances = st.floats(0, 1, exclude_max=True)


@given(low=st.integers(0, 1_000), more=st.integers(0, 1_000), chance=chances)
def test_a_range_is_drawn_evenly_with_both_ends(low: int, more: int, chance: float) -> None:
    draw = latency.make(f"{low}ms..{low + more}ms")
    assert low <= draw(chance) <= low + more
    assert (draw(0), draw(1 - 1e-9)) == (low, low + more)


def test_a_duration_is_always_the_same() -> None:
    assert {latency.make("1.5s")(chance) for chance in (0, 0.5, 0.99)} == {1_500}


@given(median=st.integers(1, 10_000), more=st.integers(1, 100_000), one=chances, other=chances)
def test_a_lognormal_latency_has_its_median_and_its_p99_and_grows(
    median: int, more: int, one: float, other: float
) -> None:
    draw = latency.make({"lognormal": {"median": f"{median}ms", "p99": f"{median + more}ms"}})
    assert abs(draw(0.5) - median) <= 1
    assert abs(draw(0.99) - median - more) <= 1
    assert 0 <= draw(min(one, other)) <= draw(max(one, other)) <= draw(1 - 1e-16)


@given(st.dictionaries(st.integers(1, 100), st.integers(0, 10_000), min_size=1, max_size=6), chances, chances)
def test_a_table_of_percentiles_is_met_and_grows_between(table: dict[int, int], one: float, other: float) -> None:
    delays = sorted(table.values())
    points = dict(zip(sorted(table), delays, strict=True))
    draw = latency.make({"percentiles": {str(share): f"{delay}ms" for share, delay in points.items()}})
    assert all(abs(draw(share / 100) - delay) <= 1 for share, delay in points.items())
    assert draw(min(one, other)) <= draw(max(one, other)) <= delays[-1]


def test_a_table_may_begin_at_its_own_least() -> None:
    draw = latency.make({"percentiles": {"0": "300ms", "100": "500ms"}})
    assert (draw(0), draw(0.5)) == (300, 400)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ({"lognormal": {"median": "9s", "p99": "1s"}}, "a larger p99"),
        ({"lognormal": {"median": "0s", "p99": "1s"}}, "median above 0"),
        ({"percentiles": {"50": "9s", "99": "1s"}}, "must not fall"),
        ("5", "is not a duration"),
    ],
)
def test_a_latency_that_cannot_be_is_refused(source: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        latency.make(source)
