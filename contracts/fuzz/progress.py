"""What a search shows as it goes: how far it has come, on a terminal, and a line for each invariant that breaks."""

from collections.abc import Mapping
from os import environ
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from contracts.coverage import Universe
from contracts.fuzz.outcome import Outcome
from contracts.report.terminal import Pen


class Progress:
    """Keeps what a search has come to, so that it can be told where a signal ends it. It is called from threads."""

    def __init__(self, console: Console, environment: Mapping[str, str] = environ) -> None:
        self.outcome: Outcome | None = None
        self.universe: Universe | None = None
        self._told: set[str] = set()
        self._pen = Pen(console)
        live = console.is_terminal and not console.is_dumb_terminal and not environment.get("CI")
        self._status = Status("", console=console) if live else None

    def __call__(self, outcome: Outcome) -> None:
        """Note it, and show it."""
        self.outcome = outcome
        if self._status is not None:
            found = (f", {len(outcome.found)} broken", "red") if outcome.found else ""
            self._status.update(
                Text.assemble(f"{outcome.sessions} sessions, {len(outcome.cells)} coverage cells", found)
            )
        for name in [each for each in outcome.found if each not in self._told]:
            self._told.add(name)
            self._pen.line((f"{name} broke after {outcome.sessions} sessions; looking for less that breaks it", "dim"))

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._status is not None:
            self._status.stop()
