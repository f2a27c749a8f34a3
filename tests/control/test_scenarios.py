"""The pages of scenarios: list, arm, look, disarm."""

from typing import Any

import pytest

from mock_server.twin import Twin
from tests.control.support import Steward


async def arm(steward: Steward, scenario: Any, **more: Any) -> dict[str, Any]:
    answer = await steward.send("PUT", "scenario", {"scenario": scenario, **more})
    assert answer.status_code == 200, answer.text
    state = answer.json()
    assert isinstance(state, dict)
    return state


async def test_every_scenario_is_listed_with_what_can_be_said_besides_its_name(steward: Steward) -> None:
    listed = {each["name"]: each for each in (await steward.get("scenarios"))["scenarios"]}
    assert {"realistic", "instant", "always-failed", "never-finishes", "concurrency-exceeded"} <= set(listed)
    assert [each["name"] for each in listed["maintenance"]["parameters"]] == ["on", "nth", "times"]


async def test_nothing_is_armed_at_first(steward: Steward) -> None:
    assert await steward.get("scenario") == {"default": "realistic", "armed": None}


async def test_what_is_armed_is_played_and_told(steward: Steward) -> None:
    state = await arm(steward, "maintenance; times=2", times=2)
    assert state["armed"]["scenario"] == "maintenance; times=2"
    assert (state["armed"]["left"], state["armed"]["submits"]) == (2, 0)
    assert [steward.caller.submit().status for _ in range(3)] == [503, 503, 200]
    state = await steward.get("scenario")
    assert (state["armed"]["left"], state["armed"]["submits"]) == (1, 0)
    assert [steward.caller.submit().status for _ in range(4)] == [503, 503, 200, 200]
    assert (await steward.get("scenario"))["armed"] is None


async def test_without_a_number_it_is_armed_until_it_is_taken_back(steward: Steward) -> None:
    assert (await arm(steward, "maintenance; times=always"))["armed"]["left"] == "always"
    assert [steward.caller.submit().status for _ in range(3)] == [503, 503, 503]
    assert (await steward.send("DELETE", "scenario")).json()["armed"] is None
    assert steward.caller.submit().status == 200


async def test_a_whole_scenario_can_be_given(steward: Steward) -> None:
    source = {"name": "mine", "about": "Mine.", "query": ["normal", {"problem": "rate-limited"}]}
    assert (await arm(steward, source, times=1))["armed"]["scenario"] == "mine"
    task_id = steward.caller.created()
    assert [steward.caller.query(task_id).status for _ in range(3)] == [200, 429, 200]


async def test_a_reset_takes_back_what_is_armed(steward: Steward) -> None:
    await arm(steward, "maintenance; times=always")
    await steward.post("reset")
    assert (await steward.get("scenario"))["armed"] is None


async def test_it_is_armed_for_one_world(twin: Twin, steward: Steward) -> None:
    await arm(steward, "maintenance; times=always")
    assert (await Steward(twin, "sk-other").get("scenario"))["armed"] is None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"scenario": "maintenence"}, "there is no scenario 'maintenence'; did you mean maintenance?"),
        ({"scenario": "maintenance; onn=query"}, "did you mean on?"),
        ({"scenario": {"name": "mine", "about": "x", "qury": []}}, "qury: there is no key 'qury'; did you mean query?"),
        ({"scenario": {"name": "mine"}}, '"about" is a required property'),
        ({"scenario": 5}, "name one, such as"),
        ({}, "name one, such as"),
        ({"scenario": "instant", "times": 0}, "times: a whole number from 1"),
        ({"scenario": "instant", "times": True}, "times: a whole number from 1"),
        ({"scenario": "instant", "times": "once"}, "or always, is expected"),
        ({"scenaro": "instant"}, "did you mean scenario?"),
        ("instant", "an object is expected"),
    ],
)
async def test_what_cannot_be_armed_is_refused_and_changes_nothing(steward: Steward, body: Any, reason: str) -> None:
    await arm(steward, "rate-limited", times=1)
    before = await steward.get("scenario")
    answer = await steward.send("PUT", "scenario", body)
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert await steward.get("scenario") == before
