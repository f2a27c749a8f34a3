"""What a server that anybody may talk to has to bear: plain sockets, half requests, too much of everything."""

import asyncio
import contextlib
import resource
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from mock_server.exchange import Exchange
from mock_server.protocol import (
    HEAD_BYTES_MAX,
    HEAD_SECONDS_MAX,
    KEEP_ALIVE_SECONDS,
    REQUEST_SECONDS_MAX,
    TwinProtocol,
)
from mock_server.server import TwinServer
from mock_server.twin import Twin
from tests.live.conftest import StartServer
from tests.live.support import (
    PATIENCE_SECONDS,
    Client,
    RawReply,
    Server,
    clean_environment,
    connected,
    open_connection,
    parse_replies,
    read_replies,
    read_to_end,
)
from tests.support import OMNI

BODY = b'{"prompt":"A lighthouse.","aspect_ratio":"16:9"}'
HUNDRED_MEGABYTES = 100 * 1_000_000
PART = b" " * 1_000_000


@pytest.fixture(scope="module")
def sturdy_server(start_shared: StartServer) -> Server:
    return start_shared()


@pytest.fixture(autouse=True)
def nothing_has_crashed(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test the server is well, has not crashed, and serves another client."""
    yield
    if "sturdy_server" in request.fixturenames:
        server: Server = request.getfixturevalue("sturdy_server")
        assert server.running
        health = server.health()
        assert (health["status"], health["crashes"]) == ("ok", 0)
        assert Client(server, "sk-bystander").submit().status_code == 200
        assert "Traceback" not in server.err, server.err


def submission(key: str, body: bytes = BODY, *more: str, version: str = "1.1") -> bytes:
    """Return a whole request that submits a task; `more` are further headers."""
    head = [
        f"POST {OMNI} HTTP/{version}",
        "host: 127.0.0.1",
        f"authorization: Bearer {key}",
        "content-type: application/json",
        *(more or (f"content-length: {len(body)}",)),
    ]
    return "\r\n".join([*head, "", ""]).encode() + body


def listing(key: str, *more: str) -> bytes:
    head = [f"GET {OMNI} HTTP/1.1", "host: 127.0.0.1", f"authorization: Bearer {key}", *more]
    return "\r\n".join([*head, "", ""]).encode()


def only_reply(came: bytes) -> RawReply:
    replies = parse_replies(came)
    assert len(replies) == 1, came
    return replies[0]


def is_providers(reply: RawReply, status: int, code: int) -> bool:
    """Tell whether a reply is this problem, in the provider's shape."""
    return (
        reply.status == status
        and reply.headers["content-type"] == "application/json"
        and set(reply.json) == {"code", "message", "request_id"}
        and reply.json["code"] == code
    )


# Clients that leave


def test_a_client_that_leaves_in_the_middle_of_a_body_submits_nothing(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key)[:-10])
    assert Client(sturdy_server, key).listed() == []


def test_a_client_that_resets_in_the_middle_of_a_body_submits_nothing(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key)[:-10])
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    assert Client(sturdy_server, key).listed() == []


def test_a_client_that_leaves_in_the_middle_of_a_chunk_submits_nothing(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"30\r\n" + BODY[:20], "transfer-encoding: chunked"))
    assert Client(sturdy_server, key).listed() == []


def test_a_client_that_only_stops_sending_gets_its_answer(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key))
        connection.shutdown(socket.SHUT_WR)
        assert read_replies(connection, 1)[0].status == 200


# Heads


