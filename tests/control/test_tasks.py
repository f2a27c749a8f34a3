"""The tasks of a world as the control API shows them, and ending one by hand."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.control.support import CALLBACK_URL, FakePost, Steward, refused, until


async def test_a_task_is_shown_with_its_plan(steward: Steward) -> None:
    task_id = steward.created(external_task_id="mine", mode="pro", duration="5")
    task = await steward.get(f"tasks/{task_id}")
    assert task == await steward.get("tasks/mine")
    plan = task.pop("plan")
    assert task == {
        "id": task_id,
        "external_id": "mine",
        "type": "omni-video",
        "status": "submitted",
        "final": None,
        "message": "",
        "created_at_ms": 1_767_225_600_000,
        "updated_at_ms": 1_767_225_600_000,
        "ends_at_ms": plan[-1]["at_ms"],
        "units": task["units"],
    }
    assert [each["status"] for each in plan] == ["submitted", "processing", "succeed"]
    assert float(task["units"]) > 0


async def test_a_look_moves_no_task(steward: Steward) -> None:
    task_id = steward.created()
    before = [await steward.get("tasks"), await steward.get(f"tasks/{task_id}")]
    assert [await steward.get("tasks"), await steward.get(f"tasks/{task_id}")] == before


async def test_tasks_are_listed_oldest_first_and_page_by_page(steward: Steward) -> None:
    ids = [steward.created() for _ in range(5)]
    pages = [await steward.get("tasks", page=page, limit=2) for page in (1, 2, 3, 4)]
    assert [task["id"] for page in pages for task in page["tasks"]] == ids
    assert {page["total"] for page in pages} == {5}


async def test_tasks_are_found_by_status_type_and_external_id(steward: Steward) -> None:
    first = steward.created(external_task_id="mine")
    await steward.post("clock/advance", {"by": "10m"})
    second = steward.created()
    for query, ids in (
        ({"status": "succeed"}, [first]),
        ({"status": "submitted"}, [second]),
        ({"external_id": "mine"}, [first]),
        ({"type": "omni-video"}, [first, second]),
        ({"external_id": "other"}, []),
    ):
        assert [task["id"] for task in (await steward.get("tasks", **query))["tasks"]] == ids


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"status": "succeeded"}, "did you mean succeed?"),
        ({"type": "omni"}, "omni-video"),
        ({"page": "0"}, "from 1"),
        ({"limit": "1001"}, "to 1000"),
    ],
)
async def test_a_bad_query_is_refused(steward: Steward, query: dict[str, str], word: str) -> None:
    refused(await steward.send("GET", "tasks", **query), 422, word)


async def test_an_unknown_task_is_refused_and_what_to_do_is_told(steward: Steward) -> None:
    for method, page in (("GET", "tasks/7"), ("POST", "tasks/7/finish"), ("GET", "tasks/a/b")):
        body = {"outcome": "success"} if method == "POST" else None
        refused(await steward.send(method, page, body), 404, "GET /_mock/tasks", "the key")


OUTCOMES: list[tuple[dict[str, str], str, str]] = [
    ({"outcome": "success"}, "succeed", ""),
    ({"outcome": "failure", "message": "by hand"}, "failed", "by hand"),
    ({"outcome": "failure", "message": ""}, "failed", ""),
]


@pytest.mark.parametrize(("body", "status", "message"), OUTCOMES)
async def test_a_task_is_ended_now(steward: Steward, body: dict[str, str], status: str, message: str) -> None:
    task_id = steward.created()
    task = await steward.post(f"tasks/{task_id}/finish", body)
    assert (task["status"], task["message"]) == (status, message)
    assert task["updated_at_ms"] == task["ends_at_ms"] == steward.caller.clock.now_ms()
    assert steward.caller.task(task_id)["task_status"] == status
    assert task == await steward.get(f"tasks/{task_id}")


async def test_a_task_is_ended_for_each_reason_that_the_spec_knows(steward: Steward, program: Program) -> None:
    for name, failure in program.spec.task_types["omni-video"].failures.items():
        task_id = steward.created(external_task_id=name)
        task = await steward.post(f"tasks/{name}/finish", {"outcome": name})
        assert (task["id"], task["status"], task["message"]) == (task_id, "failed", failure.message)
        assert steward.caller.task(task_id)["task_status_msg"] == failure.message


async def test_ending_a_task_keeps_its_history_and_sends_what_happened_now(steward: Steward, post: FakePost) -> None:
    task_id = steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    await steward.post("clock/advance", {"by": "1s"})
    await steward.post(f"tasks/{task_id}/finish", {"outcome": "success"})
    page = await steward.get("journal/wait", kind="callback", count=3, timeout="30s")
    assert [each["status"] for each in page["entries"]] == ["submitted", "processing", "succeed"]
    assert [each["at_ms"] for each in page["entries"]] == [1_767_225_600_000, *[1_767_225_601_000] * 2]
    assert (await steward.get("callbacks", outcome="booked"))["callbacks"] == []


async def test_ending_a_task_frees_its_slot(make: Callable[..., Twin]) -> None:
    steward = Steward(make(concurrency=1))
    task_id = steward.created()
    assert steward.caller.submit().status == 429
    await steward.post(f"tasks/{task_id}/finish", {"outcome": "success"})
    steward.created()


async def test_a_task_that_has_ended_is_not_ended_again(steward: Steward) -> None:
    task_id = steward.created()
    await steward.post("clock/advance", {"by": "10m"})
    before = await steward.get(f"tasks/{task_id}")
    answer = await steward.send("POST", f"tasks/{task_id}/finish", {"outcome": "failure", "message": "late"})
    refused(answer, 409, "has ended before: it is succeed")
    assert await steward.get(f"tasks/{task_id}") == before


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (None, ["outcome", "success"]),
        ({"outcome": "content-rsk"}, ["did you mean content-risk?"]),
        ({"outcome": 7}, ["outcome"]),
        ({"outcome": "failure"}, ["message"]),
        ({"outcome": "success", "message": "x"}, ["no other outcome"]),
        ({"outcome": "failure", "message": 7}, ["a text"]),
        ({"outcome": "failure", "message": "x" * 1_001}, ["1000 characters"]),
        ({"outcom": "success"}, ["did you mean outcome?"]),
        ([], ["a JSON array; an object is expected"]),
        ("success", ["a JSON text"]),
    ],
)
async def test_a_bad_outcome_is_refused_and_the_task_goes_on(steward: Steward, body: Any, words: list[str]) -> None:
    task_id = steward.created()
    before = await steward.get(f"tasks/{task_id}")
    refused(await steward.send("POST", f"tasks/{task_id}/finish", body), 422, *words)
    assert await steward.get(f"tasks/{task_id}") == before


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["submit", "advance", "success", "content-risk"]), max_size=12), st.integers(1, 3))
async def test_whatever_happens_the_slots_taken_are_the_tasks_that_live(
    program: Program, moves: list[str], limit: int
) -> None:
    twin = make_twin(Settings(clock="manual", concurrency=limit), program, post=FakePost)
    steward = Steward(twin)
    for move in moves:
        live = [
            task["id"]
            for status in ("submitted", "processing")
            for task in (await steward.get("tasks", status=status))["tasks"]
        ]
        assert len(live) <= limit
        if move == "submit":
            assert steward.caller.submit().status == (200 if len(live) < limit else 429)
        elif move == "advance":
            await steward.post("clock/advance", {"by": "40s"})
        elif live:
            await steward.post(f"tasks/{live[0]}/finish", {"outcome": move})
