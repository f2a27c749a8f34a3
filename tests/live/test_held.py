"""Replies that are held back on a connection: by the world's clock, in turn, and no longer than the client waits."""

import asyncio
import contextlib
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_server.clock import ManualClock
from mock_server.exchange import Exchange, Reply, Wire
from mock_server.protocol import TwinProtocol
from mock_server.sending import HELD_SECONDS_MAX, Held
from mock_server.spoiled import TRANSPORT, H11WithTransport, HttpToolsWithTransport, send_spoiled
from mock_server.twin import Twin
from tests.live.conftest import StartServer
from tests.live.support import (
    Client,
    FakeTransport,
    assert_clean_end,
    connected,
    eventually,
    open_connection,
    parse_replies,
    read_to_end,
)
from tests.live.test_protocol import GOOD, KEY, let_it_work, submission
from tests.support import OMNI, Caller

KEPT_KINDS = [TwinProtocol, HttpToolsWithTransport, H11WithTransport]
LIST = f"GET {OMNI} HTTP/1.1\r\nauthorization: Bearer {KEY}\r\n\r\n".encode()


class Talk:
    """A client of one connection of a twin with a manual clock."""

    def __init__(self, twin: Twin, kind: Any = TwinProtocol, **story: Any) -> None:
        self.caller = Caller(twin, KEY)
        scenario = twin.catalogue.define({"name": "mine", "about": "A test.", **story})
        self.caller.world.steering.arm(scenario, 1, self.caller.clock.now_ms())
        self.protocol, self.transport = open_connection(twin, kind)

    async def send(self, data: bytes) -> None:
        # h11 wants to know the host.
        self.protocol.data_received(data.replace(b" HTTP/1.1\r\n", b" HTTP/1.1\r\nhost: twin.test\r\n"))
        await let_it_work(self.protocol)

    async def wait(self, milliseconds: int) -> None:
        """Move the clock."""
        self.caller.clock.move_to(self.caller.clock.now_ms() + milliseconds)
        await let_it_work(self.protocol)

    async def leave(self) -> None:
        self.protocol.connection_lost(None)
        await let_it_work(self.protocol)

    @property
    def statuses(self) -> list[int]:
        return [each.status for each in parse_replies(self.transport.written)]

    @property
    def entries(self) -> list[Exchange]:
        return [each for each in self.caller.journal.entries if isinstance(each, Exchange)]


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_a_late_reply_comes_when_the_clock_is_moved_there(twin: Twin, kind: Any) -> None:
    talk = Talk(twin, kind, submit=[{"latency": "5s"}])
    await talk.send(submission())
    await talk.wait(4_999)
    assert talk.transport.written == b""
    await talk.wait(1)
    assert talk.statuses == [200]
    assert not talk.transport.is_closing()
    await talk.send(submission())
    assert talk.statuses == [200, 200]


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_a_dripping_body_comes_piece_by_piece(twin: Twin, kind: Any) -> None:
    talk = Talk(twin, kind, submit=[{"fault": {"drip": {"every": "1s", "bytes": 10}}}])
    await talk.send(submission())
    lengths = []
    for _ in range(3):
        lengths.append(len(talk.transport.written.partition(b"\r\n\r\n")[2]))
        await talk.wait(1_000)
    assert lengths == [10, 20, 30]
    for _ in range(60):
        await talk.wait(1_000)
    assert talk.statuses == [200]


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_a_client_that_leaves_is_noticed_and_the_journal_says_when(twin: Twin, kind: Any) -> None:
    talk = Talk(twin, kind, submit=[{"fault": "hang"}, {"fault": {"drip": "1s"}}])
    await talk.send(submission())
    assert talk.entries[0].gave_up_after_ms is None
    await talk.leave()
    (entry,) = talk.entries
    assert entry.gave_up_after_ms is not None
    assert entry.gave_up_after_ms >= 0
    assert entry.reply is not None
    written = talk.transport.written
    await talk.wait(10_000_000)
    assert talk.transport.written == written


@pytest.mark.parametrize("kind", KEPT_KINDS)
@pytest.mark.parametrize("fault", ["close", {"hang": "3s"}, {"reset": "inside"}, "garbage"])
async def test_a_client_that_was_left_has_not_given_up(twin: Twin, kind: Any, fault: Any) -> None:
    talk = Talk(twin, kind, submit=[{"fault": fault}])
    await talk.send(submission())
    await talk.wait(3_000)
    assert talk.transport.is_closing()
    await talk.leave()
    assert [each.gave_up_after_ms for each in talk.entries] == [None]


