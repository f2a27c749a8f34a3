"""The pages of a world's tasks: list them, look at one, end one now."""

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from mock_server.control.asking import BadInput, shown
from mock_server.control.base import Asked, ControlError, in_turns
from mock_server.control.paging import read_paging
from mock_server.ending import end_task
from mock_server.lifecycle import Step, step_index
from mock_server.names import nearest
from mock_server.spec import TaskType
from mock_server.task import Task

_SUCCESS, _FAILURE = "success", "failure"
# Providers' messages are a sentence; a longer one is no test of anything.
_MESSAGE_CHARACTERS_MAX = 1_000


async def listed(asked: Asked) -> Response:
    """Answer with the tasks that a query asks for, oldest first."""
    types = asked.twin.program.spec.task_types
    statuses = sorted({status for each in types.values() for status in each.lifecycle.statuses})
    status, task_type = asked.query.choice("status", statuses), asked.query.choice("type", list(types))
    external_id = asked.query.text("external_id")
    paging, now_ms = read_paging(asked.query), asked.world.clock.now_ms()
    found: list[dict[str, Any]] = []
    total = 0
    async for task in in_turns(asked.world.store.tasks()):
        if (
            task_type in (None, task.type)
            and external_id in (None, task.external_id)
            and status in (None, task.plan.steps[step_index(task.plan, now_ms)].status)
        ):
            if paging.holds(total):
                found.append(_shown(asked, task, now_ms))
            total += 1
    return asked.json({"tasks": found, "total": total, "now_ms": now_ms})


async def one(asked: Asked) -> Response:
    """Answer with one task."""
    return asked.json(_shown(asked, find_task(asked), asked.world.clock.now_ms()))


async def finished(asked: Asked) -> Response:
    """End a task now: `{"outcome": "success"}`, the name of a failure, or `failure` with a message."""
    body = await asked.body("outcome", "message")
    task = find_task(asked)
    program, now_ms = asked.twin.program, asked.world.clock.now_ms()
    story = asked.twin.endpoint.scenarios.of(task).callbacks
    end = _end(program.spec.task_types[task.type], body)
    try:
        ended = end_task(asked.world, task, end, now_ms, program.submits[task.type], story)
    except ValueError as error:
        raise ControlError(HTTPStatus.CONFLICT, f"{error}; only a task that is under way can be ended") from None
    return asked.json(_shown(asked, ended, now_ms))


def find_task(asked: Asked) -> Task:
    """Return the task that the path names; raise ControlError where there is none."""
    name, store = asked.path("task_id"), asked.world.store
    task = store.find(name)
    if task is None:
        raise ControlError(
            HTTPStatus.NOT_FOUND,
            f"the world of this key has no task {shown(name)} among {len(store)}; "
            "GET /_mock/tasks lists them, and the key must be the one that it was submitted with",
        )
    return task


def _end(task_type: TaskType, body: dict[str, Any]) -> Step:
    outcome, message = body.get("outcome"), body.get("message")
    names = [_SUCCESS, _FAILURE, *task_type.failures]
    if outcome not in names:
        hint = nearest(outcome, names) if isinstance(outcome, str) else f"there are {', '.join(names)}"
        came = shown(outcome) if isinstance(outcome, str) else "no text"
        raise BadInput(f"outcome: {came} came; {hint}")
    if (message is not None) != (outcome == _FAILURE):
        raise BadInput('a message goes with {"outcome": "failure", "message": "…"}, and with no other outcome')
    lifecycle, pace_ms = task_type.lifecycle, task_type.pace_ms
    if outcome == _SUCCESS:
        return lifecycle.succeeding(pace_ms).steps[-1]
    if outcome != _FAILURE:
        message = task_type.failures[outcome].message
    if not isinstance(message, str) or len(message) > _MESSAGE_CHARACTERS_MAX:
        raise BadInput(f"message: a text of at most {_MESSAGE_CHARACTERS_MAX} characters is expected")
    try:
        return lifecycle.failing(message, pace_ms).steps[-1]
    except ValueError as error:
        raise ControlError(HTTPStatus.CONFLICT, str(error)) from None


def _shown(asked: Asked, task: Task, now_ms: int) -> dict[str, Any]:
    plan = task.plan
    step = step_index(plan, now_ms)
    return {
        "id": task.id,
        "external_id": task.external_id,
        "type": task.type,
        "status": plan.steps[step].status,
        "final": plan.steps[step].final,
        "message": plan.steps[step].message,
        "created_at_ms": task.created_at_ms,
        "updated_at_ms": plan.at_ms[step],
        "ends_at_ms": plan.at_ms[-1] if plan.steps[-1].final is not None else None,
        "plan": [{"status": each.status, "at_ms": at_ms} for each, at_ms in zip(plan.steps, plan.at_ms, strict=True)],
        "units": asked.twin.program.replies[task.type].units(task),
    }
