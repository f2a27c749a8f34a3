"""The arena: whose a request is, where a client keeps its connection, its key, or both, from a session that is over."""

import contextlib
import logging
from collections.abc import AsyncIterator

import httpx
import pytest

from contracts.arena import Arena

SUBMIT = "/kling/v1/videos/omni-video"
BODY = {"prompt": "A lighthouse.", "aspect_ratio": "1:1"}


@pytest.fixture
async def arena() -> AsyncIterator[Arena]:
    async with Arena(lanes=1) as one:
        yield one


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as one:
        yield one


async def submit(http: httpx.AsyncClient, base_url: str, key: str) -> int:
    answer = await http.post(base_url + SUBMIT, json=BODY, headers={"authorization": f"Bearer {key}"})
    return answer.status_code


async def session(arena: Arena, http: httpx.AsyncClient, name: str, *more_keys: str) -> tuple[str, list[str]]:
    """Play a session in which a client uses its own key and others; return the key, and those that were seen."""
    async with arena.lane() as lane:
        key, world = arena.open_world(name)
        wire = arena.watch(lane)
        for each in (*more_keys, key):
            await submit(http, lane.base_url, each)
        arena.close_world(world)
        return key, [each.header("authorization")[0].removeprefix("Bearer ") for each in wire]


async def test_a_connection_that_is_kept_tells_of_the_session_that_uses_it(
    arena: Arena, http: httpx.AsyncClient
) -> None:
    first, seen = await session(arena, http, "one")
    assert seen == [first]
    second, seen = await session(arena, http, "two")
    assert seen == [second]


async def test_a_client_that_goes_on_with_an_old_key_tells_nothing_of_the_next_session(
    arena: Arena, http: httpx.AsyncClient
) -> None:
    old, _ = await session(arena, http, "one")
    new, seen = await session(arena, http, "two", old)
    assert seen == [new]


async def test_a_wrong_key_is_seen_where_it_is_used(arena: Arena, http: httpx.AsyncClient) -> None:
    new, seen = await session(arena, http, "one", "sk-wrong-0123456789")
    assert seen == ["sk-wrong-0123456789", new]


async def test_nothing_is_logged_between_sessions(arena: Arena, http: httpx.AsyncClient) -> None:
    async with arena.lane() as lane:
        pass
    assert await submit(http, lane.base_url, "sk-nobody-0123456789") == 200
    assert arena.app.logs == {}


@pytest.mark.expects_crash
async def test_arenas_that_end_in_any_order_leave_the_log_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("omnimock")
    level, filters = log.level, list(log.filters)
    first, second = contextlib.AsyncExitStack(), contextlib.AsyncExitStack()
    await first.enter_async_context(Arena(lanes=1))
    await second.enter_async_context(Arena(lanes=1))
    log.warning("a callback was refused")
    await first.aclose()
    log.warning("another one was refused")
    log.error("omnimock crashed")
    await second.aclose()
    log.warning("somebody serves a twin now")
    assert caplog.messages == ["omnimock crashed", "somebody serves a twin now"]
    assert (log.level, log.filters) == (level, filters)
