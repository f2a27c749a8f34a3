"""Behaviour coverage: which behaviour of the server a client was shown.

A cell is an operation, what its answer was, where the task stood, the fault that the answer suffered, and what happened
to callbacks meanwhile. A client that was never shown a cell was not examined there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from contracts.observation import FAULT, Session, explanation
from contracts.wire import Sighting

NONE = "-"


class Cell(msgspec.Struct, frozen=True, order=True):
    """One thing that a client was shown; `-` stands for nothing."""

    operation: str
    answer: str
    state: str = NONE
    fault: str = NONE
    callbacks: str = NONE


def cells_of(session: Session) -> set[Cell]:
    """Return the cells that a session showed."""
    perturbed = _perturbed(session)
    cells = set()
    for each in session.wire:
        faults: Sequence[str] = explanation(each).get(FAULT) or (NONE,)
        cells |= {Cell(each.role or "nowhere", _answer(each), _state(session, each), one, perturbed) for one in faults}
    for attempt in session.attempts:
        answer = f"{attempt.http_status // 100}xx" if attempt.http_status else attempt.outcome
        for one in attempt.faults or (NONE,):
            cells.add(Cell("callback", answer, attempt.status, one))
    return cells


def _answer(sighting: Sighting) -> str:
    """The class of an answer: what a client makes of it depends on no more."""
    told = explanation(sighting)
    if sighting.exchange.reply is None:
        return "broken off"
    if sighting.status == 0:
        return "lost"
    problem = told.get("problem")
    if problem:
        return f"{sighting.status} {problem}"
    return str(sighting.status)


def _state(session: Session, sighting: Sighting) -> str:
    if sighting.told is not None:
        return sighting.told
    task = next((each for each in session.tasks if each.id == sighting.exchange.task_id), None)
    if task is None:
        return NONE
    steps = [
        step.status for step, at in zip(task.plan.steps, task.plan.at_ms, strict=True) if at <= sighting.exchange.at_ms
    ]
    return steps[-1] if steps else task.plan.steps[0].status


def _perturbed(session: Session) -> str:
    faults = sorted({name for each in session.attempts for name in each.faults})
    return "+".join(faults) or NONE


def table(cells: Iterable[Cell]) -> list[tuple[str, str, Mapping[str, int]]]:
    """Return rows of an operation and an answer, with how many cells there are for each state of the task."""
    rows: dict[tuple[str, str], Counter[str]] = {}
    for cell in sorted(cells):
        answer = cell.answer if cell.fault == NONE else f"{cell.answer}, {cell.fault}"
        rows.setdefault((cell.operation, answer), Counter())[cell.state] += 1
    return [(operation, answer, counts) for (operation, answer), counts in rows.items()]