def send_until_closed(connection: socket.socket, parts: Iterator[bytes]) -> bytes:
    """Send until the other side will not have more, and return what it said."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        for part in parts:
            connection.sendall(part)
    return read_to_end(connection)


def test_headers_without_an_end_are_cut_off(sturdy_server: Server) -> None:
    """The client sends 8 MB of them; if it hears anything at all before the connection closes, it is the refusal."""
    with connected(sturdy_server.port) as connection:
        connection.sendall(f"GET {OMNI} HTTP/1.1\r\n".encode())
        came = send_until_closed(connection, (b"x-more: " + b"a" * 8_000 + b"\r\n" for _ in range(1_000)))
    assert not came or is_providers(only_reply(came), 431, 1200)


def test_a_client_whose_headers_are_too_large_is_told(sturdy_server: Server) -> None:
    """It sends just too much, and waits: nothing is on its way that could reset the connection."""
    with connected(sturdy_server.port) as connection:
        connection.sendall(f"GET {OMNI} HTTP/1.1\r\nx-more: ".encode() + b"a" * HEAD_BYTES_MAX)
        assert is_providers(only_reply(read_to_end(connection)), 431, 1200)


def test_headers_that_are_large_and_not_too_large_are_taken(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(listing(key, "x-more: " + "a" * 30_000))
        assert read_replies(connection, 1)[0].status == 200


def test_a_request_line_without_an_end_is_cut_off(sturdy_server: Server) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(b"GET /" + b"a" * HEAD_BYTES_MAX)
        assert is_providers(only_reply(read_to_end(connection)), 431, 1200)


def test_a_head_may_come_byte_by_byte(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in submission(key):
            connection.sendall(bytes([byte]))
        assert read_replies(connection, 1)[0].status == 200


def test_the_bound_on_heads_is_for_each_request_of_a_connection(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        for _ in range(5):
            connection.sendall(listing(key, "x-more: " + "a" * 30_000))
            assert read_replies(connection, 1)[0].status == 200


def test_trailers_are_not_taken_for_headers(sturdy_server: Server, key: str) -> None:
    """What follows a chunked body is read after the request was authorized."""
    chunked = b"%x\r\n%s\r\n0\r\nauthorization: Bearer sk-other\r\n\r\n" % (len(BODY), BODY)
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, chunked, "transfer-encoding: chunked"))
        assert read_replies(connection, 1)[0].status == 200


# Many requests


def test_pipelined_requests_are_answered_in_order(sturdy_server: Server, key: str) -> None:
    wanted = [200, 404, 405, 401, 200]
    requests = [
        submission(key),
        listing(key).replace(OMNI.encode(), b"/nowhere"),
        listing(key).replace(b"GET", b"DELETE"),
        listing(key).replace(b"Bearer", b"Basic"),
        listing(key),
    ]
    with connected(sturdy_server.port) as connection:
        connection.sendall(b"".join(requests))
        assert [reply.status for reply in read_replies(connection, 5)] == wanted


def test_a_hundred_pipelined_submissions_make_a_hundred_tasks(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key) * 100)
        task_ids = [reply.json["data"]["task_id"] for reply in read_replies(connection, 100)]
    newest_first = [
        each["task_id"]
        for each in sturdy_server.http.get(
            OMNI, params={"pageSize": 500}, headers={"authorization": f"Bearer {key}"}
        ).json()["data"]
    ]
    assert newest_first == task_ids[::-1]


def test_a_request_is_answered_before_the_garbage_behind_it(sturdy_server: Server, key: str) -> None:
    """The task exists: who submitted it must not be told that the request was none."""
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key) + b"\x00garbage\r\n\r\n")
        statuses = [reply.status for reply in parse_replies(read_to_end(connection))]
    assert statuses[0] == 200


def test_two_thousand_idle_connections_hinder_nobody(sturdy_server: Server, key: str) -> None:
    wanted = 2_000 + 200
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"this machine allows {hard} open files, and the test needs {wanted}")
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    try:
        with contextlib.ExitStack() as stack:
            for _ in range(2_000):
                stack.enter_context(connected(sturdy_server.port))
            assert Client(sturdy_server, key).submit().status_code == 200
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# Bodies


def test_a_hundred_megabytes_with_their_length_said_are_refused(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"", f"content-length: {HUNDRED_MEGABYTES}"))
        for _ in range(HUNDRED_MEGABYTES // len(PART)):
            connection.sendall(PART)
        assert is_providers(only_reply(read_to_end(connection)), 413, 1200)


def test_a_hundred_megabytes_in_chunks_are_refused(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"", "transfer-encoding: chunked"))
        for _ in range(HUNDRED_MEGABYTES // len(PART)):
            connection.sendall(b"%x\r\n%s\r\n" % (len(PART), PART))
        connection.sendall(b"0\r\n\r\n")
        assert is_providers(only_reply(read_to_end(connection)), 413, 1200)


def test_a_client_that_asks_first_is_refused_before_it_sends(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"", f"content-length: {HUNDRED_MEGABYTES}", "expect: 100-continue"))
        assert is_providers(only_reply(read_to_end(connection)), 413, 1200)


def test_others_are_served_while_one_sends_a_hundred_megabytes(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"", f"content-length: {HUNDRED_MEGABYTES}"))
        for _ in range(HUNDRED_MEGABYTES // len(PART) // 2):
            connection.sendall(PART)
        assert Client(sturdy_server, key).submit().status_code == 200


@pytest.fixture(scope="module")
def large_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file of 100 MB that takes no room."""
    path = tmp_path_factory.mktemp("large") / "body.json"
    with path.open("wb") as file:
        file.truncate(HUNDRED_MEGABYTES)
    yield path
    path.unlink()


# curl asks first where a body is large, unless it is told not to.
CURL_WAYS = [
    [],
    ["-H", "Expect:"],
    ["-H", "Transfer-Encoding: chunked"],
    ["-H", "Transfer-Encoding: chunked", "-H", "Expect:"],
    ["-H", "Transfer-Encoding: chunked", "-H", "Expect: 100-continue"],
]


