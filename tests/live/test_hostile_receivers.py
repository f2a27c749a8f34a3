"""Receivers that mean harm, over real sockets: each is survived, bounded in bytes and time, and journalled."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import StartServer
from tests.live.support import TO_THE_END, Client, Receiver, Server, eventually

CHUNK = b"x" * 65_536
GIGABYTE = 1_000_000_000
# What the kernel holds on both sides of a connection, and what the sender's library reads ahead.
TAKEN_BYTES_MAX = 32_000_000
HEAD = b"HTTP/1.1 200 OK\r\n"


def never_reads(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    """Leave even the request where it is."""
    released.wait(60)
    yield b""


def never_answers(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    connection.recv(65_536)
    released.wait(60)
    yield b""


def resets(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    connection.recv(65_536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    yield b""


def resets_in_the_head(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\ncontent-le"
    yield from resets(connection, released)


def drips_its_head(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    """Send a byte of a header now and then, for ever."""
    yield HEAD + b"x-slow: "
    while not released.wait(0.01):
        yield b"x"


def endless_headers(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield HEAD
    while True:
        yield b"x-more: yes\r\n" * 5_000


def one_endless_header(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield HEAD + b"x-long: "
    while True:
        yield CHUNK


def endless_hundreds(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    while True:
        yield b"HTTP/1.1 102 Processing\r\n\r\n" * 100


def garbage(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield b"\x16\x03\x01 this is not HTTP \r\n\r\n"


def a_gigabyte(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield HEAD + b"content-length: 1000000000\r\n\r\n"
    for _ in range(GIGABYTE // len(CHUNK)):
        yield CHUNK


def endless_body(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield HEAD + b"transfer-encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + CHUNK + b"\r\n"


def drips_its_body(connection: socket.socket, released: threading.Event) -> Iterator[bytes]:
    yield HEAD + b"content-length: 1000000\r\n\r\n"
    while not released.wait(0.01):
        yield b"x"


Behaviour = Callable[[socket.socket, threading.Event], Iterator[bytes]]
FAIL: list[Behaviour] = [
    *(never_reads, never_answers, resets, resets_in_the_head, drips_its_head, endless_headers, one_endless_header),
    *(endless_hundreds, garbage),
]
# A receiver that has sent a good head has the callback, whatever it sends besides.
DELIVER: list[Behaviour] = [a_gigabyte, endless_body, drips_its_body]


class Hostile:
    """A receiver that does to each connection what its behaviour says; it counts what it could get rid of."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self.sent_bytes = self.ended = 0
        self._released = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/callback"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            for part in self._behaviour(connection, self._released):
                connection.sendall(part)
                self.sent_bytes += len(part)
        self.ended += 1

    def close(self) -> None:
        self._released.set()
        self._listener.close()


@pytest.fixture(scope="module")
def server(start_shared: StartServer) -> Server:
    """It has little patience, and tries once."""
    return start_shared("--clock", "manual", "--callback-timeout", "300ms", "--callback-retries", "")


@pytest.fixture
def client(server: Server, key: str) -> Client:
    return Client(server, key)


@pytest.fixture
def hostile(request: pytest.FixtureRequest) -> Iterator[Hostile]:
    one = Hostile(request.param)
    yield one
    one.close()


def attempts(client: Client, url: str) -> list[dict[str, Any]]:
    answer = client.server.http.get("/_mock/journal?kind=callback&limit=1000", headers=client.headers)
    return [each for each in answer.json()["entries"] if each["url"] == url]


def resident_bytes(server: Server) -> int:
    return int(Path(f"/proc/{server.pid}/statm").read_text(encoding="ascii").split()[1]) * 4_096


@pytest.mark.parametrize("hostile", FAIL, indirect=True, ids=lambda each: each.__name__)
def test_an_attempt_without_an_answer_fails_and_is_journalled(client: Client, hostile: Hostile) -> None:
    client.created(callback_url=hostile.url)
    client.advance(TO_THE_END)
    tried = attempts(client, hostile.url)
    assert [(each["outcome"], each["http_status"], each["final"]) for each in tried] == [("failed", None, True)] * 3
    assert all(each["reason"] for each in tried)


@pytest.mark.parametrize("hostile", DELIVER, indirect=True, ids=lambda each: each.__name__)
def test_of_an_answer_only_the_head_counts(client: Client, hostile: Hostile) -> None:
    client.created(callback_url=hostile.url)
    client.advance(TO_THE_END)
    tried = attempts(client, hostile.url)
    assert [(each["outcome"], each["http_status"]) for each in tried] == [("delivered", 200)] * 3
    eventually(lambda: hostile.ended == 3, "the end of the connections")


@pytest.mark.parametrize("hostile", [*FAIL, *DELIVER], indirect=True, ids=lambda each: each.__name__)
def test_others_are_answered_and_called_back_meanwhile(client: Client, hostile: Hostile, receiver: Receiver) -> None:
    client.created(callback_url=hostile.url)
    other = client.created(callback_url=receiver.url())
    assert receiver.wait(1)[0].json["task_id"] == other
    assert client.task(other)["task_status"] == "submitted"


@pytest.mark.parametrize(
    "hostile",
    [a_gigabyte, endless_body, endless_headers, one_endless_header],
    indirect=True,
    ids=lambda each: each.__name__,
)
def test_little_is_taken_of_what_never_ends(client: Client, hostile: Hostile) -> None:
    before = resident_bytes(client.server)
    client.created(callback_url=hostile.url)
    client.advance(TO_THE_END)
    eventually(lambda: hostile.ended == 3, "the end of the connections")
    assert hostile.sent_bytes < TAKEN_BYTES_MAX
    assert resident_bytes(client.server) - before < TAKEN_BYTES_MAX


@pytest.mark.parametrize("hostile", [never_answers], indirect=True)
def test_many_that_hang_hold_up_nobody_else(client: Client, hostile: Hostile, receiver: Receiver) -> None:
    for _ in range(100):
        client.created(callback_url=hostile.url)
    other = client.created(callback_url=receiver.url())
    assert receiver.wait(1)[0].json["task_id"] == other
    eventually(lambda: len(attempts(client, hostile.url)) == 100, "the end of all that hang")
