"""The journal as the control API shows it."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.control.entries import iso
from mock_server.exchange import Incoming
from mock_server.journal import ENTRIES_MAX
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.control.support import CALLBACK_URL, Steward, refused, until
from tests.support import MINIMAL, OMNI, Caller


def exchanged(steward: Steward, body: bytes, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    """Send a body as it is."""
    key = [(b"authorization", f"Bearer {steward.key}".encode())]
    steward.twin.endpoint.answer(Incoming("POST", OMNI.encode(), b"", [*key, *(headers or [])], body))


async def test_an_exchange_is_shown_with_all_that_was_on_the_wire(steward: Steward) -> None:
    task_id = steward.created(external_task_id="mine")
    (entry,) = await steward.entries()
    world = steward.caller.world
    assert entry["number"] == 1
    assert entry["kind"] == "exchange"
    assert entry["at_ms"] == world.clock.now_ms()
    assert entry["at_iso"] == "2026-01-01T00:00:00.000Z"
    assert entry["operation"] == "createOmniVideo"
    assert (entry["task_id"], entry["external_id"]) == (task_id, "mine")
    assert entry["request"] == {
        "method": "POST",
        "path": OMNI,
        "query": "",
        "headers": {
            "host": "twin.test:4747",
            "authorization": "Bearer [key]",
            "content-type": "application/json",
        },
        "body": {**MINIMAL, "external_task_id": "mine"},
        "body_form": "json",
        "body_cut": False,
    }
    assert entry["response"]["status"] == 200
    assert entry["response"]["headers"]["content-type"] == "application/json"
    assert entry["response"]["body"]["data"]["task_id"] == task_id
    assert entry["explanation"] is None


async def test_real_time_is_told_beside_that_of_the_world(steward: Steward) -> None:
    """The examiner judges gaps by it; a manual clock stands still."""
    for _ in range(2):
        steward.created()
    first, second = await steward.entries()
    assert first["at_ms"] == second["at_ms"]
    assert 1_700_000_000_000 < first["real_ms"] <= second["real_ms"]


async def test_a_refusal_has_its_explanation(steward: Steward) -> None:
    steward.caller.submit({"prompt": 7})
    (entry,) = await steward.entries(problem="invalid-value")
    assert entry["response"]["status"] == 400
    assert {each["pointer"] for each in entry["explanation"]["violations"]} >= {"/prompt"}


async def test_a_callback_is_shown_with_its_attempt(steward: Steward) -> None:
    task_id = steward.created(callback_url=CALLBACK_URL, external_task_id="mine")
    await until(lambda: len(steward.caller.journal) == 2)
    (entry,) = await steward.entries(kind="callback")
    del entry["real_ms"]
    assert entry == {
        "number": 2,
        "at_ms": 1_767_225_600_000,
        "at_iso": "2026-01-01T00:00:00.000Z",
        "kind": "callback",
        "task_id": task_id,
        "external_id": "mine",
        "status": "submitted",
        "delivery": f"{steward.caller.world.tag}-{task_id}-0",
        "attempt": 1,
        "url": CALLBACK_URL,
        "outcome": "delivered",
        "http_status": 200,
        "reason": "",
        "final": True,
        "faults": [],
    }


async def test_a_client_that_left_got_no_response(steward: Steward) -> None:
    steward.twin.endpoint.client_left(
        Incoming("POST", OMNI.encode(), b"", [(b"authorization", f"Bearer {steward.key}".encode())], b"{")
    )
    (entry,) = await steward.entries()
    assert entry["response"] is None
    assert (entry["request"]["body"], entry["request"]["body_form"]) == ("{", "text")


DEEP = json.loads("[" * 200 + "]" * 200)


@pytest.mark.parametrize(
    ("body", "shown", "form", "cut"),
    [
        (b"", None, "none", False),
        (b'{"a": [1, null]}', {"a": [1, None]}, "json", False),
        (b'{"a":', '{"a":', "text", False),
        ("ü".encode(), "ü", "text", False),
        (b"\xff\x00", "/wA=", "base64", False),
        (b"[" * 200 + b"]" * 200, "[" * 200 + "]" * 200, "text", False),
        (b"x" * 16_384, "x" * 16_384, "text", False),
        (b"x" * 16_385, "x" * 16_384, "text", True),
    ],
)
async def test_a_body_is_shown_as_json_else_as_text_else_in_base64(
    steward: Steward, body: bytes, shown: Any, form: str, cut: bool
) -> None:
    exchanged(steward, body)
    (entry,) = await steward.entries()
    request = entry["request"]
    assert (request["body"], request["body_form"], request["body_cut"]) == (shown, form, cut)
    assert entry["response"]["body_cut"] is False


async def test_a_header_that_came_twice_is_joined(steward: Steward) -> None:
    exchanged(steward, b"{}", [(b"x-a", b"1"), (b"x-a", b"2")])
    (entry,) = await steward.entries()
    assert entry["request"]["headers"]["x-a"] == "1, 2"


@given(at_ms=st.integers(0, 253_402_300_799_999))
def test_a_moment_is_written_as_people_read_it(at_ms: int) -> None:
    from datetime import UTC, datetime

    assert round(datetime.fromisoformat(iso(at_ms)).timestamp() * 1_000) == at_ms
    assert datetime.fromisoformat(iso(at_ms)).tzinfo == UTC


async def test_the_pages_put_together_are_the_whole_journal(steward: Steward) -> None:
    for _ in range(7):
        steward.created()
    came: list[int] = []
    after = 0
    while True:
        page = await steward.get("journal", after=after, limit=3)
        if not page["entries"]:
            break
        came += [each["number"] for each in page["entries"]]
        after = page["next"]
    assert came == list(range(1, 8))
    assert after == 7


async def test_an_answer_ends_after_some_bytes_and_says_where_to_go_on(steward: Steward) -> None:
    for _ in range(400):
        exchanged(steward, b'"' + b"x" * 16_000 + b'"')
    first = await steward.get("journal", limit=1_000)
    rest = await steward.get("journal", limit=1_000, after=first["next"])
    assert [each["number"] for each in (*first["entries"], *rest["entries"])] == list(range(1, 401))
    assert len(first["entries"]) < 400


async def test_the_number_to_go_on_from_passes_over_what_was_not_asked_for(steward: Steward) -> None:
    steward.created()
    steward.caller.query("1")
    steward.created()
    page = await steward.get("journal", http_status="400")
    assert ([each["number"] for each in page["entries"]], page["next"]) == ([2], 3)


async def test_entries_that_had_no_room_are_counted(steward: Steward) -> None:
    for _ in range(ENTRIES_MAX + 3):
        steward.caller.query("1")
    assert (await steward.get("journal", limit=1))["dropped"] == 3
    assert (await steward.get("journal", limit=1, after=2))["dropped"] == 1
    assert (await steward.get("journal", limit=1, after=10))["dropped"] == 0


async def test_a_cleared_journal_is_empty_and_goes_on_counting(steward: Steward) -> None:
    steward.created()
    steward.created()
    answer = await steward.send("DELETE", "journal")
    assert answer.json() == {"cleared": 2, "next": 2}
    assert await steward.get("journal") == {"entries": [], "next": 2, "dropped": 0}
    steward.created()
    assert [each["number"] for each in await steward.entries()] == [3]


class Scene:
    """A world with one of everything that a filter can tell apart."""

    def __init__(self, program: Program) -> None:
        self.twin = make_twin(Settings(clock="manual"), program)
        self.steward = Steward(self.twin)
        caller = self.steward.caller
        self.task_id = self.steward.created(external_task_id="mine")
        self.other = self.steward.created()
        caller.query(self.task_id)
        caller.query("unknown")
        caller.submit({"prompt": 7})
        caller.send("PUT", OMNI)
        caller.send("GET", "/elsewhere/it%20is")
        caller.listed("pageNum=1")


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"kind": "exchange"}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"kind": "callback"}, []),
        ({"operation": "createOmniVideo"}, [1, 2, 5]),
        ({"method": "PUT"}, [6]),
        ({"http_status": "200"}, [1, 2, 3, 8]),
        ({"http_status": "4xx"}, [4, 5, 6, 7]),
        ({"external_id": "mine"}, [1, 3]),
        ({"problem": "task-not-found"}, [4]),
        ({"path": OMNI}, [1, 2, 5, 6, 8]),
        ({"path": "/elsewhere/it is"}, [7]),
        ({"path": "*/it%20is"}, [7]),
        ({"path": "/kling/*"}, [1, 2, 3, 4, 5, 6, 8]),
        ({"path": "*/videos/*video/*"}, [3, 4]),
        ({"path": "*video*video"}, [1, 2, 5, 6, 8]),
        ({"operation": "createOmniVideo", "http_status": "2xx", "after": 1}, [2]),
    ],
)
async def test_a_filter_leaves_what_it_names(program: Program, query: dict[str, Any], numbers: list[int]) -> None:
    scene = Scene(program)
    assert [each["number"] for each in await scene.steward.entries(**query)] == numbers
    assert [each["number"] for each in await scene.steward.entries(task_id=scene.task_id, **query)] == sorted(
        {1, 3}.intersection(numbers)
    )


texts = st.text("ab*", max_size=8)


@given(pattern=texts, text=st.text("ab", max_size=10))
@settings(max_examples=500)
def test_a_star_stands_for_anything(pattern: str, text: str) -> None:
    import re

    from mock_server.control.filters import _glob_matches

    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None
    assert _glob_matches(pattern, text) == expected


@pytest.mark.parametrize("page", ["journal", "journal/wait", "journal/stream"])
@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"kind": "callbacks"}, ["did you mean callback?"]),
        ({"operation": "createOmnivideo"}, ["did you mean createOmniVideo?"]),
        ({"operation": "zzz"}, ["there are ", "createOmniVideo"]),
        ({"method": "GETT"}, ["did you mean GET?"]),
        ({"http_status": "600"}, ["'600' came", "4xx"]),
        ({"http_status": "4x"}, ["'4x' came"]),
        ({"http_status": "٤٠٠"}, ["came"]),
        ({"problem": "task-not-fond"}, ["did you mean task-not-found?"]),
        ({"status": "succeeded"}, ["did you mean succeed?"]),
        ({"outcome": "delivred"}, ["did you mean delivered?"]),
        ({"task_id": ""}, ["task_id", "leave the parameter out"]),
        ({"after": "-1"}, ["whole number"]),
        ({"after": "x"}, ["whole number"]),
        ({"after": "7"}, ["has come to number 1", "reset?"]),
        ({"taskid": "1"}, ["no query parameter 'taskid'", "did you mean task_id?"]),
        ({"outcome": "delivered", "method": "GET"}, ["method is of exchanges and outcome of callbacks"]),
        ({"kind": "exchange", "status": "failed"}, ["kind=exchange", "status"]),
        ({"kind": "callback", "path": "/x"}, ["path", "kind=callback"]),
    ],
)
async def test_a_filter_that_nothing_can_pass_is_refused(
    steward: Steward, page: str, query: dict[str, str], words: list[str]
) -> None:
    steward.created()
    refused(await steward.send("GET", page, **query), 422, *words)
    assert len(steward.caller.journal) == 1


@pytest.mark.parametrize(("name", "value"), [("limit", "0"), ("limit", "1001"), ("limit", "9" * 30)])
async def test_a_limit_is_bounded(steward: Steward, name: str, value: str) -> None:
    refused(await steward.send("GET", "journal", **{name: value}), 422, "from 1 to 1000")


async def test_a_parameter_is_given_once(steward: Steward) -> None:
    answer = await steward.http.get("/_mock/journal?limit=1&limit=2", headers=steward.headers)
    refused(answer, 422, "given twice")
    many = "&".join(f"limit={number}" for number in range(100))
    refused(await steward.http.get(f"/_mock/journal?{many}", headers=steward.headers), 422, "more than 50")


async def test_requests_without_a_good_key_are_in_nobodys_journal(twin: Twin, steward: Steward) -> None:
    Caller(twin).send("GET", OMNI, headers=[])
    assert await steward.entries() == []
