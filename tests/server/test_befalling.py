"""What befalls requests by their scenario: faults through the endpoint, and what the developer is told of them."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from mock_server.exchange import Exchange, Reply, Wire
from mock_server.faults import FAULTS
from mock_server.scenario_form import ScenarioError
from mock_server.twin import Twin
from tests.support import MINIMAL, OMNI, Caller, explanation


def armed(caller: Caller, **story: Any) -> Caller:
    """Give the caller's world a scenario of its own."""
    scenario = caller.twin.catalogue.define({"name": "mine", "about": "A test.", **story})
    caller.world.steering.arm(scenario, 1, caller.clock.now_ms())
    return caller


def test_a_submit_may_be_accepted_and_its_reply_lost(caller: Caller) -> None:
    """The client hears nothing, and there is one task, which will be billed."""
    reply = armed(caller, submit=[{"fault": "reset", "then": "store"}]).submit()
    assert reply.wire == Wire(head=False, end="reset")
    (task,) = caller.world.store.tasks()
    assert [each["task_id"] for each in caller.listed()] == [task.id]
    entry = caller.journal.entries[0]
    assert isinstance(entry, Exchange)
    assert entry.task_id == task.id


def test_a_submit_that_is_lost_before_it_is_carried_out_makes_no_task(caller: Caller) -> None:
    reply = armed(caller, submit=[{"fault": "reset", "then": "refuse"}]).submit()
    assert reply.wire == Wire(head=False, end="reset")
    assert caller.world.store.tasks() == []
    assert "never carried out" in explanation(reply)["what"]


@pytest.mark.parametrize("family", FAULTS)
def test_every_fault_can_befall_a_query_and_is_told_of(caller: Caller, family: str) -> None:
    task_id = caller.created()
    reply = armed(caller, query=[{"fault": family}]).query(task_id)
    assert reply.wire is not None
    assert explanation(reply)["what"] == f"query 1 {family}"
    assert explanation(reply)["scenario"] == "mine"
    assert caller.task(task_id)["task_status"] == "submitted"


def test_a_stale_read_shows_the_task_as_it_was_created_or_not_at_all(caller: Caller) -> None:
    task_id = caller.created()
    caller.finish(task_id)
    armed(caller, query=[{"fault": {"stale-read": "first"}}, {"fault": "stale-read"}])
    assert caller.task(task_id)["task_status"] == "submitted"
    assert caller.query(task_id).status == caller.query("nobody").status != 200
    assert caller.task(task_id)["task_status"] == "succeed"


@pytest.mark.parametrize("story", [{"submit": [{"fault": "stale-read"}]}, {"outages": [{"fault": "stale-read"}]}])
def test_only_a_query_reads_what_may_be_stale(caller: Caller, story: Any) -> None:
    with pytest.raises(ScenarioError, match="stale-read is about queries"):
        armed(caller, **story)


def test_an_unknown_status_stands_in_a_list_too(caller: Caller) -> None:
    for _ in range(2):
        caller.created()
    armed(caller, list=[{"fault": {"unknown-status": "archived"}}])
    assert [each["task_status"] for each in caller.listed()] == ["archived", "archived"]


def retry_after(reply: Reply) -> list[bytes]:
    return [value for name, value in reply.headers if name == b"retry-after"]


@pytest.mark.parametrize(
    ("said", "header"),
    [
        ("2s", b"2"),
        ("1001ms", b"2"),
        ("0s", b"0"),
        ({"date": "3s"}, b"Thu, 01 Jan 2026 00:00:03 GMT"),
        ({"date": "3001ms"}, b"Thu, 01 Jan 2026 00:00:04 GMT"),
        ({"text": "abc"}, b"abc"),
        ({"text": "-5"}, b"-5"),
    ],
)
def test_a_refusal_says_when_to_come_back(caller: Caller, said: Any, header: bytes) -> None:
    problem = {"problem": "maintenance"}
    refusals: Any = [problem, {"fault": {"http-error": 503}}, {**problem, "status": 200}]
    armed(caller, submit=[{**each, "retry-after": said} for each in refusals])
    replies = [caller.submit() for _ in refusals]
    assert [each.status for each in replies] == [503, 503, 200]
    assert [retry_after(each) for each in replies] == [[header]] * 3
    assert retry_after(caller.submit()) == []


def test_an_outage_says_when_to_come_back(caller: Caller) -> None:
    armed(caller, outages=[{"problem": "maintenance", "retry-after": "2s"}])
    assert [retry_after(caller.submit()), retry_after(caller.query("nobody"))] == [[b"2"]] * 2


def test_when_to_come_back_is_told_once_where_a_rate_tells_it_too(caller: Caller) -> None:
    gateway = {"fault": {"http-error": 503}, "retry-after": "7s", "times": "always"}
    armed(caller, submit=[gateway], capacity={"rate": {"requests": 1, "per": "1s"}})
    assert [retry_after(caller.submit()) for _ in range(2)] == [[b"7"]] * 2


@pytest.mark.parametrize("status", range(200, 600))
def test_a_refusal_may_have_any_status(caller: Caller, status: int) -> None:
    reply = armed(caller, submit=[{"problem": "maintenance", "status": status}]).submit()
    assert (reply.status, bool(reply.body)) == (status, status not in (204, 304))


def test_a_fault_befalls_a_refusal_as_well(caller: Caller) -> None:
    reply = armed(caller, submit=[{"problem": "maintenance", "fault": "html-page"}]).submit()
    assert reply.status == 503
    assert reply.body.startswith(b"<!DOCTYPE html>")
    assert explanation(reply)["problem"] == "maintenance"


def test_an_answer_takes_as_long_as_its_scenario_says(caller: Caller) -> None:
    armed(caller, latency="2s", submit=[{"fault": {"drip": "5ms"}, "latency": "3s"}])
    assert caller.submit().wire == Wire(delay_ms=3_000, drip_bytes=1, drip_ms=5)
    assert caller.query(caller.world.store.tasks()[0].id).wire == Wire(delay_ms=2_000)


def test_the_same_seed_and_requests_give_the_same_faults(make: Callable[..., Twin]) -> None:
    step = [{"fault": family, "chance": 0.7} for family in FAULTS if family != "stale-read"]

    def talked(seed: int) -> list[Reply]:
        caller = armed(Caller(make(seed=seed)), submit=step, latency={"submit": "1ms..9s"})
        return [caller.submit() for _ in step]

    assert talked(4) == talked(4) != talked(5)


def test_where_nothing_is_spoiled_there_is_no_wire(caller: Caller) -> None:
    armed(caller, submit=["normal"])
    assert caller.submit().wire is None
    assert caller.query("nobody").wire is None


def test_the_prompt_can_ask_for_a_fault(make: Callable[..., Twin], tmp_path: Any) -> None:
    (tmp_path / "lost.yaml").write_text("name: lost\nabout: A test.\nsubmit: [{fault: close}]\n", encoding="utf-8")
    caller = Caller(make(scenarios=tmp_path))
    reply = caller.send("POST", OMNI, msgspec.json.encode({**MINIMAL, "prompt": "A lighthouse. [[scenario: lost]]"}))
    assert reply.wire == Wire(head=False, end="close")
