"""How a reply goes out where it has a wire, by a manual clock and over a transport that goes nowhere."""

import asyncio
from typing import ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.clock import ManualClock
from mock_server.exchange import CLOSING, Reply, Wire
from mock_server.sending import Held, Sending, rendered
from tests.live.support import FakeTransport

BODY = b'{"code":0,"data":{"task_id":"8157"}}'
REPLY = Reply(200, BODY, ((b"x-more", b"1"),))

wires = st.builds(
    Wire,
    delay_ms=st.integers(0, 50),
    raw=st.none() | st.binary(min_size=1, max_size=9),
    head=st.booleans(),
    body_bytes=st.none() | st.integers(0, len(BODY) - 1),
    chunked=st.booleans(),
    drip_bytes=st.integers(0, 9),
    drip_ms=st.integers(1, 20),
    end=st.sampled_from(["keep", "close", "reset", "hang"]),
    hang_ms=st.integers(0, 50),
)


class Line:
    """A connection, and what happens on it."""

    def __init__(self, wire: Wire) -> None:
        self.clock, self.transport, self.kept = ManualClock(), FakeTransport(), list[bool]()
        self.started_ms = self.clock.now_ms()
        self.sending = Sending(self.transport, rendered(REPLY, wire), wire, self.clock, self.kept.append)
        self.sending.start()

    def wait(self, milliseconds: int) -> None:
        self.clock.move_to(self.clock.now_ms() + milliseconds)


def whole_ms(wire: Wire) -> int:
    """How long a wire takes."""
    _, body = rendered(REPLY, wire)
    pieces = -(-len(body) // wire.drip_bytes) if wire.drip_bytes and body else 1
    return wire.delay_ms + (pieces - 1) * wire.drip_ms + (wire.hang_ms if wire.end == "hang" else 0)


@given(wires, st.lists(st.integers(0, 40), max_size=10))
def test_everything_is_sent_once_in_order_and_done_when_it_is_due(wire: Wire, steps: list[int]) -> None:
    line = Line(wire)
    head, body = rendered(REPLY, wire)
    for step in steps:
        line.wait(step)
        assert (head + body).startswith(line.transport.written)
        passed = line.clock.now_ms() - line.started_ms
        assert line.sending.over == bool(line.kept) == (passed >= whole_ms(wire))
        assert bool(line.transport.written) <= (passed >= wire.delay_ms)
    line.wait(10_000)
    assert line.transport.written == head + body
    assert line.kept == [wire.end == "keep"]
    assert (line.transport.closed, line.transport.aborted) == (wire.end in ("close", "hang"), wire.end == "reset")


@given(wires, st.integers(0, 30))
def test_nothing_is_sent_any_more_after_a_cancel(wire: Wire, after: int) -> None:
    line = Line(wire)
    line.wait(after)
    sent, kept = line.transport.written, list(line.kept)
    line.sending.cancel()
    line.wait(10_000)
    assert (line.transport.written, line.kept) == (sent, kept)


@given(wires)
def test_beyond_the_bound_nothing_waits(wire: Wire) -> None:
    held = Held(limit=1)
    assert held.take(wire) is wire
    assert Line(held.take(wire)).sending.over
    held.give()
    held.give()
    assert held.take(wire) is wire


def test_the_log_tells_once_that_too_many_wait(caplog: pytest.LogCaptureFixture) -> None:
    held = Held(limit=0)
    for _ in range(3):
        held.take(Wire(delay_ms=5))
    assert [each.getMessage() for each in caplog.records] == [
        "0 replies are held back already: more go out at once (told once)"
    ]


def test_what_is_rendered_is_the_reply() -> None:
    head, body = rendered(REPLY, Wire(), [(b"date", b"today")])
    assert head == (
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-type: application/json\r\ncontent-length: 36\r\nx-more: 1\r\n\r\n"
    )
    assert body == BODY


def test_a_head_may_say_that_the_connection_ends_and_have_no_body() -> None:
    head, body = rendered(REPLY, Wire(), keep_alive=False, with_body=False)
    assert head.endswith(b"x-more: 1\r\nconnection: close\r\n\r\n")
    assert b"content-length: 36" in head
    assert body == b""


def test_a_head_says_once_that_the_connection_ends() -> None:
    head, _ = rendered(msgspec.structs.replace(REPLY, headers=(CLOSING,)), Wire(), keep_alive=False)
    assert head.count(b"connection: close") == 1


def test_a_status_without_a_name_is_sent_all_the_same() -> None:
    assert rendered(msgspec.structs.replace(REPLY, status=599), Wire())[0].startswith(b"HTTP/1.1 599 \r\n")


def test_a_chunk_is_cut_inside() -> None:
    assert rendered(REPLY, Wire(chunked=True, body_bytes=5))[1] == b"24\r\n" + BODY[:5]
    assert rendered(REPLY, Wire(chunked=True))[1] == b"24\r\n" + BODY + b"\r\n0\r\n\r\n"


async def test_a_reset_does_not_overtake_what_was_sent_before_it() -> None:
    class Busy(FakeTransport):
        waiting: ClassVar = [5, 5]

        def get_write_buffer_size(self) -> int:
            return self.waiting.pop() if self.waiting else 0

    ended = asyncio.Event()
    transport, wire = Busy(), Wire(body_bytes=5, end="reset")
    Sending(transport, rendered(REPLY, wire), wire, ManualClock(), lambda kept: ended.set()).start()
    assert not transport.aborted
    async with asyncio.timeout(10):
        await ended.wait()
    assert transport.aborted
