"""Who gets which scenario: the first that says something wins.

    the header `Prefer: scenario=NAME`  →  a directive in the body, `[[scenario: NAME]]`  →  what the control API armed
    for this world  →  the server's `--scenario`

The scenario that a submit gets is its task's, and stays: queries follow it. A task that nobody chose a scenario for
follows what is armed while it is.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from mock_server.exchange import Incoming
from mock_server.heads import Head
from mock_server.scenario_form import ScenarioError
from mock_server.scenarios import Scenario
from mock_server.task import Task
from mock_server.worlds import World

_DIRECTIVE_START = b"[[scenario"
_DIRECTIVE = re.compile(r"\[\[scenario:\s*([^\]]*?)\s*\]\]")
# A preference ends at a comma, its parameters stand behind semicolons (RFC 7240); either may be inside quotes.
_PREFERENCE = re.compile(r'(?:[^,"]|"[^"]*")+')
_PREFERRED = re.compile(r'\s*scenario\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<name>[^";]*))\s*(?P<rest>;.*)?', re.DOTALL)


class Chooser:
    """Chooses scenarios."""

    def __init__(self, find: Callable[[str], Scenario], default: Scenario) -> None:
        """`find` returns the scenario of a reference, or raises ScenarioError."""
        self._find, self.default = find, default

    def for_submit(self, world: World, incoming: Incoming, head: Head, directive: Callable[[], Any]) -> Scenario:
        """Return the scenario of a new task; `directive` reads the text of the body that may hold a directive.

        Raise ScenarioError where the request names one that there is not.
        """
        if head.prefers and (scenario := self._preferred(incoming)) is not None:
            return scenario
        if _DIRECTIVE_START in incoming.body and (scenario := self._directed(directive())) is not None:
            return scenario
        armed = world.steering.armed
        return self.default if armed is None else armed.scenario

    def for_task(self, world: World, incoming: Incoming, head: Head, task: Task | None) -> Scenario:
        """Return the scenario that a request about one task gets."""
        if head.prefers and (scenario := self._preferred(incoming)) is not None:
            return scenario
        if task is not None and task.scenario is not None:
            return task.scenario
        armed = world.steering.armed
        return self.default if armed is None else armed.scenario

    def of(self, task: Task) -> Scenario:
        """Return the scenario that a task was submitted with."""
        return task.scenario or self.default

    def _preferred(self, incoming: Incoming) -> Scenario | None:
        for text in _preferences(incoming):
            if match := _PREFERRED.fullmatch(text):
                return self._find((match["quoted"] or match["name"] or "") + (match["rest"] or ""))
        return None

    def _directed(self, text: Any) -> Scenario | None:
        found = _DIRECTIVE.findall(text) if isinstance(text, str) else []
        if not found and isinstance(text, str) and _DIRECTIVE_START.decode() in text:
            raise ScenarioError((), "a directive is written [[scenario: NAME]], and may have ; KEY=VALUE")
        if len(found) > 1:
            raise ScenarioError((), f"there is room for one directive, and {len(found)} came")
        return self._find(found[0]) if found else None


def _preferences(incoming: Incoming) -> Iterator[str]:
    for name, value in incoming.headers:
        if name == b"prefer":
            yield from _PREFERENCE.findall(value.decode("latin-1"))
