"""Coverage on a terminal: a line in all, or the whole as tables."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contracts.report.coverage_words import (
    counts,
    missing_of,
    shown_of,
    summary_line,
    table_of,
)
from contracts.report.model import Coverage
from contracts.report.terminal import Pen

# As much as a dimension has to say: a spec may list hundreds of problems.
_LINE_CHARS_MAX = 2_000


def print_line(coverage: Coverage, console: Console) -> None:
    """Print how much was shown, in one line, and how to see all of it."""
    if line := summary_line(coverage):
        console.print(_text(Pen(console), f"{line} (--coverage tells all)"))


def print_coverage(coverage: Coverage, console: Console) -> None:
    """Print all of it: what was shown of each dimension and what was not, and each cell."""
    if not coverage.dimensions:
        return
    pen = Pen(console)
    shape = box.SIMPLE_HEAD if pen.unicode else box.ASCII
    dimensions = Table("dimension", "", "shown, and how often", "not shown", box=shape, pad_edge=False)
    for each in coverage.dimensions:
        of = f"{len(each.shown)} of {each.total}"
        dimensions.add_row(*(_text(pen, text) for text in (each.name, of, shown_of(each), missing_of(each))))
    table = table_of(coverage)
    cells = Table(box=shape, pad_edge=False, collapse_padding=True)
    cells.add_column("operation", no_wrap=True)
    cells.add_column("answer", overflow="fold")
    cells.add_column("callback faults", overflow="fold")
    for status in table.statuses:
        cells.add_column(_text(pen, status), justify="right", no_wrap=True)
    for row in table.rows:
        words = (row.operation, row.answer_with_faults, row.callbacks, *(str(each or "") for each in row.counts))
        cells.add_row(*(_text(pen, each) for each in words))
    console.print(dimensions)
    if table.rows:
        console.print(cells)
    pen.line((counts(coverage), "dim"))


def _text(pen: Pen, text: str) -> Text:
    return Text(pen.said(text, _LINE_CHARS_MAX))
