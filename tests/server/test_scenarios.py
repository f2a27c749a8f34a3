"""Scenarios as values: what a script has for the n-th attempt."""

from hypothesis import given
from hypothesis import strategies as st

from mock_server.scenarios import Happening, Script

STEP = Happening("maintenance", stores=False)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), max_size=5), st.integers(1, 40))
def test_an_attempt_gets_the_step_whose_span_it_falls_into(spans: list[tuple[int, int]], attempt: int) -> None:
    steps: list[tuple[int, int | None, Happening]] = []
    expected: dict[int, Happening] = {}
    first = 1
    for number, (gap, times) in enumerate(spans):
        first += gap
        step = Happening(f"problem-{number}", stores=False)
        steps.append((first, first + times - 1, step))
        expected |= dict.fromkeys(range(first, first + times), step)
        first += times
    script = Script(tuple(steps))
    assert script.at(attempt) == expected.get(attempt)
    assert script.over(attempt) == (attempt >= max(expected, default=0))


def test_a_step_without_an_end_is_never_over() -> None:
    script = Script(((3, None, STEP),))
    assert [script.at(attempt) for attempt in (1, 2, 3, 1_000_000)] == [None, None, STEP, STEP]
    assert not script.over(1_000_000)
