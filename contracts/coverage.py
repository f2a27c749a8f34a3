"""Behaviour coverage: which behaviour of the server a client was shown, and which it was not.

    cell = operation × answer × status of the task × reply faults × callback faults

A client that was never shown a cell was not examined there. Counters of cells add up over sessions, and over runs. How
many cells there could be means nothing: most of them cannot come about. So what was not shown is told by dimension, and
each dimension is the twin's own table: the spec's operations, problems and statuses, and the language of scenarios.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping

import msgspec

from contracts.observation import FAULT, Session, explanation
from contracts.report.model import Coverage, Dimension, ShownCell
from contracts.wire import Sighting
from mock_server.callback_faults import CALLBACK_FAULTS
from mock_server.exchange import Wire
from mock_server.faults import FAULTS
from mock_server.journal import Attempt
from mock_server.lifecycle import step_index
from mock_server.program import Program
from mock_server.task import Task

NONE = "-"
# In place of an operation where the server spoke first.
CALLBACK = "callback"

SUCCESS = "success"
# What an answer is that is neither a success nor a problem of the spec.
LOST, CUT_OFF, NOT_HTTP = "lost", "cut off", "not HTTP"
LEFT, BROKEN_OFF = "left before it was out", "request broken off"
# A whole reply that says something else than the provider would, by the class of its status.
_SPOILED: Mapping[int, str] = {hundreds: f"spoiled {hundreds}xx" for hundreds in (2, 3, 4, 5)}
# Faults that leave what a whole reply says as it is.
SAY_THE_SAME = frozenset(("rewritten", "drip", "close", "stale-read"))
ANSWERS = (SUCCESS, *_SPOILED.values(), CUT_OFF, LOST, NOT_HTTP, LEFT, BROKEN_OFF)

FIRST, AGAIN, NEVER_SENT = "first attempt", "later attempt", "lost"
ATTEMPTS = (FIRST, AGAIN, NEVER_SENT)
# What became of an attempt that the client was never shown, and that no scenario kept from it.
_NOT_SHOWN = ("refused", "abandoned")


class Cell(msgspec.Struct, frozen=True, order=True):
    """One thing that a client was shown; `-` stands for none.

    `state` is the status of the task at that moment, or what a callback told. `faults` are those of the reply, and
    `callbacks` what the callbacks of the task had suffered so far; of a callback, what it suffers itself.
    """

    operation: str
    answer: str
    state: str = NONE
    faults: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()


class Universe(msgspec.Struct, frozen=True):
    """All that there is to be shown, by dimension."""

    operations: tuple[str, ...]
    problems: tuple[str, ...]
    statuses: tuple[str, ...]
    answers: tuple[str, ...] = ANSWERS
    reply_faults: tuple[str, ...] = tuple(FAULTS)
    attempts: tuple[str, ...] = ATTEMPTS
    callback_faults: tuple[str, ...] = tuple(CALLBACK_FAULTS)


def universe_of(program: Program) -> Universe:
    """Return what a twin with this program can show."""
    types = program.spec.task_types.values()
    return Universe(
        operations=tuple(each.id for each in program.operations),
        problems=tuple(program.spec.problems),
        statuses=tuple(dict.fromkeys(name for each in types for name in each.lifecycle.statuses)),
    )


def cells_of(session: Session) -> Counter[Cell]:
    """Return the cells that a session showed, with how many exchanges or callbacks showed each."""
    tasks = {each.id: each for each in session.tasks}
    cells = Counter(_of_exchange(session, tasks, each) for each in session.wire)
    cells.update(_of_attempt(each) for each in session.attempts if each.outcome not in _NOT_SHOWN)
    return cells


def _of_exchange(session: Session, tasks: Mapping[str, Task], sighting: Sighting) -> Cell:
    return Cell(
        sighting.exchange.operation or NONE,
        _answer(sighting),
        _state(tasks, sighting),
        _names(explanation(sighting).get(FAULT) or ()),
        _suffered(session.attempts, sighting) if session.attempts else (),
    )


def _of_attempt(attempt: Attempt) -> Cell:
    answer = NEVER_SENT if attempt.outcome == "lost" else FIRST if attempt.attempt == 1 else AGAIN
    return Cell(CALLBACK, answer, attempt.status, (), _names(attempt.faults))


def _answer(sighting: Sighting) -> str:
    """The class of an answer, by what of it came: a problem that was lost was not shown."""
    reply, told = sighting.exchange.reply, explanation(sighting)
    if reply is None:
        return BROKEN_OFF
    wire = reply.wire or Wire()
    if wire.raw is not None:
        return NOT_HTTP
    if not wire.head:
        return LOST
    if sighting.left is not None:
        return LEFT
    if wire.body_bytes is not None:
        return CUT_OFF
    if not SAY_THE_SAME.issuperset(told.get(FAULT) or ()):
        return _SPOILED.get(reply.status // 100, NOT_HTTP)
    return str(told.get("problem") or SUCCESS)


def _state(tasks: Mapping[str, Task], sighting: Sighting) -> str:
    """The status of the task that an exchange was about, at the moment of the answer, whether that told it or not."""
    if sighting.told is not None:
        return sighting.told
    # A query that does not see its task names it all the same.
    named = sighting.exchange.incoming.path.rpartition(b"/")[2].decode("latin-1")
    task = tasks.get(sighting.exchange.task_id or named)
    if task is None:
        return NONE
    step = 0 if sighting.role == "submit" else step_index(task.plan, sighting.exchange.at_ms)
    return task.plan.steps[step].status


def _suffered(attempts: Iterable[Attempt], sighting: Sighting) -> tuple[str, ...]:
    """What the callbacks of the task had suffered by then. An early one goes out ahead of the reply to the submit."""
    task_id, at_ms = sighting.exchange.task_id, sighting.exchange.at_ms
    return _names(
        name
        for each in attempts
        if each.task_id == task_id and (each.at_ms <= at_ms or "early" in each.faults)
        for name in each.faults
    )


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


# What members of a dimension a cell shows.
_MEMBERS: Mapping[str, Callable[[Cell], Iterable[str]]] = {
    "operations": lambda cell: (cell.operation,),
    "answers": lambda cell: (cell.answer,) if cell.operation != CALLBACK else (),
    "problems": lambda cell: (cell.answer,) if cell.operation != CALLBACK else (),
    "statuses": lambda cell: (cell.state,),
    "reply faults": lambda cell: cell.faults,
    "callback attempts": lambda cell: (cell.answer,) if cell.operation == CALLBACK else (),
    "callback faults": lambda cell: cell.callbacks if cell.operation == CALLBACK else (),
}


def coverage_of(cells: Mapping[Cell, int], universe: Universe) -> Coverage:
    """Return what cells come to, as reports have it."""
    all_of = {
        "operations": universe.operations,
        "answers": universe.answers,
        "problems": universe.problems,
        "statuses": universe.statuses,
        "reply faults": universe.reply_faults,
        "callback attempts": universe.attempts,
        "callback faults": universe.callback_faults,
    }
    callbacks = sum(count for cell, count in cells.items() if cell.operation == CALLBACK)
    return Coverage(
        exchanges=sum(cells.values()) - callbacks,
        callbacks=callbacks,
        dimensions=tuple(_dimension(cells, name, members) for name, members in all_of.items()),
        cells=tuple(
            ShownCell(each.operation, each.answer, each.state, each.faults, each.callbacks, cells[each])
            for each in sorted(cells)
        ),
    )


def _dimension(cells: Mapping[Cell, int], name: str, members: Iterable[str]) -> Dimension:
    counts: Counter[str] = Counter()
    for cell, count in cells.items():
        for member in _MEMBERS[name](cell):
            counts[member] += count
    members = tuple(members)
    return Dimension(
        name,
        {each: counts[each] for each in members if counts[each]},
        tuple(each for each in members if not counts[each]),
    )
