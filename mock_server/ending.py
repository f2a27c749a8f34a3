"""Ends a task before its time: a client cancels it, or the developer wants to see it finished or failed now.

The task gets a new plan, which is the old one up to now and ends in this moment. What hangs on the plan follows: its
slot and its place are free, callbacks of what will not happen any more are forgotten, and those of what happened now
are booked.
"""

import msgspec

from mock_server.callback_plan import Case, plan_deliveries
from mock_server.compiled import Compiled
from mock_server.decoding import decode_body
from mock_server.lifecycle import Step, cut_short, step_index
from mock_server.scenarios import CallbackStory
from mock_server.task import Task
from mock_server.worlds import World


def end_task(world: World, task: Task, end: Step, now_ms: int, submit: Compiled, story: CallbackStory) -> Task:
    """End `task` now with the step `end`, and return it as it is from now on.

    Statuses that the lifecycle has on the way to that of `end` are passed through, in no time. `submit` is the
    operation that such tasks come from, `story` what its scenario says of its callbacks. Raise ValueError, and change
    nothing, where the task has ended before, and where no way leads from its status to that of `end`.
    """
    current = step_index(task.plan, now_ms)
    status, final = task.plan.steps[current].status, task.plan.steps[current].final
    if final is not None:
        raise ValueError(f"the task {task.id} has ended before: it is {status}")
    passed = submit.task_type.lifecycle.between(status, end.status)[:-1]
    ended = msgspec.structs.replace(task, plan=cut_short(task.plan, now_ms, (*map(Step, passed), end)))
    submission = submit.submission
    assert submission is not None
    body = decode_body(task.body)
    world.store.replace(task, ended)
    world.capacity.ended(task, now_ms)
    world.outbox.drop(task.id, current)
    if submission.delivery is not None and (url := submission.callback_url(body)) is not None:
        statuses = submission.callback_statuses(body)
        case = Case(ended, submit.task_type, url, world.tag, world.callback_chance, current + 1)
        world.outbox.book_all(plan_deliveries(case, statuses, story))
    return ended
