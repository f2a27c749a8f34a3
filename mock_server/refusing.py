"""The refusals of the endpoint: for each reason the event that `x-refusals` answers, and what the developer is told."""

import traceback
from typing import Any

import msgspec

from mock_server.befalling import Befallen
from mock_server.compiled import Compiled
from mock_server.exchange import First, Incoming
from mock_server.problems import Refused
from mock_server.program import Program
from mock_server.rates import Shortage
from mock_server.redaction import Redactor, key_in
from mock_server.scenarios import Scenario
from mock_server.task import Task
from mock_server.validation import VIOLATIONS_MAX, Violation
from mock_server.worlds import World

# As much of an unknown task's name as is told or kept.
NAME_CHARACTERS_MAX = 100


def nowhere(program: Program, incoming: Incoming) -> Refused:
    """Refuse a path or a method that leads to no operation."""
    match = program.routes.match(incoming.path)
    if match is None:
        explanation = {
            "came": incoming.path[:200].decode("ascii", "replace"),
            "do": "use one of these paths, or add a prefix with --mount",
            "paths": program.routes.paths,
        }
        return Refused("path-unknown", explanation)
    return Refused(
        "method-unknown",
        {"came": incoming.method, "allowed": match.allow, "do": "use an allowed method"},
        headers=((b"allow", match.allow.encode()),),
    )


def violated(
    program: Program, compiled: Compiled, violations: list[Violation], warnings: list[Violation] | None = None
) -> Refused:
    """Refuse what breaks the schema or the rules."""
    explanation: dict[str, Any] = {"violations": list(map(msgspec.structs.asdict, violations))}
    if len(violations) >= VIOLATIONS_MAX:
        explanation["more"] = f"of wrong values the first {VIOLATIONS_MAX} are listed, of broken rules all"
    if warnings:
        explanation["warnings"] = list(map(msgspec.structs.asdict, warnings))
    messages = compiled.submission.validation.wire_messages if compiled.submission else program.wire_messages
    return Refused("violation", explanation, detail=messages.text(violations[0]))


def unknown_task(
    world: World, scenario: Scenario, befallen: Befallen | None, name: str | None, task: Task | None
) -> Refused:
    """Refuse a task that is not there, or is of another type."""
    if task is not None:
        explanation = {"came": name, "do": f"this task is of the type {task.type}: ask for it at its own path"}
    else:
        count = len(world.store)
        explanation = {
            "came": name if name is None else name[:NAME_CHARACTERS_MAX],
            "do": f"ask with the key that the task was submitted with (tasks in this key's world: {count})",
        }
    return Refused("task-unknown", explanation, dialect=scenario.dialect, befallen=befallen)


def short(shortage: Shortage, scenario: Scenario, befallen: Befallen | None, *, default: Scenario) -> Refused:
    """Refuse what the provider has no room for."""
    explanation = {"came": shortage.came, "allowed": shortage.allowed, "do": shortage.do}
    if scenario is not default:
        explanation = {"scenario": scenario.name, **explanation}
    event, dialect = f"problem:{shortage.problem}", scenario.dialect
    return Refused(event, explanation, headers=shortage.headers, dialect=dialect, befallen=befallen)


def refused_by(befallen: Befallen, task_id: str | None = None, first: First | None = None) -> Refused:
    """Refuse as a scenario has it.

    What is never carried out has no answer of its own; that of a crash goes out where the faults leave it.
    """
    problem, dialect = befallen.happening.problem, befallen.scenario.dialect
    billed = befallen.role == "submit" and task_id is not None
    return Refused(
        f"problem:{problem}" if problem is not None else "crash",
        {"note": "the task is created and billed all the same"} if billed else {},
        detail=befallen.happening.message,
        task_id=task_id,
        dialect=dialect,
        befallen=befallen,
        first=first,
    )


def redacted_traceback(error: Exception, world: World, incoming: Incoming, key_header: bytes) -> str:
    """Return where a crash happened, without any key."""
    keys = [key_in(value.decode("latin-1")) for name, value in incoming.headers if name == key_header]
    return Redactor([world.name, *keys]).text("".join(traceback.format_exception(error)))
