"""Resetting a world, its clock, and worlds that know nothing of each other."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.clock import CLOCK_MS_MAX, MANUAL_START_MS
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.control.support import CALLBACK_URL, FakePost, Steward, good, quiet, refused, until

PAGES = ("journal", "tasks", "callbacks", "ledger", "clock")


async def seen(steward: Steward) -> list[dict[str, Any]]:
    """All that the pages tell of a world; real time is left out."""
    pages = [await steward.get(page) for page in PAGES]
    for entry in pages[0]["entries"]:
        del entry["real_ms"]
    for delivery in pages[2]["callbacks"]:
        for attempt in delivery["attempts"]:
            del attempt["real_ms"]
    return pages


MOVES = ("submit", "refused", "callback", "advance", "finish", "clear", "query")


async def make_a_move(steward: Steward, move: str) -> None:
    match move:
        case "submit":
            steward.created()
        case "refused":
            steward.caller.submit({"prompt": 7})
        case "callback":
            steward.created(callback_url=CALLBACK_URL)
        case "advance":
            await steward.post("clock/advance", {"by": "25s"})
        case "finish":
            for task in (await steward.get("tasks", status="submitted"))["tasks"]:
                await steward.post(f"tasks/{task['id']}/finish", {"outcome": "success"})
        case "clear":
            await steward.send("DELETE", "journal")
        case _:
            steward.caller.query("1")
    await quiet(steward)


moves = st.lists(st.sampled_from(MOVES), max_size=8)


async def running(program: Program) -> Twin:
    twin = make_twin(Settings(clock="manual"), program, post=FakePost)
    twin.callbacks.start()
    return twin


@settings(max_examples=25, deadline=None)
@given(before=moves, after=moves)
async def test_a_world_that_was_reset_is_as_when_its_key_was_new(
    program: Program, before: list[str], after: list[str]
) -> None:
    twin, fresh = await running(program), await running(program)
    steward, newcomer = Steward(twin), Steward(fresh)
    for move in before:
        await make_a_move(steward, move)
    await steward.post("reset")
    for move in after:
        await make_a_move(steward, move)
        await make_a_move(newcomer, move)
    assert await seen(steward) == await seen(newcomer)
    for each in (twin, fresh):
        await each.callbacks.stop(0)


@settings(max_examples=25, deadline=None)
@given(story=st.lists(st.tuples(st.booleans(), st.sampled_from((*MOVES, "reset"))), max_size=14))
async def test_two_keys_never_see_each_other(program: Program, story: list[tuple[bool, str]]) -> None:
    """What happens in one world is the same whether or not there is another."""
    twin, alone = await running(program), await running(program)
    one, other, same = Steward(twin, "sk-one-one"), Steward(twin, "sk-other-other"), Steward(alone, "sk-one-one")
    for mine, move in story:
        for steward in (one, same) if mine else (other,):
            if move == "reset":
                await steward.post("reset")
            else:
                await make_a_move(steward, move)
    assert await seen(one) == await seen(same)
    for each in (twin, alone):
        await each.callbacks.stop(0)


async def test_a_reset_says_what_it_forgot_and_frees_the_room(steward: Steward) -> None:
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(steward.caller.journal) == 2)
    answer = await steward.post("reset")
    assert answer == {"forgotten": {"tasks": 1, "callbacks": 2, "journal_entries": 2}}
    assert steward.twin.journal_room.used == 0


async def test_a_reset_drops_what_is_under_way_without_effect(
    steward: Steward, post: FakePost, caplog: pytest.LogCaptureFixture
) -> None:
    post.free.clear()
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    await steward.post("reset")
    post.free.set()
    for _ in range(10):
        await asyncio.sleep(0)
    assert (await steward.get("journal"))["entries"] == []
    assert (await steward.get("callbacks"))["total"] == 0
    assert caplog.records == []


async def test_a_reset_while_the_clock_moves_ends_the_move(steward: Steward, post: FakePost) -> None:
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(post.bodies) == 1)
    post.free.clear()
    moving = asyncio.create_task(steward.send("POST", "clock/advance", {"by": "10m"}))
    await until(lambda: len(post.bodies) == 2)
    await steward.post("reset")
    refused(await moving, 409, "reset while its clock moved")
    assert (await steward.get("clock"))["now_ms"] == MANUAL_START_MS
    post.free.set()


async def test_a_reset_takes_no_body_but_an_empty_one(steward: Steward) -> None:
    steward.created()
    refused(await steward.send("POST", "reset", {"all": True}), 422, "no member 'all'")
    assert len(steward.caller.world.store) == 1
    assert good(await steward.send("POST", "reset", {}))["forgotten"]["tasks"] == 1


async def test_the_clock_of_a_world_is_shown(steward: Steward, program: Program) -> None:
    await steward.post("clock/advance", {"by": "1500ms"})
    assert await steward.get("clock") == {
        "kind": "manual",
        "now_ms": MANUAL_START_MS + 1_500,
        "now_iso": "2026-01-01T00:00:01.500Z",
        "scale": None,
    }
    told = await Steward(make_twin(Settings(time_scale=60), program)).get("clock")
    assert (told["kind"], told["scale"]) == ("system", 60)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"to_ms": MANUAL_START_MS - 1}, ["does not go back", str(MANUAL_START_MS)]),
        ({"by": "-1s"}, ["'-1s' is not a duration"]),
        ({"by": "5"}, ["write 5s"]),
        ({"by": "-5s"}, ["such as"]),
        ({"to_ms": CLOCK_MS_MAX + 1}, ["year 9999"]),
        ({"to_ms": True}, ["send"]),
        ({"to_ms": 1.5}, ["send"]),
        ({"by": 5}, ["send"]),
        ({}, ["send"]),
        ({"by": "1s", "to_ms": 5}, ["send"]),
        ({"bye": "1s"}, ["did you mean by?"]),
    ],
)
async def test_a_clock_does_not_go_where_it_cannot(steward: Steward, body: Any, words: list[str]) -> None:
    await steward.get("clock")
    refused(await steward.send("POST", "clock/advance", body), 422, *words)
    assert (await steward.get("clock"))["now_ms"] == MANUAL_START_MS


async def test_a_clock_that_runs_by_itself_is_not_moved(program: Program) -> None:
    steward = Steward(make_twin(Settings(), program))
    refused(await steward.send("POST", "clock/advance", {"by": "1s"}), 409, "--clock manual")
