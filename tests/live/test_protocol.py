"""The protocol class answers as the ASGI application does under uvicorn's own: the same bytes, the same journal."""

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_server.app import App
from mock_server.exchange import Exchange
from mock_server.program import Program
from mock_server.protocol import TwinProtocol
from mock_server.server import listen
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.live.support import PATIENCE_SECONDS, connected, open_connection, parse_replies, read_to_end
from tests.support import OMNI

KEY = "sk-a"
BODY_BYTES_MAX = 400
# The first task of every world, under the seed 0.
TASK_ID = "815664722670895641"

GOOD = b'{"prompt":"A lighthouse.","aspect_ratio":"16:9"}'
BODIES = [
    b"",
    b"{",
    b"[]",
    b"\xff",
    b'{"prompt":1}',
    b'{"prompt":"A lighthouse.","aspect_ratio":"16:9","mode":"\\u007f\\u00e9"}',
    b'{"prompt":"A lighthouse.","aspect_ratio":"16:9","unheard_of":1}',
    GOOD[:-1] + b" " * (BODY_BYTES_MAX - len(GOOD)) + b"}",
    GOOD + b" " * BODY_BYTES_MAX,
]
PATHS = [
    OMNI,
    f"{OMNI}/{TASK_ID}",
    f"{OMNI}/{TASK_ID}?x=y",
    f"{OMNI}/nobody",
    f"{OMNI}?pageNum=1&pageSize=2",
    f"{OMNI}?pageNum=no",
    f"{OMNI}#part",
    "/v1/videos/omni-video",
    "/kling/v1/videos/omni%2Dvideo",
    "/nowhere/%ff",
    b"/nowhere/\x7f".decode("ascii").replace("\x7f", "~"),
    "*",
    "//",
    f"http://api.deerapi.com{OMNI}",
    "/_mock/nowhere",
    "/%5Fmock/nowhere",
    "/_mock",
]


HEADERS = [
    "host: twin.test:4747",
    "Host: [::1]",
    "host: not a host",
    f"authorization: Bearer {KEY}",
    "Authorization: bearer sk-b",
    "authorization: Basic YTpi",
    "content-type: application/json",
    "content-type: text/plain",
    "content-encoding: gzip",
    "connection: close",
    "connection: keep-alive",
    "expect: 100-continue",
    "x-more: \xe9",
]
USUAL = [
    ("POST", OMNI, GOOD),
    ("GET", f"{OMNI}/{TASK_ID}", b""),
    ("GET", OMNI, b""),
    ("GET", "/_mock/nowhere", b""),
]


def framed(body: bytes, part_bytes: int | None) -> tuple[str, bytes]:
    """Return the header that tells where a body ends, and the body: in chunks, or with its length said."""
    if part_bytes is None:
        return f"content-length: {len(body)}", body
    parts = [body[start : start + part_bytes] for start in range(0, len(body), part_bytes)]
    return "transfer-encoding: chunked", b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [*parts, b""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that is HTTP/1.1 or 1.0: a usual one, or one with anything in it that a client may come upon."""
    method, path, body = draw(st.sampled_from(USUAL))
    headers = ["host: twin.test:4747", f"authorization: Bearer {KEY}", "content-type: application/json"]
    if draw(st.booleans()):
        method = draw(st.just(method) | st.sampled_from(["POST", "GET", "HEAD", "DELETE", "OPTIONS", "PUT"]))
        path = draw(st.just(path) | st.sampled_from(PATHS))
        body = draw(st.just(body) | st.sampled_from(BODIES) | st.binary(max_size=40))
        kept = draw(st.lists(st.sampled_from(headers), unique=True))
        headers = [*kept, *draw(st.lists(st.sampled_from(HEADERS), max_size=3, unique=True))]
    if body or draw(st.booleans()):
        framing, body = framed(body, draw(st.none() | st.integers(1, 200)))
        headers.append(framing)
    version = draw(st.sampled_from(["1.1", "1.1", "1.1", "1.0"]))
    return "\r\n".join([f"{method} {path} HTTP/{version}", *headers, "", ""]).encode("latin-1") + body


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Some requests on one connection, as the pieces they arrive in: one by one, or cut anywhere, the last cut off."""
    sent = draw(st.lists(requests(), min_size=1, max_size=4))
    # Clients on kept connections send the same again.
    sent += draw(st.lists(st.sampled_from(sent), max_size=4))
    if draw(st.booleans()):
        return sent
    whole = b"".join(sent)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    ends = [*cuts, len(whole) if draw(st.integers(0, 4)) else draw(st.integers(0, len(whole)))]
    return [whole[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True) if start < end]


def make_limited_twin(program: Program) -> Twin:
    return make_twin(Settings(clock="manual", body_bytes_max=BODY_BYTES_MAX), program)


async def let_it_work(protocol: HttpToolsProtocol) -> None:
    """Run what the connection has started, as far as it goes without more from the client."""
    for _ in range(20 * (1 + len(protocol.tasks))):
        await asyncio.sleep(0)


async def talk(
    twin: Twin, kind: type[HttpToolsProtocol], pieces: list[bytes], *, in_between: bool
) -> tuple[bytes, bool, list[Any]]:
    """Return what a connection answers, whether it closes, and what is in the journals."""
    protocol, transport = open_connection(twin, kind)
    for piece in pieces:
        if transport.is_closing():
            break
        protocol.data_received(piece)
        if in_between:
            await let_it_work(protocol)
    await let_it_work(protocol)
    closed = transport.is_closing()
    protocol.connection_lost(None)
    await let_it_work(protocol)
    worlds = [twin.worlds.lobby, *twin.worlds]
    # How much of a body uvicorn has handed on when the client leaves, is a matter of chance.
    recorded = [
        (
            msgspec.structs.replace(entry, real_ns=0)
            if entry.reply
            else (entry.incoming.method, entry.incoming.path, entry.incoming.headers)
        )
        for world in worlds
        for entry in world.journal.entries
        if isinstance(entry, Exchange)
    ]
    return transport.written, closed, recorded


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pieces=streams(), in_between=st.booleans())
def test_the_answers_are_those_of_the_asgi_application(program: Program, pieces: list[bytes], in_between: bool) -> None:
    async def both() -> None:
        ours = await talk(make_limited_twin(program), TwinProtocol, pieces, in_between=in_between)
        plain = await talk(make_limited_twin(program), HttpToolsProtocol, pieces, in_between=in_between)
        assert ours == plain

    asyncio.run(both())


