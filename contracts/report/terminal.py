"""The closing summary on a terminal: what is wrong, by which requirement, and what to do about it.

A person understands it without the docs. It prints plain text only: nothing that a client said is taken as markup, and
no control of it reaches the terminal. Rich minds the width and NO_COLOR.
"""

from collections.abc import Mapping
from os import environ
from typing import IO

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from contracts.report.coverage_words import summary_line
from contracts.report.model import CaseReport, Finding, Report, red_cases
from contracts.report.words import (
    LOOKS,
    STATUSES,
    cases_in_words,
    clean,
    counted,
    cut,
    excerpt,
    label,
    one_line,
    reason_of,
    session_of,
    wire_row,
)

# Enough to see what is meant; the reports in files have the rest.
_TEXT_CHARS_MAX = 600
_LINE_CHARS_MAX = 200
_WIRE_LINES_MAX = 6
_FINDINGS_MAX = 4
# Where this is not a terminal, as in the log of a CI job, lines may be this long.
_COLUMNS_IN_FILES = 110


def make_console(file: IO[str] | None = None, environment: Mapping[str, str] = environ) -> Console:
    """Return a console on a file, else on standard output: plain text is never markup on it.

    Where it is no terminal, and COLUMNS does not say how wide it is, lines are long enough for the log of a CI job.
    """
    console = Console(file=file, highlight=False, markup=False, emoji=False, _environ=environment)
    if not console.is_terminal and "COLUMNS" not in environment:
        console.width = _COLUMNS_IN_FILES
    return console


class Pen:
    """Writes on a console what its encoding can say."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.unicode = console.encoding.lower().startswith("utf")

    def symbol(self, case: CaseReport) -> str:
        """The symbol of a case's verdict."""
        look = LOOKS[case.verdict]
        return look.symbol if self.unicode else look.plain

    def said(self, text: str, chars_max: int = _TEXT_CHARS_MAX) -> str:
        """Return text of any origin, harmless and short, in what the console's encoding can say."""
        short = cut(clean(text), chars_max)
        return short if self.unicode else short.encode("ascii", "backslashreplace").decode()

    def line(self, *parts: tuple[str, str], indent: int = 0, wrapped: bool = True) -> None:
        """Print one line of (text, style); one that is to be copied is not wrapped."""
        text = Text.assemble(*[(self.said(each), style) for each, style in parts])
        if wrapped:
            self.console.print(Padding(text, (0, 0, 0, indent), expand=False))
        else:
            self.console.print(Text(" " * indent) + text, soft_wrap=True)


def headline(pen: Pen, case: CaseReport) -> None:
    """Print what one case came to, in a line."""
    style = LOOKS[case.verdict].style
    pen.line(
        (f"{pen.symbol(case)} ", style), (case.id, "bold"), (f"  {one_line(case.title)}  ", ""), (case.verdict, style)
    )


def print_summary(report: Report, console: Console) -> None:
    """Print the whole summary."""
    pen = Pen(console)
    console.print()
    _print_client(pen, report)
    for case in red_cases(report.cases):
        _print_red(pen, case)
    _print_others(pen, report)
    if report.complaints:
        console.print()
    for complaint in report.complaints:
        pen.line(("! ", "bold red"), (one_line(complaint), ""))
    _print_end(pen, report)


def _print_client(pen: Pen, report: Report) -> None:
    client = report.client
    pen.line((one_line(client.name), "bold"), (f", driven by {client.driver}", ""))
    abilities = ", ".join(client.capabilities) or "no capability"
    settings = ", ".join(f"{one_line(name)} {seconds:g}" for name, seconds in client.settings.items())
    declared = abilities + (f"; {settings}" if settings else "")
    pen.line((f"It declared {declared}. Profile {report.profile}.", "dim"))
    pen.line((counted(report), ""))
    if shown := summary_line(report.coverage):
        pen.line((shown, "dim"))


def _print_red(pen: Pen, case: CaseReport) -> None:
    pen.console.print()
    headline(pen, case)
    rows = Table.grid(padding=(0, 2))
    rows.add_column(style="dim", no_wrap=True)
    rows.add_column(overflow="fold")
    for name, text in _facts(pen, case):
        rows.add_row(name, text)
    pen.console.print(Padding(rows, (0, 0, 0, 2), expand=False))
    if case.replay:
        pen.line(("Replay       ", "dim"), (one_line(case.replay), "bold"), indent=2, wrapped=False)


def _facts(pen: Pen, case: CaseReport) -> list[tuple[str, Text]]:
    facts = [
        ("Requirement", Text(pen.said(case.requirement))),
        ("Level", Text(pen.said(label(case)))),
        ("Source", Text(pen.said(case.source))),
    ]
    if case.reason:
        facts.append(("Because", Text(pen.said(case.reason))))
    failed = case.failed_findings
    for finding in failed[:_FINDINGS_MAX]:
        facts += [
            ("Expected", Text(pen.said(finding.expected), "green")),
            ("Seen", Text(pen.said(finding.seen), "red")),
            *_wire(pen, case, finding),
        ]
    if len(failed) > _FINDINGS_MAX:
        facts.append(("", Text(f"and {len(failed) - _FINDINGS_MAX} more like it, in the report", "dim")))
    facts.append(("How to fix", Text(pen.said(case.fix))))
    return facts


def _wire(pen: Pen, case: CaseReport, finding: Finding) -> list[tuple[str, Text]]:
    session = session_of(case, finding.session)
    rows = excerpt(session, finding.lines, _WIRE_LINES_MAX) if session else []
    if not rows:
        return []
    mark = "▶" if pen.unicode else ">"
    told = [("Wire", Text())]
    for place, line, marked in rows:
        words = pen.said(wire_row(place, line, mark if marked else " "), _LINE_CHARS_MAX)
        told.append(
            ("", Text(words, "bold" if marked else "dim", no_wrap=True, overflow="ellipsis" if pen.unicode else "crop"))
        )
    told[0:2] = [("Wire", told[1][1])]
    return told


def _print_others(pen: Pen, report: Report) -> None:
    others = [each for each in report.cases if not each.red and each.verdict != "passed"]
    if others:
        pen.console.print()
    for case in (each for each in others if each.verdict == "warned"):
        headline(pen, case)
        for finding in case.failed_findings[:1]:
            pen.line(("Expected ", "dim"), (one_line(finding.expected), ""), indent=2)
            pen.line(("Seen     ", "dim"), (one_line(finding.seen), ""), indent=2)
        pen.line((f"{label(case)}: {one_line(case.fix)}", "dim"), indent=2)
    for verdict in (each for each in LOOKS if each != "warned"):
        for case in (each for each in others if each.verdict == verdict):
            reason = reason_of(case)
            pen.line(
                (f"{pen.symbol(case)} {case.id}  {verdict}", LOOKS[verdict].style),
                (f": {reason}" if reason else "", ""),
            )


def _print_end(pen: Pen, report: Report) -> None:
    red = red_cases(report.cases)
    style = {0: "bold green"}.get(report.status, "bold red")
    pen.console.print()
    judged = f"{cases_in_words(len(report.cases))} in {report.seconds:.1f} s"
    wrong = f", {len(red)} red" if red else ""
    pen.line((STATUSES.get(report.status, "Ended"), style), (f": {judged}{wrong}. Exit status {report.status}.", ""))
    if red:
        pen.line((f"`omnimock explain {red[0].id}` tells more of a case.", "dim"))
