"""The pages of scenarios: list, arm, look, disarm."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from mock_server.catalogue import Changes, ScenariosRefused
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.control.support import Steward, refused


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
        ({"scenario": {"about": ""}}, "shorter than 1 character"),
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "mine", "query: [{problem: maintenance}]")
    write(tmp_path, "above", "extends: mine")
    return tmp_path


@pytest.fixture
def own(program: Program, folder: Path) -> Steward:
    """Somebody who steers a twin with scenarios of the user's, of which one is everybody's."""
    return Steward(make_twin(Settings(clock="manual", scenarios=folder, scenario="mine"), program))


def write(folder: Path, name: str, more: str) -> None:
    (folder / f"{name}.yaml").write_text(f"name: {name}\nabout: Of the user.\n{more}\n", encoding="utf-8")


async def test_a_folder_is_read_again(own: Steward, folder: Path) -> None:
    write(folder, "mine", "query: [{problem: rate-limited}]")
    write(folder, "new", "lifecycle: {pace: 0s}")
    assert await own.post("scenarios/reload") == {"added": ["new"], "changed": ["above", "mine"], "removed": []}
    assert own.caller.query(own.created()).status == 429
    assert (await arm(own, "new"))["armed"]["scenario"] == "new"
    (folder / "new.yaml").unlink()
    assert await own.post("scenarios/reload") == {"added": [], "changed": [], "removed": ["new"]}
    refused(await own.send("PUT", "scenario", {"scenario": "new"}), 422, "there is no scenario 'new'")


async def test_tasks_and_what_is_armed_keep_the_scenario_that_they_have(own: Steward, folder: Path) -> None:
    await arm(own, "above")
    task_id = own.created()
    write(folder, "mine", "query: [{problem: rate-limited}]")
    await own.post("scenarios/reload")
    assert own.caller.query(task_id).status == 503
    assert own.caller.query(own.created()).status == 503
    await own.send("DELETE", "scenario")
    assert own.caller.query(own.created()).status == 429


async def test_one_bad_file_and_all_stays_as_it_was(own: Steward, folder: Path) -> None:
    before = await own.get("scenarios")
    write(folder, "mine", "qury: []")
    write(folder, "new", "lifecycle: {pace: 5}")
    write(folder, "good", "lifecycle: {pace: 0s}")
    told = refused(await own.send("POST", "scenarios/reload"), 422, "stay as they were", "(and 1 more)")
    assert told["complaints"] == [
        {
            "file": str(folder / "mine.yaml"),
            "line": 3,
            "reason": "qury: there is no key 'qury'; did you mean query?",
        },
        {
            "file": str(folder / "new.yaml"),
            "line": 3,
            "reason": "lifecycle/pace: 5 is not a duration: write 5s",
        },
    ]
    assert await own.get("scenarios") == before
    assert own.caller.query(own.created()).status == 503


async def test_the_scenario_of_the_server_must_still_be_there(own: Steward, folder: Path) -> None:
    (folder / "above.yaml").unlink()
    (folder / "mine.yaml").unlink()
    refused(await own.send("POST", "scenarios/reload"), 422, "started with --scenario 'mine': there is no scenario")
    assert own.caller.query(own.created()).status == 503


async def test_a_folder_that_is_gone_changes_nothing(own: Steward, folder: Path) -> None:
    shutil.rmtree(folder)
    refused(await own.send("POST", "scenarios/reload"), 422, "is not a folder")
    assert own.caller.query(own.created()).status == 503


async def test_without_a_folder_there_is_nothing_to_read_again(steward: Steward) -> None:
    refused(await steward.send("POST", "scenarios/reload"), 409, "start the server with --scenarios")
    refused(await steward.send("POST", "scenarios/reload", {"dir": "/"}), 422, "there is no member 'dir'")


def test_a_twin_without_a_folder_says_so_too(twin: Twin) -> None:
    with pytest.raises(ScenariosRefused, match="names no folder"):
        twin.reload_scenarios()


def test_changes_are_told_in_one_line() -> None:
    many = tuple(f"s{number}" for number in range(12))
    assert str(Changes(many, ("a",), ())) == "added s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more; changed a"
    assert str(Changes((), (), ())) == "nothing has changed"
