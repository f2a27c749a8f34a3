"""Who gets which scenario, and how long: header, directive, armed, the server's own; and the counting of attempts."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.exchange import Exchange
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.support import MINIMAL, OMNI, Caller, explanation, is_refused


def submit(caller: Caller, *, prefer: str | None = None, prompt: str | None = None) -> Any:
    """Submit with a preference, or a prompt, and return the reply."""
    headers = [(b"authorization", f"Bearer {caller.key}".encode()), (b"content-type", b"application/json")]
    headers += [(b"prefer", prefer.encode())] if prefer is not None else []
    body = MINIMAL if prompt is None else {**MINIMAL, "prompt": prompt}
    return caller.send("POST", OMNI, msgspec.json.encode(body), headers=headers)


def query(caller: Caller, task_id: str, prefer: str) -> Any:
    headers = [(b"authorization", f"Bearer {caller.key}".encode()), (b"prefer", prefer.encode())]
    return caller.send("GET", f"{OMNI}/{task_id}", headers=headers)


def arm(caller: Caller, reference: str, times: int | None = None) -> None:
    caller.world.steering.arm(caller.twin.catalogue.choose(reference), times, caller.clock.now_ms())


def statuses(caller: Caller, count: int) -> list[int]:
    """The HTTP statuses of so many submits, one behind the other."""
    return [caller.submit().status for _ in range(count)]


# By header


@pytest.mark.parametrize(
    "prefer",
    [
        "scenario=maintenance",
        'scenario="maintenance"',
        'scenario="maintenance; on=submit"',
        "respond-async, scenario=maintenance;nth=1; times=2, wait=5",
        'handling="a, b", scenario=maintenance',
        "  scenario =  maintenance  ",
    ],
)
def test_a_preference_chooses_by_name(caller: Caller, prefer: str) -> None:
    assert is_refused(submit(caller, prefer=prefer), 503, 5001)


@pytest.mark.parametrize("prefer", ["", "return=minimal", "scenarios=maintenance", 'x="scenario=maintenance"'])
def test_other_preferences_are_none_of_ours(caller: Caller, prefer: str) -> None:
    assert submit(caller, prefer=prefer).status == 200


def test_a_chosen_scenario_is_told_beside_the_reply(caller: Caller) -> None:
    assert explanation(submit(caller, prefer="scenario=instant"))["scenario"] == "instant"
    assert b"x-mock-explanation" not in dict(submit(caller).headers)


def test_an_unknown_scenario_is_refused_with_the_nearest_and_changes_nothing(caller: Caller) -> None:
    reply = submit(caller, prefer="scenario=instnat")
    assert is_refused(reply, 400, 1201)
    assert "there is no scenario 'instnat'; did you mean instant?" in explanation(reply)["reason"]
    assert not len(caller.world.store)
    assert caller.created() == Caller(caller.twin, "another").created()


def test_a_refusal_by_a_scenario_is_explained(caller: Caller) -> None:
    told = explanation(submit(caller, prefer="scenario=maintenance"))
    assert (told["scenario"], told["problem"]) == ("maintenance", "maintenance")
    assert told["what"] == "submit 1 is refused: maintenance"


# By directive


def test_a_directive_in_the_prompt_chooses_by_name(caller: Caller) -> None:
    reply = submit(caller, prompt="A lighthouse. [[scenario: rate-limited; times=2]]")
    assert is_refused(reply, 429, 1302)
    assert explanation(reply)["scenario"] == "rate-limited; times=2"


@pytest.mark.parametrize("prompt", ["[scenario: x]", "[[scenery: x]]", "scenario: instant"])
def test_what_is_no_directive_is_a_prompt(caller: Caller, prompt: str) -> None:
    assert submit(caller, prompt=prompt).status == 200


def test_a_directive_elsewhere_in_the_body_is_none(caller: Caller) -> None:
    assert caller.submit({**MINIMAL, "external_task_id": "[[scenario: maintenance]]"}).status == 200


@pytest.mark.parametrize(
    "prompt", ["[[scenario: nope]]", "[[scenario: instant] x", "[[scenario: instant]] [[scenario: realistic]]"]
)
def test_a_directive_that_leads_nowhere_is_refused(caller: Caller, prompt: str) -> None:
    assert is_refused(submit(caller, prompt=prompt), 400, 1201)
    assert not len(caller.world.store)


# Which first


def test_the_first_that_says_something_wins(make: Callable[..., Twin]) -> None:
    caller = Caller(make(scenario="internal-error; times=always"))
    assert caller.submit().status == 500
    arm(caller, "maintenance; times=always")
    assert caller.submit().status == 503
    assert submit(caller, prompt="[[scenario: rate-limited; times=always]]").status == 429
    both = submit(caller, prompt="[[scenario: rate-limited; times=always]]", prefer="scenario=access-denied")
    assert both.status == 403


# A task keeps its scenario


def test_a_task_keeps_the_scenario_it_was_submitted_with(caller: Caller) -> None:
    arm(caller, "maintenance; on=query; times=2")
    task_id = caller.created()
    caller.world.steering.disarm()
    assert [caller.query(task_id).status for _ in range(4)] == [503, 503, 200, 200]


def test_queries_are_counted_for_each_task(caller: Caller) -> None:
    arm(caller, "maintenance; on=query; nth=2")
    one, two = caller.created(), caller.created()
    asked = [caller.query(each).status for each in (one, two, one, two, one, two)]
    assert asked == [200, 200, 503, 503, 200, 200]


def test_what_is_armed_answers_for_tasks_that_nobody_chose_a_scenario_for(caller: Caller) -> None:
    task_id = caller.created()
    arm(caller, "maintenance; on=query; times=always")
    assert caller.query(task_id).status == 503
    assert caller.query("nobody-knows").status == 503
    caller.world.steering.disarm()
    assert caller.query(task_id).status == 200


def test_a_query_may_prefer_for_itself(caller: Caller) -> None:
    task_id = caller.created()
    assert query(caller, task_id, "scenario=maintenance; on=query").status == 503
    assert query(caller, task_id, "scenario=maintenance; on=query").status == 200
    assert caller.query(task_id).status == 200
    assert query(caller, task_id, "scenario=nope").status == 400


def test_lists_are_counted_for_the_world(caller: Caller) -> None:
    arm(caller, "maintenance; on=list; nth=2")
    assert [caller.send("GET", OMNI).status for _ in range(3)] == [200, 503, 200]


def test_one_world_s_scenario_is_not_another_s(twin: Twin) -> None:
    one, two = Caller(twin, "one"), Caller(twin, "two")
    arm(one, "maintenance; times=always")
    assert (one.submit().status, two.submit().status) == (503, 200)


# How long


@pytest.mark.parametrize(
    ("reference", "times", "expected"),
    [
        ("maintenance", 1, [503, 200, 200, 200, 200, 200]),
        ("maintenance", 2, [503, 200, 503, 200, 200, 200]),
        ("maintenance; times=2", 1, [503, 503, 200, 200, 200, 200]),
        ("maintenance; nth=3", 1, [200, 200, 503, 200, 200, 200]),
        ("maintenance; nth=2", 2, [200, 503, 200, 503, 200, 200]),
        ("maintenance; nth=2", None, [200, 503, 200, 503, 200, 503]),
        ("maintenance; times=always", 1, [503, 503, 503, 503, 503, 503]),
    ],
)
def test_an_armed_scenario_is_played_so_often(
    caller: Caller, reference: str, times: int | None, expected: list[int]
) -> None:
    arm(caller, reference, times)
    assert statuses(caller, 6) == expected


def test_without_a_list_of_submits_a_play_is_one_task(caller: Caller) -> None:
    arm(caller, "always-failed", 2)
    ids = [caller.created() for _ in range(3)]
    for each in ids:
        caller.finish(each)
    assert [caller.task(each)["task_status"] for each in ids] == ["failed", "failed", "succeed"]


def test_a_submit_that_breaks_a_rule_is_no_attempt(caller: Caller) -> None:
    arm(caller, "maintenance", 1)
    assert caller.submit({"prompt": 5}).status == 400
    assert statuses(caller, 2) == [503, 200]


def test_the_server_s_own_scenario_is_counted_once_for_each_world(make: Callable[..., Twin]) -> None:
    twin = make(scenario="maintenance")
    assert statuses(Caller(twin, "one"), 3) == [503, 200, 200]
    assert statuses(Caller(twin, "two"), 3) == [503, 200, 200]


@given(
    nth=st.integers(1, 4),
    times=st.one_of(st.integers(1, 3), st.just("always")),
    role=st.sampled_from(["query", "list"]),
)
def test_exactly_the_named_attempts_are_refused(program: Program, nth: int, times: int | str, role: str) -> None:
    twin = make_twin(Settings(clock="manual", scenario=f"maintenance; on={role}; nth={nth}; times={times}"), program)
    caller = Caller(twin)
    task_id = caller.created()
    asked = [(caller.query(task_id) if role == "query" else caller.send("GET", OMNI)).status for _ in range(8)]
    end = 8 if isinstance(times, str) else nth + times - 1
    assert asked == [503 if nth <= attempt <= end else 200 for attempt in range(1, 9)]


# What a scenario does


def test_a_submit_may_be_refused_and_stored_all_the_same(caller: Caller) -> None:
    source = {"name": "lost", "about": "x", "submit": [{"problem": "internal-timeout", "then": "store"}]}
    caller.world.steering.arm(caller.twin.catalogue.define(source), 1, caller.clock.now_ms())
    reply = caller.submit({**MINIMAL, "external_task_id": "mine"})
    assert is_refused(reply, 504, 5002)
    assert "created and billed" in explanation(reply)["note"]
    task = caller.task("mine")
    entry = next(each for each in caller.journal.entries if isinstance(each, Exchange))
    assert entry.task_id == task["task_id"]
    assert is_refused(caller.submit({**MINIMAL, "external_task_id": "mine"}), 400, 1201)


def test_instant_tasks_are_created_as_always_and_have_succeeded_at_the_first_query(make: Callable[..., Twin]) -> None:
    caller = Caller(make(scenario="instant"))
    body = msgspec.json.decode(caller.submit().body)
    assert body["data"]["task_status"] == "submitted"
    assert caller.task(body["data"]["task_id"])["task_status"] == "succeed"


def test_a_task_that_never_finishes_holds_its_slot(make: Callable[..., Twin]) -> None:
    caller = Caller(make(scenario="never-finishes", concurrency=1))
    task_id = caller.created()
    caller.clock.move_to(caller.clock.now_ms() + 365 * 86_400_000)
    assert caller.task(task_id)["task_status"] == "processing"
    assert is_refused(caller.submit(), 429, 1303)


def test_the_same_scenario_and_the_same_requests_give_the_same_bytes(program: Program) -> None:
    def bodies() -> list[bytes]:
        twin = make_twin(Settings(clock="manual", scenario="maintenance; on=query; nth=2", seed=7), program)
        caller = Caller(twin)
        task_id = caller.created()
        return [caller.query(task_id).body for _ in range(4)]

    assert bodies() == bodies()