@pytest.mark.parametrize("way", CURL_WAYS, ids=" ".join)
def test_curl_is_told_that_its_file_is_too_large(
    sturdy_server: Server, key: str, large_file: Path, way: list[str]
) -> None:
    answer = curl(sturdy_server, key, "--data-binary", f"@{large_file}", *way)
    assert answer == ("413", '"message":"The request body is too large"')


def curl(server: Server, key: str, *arguments: str) -> tuple[str, str]:
    """Call the submit operation with the real curl; return the status, and the message as it stands in the body."""
    done = subprocess.run(
        [
            *("curl", "--silent", "--show-error", "--max-time", str(PATIENCE_SECONDS), "-w", "\n%{http_code}"),
            *("-H", f"Authorization: Bearer {key}", "-H", "Content-Type: application/json"),
            *arguments,
            f"{server.base_url}{OMNI}",
        ],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    return status, next((part for part in body.split(",") if part.startswith('"message"')), "")


def test_a_client_that_asks_first_is_told_to_go_on(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"", f"content-length: {len(BODY)}", "expect: 100-continue"))
        assert connection.recv(1_024) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert read_replies(connection, 1)[0].status == 200


# What is not quite HTTP/1.1

GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
    b"hello\r\n\r\n",
    b"\x00" * 1_000,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nhost: x\r\n\r\n",
    b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: x\r\nx: \x00\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ten\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nten\r\n",
]


@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:45]))
def test_garbage_is_refused_in_the_providers_shape(sturdy_server: Server, garbage: bytes) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(garbage)
        assert is_providers(only_reply(read_to_end(connection)), 400, 1200)


def test_garbage_behind_a_good_head_is_refused_and_submits_nothing(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, b"zz\r\n" + BODY, "transfer-encoding: chunked"))
        assert is_providers(only_reply(read_to_end(connection)), 400, 1200)
    assert Client(sturdy_server, key).listed() == []


def test_http_1_0_is_answered(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, version="1.0"))
        assert only_reply(read_to_end(connection)).status == 200


def test_a_missing_host_header_is_no_hindrance(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key).replace(b"host: 127.0.0.1\r\n", b""))
        assert read_replies(connection, 1)[0].status == 200


def test_the_address_in_the_request_line_may_be_whole(sturdy_server: Server, key: str) -> None:
    """So clients write it that think they talk to a proxy."""
    request = listing(key).replace(OMNI.encode(), b"http://api.deerapi.com" + OMNI.encode())
    with connected(sturdy_server.port) as connection:
        connection.sendall(request)
        assert read_replies(connection, 1)[0].status == 200


def test_head_on_the_submit_path_is_refused_without_a_body(sturdy_server: Server, key: str) -> None:
    answer = sturdy_server.http.head(OMNI, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.headers["allow"], answer.content) == (405, "GET, POST", b"")


