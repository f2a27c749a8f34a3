"""What a run shows as it goes: a bar with counts on a terminal, a line for each case elsewhere. Then the summary."""

from collections import Counter
from collections.abc import Mapping
from os import environ
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from contracts.report.model import CaseReport, Report, Verdict
from contracts.report.terminal import Pen, headline, print_summary
from contracts.report.words import LOOKS, cases_in_words, reason_of


def progress_on(console: Console, environment: Mapping[str, str] = environ) -> "PlainProgress":
    """Return what fits the console: a live display on a terminal, plain lines in files and in CI."""
    live = console.is_terminal and not console.is_dumb_terminal and not environment.get("CI")
    return LiveProgress(console) if live else PlainProgress(console)


class PlainProgress:
    """A line for each case. Use it as a context manager: a live display must be taken down however a run ends."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.pen = Pen(console)
        self._total = 0
        self._done = 0

    def started(self, total: int) -> None:
        """Say how many cases there will be."""
        self._total = total
        self.pen.line((f"{cases_in_words(total)} to do", "dim"))

    def case_done(self, case: CaseReport) -> None:
        """Say what came of a case; a line, with the reason where it is not plain."""
        self._done += 1
        count = f"[{self._done:>{len(str(self._total))}}/{self._total}] "
        reason = "" if case.verdict == "passed" else reason_of(case)
        style = LOOKS[case.verdict].style
        self.pen.line(
            (count, "dim"),
            (f"{self.pen.symbol(case)} {case.id} {case.verdict}", style),
            (f": {reason}" if reason else "", ""),
            wrapped=False,
        )

    def finished(self, report: Report) -> None:
        """Take the display down and print the summary."""
        self.close()
        print_summary(report, self.console)

    def close(self) -> None:
        """Take the display down; as often as one likes."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LiveProgress(PlainProgress):
    """A bar with the counts of the verdicts so far. Cases that are red or warned are told above it as they come."""

    def __init__(self, console: Console) -> None:
        super().__init__(console)
        self._counts: Counter[Verdict] = Counter()
        self._bar = Progress(
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TextColumn("{task.fields[counts]}", markup=True),
            TimeElapsedColumn(),
            console=console,
            transient=True,
        )
        self._task = TaskID(0)

    def started(self, total: int) -> None:
        """Show the bar."""
        self._task = self._bar.add_task("", total=total, counts="")
        self._bar.start()

    def case_done(self, case: CaseReport) -> None:
        """Move the bar on; tell of the case where it needs a look."""
        self._counts[case.verdict] += 1
        if case.red or case.verdict == "warned":
            headline(self.pen, case)
        counts = "  ".join(
            f"[{LOOKS[each].style}]{self._counts[each]} {each}[/]" for each in LOOKS if self._counts[each]
        )
        self._bar.update(self._task, advance=1, counts=counts)

    def close(self) -> None:
        """Take the bar down."""
        self._bar.stop()
