import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.durations import DURATION_MS_MAX, parse_duration_ms, parse_range_ms

UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("0s", 0),
        ("500ms", 500),
        ("2s", 2_000),
        ("1.5m", 90_000),
        ("1h", 3_600_000),
        ("30d", 2_592_000_000),
        (" 2s ", 2_000),
        ("36500d", DURATION_MS_MAX),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, milliseconds: int) -> None:
    assert parse_duration_ms(text) == milliseconds


@pytest.mark.parametrize(
    "text", ["", "5", "s", "-1s", "+1s", "1 s", "1e3s", ".5s", "1.s", "2S", "1w", "١s", "1s1s", "nan s", "2s..3s"]
)
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration_ms(text)


@pytest.mark.parametrize("text", ["36501d", "36500.1d", "9" * 30 + "ms", "9" * 400 + "s"])
def test_more_than_a_hundred_years_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than a hundred years"):
        parse_duration_ms(text)


@given(number=st.integers(0, 36_500), unit=st.sampled_from(sorted(UNITS)))
def test_whole_numbers_are_exact(number: int, unit: str) -> None:
    assert parse_duration_ms(f"{number}{unit}") == number * UNITS[unit]


@given(low=st.integers(0, 10**9), more=st.integers(0, 10**9))
def test_a_range_reads_both_ends(low: int, more: int) -> None:
    assert parse_range_ms(f"{low}ms..{low + more}ms") == (low, low + more)


@given(low=st.integers(0, 10**9), more=st.integers(1, 10**9))
def test_a_range_that_runs_backwards_is_refused(low: int, more: int) -> None:
    with pytest.raises(ValueError, match="runs backwards"):
        parse_range_ms(f"{low + more}ms..{low}ms")


def test_a_single_duration_is_a_range_of_one() -> None:
    assert parse_range_ms("1.25s") == (1_250, 1_250)


@pytest.mark.parametrize("text", ["..", "2s..", "..2s", "1s..2s..3s"])
def test_half_a_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_range_ms(text)