@pytest.mark.parametrize("kind", [*KEPT_KINDS, HttpToolsProtocol])
@pytest.mark.parametrize("when", ["after", "announced"])
async def test_a_connection_may_be_closed_behind_a_whole_reply(twin: Twin, kind: Any, when: str) -> None:
    talk = Talk(twin, kind, submit=["normal", {"fault": {"close": when}}])
    await talk.send(submission())
    assert not talk.transport.is_closing()
    await talk.send(submission())
    assert talk.statuses == [200, 200]
    # Without its transport a server cannot close what it did not announce.
    assert talk.transport.closed == (when == "announced" or kind is not HttpToolsProtocol)
    assert talk.transport.written.lower().count(b"connection: close\r\n") == (when == "announced")
    await talk.leave()
    assert [each.gave_up_after_ms for each in talk.entries] == [None, None]


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_a_last_request_is_told_once_that_the_connection_ends(twin: Twin, kind: Any) -> None:
    talk = Talk(twin, kind, submit=[{"fault": {"close": "announced"}}])
    await talk.send(submission().replace(b"content-type", b"connection: close\r\ncontent-type"))
    assert talk.transport.written.lower().count(b"connection: close\r\n") == 1
    assert talk.transport.closed


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_a_refusal_says_when_to_come_back_whatever_its_status(twin: Twin, kind: Any) -> None:
    """Of 204 and 304 there is no body, so what comes behind on the connection is read."""
    statuses = [200, 204, 304, 404, 503, 599]
    refusal = {"problem": "maintenance", "retry-after": "2s"}
    talk = Talk(twin, kind, submit=[{**refusal, "status": each} for each in statuses])
    for _ in statuses:
        await talk.send(submission())
    assert talk.statuses == statuses
    assert talk.transport.written.lower().count(b"retry-after: 2\r\n") == len(statuses)
    assert talk.transport.written.lower().count(b"x-mock-explanation: ") == len(statuses)


async def test_requests_behind_a_late_reply_are_answered_in_turn(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"latency": "5s"}, "normal", {"latency": "1s"}])
    await talk.send(submission() + submission() + LIST)
    await talk.send(submission()[:-5])
    await talk.send(submission()[-5:] + LIST)
    assert talk.transport.written == b""
    await talk.wait(5_000)
    assert talk.statuses == [200, 200, 200]
    await talk.wait(1_000)
    assert talk.statuses == [200] * 5
    assert [each.operation for each in talk.entries] == [
        "createOmniVideo",
        "createOmniVideo",
        "listOmniVideos",
        "createOmniVideo",
        "listOmniVideos",
    ]


async def test_a_last_request_behind_a_late_reply_ends_the_connection_when_it_is_answered(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"latency": "5s"}])
    last = submission().replace(b"content-type", b"connection: close\r\ncontent-type")
    await talk.send(submission() + last)
    await talk.wait(5_000)
    assert talk.statuses == [200, 200]
    assert talk.transport.closed


@pytest.mark.parametrize(
    "behind",
    [
        b"GET /_mock/health HTTP/1.1\r\nhost: localhost\r\n\r\n",
        submission().replace(b"content-length: ", b"content-length: 99999999"),
        b"\x00\x00 no HTTP\r\n\r\n",
        LIST.replace(b"\r\n\r\n", b"\r\nexpect: 100-continue\r\ncontent-length: 99999999999\r\n\r\n"),
    ],
)
async def test_what_cannot_wait_behind_a_late_reply_is_not_answered_and_ends_the_connection(
    twin: Twin, behind: bytes
) -> None:
    talk = Talk(twin, submit=[{"latency": "5s"}])
    await talk.send(submission() + LIST + behind)
    assert talk.transport.written == b""
    await talk.wait(5_000)
    assert talk.statuses == [200, 200]
    assert talk.transport.closed


async def test_no_more_waits_behind_a_late_reply_than_there_is_room_for(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"latency": "5s"}])
    await talk.send(submission() + LIST * 150)
    await talk.wait(5_000)
    assert talk.statuses == [200] * 33
    assert talk.transport.closed


async def test_a_late_reply_to_a_client_that_wants_no_more_ends_the_connection(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"latency": "5s"}])
    await talk.send(submission().replace(b"content-type", b"connection: close\r\ncontent-type"))
    await talk.wait(5_000)
    (reply,) = parse_replies(talk.transport.written)
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert talk.transport.closed


async def test_nothing_is_held_back_for_ever(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"fault": "hang"}])
    await talk.send(submission())
    now = talk.protocol.loop.time()
    ended = []
    for seconds in (HELD_SECONDS_MAX - 10, HELD_SECONDS_MAX + 10):
        talk.protocol.end_if_overdue(now + seconds)
        ended.append(talk.transport.aborted)
    assert ended == [False, True]
    await talk.leave()
    assert [each.gave_up_after_ms for each in talk.entries] == [None]
    assert talk.protocol.app.held.count == 0


