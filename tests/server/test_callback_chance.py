"""Callback faults in a twin in process: by chance from the seed, early without a socket, planned anew at an end."""

import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_server.journal import Attempt
from mock_server.outbox import Delivery
from mock_server.transport import TwinTransport, twin_transport
from tests.support import MINIMAL, OMNI, Caller, booked_by

URL = "http://127.0.0.1:9/callback"
MIXED = {
    "faults": [
        {"duplicate": {"times": 2, "after": "3s", "chance": 0.5}},
        {"late": {"by": "1s..2m", "chance": 0.5}},
        {"reorder": {"chance": 0.5}},
        {"lost": {"chance": 0.2}},
        {"forged": {"chance": 0.5}},
        {"stale": {"chance": 0.5}},
    ]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    one = tmp_path_factory.mktemp("scenarios")
    stories: dict[str, dict[str, Any]] = {
        "mixed": {"callbacks": MIXED},
        "early": {"callbacks": {"faults": ["early"]}},
        "early-and-refused": {
            "callbacks": {"faults": ["early"]},
            "submit": [{"problem": "internal-timeout", "then": "store"}],
        },
        "cut": {"callbacks": {"faults": [{"truncated": {"after-bytes": 5}}], "retries": []}},
        "stale": {"callbacks": {"faults": ["stale"]}, "lifecycle": {"pace": "1m"}},
    }
    for name, rest in stories.items():
        source = {"name": name, "about": "A test.", **rest}
        (one / f"{name}.yaml").write_text(json.dumps(source), encoding="utf-8")
    return one


def caller(folder: Path, scenario: str, **more: Any) -> Caller:
    return Caller(twin_transport(scenarios=folder, scenario=scenario, **more).twin)


def schedule(one: Caller) -> list[tuple[Any, ...]]:
    return [(each.id, each.due_ms, each.status, each.spoiling) for each in booked_by(one.world)]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 1_000), tasks=st.integers(1, 5), queries=st.integers(0, 3))
def test_the_same_seed_and_submits_give_the_same_schedule(folder: Path, seed: int, tasks: int, queries: int) -> None:
    """Whatever is asked in between: chance for callbacks is a stream of its own."""
    schedules = []
    for asked in (0, queries):
        one = caller(folder, "mixed", seed=seed)
        for _ in range(tasks):
            task_id = one.created({**MINIMAL, "callback_url": URL})
            for _ in range(asked):
                one.query(task_id)
        schedules.append(schedule(one))
    assert schedules[0] == schedules[1]


def test_worlds_differ_in_nothing_but_their_tags(folder: Path) -> None:
    first = caller(folder, "mixed")
    second = Caller(first.twin, "sk-other")
    for one in (first, second):
        one.created({**MINIMAL, "callback_url": URL})
    assert [each[1:3] for each in schedule(first)] == [each[1:3] for each in schedule(second)]


def test_callback_faults_do_not_disturb_ids_and_paces(folder: Path) -> None:
    mixed, usual = caller(folder, "mixed"), caller(folder, "realistic")
    plans = []
    for one in (mixed, usual):
        ids = [one.created({**MINIMAL, "callback_url": URL}) for _ in range(3)]
        plans.append([(each.id, each.plan) for each in one.world.store.tasks()])
        assert [each[0] for each in plans[-1]] == ids
    assert plans[0] == plans[1]


# Early, in process


class Keeper:
    """A receiver that keeps what comes."""

    def __init__(self) -> None:
        self.came: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.came.append(request)
        return httpx.Response(200)


def received(transport: TwinTransport) -> list[str]:
    return [each.status for each in transport.world("sk-test").journal.entries if isinstance(each, Attempt)]


def submit(transport: TwinTransport) -> httpx.Response:
    with httpx.Client(transport=transport, base_url="https://api.test") as client:
        return client.post(OMNI, json={**MINIMAL, "callback_url": URL}, headers={"authorization": "Bearer sk-test"})


@pytest.mark.parametrize("scenario", ["early", "early-and-refused"])
def test_an_early_one_comes_before_the_answer_in_process(folder: Path, scenario: str) -> None:
    keeper = Keeper()
    transport = twin_transport(scenarios=folder, scenario=scenario, receiver=keeper)
    answer = submit(transport)
    assert answer.status_code == (200 if scenario == "early" else 504)
    assert [json.loads(each.content)["task_status"] for each in keeper.came] == ["submitted"]
    assert received(transport) == ["submitted"]


async def test_an_early_one_comes_before_the_answer_to_an_async_client(folder: Path) -> None:
    transport = twin_transport(scenarios=folder, scenario="early", receiver=Keeper())
    async with httpx.AsyncClient(transport=transport, base_url="https://api.test") as client:
        headers = {"authorization": "Bearer sk-test"}
        answer = await client.post(OMNI, json={**MINIMAL, "callback_url": URL}, headers=headers)
    assert answer.status_code == 200
    assert received(transport) == ["submitted"]


def test_the_explanation_tells_what_goes_first(folder: Path) -> None:
    transport = twin_transport(scenarios=folder, scenario="early", receiver=Keeper())
    told = json.loads(submit(transport).headers["x-mock-explanation"])
    (attempt,) = [each for each in transport.world("sk-test").journal.entries if isinstance(each, Attempt)]
    assert any(attempt.delivery in note for note in told["notes"])


def test_a_cut_body_comes_cut_in_process_too(folder: Path) -> None:
    keeper = Keeper()
    transport = twin_transport(scenarios=folder, scenario="cut", receiver=keeper)
    submit(transport)
    transport.advance("0s", key="sk-test")
    assert keeper.came[0].content == b'{"tas'
    assert int(keeper.came[0].headers["content-length"]) > 5
    (attempt,) = [each for each in transport.world("sk-test").journal.entries if isinstance(each, Attempt)]
    assert (attempt.outcome, attempt.faults) == ("failed", ("truncated",))


# A task that is ended by hand


def test_what_is_stale_comes_after_the_end_that_there_is(folder: Path) -> None:
    transport = twin_transport(scenarios=folder, scenario="stale", receiver=Keeper())
    submit(transport)
    transport.advance("10s", key="sk-test")
    with httpx.Client(transport=transport, base_url="http://localhost") as client:
        headers = {"authorization": "Bearer sk-test"}
        task_id = transport.world("sk-test").store.tasks()[0].id
        ended = client.post(f"/_mock/tasks/{task_id}/finish", json={"outcome": "success"}, headers=headers)
        assert ended.status_code == 200, ended.text
    transport.advance("1h", key="sk-test")
    assert received(transport) == ["submitted", "processing", "succeed", "processing"]


def test_a_delivery_is_told_by_the_step_or_by_its_forgery(folder: Path) -> None:
    one = caller(folder, "mixed", seed=3)
    for _ in range(20):
        one.created({**MINIMAL, "callback_url": URL})
    forged = [each for each in booked_by(one.world) if each.suffers("forged")]
    assert {each.status for each in forged} == {"succeed"}
    plain = msgspec.structs.replace(forged[0], spoiling=None)
    assert isinstance(plain, Delivery)
    assert (plain.status, plain.message) == ("submitted", plain.id)
