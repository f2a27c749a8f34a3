"""What is said and written at the end of a search: what the client was shown, and what was found.

DIR/coverage.json    what the search came to, and what the client was shown
DIR/fuzz.md          the stories of what was found, for people and the page of a CI job
"""

import os
import shlex
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

import msgspec
from rich.console import Console

from contracts.coverage import Universe, coverage_of
from contracts.fuzz.client import kept_of
from contracts.fuzz.outcome import Found, Outcome
from contracts.report.coverage_table import print_coverage, print_line
from contracts.report.folder import append_markdown, check_places, write_places
from contracts.report.markdown import BYTES_MAX, coverage_parts, coverage_rows, plain
from contracts.report.model import Coverage
from contracts.report.words import clean, cut
from mock_server.redaction import Redactor

FORMAT = 1
FILES = ("coverage.json", "fuzz.md")
_STORY_CHARS_MAX = 20_000


class Searched(msgspec.Struct, frozen=True):
    """A search that has ended. `line` says in words what it came to, `replay` are the options of `omnimock replay`."""

    outcome: Outcome
    universe: Universe
    line: str
    seed: int
    command: Sequence[str]
    corpus: Path
    replay: Sequence[str]

    @property
    def coverage(self) -> Coverage:
        """What the client was shown."""
        return coverage_of(self.outcome.cells, self.universe)


class FuzzReport(msgspec.Struct, frozen=True):
    """What stands in coverage.json: how much was searched, which invariants broke, and what the client was shown."""

    sessions: int
    seconds: float
    seed: int
    broken: tuple[str, ...]
    intermittent: tuple[str, ...]
    coverage: Coverage
    format: int = FORMAT


def check_report_folder(folder: Path | None) -> None:
    """Raise ReportError where the report could not be written there."""
    if folder is not None:
        check_places(folder, FILES)


def tell(
    searched: Searched,
    folder: Path | None,
    console: Console,
    *,
    whole: bool,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Print what the client was shown, all of it where `whole` says so, and write the report.

    Where the environment names GitHub's step summary, the Markdown is added there. Raise ReportError where the report
    cannot be written.
    """
    coverage = searched.coverage
    if folder is not None:
        packed = msgspec.json.format(msgspec.json.encode(_report(searched, coverage)), indent=1) + b"\n"
        places = {folder / "coverage.json": packed, folder / "fuzz.md": render(searched).encode()}
        write_places(folder, places)
    append_markdown(lambda bytes_max: render(searched, bytes_max), environment)
    (print_coverage if whole else print_line)(coverage, console)


def _report(searched: Searched, coverage: Coverage) -> FuzzReport:
    outcome = searched.outcome
    return FuzzReport(
        sessions=outcome.sessions,
        seconds=outcome.seconds,
        seed=searched.seed,
        broken=tuple(outcome.found),
        intermittent=tuple(outcome.intermittent),
        coverage=coverage,
    )


def render(searched: Searched, bytes_max: int = BYTES_MAX) -> str:
    """Return the page of a search, in at most so many bytes; what does not fit is left out, and that is said."""
    outcome, coverage = searched.outcome, searched.coverage
    head, _, rest = searched.line.partition(": ")
    sections = [
        f"## omnimock fuzz: {plain(head)}",
        f"{plain(rest, _STORY_CHARS_MAX)}; seed {searched.seed}.",
        *(_section(searched, each) for each in outcome.all_found),
        *coverage_parts(coverage),
        *coverage_rows(coverage),
    ]
    kept: list[str] = []
    room = bytes_max - 100
    for each in sections:
        room -= len(each.encode()) + 2
        if room < 0:
            kept.append(f"{len(sections) - len(kept)} more sections did not fit here.")
            break
        kept.append(each)
    return "\n\n".join(kept) + "\n"


def _section(searched: Searched, found: Found) -> str:
    """What was found: the story, the behaviour that shows it, and how to play it again. No key is in it."""
    kept = kept_of(found, dict(found.session.play.settings))
    said = Redactor([found.session.key]).text
    mark = "INTERMITTENT " if found.intermittent else ""
    path = str(searched.corpus / f"{kept.name}.yaml")
    again = f"Replay: {shlex.join(['omnimock', 'replay', path, *searched.replay, '--', *searched.command])}"
    text = "\n\n".join((kept.story, kept.told().strip(), again))
    return (
        f"### {mark}{plain(kept.invariant)}: {plain(said(kept.seen))}\n\n"
        f"<pre>\n{escape(cut(clean(said(text)), _STORY_CHARS_MAX))}\n</pre>"
    )
