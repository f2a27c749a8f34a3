"""A report as Markdown, for the page of a CI job on GitHub or GitLab. It is bounded: GitHub takes one MiB a step.

What a client said is never Markdown or HTML here: in running text each sign that means something becomes a character
reference, and what it said over several lines stands in `<pre>`.
"""

import re
from html import escape

from contracts.report.coverage_words import counts, dimension_lines, summary_line, table_of
from contracts.report.model import CaseReport, Coverage, Report, red_cases
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

BYTES_MAX = 900_000
_CELL_CHARS_MAX = 240
# A line of coverage: a spec may list hundreds of problems.
_LINE_CHARS_MAX = 2_000
_TEXT_CHARS_MAX = 3_000
_WIRE_LINES_MAX = 12
_ROWS_MAX = 300
_MARKS = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@:\"'$^=-]")


def render(report: Report, bytes_max: int = BYTES_MAX) -> str:
    """Return the summary in at most so many bytes; details that do not fit are left out, and that is said."""
    kept = _head(report)
    if len(kept.encode()) > bytes_max:
        # Only a small bound, or thousands of red cases, come here.
        kept = f"## {_title(report)}\n"
    left = red_cases(report.cases)
    room = bytes_max - len(kept.encode()) - 100
    for place, case in enumerate(left):
        section = _details(case)
        room -= len(section.encode())
        if room < 0:
            return kept + f"\nThe details of {cases_in_words(len(left) - place)} did not fit here; see the report.\n"
        kept += section
    return kept


def _title(report: Report) -> str:
    return f"{STATUSES.get(report.status, 'Ended')}: {plain(report.client.name, 100)}"


def _head(report: Report) -> str:
    client = report.client
    parts = [
        f"## {_title(report)}",
        f"{plain(counted(report))}. Driven by {client.driver}, profile {plain(report.profile)}, "
        f"{report.seconds:.1f} s, omnimock {plain(report.version)}.",
    ]
    parts += [f"- ‼ {plain(each)}" for each in report.complaints]
    told = [each for each in report.cases if each.red or each.verdict == "warned"]
    if told:
        rows = [_row(each) for each in sorted(told, key=lambda each: not each.red)]
        parts.append("\n".join(["| | case | level | expected | seen |", "|---|---|---|---|---|", *rows]))
    others = [each for each in report.cases if each not in told and each.verdict != "passed"]
    if others:
        lines = [_other(each) for each in others]
        parts.append(
            f"<details><summary>{cases_in_words(len(others))} not judged, or for information</summary>\n\n"
            + "\n".join(lines)
            + "\n\n</details>"
        )
    parts += coverage_parts(report.coverage)
    return "\n\n".join(parts) + "\n"


def coverage_parts(coverage: Coverage) -> list[str]:
    """Return what there is to say of coverage: how much was shown, and folded, what was not."""
    summary = summary_line(coverage)
    if not summary:
        return []
    lines = "\n".join(f"- {plain(each, _LINE_CHARS_MAX)}" for each in dimension_lines(coverage))
    return [
        f"Coverage, {plain(summary, _LINE_CHARS_MAX)}.",
        f"<details><summary>What the client was not shown</summary>\n\n{lines}\n\n</details>",
    ]


def coverage_rows(coverage: Coverage) -> list[str]:
    """Return the cells that a client was shown, as a table, folded; nothing where there are none."""
    table = table_of(coverage, _ROWS_MAX)
    if not table.rows:
        return []
    ruler = [*("---" for _ in range(len(table.heads) - len(table.statuses))), *("---:" for _ in table.statuses)]
    lines = [
        f"| {' | '.join(map(plain, table.heads))} |",
        f"|{'|'.join(ruler)}|",
        *(f"| {' | '.join(map(plain, row.words))} |" for row in table.rows),
        *([f"\n{table.left_out} more rows were shown less often."] if table.left_out else []),
    ]
    return [
        f"<details><summary>What the client was shown: {plain(counts(coverage))}</summary>\n\n"
        + "\n".join(lines)
        + "\n\n</details>"
    ]


def _row(case: CaseReport) -> str:
    verdict = f"{LOOKS[case.verdict].symbol} {case.verdict}"
    failed = case.failed_findings
    expected, seen = (failed[0].expected, failed[0].seen) if failed else (case.requirement, reason_of(case))
    cells = (
        verdict,
        f"**{plain(case.id)}** {plain(case.title)}",
        *(plain(each) for each in (label(case), expected, seen)),
    )
    return f"| {' | '.join(cells)} |"


def _other(case: CaseReport) -> str:
    reason = reason_of(case)
    return f"- {LOOKS[case.verdict].symbol} **{plain(case.id)}** {case.verdict}" + (
        f": {plain(reason)}" if reason else ""
    )


def _details(case: CaseReport) -> str:
    lines = [
        f"Requirement: {case.requirement}",
        f"Level:       {label(case)}",
        f"Source:      {case.source}",
        *([f"Because:     {case.reason}"] if case.reason else []),
    ]
    for finding in case.failed_findings:
        lines += ["", f"Expected: {finding.expected}", f"Seen:     {finding.seen}"]
        session = session_of(case, finding.session)
        for place, line, marked in excerpt(session, finding.lines, _WIRE_LINES_MAX) if session else ():
            lines.append(wire_row(place, line, "▶" if marked else " "))
    lines += ["", f"How to fix: {case.fix}"]
    lines += [f"Replay:     {case.replay}"] if case.replay else []
    text = escape("\n".join(cut(clean(each), _TEXT_CHARS_MAX) for each in lines))
    summary = escape(one_line(cut(f"{case.id} {case.title}", _CELL_CHARS_MAX)))
    return f"\n<details><summary>{summary}</summary>\n\n<pre>\n{text}\n</pre>\n\n</details>\n"


def plain(text: str, chars_max: int = _CELL_CHARS_MAX) -> str:
    """Return text as running text of Markdown, in one line."""
    return _MARKS.sub(lambda found: f"&#{ord(found.group())};", one_line(cut(text, chars_max)))
