"""Waiting on the journal: as soon as it holds, or the time is over, or it is sure that it never will."""

import asyncio
import json
from typing import Any

import pytest

from mock_server.app import App
from mock_server.clock import SystemClock
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from mock_server.worlds import Bounds
from tests.control.support import CALLBACK_URL, PATIENCE_SECONDS, FakePost, Steward, good, refused, until


async def started(steward: Steward, **query: Any) -> "asyncio.Task[Any]":
    """Begin to wait, and return when the twin knows of it."""
    known = len(steward.twin.readers)
    waiting = asyncio.create_task(steward.send("GET", "journal/wait", **{"timeout": "30s", **query}))
    await until(lambda: len(steward.twin.readers) > known)
    return waiting


def numbers(page: dict[str, Any]) -> list[int]:
    return [each["number"] for each in page["entries"]]


async def test_what_is_there_already_counts(steward: Steward) -> None:
    steward.created()
    steward.created()
    page = await steward.get("journal/wait", count=2)
    assert (numbers(page), page["next"]) == ([1, 2], 2)


async def test_after_a_number_only_what_follows_counts(steward: Steward) -> None:
    steward.created()
    waiting = await started(steward, after=1)
    assert not waiting.done()
    steward.created()
    assert numbers(good(await waiting)) == [2]


async def test_it_answers_with_as_many_as_were_asked_for_and_no_more(steward: Steward) -> None:
    for _ in range(3):
        steward.created()
    page = await steward.get("journal/wait", count=2)
    assert (numbers(page), page["next"]) == ([1, 2], 2)


async def test_it_looks_for_what_the_filter_names(steward: Steward) -> None:
    waiting = await started(steward, http_status="4xx", count=2)
    for name in ("1", "2"):
        steward.created()
        steward.caller.query(name)
    assert numbers(good(await waiting)) == [2, 4]


async def test_after_the_time_out_it_tells_what_did_come(steward: Steward) -> None:
    steward.created()
    answer = await steward.send("GET", "journal/wait", count=2, timeout="1ms")
    document = refused(answer, 408, "1 of 2 came")
    assert (numbers(document), document["next"], document["dropped"]) == ([1], 1, 0)
    assert len(steward.twin.readers) == 0


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"count": "1001"}, ["from 1 to 1000"]),
        ({"count": "0"}, ["from 1 to 1000"]),
        ({"timeout": "61s"}, ["at most 60s"]),
        ({"timeout": "5"}, ["is not a duration"]),
        ({"timeout": "-5s"}, ["is not a duration"]),
        ({"cout": "1"}, ["did you mean count?"]),
        ({"limit": "1"}, ["no query parameter 'limit'"]),
    ],
)
async def test_a_wait_that_cannot_be_is_refused_at_once(
    steward: Steward, query: dict[str, str], words: list[str]
) -> None:
    refused(await steward.send("GET", "journal/wait", **query), 422, *words)


async def test_under_a_manual_clock_a_callback_that_is_due_later_never_comes(steward: Steward) -> None:
    steward.created(callback_url=CALLBACK_URL)
    answer = await steward.send("GET", "journal/wait", status="succeed", timeout="60s")
    document = refused(answer, 409, "0 of 1 came", "never", "POST /_mock/clock/advance")
    due_ms = json.loads("{" + document["detail"].partition("{")[2])["to_ms"]
    await steward.post("clock/advance", {"to_ms": due_ms})
    page = await steward.get("journal/wait", status="succeed")
    assert [each["status"] for each in page["entries"]] == ["succeed"]


async def test_a_callback_that_is_under_way_is_waited_for(steward: Steward, post: FakePost) -> None:
    post.free.clear()
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    waiting = await started(steward, kind="callback")
    assert not waiting.done()
    post.free.set()
    assert [each["status"] for each in good(await waiting)["entries"]] == ["submitted"]


async def test_when_the_one_under_way_has_ended_the_rest_never_comes(steward: Steward, post: FakePost) -> None:
    post.free.clear()
    steward.created(callback_url=CALLBACK_URL)
    waiting = await started(steward, kind="callback", count=2)
    await until(lambda: len(post.bodies) == 1)
    post.free.set()
    document = refused(await waiting, 409, "1 of 2 came", "never")
    assert [each["status"] for each in document["entries"]] == ["submitted"]


