"""What is said of a twin that is gone or speaks oddly, and how a journal reads; neither needs a server."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from contracts.plugin.lines import LINES_MAX, lines
from contracts.plugin.pages import PageRefused, TwinGone
from contracts.plugin.reporting import sections
from contracts.plugin.world import World

URL = "http://127.0.0.1:9"


Answer = Callable[[httpx.Request], httpx.Response]


@pytest.fixture
def world() -> Iterator[Callable[[Answer], World]]:
    """Makes a world whose twin answers so."""
    with contextlib.ExitStack() as at_the_end:

        def make(answer: Answer) -> World:
            http = at_the_end.enter_context(httpx.Client(transport=httpx.MockTransport(answer), base_url=URL))
            return World(http, URL, "sk-of-mine")

        yield make


def gone(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused", request=request)


def exchange(number: int, **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "kind": "exchange",
        "at_ms": 1_000 * number,
        "request": {"method": "GET", "path": "/v1/videos", "query": ""},
        "response": {"status": 200, "body": None, "wire": None},
        "explanation": None,
        "gave_up_after_ms": None,
        **more,
    }


def test_a_twin_that_is_gone_is_named(world: Callable[[Answer], World]) -> None:
    with pytest.raises(TwinGone, match=r"no twin answers at http://127\.0\.0\.1:9 any more: ConnectError"):
        world(gone).tasks()


def test_a_report_bears_a_twin_that_is_gone(world: Callable[[Answer], World]) -> None:
    ((title, text),) = sections([world(gone)])
    assert title == "omnimock journal"
    assert text.startswith("(it cannot be read: no twin answers at")


def test_an_answer_that_is_no_problem_document_is_shown(world: Callable[[Answer], World]) -> None:
    with pytest.raises(PageRefused, match="502: <html>"):
        world(lambda request: httpx.Response(502, text="<html>")).tasks()


def test_long_lists_are_read_to_their_end(world: Callable[[Answer], World]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        page = int(request.url.params["page"])
        return httpx.Response(200, json={"tasks": [page] * (1_000 if page == 1 else 5), "total": 1_005})

    assert len(world(answer).tasks()) == 1_005


def test_a_list_that_shrinks_meanwhile_has_an_end(world: Callable[[Answer], World]) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"tasks": [{}] if request.url.params["page"] == "1" else [], "total": 7})

    assert world(answer).tasks() == [{}]


def test_of_a_long_journal_the_last_lines_are_shown() -> None:
    shown = lines([exchange(number) for number in range(1, LINES_MAX + 8)])
    assert len(shown) == LINES_MAX + 1
    assert shown[0] == "… 7 earlier"
    assert shown[-1] == "#47    46.000 s  GET  /v1/videos  → 200"


def test_a_reply_that_never_came_is_told() -> None:
    (line,) = lines([exchange(1, response=None, gave_up_after_ms=1_500)])
    assert line == "#1      0.000 s  GET  /v1/videos  → no reply  the client gave up after 1.5 s"


def test_a_list_says_how_many_tasks_it_tells_of() -> None:
    reply = {"status": 200, "body": {"data": [1, 2]}, "wire": None}
    assert lines([exchange(1, response=reply)])[0].endswith("→ 200  2 tasks")


def test_nothing_reads_as_nothing() -> None:
    assert lines([]) == []
