"""How verdicts, levels and times are said, and how text of a client is made harmless and short. All reports use it."""

import re
from collections.abc import Iterable, Mapping

import msgspec

from contracts.case import BASES
from contracts.report.model import CaseReport, Report, SessionReport, Verdict, WireLine


class Look(msgspec.Struct, frozen=True):
    """How a verdict looks: a symbol, one for terminals without Unicode, and a style of Rich."""

    symbol: str
    plain: str
    style: str


# Worst first: the order in which people want to read them.
LOOKS: Mapping[Verdict, Look] = {
    "harness error": Look("⚠", "E", "bold red"),
    "failed": Look("✗", "x", "bold red"),
    "unexpectedly passing": Look("‼", "!", "bold red"),
    "intermittent": Look("≈", "~", "bold magenta"),
    "not exercised": Look("○", "o", "yellow"),
    "warned": Look("△", "!", "yellow"),
    "known failing": Look("✗", "k", "dim"),
    "unsupported": Look("–", "-", "dim"),
    "info": Look("i", "i", "cyan"),
    "passed": Look("✓", "+", "green"),
}

STATUSES: Mapping[int, str] = {0: "Right", 1: "Wrong", 2: "Could not run"}

# Controls, and the marks that turn the direction of writing: all could make a terminal or a page lie.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)


def clean(text: str) -> str:
    """Return the text with every control but line feed and tab spelled out, as an escape in Python."""
    return _UNSAFE.sub(_spelled, text.replace("\r\n", "\n"))


def _spelled(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def one_line(text: str) -> str:
    """Return the text in one line: harmless, its blanks collapsed."""
    return " ".join(clean(text).split())


def cut(text: str, chars_max: int) -> str:
    """Return the text, or its beginning with a word on how much is left out."""
    left = len(text) - chars_max
    return text if left <= 0 else f"{text[:chars_max]} … ({left:,} more characters)"


def label(case: CaseReport) -> str:
    """The level of a case with what is behind it."""
    return f"{case.level}, {BASES[case.basis]}"


def counted(report: Report) -> str:
    """Say how many cases there are, and how many of each verdict, worst first."""
    counts = report.counts()
    parts = [f"{counts[verdict]} {verdict}" for verdict in LOOKS if counts[verdict]]
    return f"{cases_in_words(len(report.cases))}: {', '.join(parts)}" if parts else "no cases"


def cases_in_words(number: int) -> str:
    """Return `1 case`, `2 cases`."""
    return f"{number} case" if number == 1 else f"{number} cases"


def reason_of(case: CaseReport) -> str:
    """Why a case has its verdict, in one line: its reason, else what its first telling finding saw."""
    if case.reason:
        return one_line(case.reason)
    telling = case.failed_findings or [each for each in case.findings if each.verdict in ("info", "not exercised")]
    return one_line(telling[0].seen) if telling else ""


def session_of(case: CaseReport, place: int) -> SessionReport | None:
    """The session that a finding names, if the report has it."""
    return case.sessions[place] if 0 <= place < len(case.sessions) else None


def excerpt(session: SessionReport, lines: Iterable[int], lines_max: int) -> list[tuple[int, WireLine, bool]]:
    """The wire lines that show a finding and the one before each: their places, and whether they are marked."""
    marked = [each for each in sorted(set(lines)) if 0 <= each < len(session.wire)]
    places = sorted({each for mark in marked[:lines_max] for each in (mark - 1, mark) if each >= 0})[:lines_max]
    return [(each, session.wire[each], each in marked) for each in places]


def wire_row(place: int, line: WireLine, mark: str) -> str:
    """One wire line in words, in columns: when, the gap before it, the status, what was asked, and what it told."""
    gap = "" if line.gap_seconds is None else f"+{line.gap_seconds:.3f} s"
    kind = {"exchange": "", "callback": "callback ", "stranger": "to another origin: "}[line.kind]
    told = f", {line.told}" if line.told else ""
    note = f" ({line.note})" if line.note else ""
    # The status comes first: a narrow terminal cuts the end.
    words = one_line(f"{kind}{line.title}{told}{note}")
    return f"{mark} {place + 1:>3} {line.at_seconds:>8.3f} s {gap:>10}  {line.status or '---'}  {words}"