def test_options_on_the_submit_path_is_refused(sturdy_server: Server, key: str) -> None:
    answer = sturdy_server.http.options(OMNI, headers={"authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["code"]) == (405, 1202)


def test_two_authorization_headers_are_refused(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(listing(key, "authorization: Bearer sk-other"))
        assert is_providers(read_replies(connection, 1)[0], 401, 1002)


def test_a_compressed_body_is_refused(sturdy_server: Server, key: str) -> None:
    answer = sturdy_server.http.post(
        OMNI, content=b"\x1f\x8b", headers={"authorization": f"Bearer {key}", "content-encoding": "gzip"}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, 1200)


# What Java's HttpClient, Spring's RestClient, Ktor and `curl --http2` send with their first request.
H2C = ("connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQCAAAAAAIAAAAA")


def test_a_body_comes_through_beside_an_offer_of_http_2(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, BODY, *H2C, f"content-length: {len(BODY)}"))
        reply = read_replies(connection, 1)[0]
    assert (reply.status, reply.json["code"]) == (200, 0), reply


def test_a_chunked_body_comes_through_beside_an_offer_of_http_2(sturdy_server: Server, key: str) -> None:
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    with connected(sturdy_server.port) as connection:
        connection.sendall(submission(key, chunked, *H2C, "transfer-encoding: chunked"))
        reply = read_replies(connection, 1)[0]
    assert (reply.status, reply.json["code"]) == (200, 0), reply


def test_a_connection_goes_on_after_an_offer_of_http_2(sturdy_server: Server, key: str) -> None:
    with connected(sturdy_server.port) as connection:
        for _ in range(2):
            connection.sendall(listing(key, *H2C))
            assert read_replies(connection, 1)[0].status == 200


def test_curl_may_offer_http_2(sturdy_server: Server, key: str) -> None:
    answer = curl(sturdy_server, key, "--http2", "--data", BODY.decode())
    assert answer == ("200", '"message":"SUCCEED"')


# Time: no test waits for it, the protocol is asked


def later(seconds: float) -> float:
    """Return the time of the loop in so many seconds."""
    return asyncio.get_running_loop().time() + seconds


A_LITTLE = 5.0


async def test_a_head_may_take_its_time(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.end_if_overdue(later(HEAD_SECONDS_MAX - A_LITTLE))
    assert not transport.is_closing()


async def test_a_head_that_does_not_end_is_cut_off(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.end_if_overdue(later(HEAD_SECONDS_MAX + A_LITTLE))
    assert transport.aborted


async def test_a_new_connection_may_be_silent_as_long_as_a_kept_one(twin: Twin) -> None:
    """Clients that open a pool of connections beforehand find them open."""
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.end_if_overdue(later(KEEP_ALIVE_SECONDS - A_LITTLE))
    assert not transport.is_closing()


async def test_a_new_connection_that_stays_silent_is_closed(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.end_if_overdue(later(KEEP_ALIVE_SECONDS + A_LITTLE))
    assert transport.closed


async def test_silence_before_a_head_is_not_counted_against_it(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.since = later(-KEEP_ALIVE_SECONDS)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.end_if_overdue(later(HEAD_SECONDS_MAX - A_LITTLE))
    assert not transport.is_closing()


async def test_more_of_a_head_does_not_buy_more_time(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    for number in range(10):
        protocol.data_received(b"GET / HTTP/1.1\r\n" if number == 0 else b"x: y\r\n")
    protocol.end_if_overdue(later(HEAD_SECONDS_MAX + A_LITTLE))
    assert transport.aborted


async def test_a_body_may_take_longer_than_a_head(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission("sk-a")[:-10])
    protocol.end_if_overdue(later(REQUEST_SECONDS_MAX - A_LITTLE))
    assert not transport.is_closing()


async def test_a_body_that_does_not_end_is_cut_off(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission("sk-a")[:-10])
    protocol.end_if_overdue(later(REQUEST_SECONDS_MAX + A_LITTLE))
    assert transport.aborted


@pytest.mark.parametrize("path", [OMNI, "/_mock/health"], ids=["answered here", "answered by uvicorn"])
async def test_between_requests_a_connection_is_kept_for_a_while(twin: Twin, path: str) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(listing("sk-a").replace(OMNI.encode(), path.encode()))
    await asyncio.gather(*protocol.tasks)
    assert b"HTTP/1.1 200 OK" in transport.written
    protocol.end_if_overdue(later(KEEP_ALIVE_SECONDS - A_LITTLE))
    assert not transport.is_closing()
    protocol.end_if_overdue(later(KEEP_ALIVE_SECONDS + A_LITTLE))
    assert transport.closed


async def test_a_request_that_takes_long_to_answer_is_waited_for(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(listing("sk-a").replace(OMNI.encode(), b"/_mock/health"))
    protocol.end_if_overdue(later(2 * REQUEST_SECONDS_MAX))
    assert not transport.is_closing()
    await asyncio.gather(*protocol.tasks)


async def test_the_next_requests_head_has_a_time_of_its_own(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(submission("sk-a"))
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.end_if_overdue(later(HEAD_SECONDS_MAX + A_LITTLE))
    assert transport.aborted


async def test_the_server_ends_what_is_overdue(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(b"GET / HTTP/1.1\r\n")
    protocol.since = later(-HEAD_SECONDS_MAX - A_LITTLE)
    server = TwinServer(protocol.config, lambda: None)
    server.server_state.connections.add(protocol)
    await server.on_tick(0)
    assert transport.aborted


async def test_the_server_leaves_what_is_not_overdue(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    server = TwinServer(protocol.config, lambda: None)
    server.server_state.connections.add(protocol)
    await server.on_tick(0)
    assert not transport.is_closing()


@pytest.mark.parametrize(
    ("came", "status"),
    [(b"GET / HTTP/1.1\r\nx: " + b"a" * HEAD_BYTES_MAX, 431), (b"garbage\r\n\r\n", 400)],
    ids=["a head that is too large", "garbage"],
)
async def test_what_never_became_a_request_is_in_the_journal(twin: Twin, came: bytes, status: int) -> None:
    protocol, _ = open_connection(twin, TwinProtocol)
    protocol.data_received(came)
    assert [
        entry.reply.status for entry in twin.worlds.lobby.journal.entries if isinstance(entry, Exchange) and entry.reply
    ] == [status]


async def test_a_refused_connection_is_closed(twin: Twin) -> None:
    protocol, transport = open_connection(twin, TwinProtocol)
    protocol.data_received(b"garbage\r\n\r\n")
    assert transport.closed