# The same over real sockets: uvicorn serves one twin in each way.


class Served:
    """A twin under uvicorn, in a thread of its own."""

    def __init__(self, twin: Twin, kind: type[HttpToolsProtocol]) -> None:
        config = uvicorn.Config(
            App(twin), http=kind, ws="none", log_config=None, proxy_headers=False, server_header=False, lifespan="off"
        )
        self.server = uvicorn.Server(config)
        self.listener = listen("127.0.0.1", 0)
        self.port: int = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.server.run, args=([self.listener],))
        self.thread.start()

    def end(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE_SECONDS)
        self.listener.close()

    def answers(self, requests: list[bytes]) -> bytes:
        """Send requests on one connection, the last of which closes it, and return everything that came.

        They are sent at once: a server that closes before it has read everything resets the connection.
        """
        with connected(self.port) as connection:
            connection.sendall(b"".join([*requests, b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"]))
            return read_to_end(connection)


@pytest.fixture
def served(program: Program) -> Iterator[list[Served]]:
    both = [Served(make_limited_twin(program), kind) for kind in (TwinProtocol, HttpToolsProtocol)]
    yield both
    for each in both:
        each.end()


def without_dates(came: bytes) -> bytes:
    return re.sub(rb"(?m)^date: .*\r\n", b"date: \r\n", came)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.lists(requests(), max_size=5))
def test_the_answers_are_the_same_over_real_sockets(served: list[Served], sent: list[bytes]) -> None:
    ours, plain = (each.answers(sent) for each in served)
    assert without_dates(ours) == without_dates(plain)
    assert re.search(rb"\r\ndate: [A-Z]", ours)


# What is only this class's


def submission(body: bytes = GOOD, *, key: str = KEY) -> bytes:
    head = f"POST {OMNI} HTTP/1.1\r\nauthorization: Bearer {key}\r\ncontent-type: application/json\r\n"
    return head.encode() + b"content-length: %d\r\n\r\n%s" % (len(body), body)


async def test_an_operation_is_answered_before_anything_else_runs(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission())
    assert [each.status for each in parse_replies(transport.written)] == [200]
    assert not protocol.tasks


async def test_an_answered_request_is_counted(twin: Twin) -> None:
    protocol, _ = open_connection(twin, TwinProtocol)
    protocol.data_received(submission() * 3)
    assert protocol.server_state.total_requests == 3


async def test_an_operation_behind_a_page_of_the_twins_own_waits_its_turn(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(b"GET /_mock/nowhere HTTP/1.1\r\nhost: localhost\r\n\r\n" + submission())
    assert transport.written == b""
    await let_it_work(protocol)
    assert [each.status for each in parse_replies(transport.written)] == [404, 200]


async def test_who_does_not_read_gets_no_more_replies_until_they_do(twin: Twin) -> None:
    """Else a client that only ever sends lists fills the memory."""
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.pause_writing()
    for _ in range(3):
        protocol.data_received(submission())
        await let_it_work(protocol)
    assert transport.written == b""
    assert transport.paused
    protocol.resume_writing()
    await let_it_work(protocol)
    assert [each.status for each in parse_replies(transport.written)] == [200, 200, 200]
    assert not transport.paused


async def test_a_client_that_leaves_in_the_middle_of_a_body_is_in_the_journal_of_its_world(twin: Twin) -> None:
    protocol, _ = open_connection(twin, TwinProtocol)
    protocol.data_received(submission()[:-10])
    protocol.connection_lost(None)
    (entry,) = twin.worlds.open(KEY).journal.entries
    assert isinstance(entry, Exchange)
    assert entry.reply is None
    assert entry.explanation is not None
    assert entry.explanation["body_bytes"] == len(GOOD) - 10


async def test_garbage_in_a_body_is_recorded_once(twin: Twin) -> None:
    """The client is refused; that the connection then ends is no second exchange."""
    protocol, transport = open_connection(twin, TwinProtocol)
    head = f"POST {OMNI} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"
    protocol.data_received(head.encode())
    protocol.connection_lost(None)
    assert [each.status for each in parse_replies(transport.written)] == [400]
    assert len(twin.worlds.lobby.journal.entries) == 1
    assert not len(twin.worlds)


async def test_what_comes_behind_a_last_request_is_not_taken(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    last = submission().replace(b"content-type", b"connection: close\r\ncontent-type")
    protocol.data_received(last + submission() + submission()[:-10])
    protocol.connection_lost(None)
    assert [each.status for each in parse_replies(transport.written)] == [200]
    assert len(twin.worlds.open(KEY).journal.entries) == 1


# Heads that were read before


def known_heads(protocol: TwinProtocol) -> list[bytes]:
    return list(protocol.app.known_heads)


async def test_a_head_that_comes_again_is_known(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    for _ in range(3):
        protocol.data_received(submission())
    assert known_heads(protocol) == [submission()[: -len(GOOD)]]
    first, second, third = parse_replies(transport.written)
    assert first.status == second.status == third.status == 200
    assert len({each.json["data"]["task_id"] for each in (first, second, third)}) == 3


async def test_a_known_head_may_come_with_another_body_of_that_length(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission())
    protocol.data_received(submission(b"x" * len(GOOD)))
    assert [each.status for each in parse_replies(transport.written)] == [200, 400]


async def test_a_known_head_waits_for_the_rest_of_its_body(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    for piece in (submission(), submission()[:-10], submission()[-10:]):
        protocol.data_received(piece)
    assert [each.status for each in parse_replies(transport.written)] == [200, 200]


async def test_a_known_head_with_another_request_behind_it_is_two_requests(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission())
    protocol.data_received(submission() * 2)
    assert [each.status for each in parse_replies(transport.written)] == [200, 200, 200]


NOT_KEPT = {
    "chunked": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "asks first": b"GET / HTTP/1.1\r\nexpect: 100-continue\r\n\r\n",
    "closes": b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n",
    "long": b"GET / HTTP/1.1\r\nx: " + b"a" * 2_048 + b"\r\n\r\n",
    "begins another that tells a length": b"GET / HTTP/1.1\r\n\r\nPOST / HTTP/1.1\r\ncontent-length: 41\r\nx: y",
    "two": b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n",
    "the twin's own": b"GET /_mock/nowhere HTTP/1.1\r\n\r\n",
    "ends its lines with one character": b"POST / HTTP/1.1\ncontent-length: 5\n\n\r\n\r\n.",
}


@pytest.mark.parametrize("came", NOT_KEPT.values(), ids=NOT_KEPT)
async def test_a_head_is_kept_only_where_its_bytes_tell_everything(twin: Twin, came: bytes) -> None:
    protocol, _ = open_connection(twin, TwinProtocol)
    protocol.data_received(came)
    await let_it_work(protocol)
    assert known_heads(protocol) == []


async def test_no_more_heads_are_kept_than_there_is_room_for(twin: Twin) -> None:
    protocol, _ = open_connection(twin, TwinProtocol)
    for number in range(2_500):
        protocol.data_received(b"GET /%d HTTP/1.1\r\n\r\n" % number)
    assert len(known_heads(protocol)) == 500
