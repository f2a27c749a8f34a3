"""How coverage is said: a line in all, a line for each dimension, and the rows of a table. All reports use it."""

from collections.abc import Iterable

import msgspec

from contracts.report.model import Coverage, Dimension, ShownCell

NONE = "–"
# How a cell says that there was no operation, and no task.
_NONE = "-"


class Row(msgspec.Struct, frozen=True):
    """One row of the table: what was shown, with how often for each status of the task."""

    operation: str
    answer: str
    faults: str
    callbacks: str
    counts: tuple[int, ...]

    @property
    def answer_with_faults(self) -> str:
        """The answer and what its reply suffered, for a narrow table."""
        return self.answer if self.faults == NONE else f"{self.answer}: {self.faults}"

    @property
    def words(self) -> tuple[str, ...]:
        """What stands in all its columns; nothing where it was not shown."""
        return self.operation, self.answer, self.faults, self.callbacks, *(str(each or "") for each in self.counts)


class Table(msgspec.Struct, frozen=True):
    """The cells as a table. `statuses` are its last columns; `left_out` is how many rows it does not have."""

    statuses: tuple[str, ...]
    rows: tuple[Row, ...]
    left_out: int = 0

    @property
    def heads(self) -> tuple[str, ...]:
        """The heads of all columns."""
        return ("operation", "answer", "reply faults", "callback faults", *self.statuses)


def summary_line(coverage: Coverage) -> str:
    """Say in a line how much of each dimension was shown; empty where nobody looked."""
    if not coverage.dimensions:
        return ""
    parts = ", ".join(f"{len(each.shown)} of {each.total} {each.name}" for each in coverage.dimensions)
    return f"shown: {parts}; {counts(coverage)}"


def counts(coverage: Coverage) -> str:
    """Say how many cells there are, and in how many exchanges and callbacks they were shown."""
    cells = _counted(len(coverage.cells), "cell")
    exchanges, callbacks = _counted(coverage.exchanges, "exchange"), _counted(coverage.callbacks, "callback")
    return f"{cells} in {exchanges} and {callbacks}"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def dimension_lines(coverage: Coverage) -> list[str]:
    """Say for each dimension how much of it was shown, and what was not."""
    lines = []
    for each in coverage.dimensions:
        missing = f"; not shown: {missing_of(each)}" if each.missing else ""
        lines.append(f"{each.name} {len(each.shown)} of {each.total}{missing}")
    return lines


def shown_of(dimension: Dimension) -> str:
    """Say what was shown of a dimension, and how often."""
    return ", ".join(f"{name} {count}" for name, count in dimension.shown.items()) or "nothing"


def missing_of(dimension: Dimension) -> str:
    """Say what was not shown of a dimension."""
    return ", ".join(dimension.missing) or "nothing"


def table_of(coverage: Coverage, rows_max: int | None = None) -> Table:
    """Return the cells as a table; with `rows_max` its rows that were shown most often, in their order."""
    known = next((tuple(each.shown) for each in coverage.dimensions if each.name == "statuses"), ())
    states = tuple(dict.fromkeys((*known, *sorted({each.state for each in coverage.cells} - {_NONE}), _NONE)))
    states = tuple(each for each in states if any(cell.state == each for cell in coverage.cells))
    found: dict[tuple[str, str, str, str], list[int]] = {}
    for cell in coverage.cells:
        numbers = found.setdefault(_what(cell), [0] * len(states))
        numbers[states.index(cell.state)] += cell.count
    kept = list(found)
    if rows_max is not None and len(kept) > rows_max:
        often = set(sorted(kept, key=lambda what: -sum(found[what]))[:rows_max])
        kept = [each for each in kept if each in often]
    return Table(
        tuple("no task" if each == _NONE else each for each in states),
        tuple(Row(*each, tuple(found[each])) for each in kept),
        len(found) - len(kept),
    )


def _what(cell: ShownCell) -> tuple[str, str, str, str]:
    operation = "no operation" if cell.operation == _NONE else cell.operation
    return operation, cell.answer, _joined(cell.faults), _joined(cell.callbacks)


def _joined(names: Iterable[str]) -> str:
    return ", ".join(names) or NONE
