"""Known failures: a file that names cases with a reason and the day until which they are put up with.

    - case: RT-06
      reason: retries without end; ticket VID-311
      expires: 2027-03-31

A case that is listed and passes makes the list stale, and that is red. An entry may lower a rule of omnimock's own
instead, with `level: should` (or `info`): that is for its owner to decide, and it is no failure then.
"""

import datetime
import errno
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import yaml

from contracts.case import Case, Level
from contracts.report.model import CaseReport
from mock_server.names import nearest

# Long enough to mend something, short enough to be looked at again.
_USUAL_DAYS = 90


class BaselineError(ValueError):
    """A baseline that cannot be used: where, and why."""


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One known failure, or one rule that is lowered."""

    case: str
    reason: str
    expires: datetime.date
    level: Literal["should", "info"] | None = None


class Baseline(msgspec.Struct, frozen=True):
    """The entries by case."""

    entries: Mapping[str, Entry] = {}

    def level(self, case: Case) -> Level:
        """Return the level at which a case counts."""
        entry = self.entries.get(case.id)
        return entry.level if entry is not None and entry.level is not None else case.level

    def knows(self, case_id: str) -> Entry | None:
        """Return the entry that puts up with a failure of this case."""
        entry = self.entries.get(case_id)
        return entry if entry is not None and entry.level is None else None


def read_baseline(path: Path, cases: Sequence[Case], today: datetime.date) -> Baseline:
    """Return what a file says; raise BaselineError for an entry that is unknown, there twice, or expired."""
    try:
        source = yaml.safe_load(path.read_bytes())
    except OSError as error:
        raise BaselineError(f"baseline {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise BaselineError(f"baseline {path}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(source or [], list):
        raise BaselineError(f"baseline {path}: a list of entries is expected, each with a case, a reason and `expires`")
    entries = [_entry(path, number, each) for number, each in enumerate(source or [], 1)]
    known = {each.id: each for each in cases}
    found: dict[str, Entry] = {}
    for entry in entries:
        where = f"baseline {path}: {entry.case}"
        if entry.case not in known:
            raise BaselineError(f"{where}: there is no such case; {nearest(entry.case, list(known))}")
        if entry.case in found:
            raise BaselineError(f"{where}: it is listed twice")
        if not entry.reason.strip():
            raise BaselineError(f"{where}: it has no reason; say why it is put up with")
        if entry.expires < today:
            raise BaselineError(f"{where}: expired on {entry.expires}; mend it, or set a later day with a reason")
        if entry.level is not None and known[entry.case].basis != "ours":
            raise BaselineError(
                f"{where}: its level follows {known[entry.case].label}; only rules of omnimock's own can be lowered"
            )
        found[entry.case] = entry
    return Baseline(found)


def _entry(path: Path, number: int, source: Any) -> Entry:
    name = source.get("case") if isinstance(source, dict) else None
    where = f"baseline {path}: {name if isinstance(name, str) else f'entry {number}'}"
    try:
        return msgspec.convert(source, Entry)
    except msgspec.ValidationError as error:
        raise BaselineError(f"{where}: {error}; an entry has a case, a reason and a date `expires`") from None


def updated(old: Baseline, reports: Iterable[CaseReport], today: datetime.date) -> list[Entry]:
    """Return the entries after a run: what is red is listed, what passes is not; cases that were not judged stay."""
    entries = dict(old.entries)
    for each in reports:
        known = entries.get(each.id)
        if known is not None and known.level is not None:
            continue
        if each.red and each.verdict in ("failed", "warned", "intermittent"):
            expires = today + datetime.timedelta(days=_USUAL_DAYS)
            entries.setdefault(each.id, Entry(each.id, f"TODO say why: {_short(each)}", expires))
        elif each.verdict in ("passed", "unexpectedly passing"):
            entries.pop(each.id, None)
    return [entries[key] for key in sorted(entries)]


def check_writable(path: Path) -> None:
    """Raise BaselineError where the file cannot be written, before anything is run for it."""
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        temporary = _temporary(path)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise BaselineError(f"baseline {path}: cannot be written: {error.strerror or error}") from None


def write_baseline(path: Path, entries: Iterable[Entry]) -> None:
    """Write the entries, in one step."""
    rows: list[dict[str, Any]] = [
        {key: value for key, value in msgspec.structs.asdict(each).items() if value is not None} for each in entries
    ]
    text = yaml.safe_dump(rows, sort_keys=False, allow_unicode=True, width=100) if rows else "[]\n"
    temporary = _temporary(path)
    try:
        temporary.write_text("# Known failures; see `omnimock check --help`.\n" + text, encoding="utf-8")
        # What a link names is written, and the link stays.
        temporary.replace(path.resolve())
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BaselineError(f"baseline {path}: cannot be written: {error.strerror or error}") from None


def _temporary(path: Path) -> Path:
    whole = path.resolve()
    return whole.with_name(f".{whole.name}.new")


def _short(report: CaseReport) -> str:
    failed = report.failed_findings
    told = f"expected {failed[0].expected}, seen {failed[0].seen}" if failed else report.reason
    return " ".join(told.split())[:200]
