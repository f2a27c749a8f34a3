"""A task that ends before its time: what it becomes, and what happens to all that hung on its plan."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.ending import end_task
from mock_server.lifecycle import Step
from mock_server.program import Program
from mock_server.scenarios import CallbackStory
from mock_server.settings import Settings
from mock_server.task import Task
from mock_server.twin import Twin, load_program, make_twin
from tests.support import MINIMAL, Caller

PROGRAM = load_program(Settings())
FAILED, SUCCEED = Step("failed", "failure", "stopped by hand"), Step("succeed", "success")
URL = "http://127.0.0.1:9/hook"


def stored(caller: Caller, task_id: str) -> Task:
    task = caller.world.store.find(task_id)
    assert task is not None
    return task


def end(caller: Caller, task_id: str, step: Step, program: Program = PROGRAM) -> Task:
    task = stored(caller, task_id)
    return end_task(caller.world, task, step, caller.clock.now_ms(), program.submits[task.type], CallbackStory())


@given(
    seed=st.integers(0, 1_000),
    share=st.floats(0, 1, exclude_max=True),
    step=st.sampled_from([FAILED, SUCCEED]),
    later=st.integers(0, 10**6),
)
def test_until_now_nothing_changes_and_from_now_on_it_has_ended(
    seed: int, share: float, step: Step, later: int
) -> None:
    caller = Caller(make_twin(Settings(clock="manual", seed=seed), PROGRAM))
    before = stored(caller, caller.created({**MINIMAL, "callback_url": URL, "external_task_id": "mine"}))
    now_ms = before.created_at_ms + int(share * (before.plan.ends_at_ms - before.created_at_ms))
    caller.clock.move_to(now_ms)
    sent = caller.world.outbox.take_due(now_ms)
    after = end(caller, before.id, step)

    taken = len(sent)
    assert after.plan.steps[:taken] == before.plan.steps[:taken]
    assert after.plan.at_ms[:taken] == before.plan.at_ms[:taken]
    assert after.plan.steps[-1] == step
    assert set(after.plan.at_ms[taken:]) == {now_ms}
    assert stored(caller, before.id) is stored(caller, "mine") is after
    assert caller.task(before.id)["task_status"] == step.status
    booked = caller.world.outbox.take_due(now_ms + later)
    assert [each.task.plan.steps[each.step].status for each in booked] == [
        each.status for each in after.plan.steps[taken:]
    ]
    assert len({each.id for each in (*sent, *booked)}) == len(after.plan.steps)
    assert len(caller.world.outbox) == 0


def test_every_move_that_a_client_sees_is_one_of_the_lifecycle(caller: Caller) -> None:
    after = end(caller, caller.created(), SUCCEED)
    assert [step.status for step in after.plan.steps] == ["submitted", "processing", "succeed"]


def test_a_task_that_has_ended_stays_as_it_is(caller: Caller) -> None:
    task_id = caller.created()
    caller.finish(task_id)
    before = stored(caller, task_id)
    with pytest.raises(ValueError, match="has ended before: it is succeed"):
        end(caller, task_id, FAILED)
    assert stored(caller, task_id) is before


def test_a_status_that_no_way_leads_to_changes_nothing(caller: Caller) -> None:
    task_id = caller.created({**MINIMAL, "callback_url": URL})
    before, booked = stored(caller, task_id), len(caller.world.outbox)
    with pytest.raises(ValueError, match="no way leads from the status 'submitted' to 'gone'"):
        end(caller, task_id, Step("gone", "cancelled"))
    assert stored(caller, task_id) is before
    assert len(caller.world.outbox) == booked


def test_its_slot_is_free_at_once_and_no_other(make: Callable[..., Twin]) -> None:
    caller = Caller(make(concurrency=2))
    first, second = caller.created(), caller.created()
    assert caller.submit().status == 429
    end(caller, first, FAILED)
    third = caller.created()
    assert caller.submit().status == 429
    for task_id in (second, third):
        end(caller, task_id, FAILED)
    assert [caller.submit().status for _ in range(3)] == [200, 200, 429]


def test_other_tasks_keep_their_callbacks_and_their_place_in_the_list(caller: Caller) -> None:
    ids = [caller.created({**MINIMAL, "callback_url": URL}) for _ in range(5)]
    end(caller, ids[2], FAILED)
    assert [task["task_id"] for task in caller.listed()] == ids[::-1]
    assert [task["task_status"] for task in caller.listed()].count("failed") == 1
    booked = caller.world.outbox.take_all()
    assert sorted(each.task.id for each in booked) == sorted(3 * (ids[:2] + ids[3:]) + 2 * ids[2:3])


def test_a_task_without_a_callback_gets_none(caller: Caller) -> None:
    end(caller, caller.created(), FAILED)
    assert len(caller.world.outbox) == 0
