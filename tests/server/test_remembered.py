"""What is remembered of heads, bodies and replies never shows: answers are those of a twin that remembers nothing."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server import bodies, polling
from mock_server.bodies import Bodies
from mock_server.exchange import Incoming
from mock_server.polling import Polls
from mock_server.program import Program
from mock_server.reply import scene_at
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from tests.support import MINIMAL, OMNI, Caller

PROGRAM = load_program(Settings())
SUBMISSION = PROGRAM.submits["omni-video"].submission

BODIES = st.sampled_from(
    [
        MINIMAL,
        {**MINIMAL, "mode": "pro"},
        {**MINIMAL, "mode": "none"},
        {**MINIMAL, "external_task_id": "order-7"},
        {**MINIMAL, "callback_url": "http://127.0.0.1:9/"},
        {"prompt": 5},
        [],
        "text",
    ]
)


def fresh() -> Twin:
    return make_twin(Settings(clock="manual"), PROGRAM)


class TestBodies:
    @given(st.lists(BODIES, min_size=1, max_size=8))
    def test_a_body_that_came_before_is_answered_as_if_it_had_not(self, several: list[Any]) -> None:
        remembering, forgetting = Caller(fresh()), Caller(fresh())
        for body in several:
            # Blanks are no part of what a body says, so this one is always new.
            spaced = msgspec.json.encode(body) + b" " * len(forgetting.journal)
            assert remembering.submit(body) == forgetting.send("POST", OMNI, spaced)

    @given(BODIES)
    def test_what_is_remembered_is_what_was_read(self, body: Any) -> None:
        assert SUBMISSION is not None
        read, raw = Bodies(SUBMISSION).read, msgspec.json.encode(body)
        assert read(raw, ()) == read(raw, ()) == read(raw, ()) == Bodies(SUBMISSION).read(raw, ())

    def test_an_external_id_is_looked_at_each_time(self) -> None:
        assert SUBMISSION is not None
        read = Bodies(SUBMISSION).read
        raw = msgspec.json.encode({**MINIMAL, "external_task_id": "order-7"})
        assert not read(raw, ()).violations
        assert read(raw, {"order-7"}).violations

    def test_few_and_small_ones_are_remembered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert SUBMISSION is not None
        monkeypatch.setattr(bodies, "_KEPT_MAX", 3)
        monkeypatch.setattr(bodies, "_SEEN_MAX", 5)
        remembered = Bodies(SUBMISSION)
        for number in range(9):
            raw = msgspec.json.encode({**MINIMAL, "prompt": f"{number}"})
            remembered.read(raw, ())
            assert raw not in remembered._known
            remembered.read(raw, ())
            assert raw in remembered._known
            assert len(remembered._known) <= 3
            assert len(remembered._seen) <= 5
        remembered = Bodies(SUBMISSION)
        for _ in range(3):
            remembered.read(msgspec.json.encode(MINIMAL) + b" " * 5_000, ())
        assert not remembered._known


def polled(twin: Twin, program: Program, caller: Caller, task_id: str) -> None:
    """Query a task, and compare the reply with what its template makes of it."""
    body = caller.query(task_id).body
    task = caller.world.store.find(task_id)
    assert task is not None
    match = program.routes.match(f"{OMNI}/{task_id}".encode())
    assert match is not None
    scene = scene_at(task, caller.clock.now_ms(), caller.world.tag, msgspec.json.decode(body)["request_id"])
    assert body == match.methods["GET"].replies[program.dialect].render(scene)


class TestPolls:
    @given(st.lists(st.integers(0, 200_000), min_size=1, max_size=8))
    def test_every_poll_shows_the_task_as_it_is(self, waits_ms: list[int]) -> None:
        twin = fresh()
        caller = Caller(twin)
        task_ids = [caller.created(), caller.created()]
        for wait_ms in waits_ms:
            caller.clock.move_to(caller.clock.now_ms() + wait_ms)
            for task_id in task_ids:
                polled(twin, PROGRAM, caller, task_id)
                polled(twin, PROGRAM, caller, task_id)

    def test_each_poll_has_a_request_id_of_its_own(self, caller: Caller) -> None:
        task_id = caller.created()
        seen = {msgspec.json.decode(caller.query(task_id).body)["request_id"] for _ in range(5)}
        assert len(seen) == 5

    def test_another_template_is_another_reply(self, make: Callable[..., Twin]) -> None:
        caller = Caller(make())
        task = caller.world.store.find(caller.created())
        assert task is not None
        polls, world = Polls(), caller.world
        replies = PROGRAM.operations[1].replies
        first, second = (polls.render(each, task, task.created_at_ms, world) for each in replies.values())
        assert first != second

    def test_few_and_small_ones_are_remembered(self, caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(polling, "_KEPT_MAX", 3)
        for _ in range(7):
            caller.query(caller.created())
            assert len(caller.twin.endpoint._polls._kept) <= 3
        caller.twin.endpoint._polls._kept.clear()
        big = caller.send("POST", OMNI, msgspec.json.encode(MINIMAL) + b" " * 9_000)
        caller.query(msgspec.json.decode(big.body)["data"]["task_id"])
        assert not caller.twin.endpoint._polls._kept


def test_a_head_that_was_read_before_is_answered_as_if_it_were_new() -> None:
    twin, other = fresh(), fresh()
    for key in ("one", "", "two"):
        headers = [(b"host", b"twin.test"), (b"authorization", f"Bearer {key}".encode())]
        for path in (OMNI, "/nowhere", f"{OMNI}/unknown"):
            incoming = Incoming("GET", path.encode(), b"", headers, b"")
            head = twin.endpoint.heads.read(incoming)
            for _ in range(2):
                assert twin.endpoint.answer(incoming, head) == other.endpoint.answer(incoming)