async def test_the_end_of_the_server_waits_for_nothing_that_is_held_back(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"fault": "hang"}])
    await talk.send(submission())
    talk.protocol.shutdown()
    assert talk.transport.closed
    await talk.leave()
    assert [each.gave_up_after_ms for each in talk.entries] == [None]


@pytest.mark.parametrize("kind", KEPT_KINDS)
async def test_beyond_the_bound_replies_are_not_held_back(twin: Twin, kind: Any) -> None:
    talk = Talk(twin, kind, submit=[{"latency": "5s", "times": 2}])
    app: Any = talk.protocol.config.app
    app.held = Held(limit=0)
    await talk.send(submission())
    assert talk.statuses == [200]


async def test_nothing_is_held_back_for_ever_through_asgi() -> None:
    transport = FakeTransport()

    async def never() -> Any:
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        raise AssertionError(message)

    for wire in (Wire(head=False, end="hang", hang_ms=5), Wire(delay_ms=5)):
        scope = {"type": "http", "method": "GET", "extensions": {TRANSPORT: transport}}
        reply = Reply(200, b"{}", wire=wire)
        assert not await send_spoiled(scope, never, send, reply, ManualClock(), Held(), seconds_max=0)
        assert transport.aborted


async def test_a_world_that_is_gone_has_no_journal_to_note_it_in(twin: Twin) -> None:
    talk = Talk(twin, submit=[{"fault": "hang"}])
    await talk.send(submission())
    twin.reset(talk.caller.world)
    await talk.leave()
    assert talk.entries == []


async def test_a_server_that_keeps_its_transport_leaves_out_what_needs_it(
    twin: Twin, caplog: pytest.LogCaptureFixture
) -> None:
    talk = Talk(twin, HttpToolsProtocol, submit=[{"fault": {"hang": "5s"}}, {"fault": "reset"}])
    await talk.send(submission())
    assert talk.transport.written == b""
    await talk.wait(5_000)
    await talk.send(submission())
    assert talk.statuses == [200, 200]
    assert "does not hand its transport on" in caplog.text


# With sockets


def test_the_control_api_lets_go_what_is_due(client: Client) -> None:
    """One client waits for its reply; another moves the clock of their world."""
    story = {"name": "slow", "about": "A test.", "submit": [{"latency": "30s"}]}
    armed = client.server.http.put("/_mock/scenario", json={"scenario": story}, headers=client.headers)
    assert armed.status_code == 200, armed.text
    head = f"POST {OMNI} HTTP/1.1\r\nauthorization: Bearer {client.key}\r\ncontent-type: application/json\r\n"
    with connected(client.server.port) as connection:
        connection.sendall(head.encode() + b"content-length: %d\r\n\r\n%s" % (len(GOOD), GOOD))
        eventually(client.listed, "the task")
        client.advance("29s")
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)
        connection.setblocking(True)
        client.advance("1s")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_leaves_a_hanging_reply_is_in_the_journal_of_a_real_server(client: Client) -> None:
    story = {"name": "hanging", "about": "A test.", "list": [{"fault": "hang"}]}
    armed = client.server.http.put("/_mock/scenario", json={"scenario": story}, headers=client.headers)
    assert armed.status_code == 200, armed.text
    with connected(client.server.port) as connection:
        connection.sendall(f"GET {OMNI} HTTP/1.1\r\nauthorization: Bearer {client.key}\r\n\r\n".encode())
        eventually(lambda: journal(client), "the entry")

    def gave_up() -> dict[str, Any] | None:
        (entry,) = journal(client)
        return entry if entry["gave_up_after_ms"] is not None else None

    entry = eventually(gave_up, "the note that the client has left")
    assert entry["response"]["wire"] == {"head": False, "end": "hang", "hang_ms": 600_000}


def journal(client: Client) -> list[dict[str, Any]]:
    answer = client.server.http.get("/_mock/journal", headers=client.headers)
    found = answer.json()["entries"]
    assert isinstance(found, list)
    return found


def test_a_server_that_is_stopped_closes_what_hangs(start: StartServer, key: str) -> None:
    server = start()
    story = {"name": "hanging", "about": "A test.", "list": [{"fault": "hang", "times": "always"}]}
    client = Client(server, key)
    assert server.http.put("/_mock/scenario", json={"scenario": story}, headers=client.headers).status_code == 200
    request = f"GET {OMNI} HTTP/1.1\r\nauthorization: Bearer {key}\r\n\r\n".encode()
    with contextlib.ExitStack() as connections:
        waiting = [connections.enter_context(connected(server.port)) for _ in range(20)]
        for one in waiting:
            one.sendall(request)
        eventually(lambda: len(journal(client)) == 20, "all requests")
        assert_clean_end(server.end())
        assert [read_to_end(one) for one in waiting] == [b""] * 20
