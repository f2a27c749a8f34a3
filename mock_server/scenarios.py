"""A scenario: a named story that a request can get, as a value.

    name: two-bad-polls
    about: The second and the third query of each task are refused.
    query: [normal, {problem: maintenance, times: 2}]
    lifecycle: {pace: 10s, outcome: success}

Behaviour is addressed by operation and attempt, so it means the same however queries and callbacks interleave. What
may stand in a file is for `scenario_reader.py`, where files are found for `catalogue.py`, who gets which scenario for
`choosing.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from mock_server.lifecycle import Way


@dataclass(frozen=True, slots=True)
class ScriptStep:
    """What happens on an attempt: it is refused with a problem; a submit may `store` its task all the same."""

    problem: str
    stores: bool = False


@dataclass(frozen=True, slots=True)
class Script:
    """What happens on the attempts of one operation: each step from its first attempt to its last (None: no end)."""

    steps: tuple[tuple[int, int | None, ScriptStep], ...]

    def at(self, attempt: int) -> ScriptStep | None:
        """Return the step for the n-th attempt (from 1), or None where it is normal."""
        for first, last, step in self.steps:
            if first <= attempt and (last is None or attempt <= last):
                return step
        return None

    def over(self, attempts: int) -> bool:
        """Tell whether everything is normal after so many attempts."""
        return not self.steps or ((last := self.steps[-1][1]) is not None and attempts >= last)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named story: for each type of task the way that its tasks take, and for each role what its attempts meet.

    `dialect` is the wire shape of the answers, None for the twin's own.
    """

    name: str
    about: str
    ways: Mapping[str, Way]
    scripts: Mapping[str, Script]
    dialect: str | None = None
