"""What the marker can say, and what it is told that says something else."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from contracts.plugin.marker import Marked, marked


def mark(*arguments: Any, **named: Any) -> pytest.Mark:
    """A marker; made by hand, for runs in which the plugin has not made it known."""
    return cast("pytest.Mark", SimpleNamespace(args=arguments, kwargs=named))


class Item:
    """A test with these markers, the closest first."""

    nodeid = "test_it.py::test_it"

    def __init__(self, *marks: pytest.Mark) -> None:
        self._marks = marks

    def iter_markers(self, name: str) -> list[pytest.Mark]:
        assert name == "omnimock"
        return list(self._marks)


def read(*marks: pytest.Mark) -> Marked:
    return marked(cast("pytest.Item", Item(*marks)))


def test_the_closest_marker_wins() -> None:
    said = read(mark(scenario="instant"), mark(scenario="flaky", clock="system"))
    assert said == Marked(scenario="instant", clock="system", host="https://api.deerapi.com")


def test_a_test_without_a_marker_says_nothing() -> None:
    assert read() == Marked()


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (mark(scenari="x"), "there is no argument 'scenari'; did you mean scenario?"),
        (mark("x"), "'x' has no name: write scenario='x'"),
        (mark(clock="fast"), "clock='fast': manual or system is expected"),
        (mark(scenario=7), "scenario=7: a name or a whole scenario (a dict) is expected"),
        (mark(profile=7), "profile=7: the name of a profile is expected"),
        (mark(host="a.test"), "host='a.test': an address is expected, such as https://api.deerapi.com"),
        (mark(times=2), "times says how often a scenario plays; name it too"),
    ],
)
def test_what_a_marker_cannot_say_is_refused_with_the_test_named(said: pytest.Mark, words: str) -> None:
    with pytest.raises(ValueError, match="test_it") as raised:
        read(said)
    assert str(raised.value) == f"test_it.py::test_it: @pytest.mark.omnimock: {words}"