async def test_a_callback_of_a_task_to_come_is_waited_for(steward: Steward) -> None:
    """Nothing is booked, but whoever submits now has a callback sent at once."""
    waiting = await started(steward, status="submitted")
    steward.created(callback_url=CALLBACK_URL)
    assert [each["status"] for each in good(await waiting)["entries"]] == ["submitted"]


@pytest.mark.parametrize("clock", ["manual", "system"])
async def test_a_task_that_has_no_callback_left_never_sends_one(program: Program, clock: Any) -> None:
    steward = Steward(make_twin(Settings(clock=clock), program, post=FakePost))
    task_id = steward.created(external_task_id="mine")
    for query in ({"task_id": task_id}, {"external_id": "mine"}):
        answer = await steward.send("GET", "journal/wait", kind="callback", **query)
        refused(answer, 409, "never", f"GET /_mock/callbacks?task_id={task_id}")


async def test_under_a_system_clock_a_callback_that_is_due_later_is_waited_for(program: Program) -> None:
    twin = make_twin(Settings(), program, clock=lambda: SystemClock(scale=1_000_000), post=FakePost)
    twin.callbacks.start()
    steward = Steward(twin)
    steward.created(callback_url=CALLBACK_URL)
    page = await steward.get("journal/wait", kind="callback", count=3, timeout="30s")
    assert [each["status"] for each in page["entries"]] == ["submitted", "processing", "succeed"]
    await twin.callbacks.stop(0)


async def test_a_wait_ends_when_its_world_is_reset(steward: Steward) -> None:
    waiting = await started(steward)
    await steward.post("reset")
    refused(await waiting, 409, "was reset or closed meanwhile")


async def test_a_wait_ends_when_the_server_stops(steward: Steward) -> None:
    waiting = await started(steward)
    steward.twin.readers.stop()
    refused(await waiting, 503, "the server stops")
    refused(await steward.send("GET", "journal/wait"), 503, "the server stops")


async def test_a_client_that_leaves_gives_its_place_free(steward: Steward) -> None:
    left = asyncio.Event()
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope: Any = {
        "type": "http", "method": "GET", "path": "/_mock/journal/wait", "query_string": b"timeout=60s",
        "headers": [(b"host", b"127.0.0.1"), (b"authorization", b"Bearer sk-test")], "scheme": "http",
        "server": ("127.0.0.1", 80), "root_path": "",
    }  # fmt: skip
    waiting = asyncio.create_task(App(steward.twin)(scope, receive, send))
    await until(lambda: len(steward.twin.readers) == 1)
    left.set()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await waiting
    assert len(steward.twin.readers) == 0


async def test_the_number_of_readers_is_bounded_for_each_world_and_in_all(program: Program) -> None:
    twin = make_twin(Settings(clock="manual"), program, bounds=Bounds(readers=3, readers_per_world=2))
    one, two = Steward(twin, "sk-one-one"), Steward(twin, "sk-two-two")
    waiting = [await started(one), await started(one)]
    refused(await one.send("GET", "journal/wait"), 429, "2 readers wait on or stream this journal", "end one")
    refused(await one.send("GET", "journal/stream"), 429, "2 readers")
    waiting.append(await started(two))
    refused(await two.send("GET", "journal/wait"), 429, "3 readers wait on or stream the journals")
    one.created()
    for each in waiting[:2]:
        assert numbers(good(await each)) == [1]
    assert len(twin.readers) == 1
    two.created()
    assert numbers(good(await waiting[2])) == [1]


async def test_waits_of_two_worlds_hear_nothing_of_each_other(twin: Twin) -> None:
    one, two = Steward(twin, "sk-one-one"), Steward(twin, "sk-two-two")
    waiting = await started(one)
    two.created()
    refused(await two.send("GET", "journal/wait", count=2, timeout="1ms"), 408)
    assert not waiting.done()
    one.created()
    assert numbers(good(await waiting)) == [1]
