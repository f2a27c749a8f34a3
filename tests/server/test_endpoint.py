from mock_server.twin import Twin
from tests.support import Caller


def test_a_submitted_task_can_be_queried(caller: Caller) -> None:
    task_id = caller.created()
    assert caller.task(task_id)["task_status"] == "submitted"
    caller.finish(task_id)
    assert caller.task(task_id)["task_status"] == "succeed"


def test_two_worlds_do_not_share_tasks(twin: Twin) -> None:
    Caller(twin, "a").created()
    assert Caller(twin, "b").listed() == []
