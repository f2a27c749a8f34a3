"""Coverage on the page of the matrix: plain HTML with tables, folded, which needs no script.

Everything that is said is made text here, and no brace of it is left: marks of the page are written in braces.
"""

from collections.abc import Iterable, Mapping
from html import escape

from contracts.report.coverage_words import counts, missing_of, shown_of, summary_line, table_of
from contracts.report.model import Coverage, Report
from contracts.report.words import clean, cut

# What a browser lays out at once, for each run; the JSON beside the page has all.
_ROWS_MAX = 400
_TEXT_CHARS_MAX = 4_000
_NUMBER = ' class="number"'


def render(runs: Mapping[str, Report]) -> str:
    """Return the section; empty where no run has looked at what it showed."""
    told = [(run.client.name, run.client.driver, run.coverage) for run in runs.values() if run.coverage.dimensions]
    if not told:
        return ""
    parts = "\n".join(_run(f"{name} ({driver})", coverage) for name, driver, coverage in told)
    return (
        '<section class="coverage" id="coverage" aria-labelledby="coverage-head">\n'
        '<h2 id="coverage-head">What the clients were shown</h2>\n'
        '<p class="small">Of the behaviour of the server, in all sessions of a run. What was not shown was not '
        f"examined.</p>\n{parts}\n</section>"
    )


def _run(name: str, coverage: Coverage) -> str:
    table = table_of(coverage, _ROWS_MAX)
    first_number = len(table.heads) - len(table.statuses)
    rows = (row.words for row in table.rows)
    left_out = (
        f'<p class="small">{table.left_out} more rows, which were shown less often, are in the JSON of the run.</p>'
        if table.left_out
        else ""
    )
    dimensions = (
        (each.name, f"{len(each.shown)} of {each.total}", shown_of(each), missing_of(each))
        for each in coverage.dimensions
    )
    return (
        f'<details class="card"><summary>{_text(name)}: <span class="small">{_text(summary_line(coverage))}</span>'
        "</summary>\n"
        f"{_table('Dimensions', ('dimension', 'shown', 'how often', 'not shown'), dimensions, 4)}\n"
        f"{_table(f'Cells: {counts(coverage)}', table.heads, rows, first_number)}\n{left_out}</details>"
    )


def _table(caption: str, heads: Iterable[str], rows: Iterable[tuple[str, ...]], first_number: int) -> str:
    head = "".join(
        f'<th scope="col"{_NUMBER if place >= first_number else ""}>{_text(each)}</th>'
        for place, each in enumerate(heads)
    )
    body = "\n".join(_row(each, first_number) for each in rows)
    return (
        f'<div class="rows" tabindex="0" role="region" aria-label="{_text(caption)}"><table>'
        f"<caption>{_text(caption)}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody></table></div>"
    )


def _row(cells: tuple[str, ...], first_number: int) -> str:
    first, *others = cells
    return (
        f'<tr><th scope="row">{_text(first)}</th>'
        + "".join(
            f"<td{_NUMBER if place >= first_number else ''}>{_text(each)}</td>" for place, each in enumerate(others, 1)
        )
        + "</tr>"
    )


def _text(text: str) -> str:
    safe = escape(clean(cut(text, _TEXT_CHARS_MAX)))
    return safe.replace("{", "&#123;").replace("}", "&#125;")
