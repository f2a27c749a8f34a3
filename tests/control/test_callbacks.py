"""The deliveries of a world, and sending one again."""

import asyncio
import json
from typing import Any

import pytest

from mock_server.twin import Twin
from tests.control.support import CALLBACK_URL, FakePost, Steward, good, refused, until


async def outcomes(steward: Steward, **query: Any) -> list[tuple[str, str, int]]:
    """The status, the outcome and the number of attempts of each delivery."""
    listed = (await steward.get("callbacks", **query))["callbacks"]
    return [(each["status"], each["outcome"], len(each["attempts"])) for each in listed]


async def sent(steward: Steward, post: FakePost, *script: int) -> str:
    """Submit a task with callbacks and let the first be sent; return its delivery."""
    post.script.extend(script)
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(steward.caller.journal) == 2)
    delivery = (await steward.get("callbacks", limit=1))["callbacks"][0]["delivery"]
    assert isinstance(delivery, str)
    return delivery


async def test_deliveries_are_listed_from_booked_to_ended(steward: Steward, post: FakePost) -> None:
    post.free.clear()
    task_id = steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    assert await outcomes(steward) == [
        ("submitted", "under-way", 0),
        ("processing", "booked", 0),
        ("succeed", "booked", 0),
    ]
    post.free.set()
    await until(lambda: len(steward.caller.journal) == 2)
    await steward.post("clock/advance", {"by": "10m"})
    assert await outcomes(steward) == [(status, "delivered", 1) for status in ("submitted", "processing", "succeed")]
    assert await outcomes(steward, task_id=task_id, outcome="booked") == []
    assert await outcomes(steward, task_id="1") == []


async def test_a_delivery_that_is_tried_again_is_booked_and_at_last_given_up(steward: Steward, post: FakePost) -> None:
    await sent(steward, post, *[500] * 10)
    assert (await outcomes(steward))[0] == ("submitted", "booked", 1)
    await steward.post("clock/advance", {"by": "1h"})
    assert await outcomes(steward, outcome="given-up") == [("submitted", "given-up", 4), ("processing", "given-up", 4)]


async def test_one_that_the_guard_holds_back_is_refused(steward: Steward) -> None:
    steward.created(callback_url="https://example.com/x")
    await until(lambda: len(steward.caller.journal) == 2)
    assert (await outcomes(steward))[0] == ("submitted", "refused", 1)


async def test_deliveries_are_paged(steward: Steward) -> None:
    for _ in range(2):
        steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(steward.caller.journal) == 4)
    whole = (await steward.get("callbacks"))["callbacks"]
    pages = [(await steward.get("callbacks", page=page, limit=4)) for page in (1, 2, 3)]
    assert [each for page in pages for each in page["callbacks"]] == whole
    assert {page["total"] for page in pages} == {6}


@pytest.mark.parametrize(
    ("query", "word"), [({"outcome": "bookd"}, "did you mean booked?"), ({"task": "1"}, "did you mean task_id?")]
)
async def test_a_bad_query_is_refused(steward: Steward, query: dict[str, str], word: str) -> None:
    refused(await steward.send("GET", "callbacks", **query), 422, word)


async def test_a_delivery_is_sent_again_as_it_was(steward: Steward, post: FakePost) -> None:
    delivery = await sent(steward, post)
    await steward.post("clock/advance", {"by": "10m"})
    post.bodies.clear()
    attempt = await steward.post(f"callbacks/{delivery}/redeliver")
    assert (attempt["delivery"], attempt["attempt"], attempt["outcome"]) == (delivery, 2, "delivered")
    (body,) = map(json.loads, post.bodies)
    assert body["task_status"] == "submitted"
    (entry,) = await steward.entries(kind="callback", status="submitted", after=2)
    assert (entry["number"], entry["attempt"]) == (attempt["number"], 2)


async def test_a_delivery_that_was_given_up_is_sent_again_and_not_retried(steward: Steward, post: FakePost) -> None:
    delivery = await sent(steward, post, *[500] * 12)
    await steward.post("clock/advance", {"by": "1h"})
    post.script.clear()
    post.script.append(503)
    first = await steward.post(f"callbacks/{delivery}/redeliver")
    assert (first["attempt"], first["outcome"], first["http_status"], first["final"]) == (5, "failed", 503, True)
    second = await steward.post(f"callbacks/{delivery}/redeliver")
    assert (second["attempt"], second["outcome"]) == (6, "delivered")
    await steward.post("clock/advance", {"by": "1h"})
    assert ("submitted", "delivered", 6) in await outcomes(steward)


async def test_a_delivery_that_was_received_is_not_retried_when_it_fails_once_more(
    steward: Steward, post: FakePost
) -> None:
    delivery = await sent(steward, post)
    post.script.append(500)
    assert (await steward.post(f"callbacks/{delivery}/redeliver"))["final"] is True
    await steward.post("clock/advance", {"by": "10m"})
    assert ("submitted", "given-up", 2) in await outcomes(steward)


async def test_a_delivery_that_is_not_over_is_not_sent_again(steward: Steward, post: FakePost) -> None:
    post.free.clear()
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    under_way, booked, _ = (await steward.get("callbacks"))["callbacks"]
    refused(await steward.send("POST", f"callbacks/{under_way['delivery']}/redeliver"), 409, "is under way")
    refused(await steward.send("POST", f"callbacks/{booked['delivery']}/redeliver"), 409, str(booked["due_ms"]))
    assert len(post.bodies) == 1
    post.free.set()
    await until(lambda: len(steward.caller.journal) == 2)


async def test_an_unknown_delivery_is_refused_and_where_to_look_is_told(steward: Steward, post: FakePost) -> None:
    delivery = await sent(steward, post)
    answer = await steward.send("POST", f"callbacks/{delivery[:-1]}9/redeliver")
    refused(answer, 404, "GET /_mock/callbacks")
    refused(await steward.send("POST", f"callbacks/{delivery}/redeliver", {"now": 1}), 422, "no member 'now'")
    assert len(post.bodies) == 1


async def test_a_delivery_of_a_status_that_the_task_no_longer_had_cannot_be_sent(
    steward: Steward, post: FakePost, twin: Twin
) -> None:
    delivery = await sent(steward, post)
    steward.caller.world.store.clear()
    refused(await steward.send("POST", f"callbacks/{delivery}/redeliver"), 409, "no longer kept")


async def test_a_reset_ends_a_redelivery(steward: Steward, post: FakePost) -> None:
    delivery = await sent(steward, post)
    post.free.clear()
    waiting = asyncio.create_task(steward.send("POST", f"callbacks/{delivery}/redeliver"))
    await until(lambda: len(post.bodies) == 2)
    await steward.post("reset")
    refused(await waiting, 409, "was reset")
    post.free.set()
    assert good(await steward.send("GET", "callbacks")) == {"callbacks": [], "total": 0}
