"""What a world remembers of its scenarios: which one is armed, and how many attempts each script has seen.

The n-th attempt of a submit or a list is counted for the world and the scenario; that of a query for the task as
well. Reading moves no task, but it moves these counters.
"""

from collections import OrderedDict

import msgspec

from mock_server.scenarios import Happening, Scenario

# More tasks than a test polls at once, each with a counter; the one that was not asked for longest starts anew.
COUNTERS_MAX = 100_000
# More scenarios with a timetable than a test uses in one world; the one that began first begins anew.
_BEGINNINGS_MAX = 1_000


class Armed(msgspec.Struct):
    """A scenario that the control API gave a world: for so many plays, or until it is taken back (None).

    One play is over when the scenario's list of submits is at its end and a task has been stored.
    """

    scenario: Scenario
    left: int | None
    stored: bool = False
    # Whether each play begins the list of submits anew.
    anew: bool = True


class Steering(msgspec.Struct):
    """The scenarios of one world."""

    armed: Armed | None = None
    _counts: OrderedDict[tuple[str, str, str], int] = msgspec.field(default_factory=OrderedDict)
    _began_ms: dict[str, int] = msgspec.field(default_factory=dict)

    def arm(self, scenario: Scenario, times: int | None, now_ms: int, *, anew: bool = True) -> None:
        """Give the next tasks a scenario, from its first attempt on: for `times` plays, or always (None)."""
        self._forget(scenario.name)
        self._begin(scenario.name, now_ms)
        self.armed = Armed(scenario, times, anew=anew)

    def disarm(self) -> None:
        """Take back what is armed; tasks that have it keep it."""
        self.armed = None

    def attempts(self, scenario: Scenario, role: str, task: str = "") -> int:
        """Return how many attempts a script has seen."""
        return self._counts.get((scenario.name, role, task), 0)

    def began_ms(self, scenario: Scenario, now_ms: int) -> int:
        """Return when the scenario began in this world: with its first request, or when it was armed."""
        began_ms = self._began_ms.get(scenario.name)
        return self._begin(scenario.name, now_ms) if began_ms is None else began_ms

    def step(self, scenario: Scenario, role: str, task: str = "") -> tuple[Happening, int] | None:
        """Count an attempt; return what the scenario has for it, with its number, or None where it is normal."""
        script = scenario.scripts.get(role)
        if script is None:
            return None
        key = (scenario.name, role, task)
        attempt = self._counts.pop(key, 0) + 1
        self._counts[key] = attempt
        if len(self._counts) > COUNTERS_MAX:
            self._counts.popitem(last=False)
        step = script.at(attempt)
        return (step, attempt) if step is not None else None

    def submitted(self, scenario: Scenario, *, stored: bool) -> None:
        """Note that a submit got this scenario; an armed one may have been played to its end with it."""
        armed = self.armed
        if armed is None or armed.scenario is not scenario or not armed.anew:
            return
        armed.stored = armed.stored or stored
        script = scenario.scripts.get("submit")
        if not armed.stored or (script is not None and not script.over(self.attempts(scenario, "submit"))):
            return
        armed.stored = False
        self._forget(scenario.name)
        if armed.left is not None:
            armed.left -= 1
            if not armed.left:
                self.armed = None

    def _begin(self, scenario: str, now_ms: int) -> int:
        self._began_ms[scenario] = now_ms
        if len(self._began_ms) > _BEGINNINGS_MAX:
            del self._began_ms[next(iter(self._began_ms))]
        return now_ms

    def _forget(self, scenario: str) -> None:
        for key in [key for key in self._counts if key[0] == scenario and not key[2]]:
            del self._counts[key]
