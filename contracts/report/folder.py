"""The folder of reports: all of a run's reports at once, or none. Several runs add up in it to one matrix.

DIR/report.json  junit.xml  summary.md     the run that came last
DIR/runs/<client>-<driver>.json            the last run of each client by each driver
DIR/index.html                             the matrix, made from all of runs/
"""

import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from contracts.report import html, json_report, junit, markdown
from contracts.report.json_report import ReportError, parse_report, read_report
from contracts.report.model import Client, Report

_NAME_CHARS_MAX = 60
_REPORTS = ("report.json", "junit.xml", "summary.md", "index.html")
# What GitHub takes from one step, of whatever the step wrote before.
_STEP_SUMMARY_BYTES_MAX = 1024 * 1024


def check_folder(folder: Path) -> None:
    """Raise ReportError where reports could not be written there, or a run that is there cannot be read.

    It tries to write, and leaves nothing behind.
    """
    check_places(folder, _REPORTS, (folder / "runs",))
    read_runs(folder)


def check_places(folder: Path, names: Iterable[str], folders: Iterable[Path] = ()) -> None:
    """Raise ReportError where files of these names could not be written into a folder, or any into `folders` in it.

    It tries to write, and leaves nothing behind.
    """
    made: list[Path] = []
    try:
        try:
            for each in (folder, *folders):
                _make(each, made)
                with tempfile.TemporaryFile(dir=each):
                    pass
        finally:
            for each in reversed(made):
                each.rmdir()
        _refuse_taken(folder, names)
    except OSError as error:
        raise _cannot_write(folder, error) from None


def _refuse_taken(folder: Path, names: Iterable[str]) -> None:
    """Raise ReportError where a folder has the name of a report: it could not be put in place, and others could."""
    for name in names:
        if (folder / name).is_dir():
            raise ReportError(f"reports cannot be written into {folder}: {name} is a folder there")


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder with those above it, and note each one made."""
    for each in reversed((folder, *folder.parents)):
        if not each.exists():
            each.mkdir()
            made.append(each)


def write_reports(folder: Path, report: Report, environment: Mapping[str, str] = os.environ) -> None:
    """Write all reports of a run, and the matrix of all runs in the folder. Raise ReportError where it cannot be done.

    All is rendered first, and written under other names; only when all of it is there is it put in place. Where the
    environment names GitHub's step summary, the Markdown is added there as well.
    """
    packed = json_report.render(report)
    # What goes into the matrix is what a later run will read, to the letter.
    report = parse_report(packed, "the report")
    _refuse_taken(folder, _REPORTS)
    runs = read_runs(folder)
    name = run_name(report.client, runs)
    runs[name] = report
    contents = {
        folder / "runs" / f"{name}.json": packed,
        folder / "report.json": packed,
        folder / "junit.xml": junit.render(report).encode(),
        folder / "summary.md": markdown.render(report).encode(),
        folder / "index.html": html.render(runs).encode(),
    }
    write_places(folder, contents)
    append_step_summary(report, environment)


def write_places(folder: Path, contents: Mapping[Path, bytes]) -> None:
    """Write files into a folder, or below it: all, or none. Raise ReportError where it cannot be done."""
    try:
        for each in {path.parent for path in contents}:
            each.mkdir(parents=True, exist_ok=True)
        with _beside(contents) as written:
            for path, temporary in written.items():
                temporary.replace(path)
    except OSError as error:
        raise _cannot_write(folder, error) from None


@contextmanager
def _beside(contents: Mapping[Path, bytes]) -> Iterator[dict[Path, Path]]:
    """Write each content beside its place; take away what was not moved there."""
    written: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
            written[path] = temporary
            temporary.write_bytes(content)
        yield written
    finally:
        for temporary in written.values():
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def read_runs(folder: Path) -> dict[str, Report]:
    """Return the runs that are in the folder, by the names of their files; raise ReportError where one is none."""
    try:
        return {path.stem: read_report(path) for path in sorted((folder / "runs").glob("[!.]*.json"))}
    except ReportError as error:
        raise ReportError(f"{error}; every file in {folder / 'runs'} goes into the matrix, so move it away") from None


def run_name(client: Client, runs: Mapping[str, Report]) -> str:
    """Return the name for a run of this client: the one that its last run has, else a new one."""
    for name, run in runs.items():
        if (run.client.name, run.client.driver) == (client.name, client.driver):
            return name
    slug = re.sub(r"[^a-z0-9.]+", "-", client.name.lower())[:_NAME_CHARS_MAX].strip("-.") or "client"
    name = base = f"{slug}-{client.driver.replace(' ', '-')}"
    number = 2
    while name in runs:
        name = f"{base}-{number}"
        number += 1
    return name


def append_step_summary(report: Report, environment: Mapping[str, str] = os.environ) -> None:
    """Add the Markdown of a report to GitHub's step summary, where there is one."""
    append_markdown(lambda bytes_max: markdown.render(report, bytes_max), environment)


def append_markdown(rendered: Callable[[int], str], environment: Mapping[str, str] = os.environ) -> None:
    """Add Markdown, of so many bytes at most, to GitHub's step summary, where there is one.

    That it cannot be is no reason to fail a run.
    """
    place = environment.get("GITHUB_STEP_SUMMARY")
    if not place:
        return
    with suppress(OSError):
        path = Path(place)
        room = _STEP_SUMMARY_BYTES_MAX - (path.stat().st_size if path.exists() else 0) - 1_000
        if room > 0:
            with path.open("a", encoding="utf-8") as summary:
                summary.write(f"\n{rendered(min(room, markdown.BYTES_MAX))}")


def _cannot_write(folder: Path, error: OSError) -> ReportError:
    return ReportError(
        f"reports cannot be written into {folder}: {error.strerror or error}; name another folder with --report"
    )
