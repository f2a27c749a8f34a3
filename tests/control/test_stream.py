"""The journal as a stream: what is there, what comes, and an end for every reader."""

import asyncio

import pytest

from mock_server.journal import ENTRIES_MAX
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from mock_server.worlds import Bounds
from tests.control.support import CALLBACK_URL, Reader, Steward, refused, until

KEY = "sk-test"


async def test_what_is_there_comes_first_and_then_what_comes(steward: Steward) -> None:
    steward.created()
    reader = Reader(steward.twin, KEY)
    await until(lambda: reader.numbers() == [1])
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: reader.numbers() == [1, 2, 3])
    assert [name for name, _ in reader.events] == ["exchange", "exchange", "callback"]
    assert [data for _, data in reader.events] == await steward.entries()
    await reader.leave()
    assert len(steward.twin.readers) == 0


async def test_a_stream_has_what_its_filter_names(steward: Steward) -> None:
    reader = Reader(steward.twin, KEY, "http_status=4xx")
    for name in ("1", "2"):
        steward.created()
        steward.caller.query(name)
    await until(lambda: reader.numbers() == [2, 4])
    await reader.leave()


@pytest.mark.parametrize(("query", "last"), [("after=2", None), ("after=1", "2"), ("", "2")])
async def test_a_reader_that_comes_back_goes_on_where_it_was(steward: Steward, query: str, last: str | None) -> None:
    for _ in range(3):
        steward.created()
    reader = Reader(steward.twin, KEY, query, last_event_id=last)
    await until(lambda: reader.numbers() == [3])
    await reader.leave()


@pytest.mark.parametrize(("last", "word"), [("x", "number of an entry"), ("4", "reset?"), ("9" * 40, "number")])
async def test_a_last_event_that_never_was_is_refused(steward: Steward, last: str, word: str) -> None:
    """A browser would come back for ever; this ends it."""
    steward.created()
    answer = await steward.http.get("/_mock/journal/stream", headers={**steward.headers, "last-event-id": last})
    refused(answer, 422, word)


async def test_a_stream_ends_when_its_world_is_reset_and_the_others_go_on(twin: Twin) -> None:
    one, two = Steward(twin, "sk-one-one"), Steward(twin, "sk-two-two")
    readers = [Reader(twin, "sk-one-one"), Reader(twin, "sk-two-two")]
    await until(lambda: len(twin.readers) == 2)
    await one.post("reset")
    await readers[0].done
    assert readers[0].events == [("end", {"reason": "this world was reset or closed"})]
    two.created()
    await until(lambda: readers[1].numbers() == [1])
    await readers[1].leave()


async def test_a_stream_ends_when_the_server_stops(steward: Steward) -> None:
    reader = Reader(steward.twin, KEY)
    await until(lambda: len(steward.twin.readers) == 1)
    steward.created()
    steward.twin.readers.stop()
    await reader.done
    assert reader.events[-1] == ("end", {"reason": "the server stops"})
    assert reader.numbers() == [1]


async def test_a_reader_that_stops_holds_up_nobody_and_is_told_what_it_missed(steward: Steward) -> None:
    stopped, awake = Reader(steward.twin, KEY), Reader(steward.twin, KEY, "operation=createOmniVideo")
    await until(lambda: len(steward.twin.readers) == 2 and ":" in stopped.text)
    stopped.reading.clear()
    for _ in range(ENTRIES_MAX + 50):
        steward.caller.query("1")
    steward.created()
    await until(lambda: awake.numbers() == [ENTRIES_MAX + 51])
    stopped.reading.set()
    await until(lambda: ENTRIES_MAX + 51 in stopped.numbers())
    dropped = [data["entries"] for name, data in stopped.events if name == "dropped"]
    assert sum(dropped) + len(stopped.numbers()) == ENTRIES_MAX + 51
    for each in (stopped, awake):
        await each.leave()


async def test_a_silent_stream_says_that_it_is_there(program: Program) -> None:
    twin = make_twin(Settings(clock="manual"), program, bounds=Bounds(silent_seconds=0))
    reader = Reader(twin, KEY)
    await until(lambda: reader.text.count(": nothing new\n\n") >= 2)
    assert reader.events == []
    await reader.leave()


async def test_a_stream_is_of_the_media_type_of_events(steward: Steward) -> None:
    steward.twin.readers.stop()
    async with asyncio.timeout(5):
        answer = await steward.http.get("/_mock/journal/stream", headers=steward.headers)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
