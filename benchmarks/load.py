"""The load: some keep-alive connections, each with one request under way, driven by one thread without a library.

It must not be what is measured: on each event it does one read, one search for the end of the answer, and one write.
`raw_server.py` shows what it can do at most.
"""

import re
import select
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass

CONNECTIONS = 16
# Nothing here answers slower, unless it hangs.
_SILENCE_SECONDS_MAX = 30.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


class LoadError(Exception):
    """The server did not answer as it must; the message says what came."""


@dataclass(frozen=True, slots=True)
class Load:
    """What one round of load has seen. Latencies are in seconds, in the order of the answers."""

    answers: int
    seconds: float
    latencies: list[float]

    @property
    def per_second(self) -> float:
        """Answers in a second."""
        return self.answers / self.seconds


class _Connection:
    """One connection, what has come of its next answer, and how long its last answer and that one's head were."""

    __slots__ = ("came", "head_bytes", "send", "sent_at", "size", "socket", "take")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_SILENCE_SECONDS_MAX)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.send, self.take = self.socket.sendall, self.socket.recv
        self.came = b""
        self.sent_at = 0.0
        self.size = self.head_bytes = 0

    def is_like_the_last(self, came: bytes) -> bool:
        """Tell quickly that an answer is whole: it is as long as the last one, and so is its head."""
        return len(came) == self.size and came.startswith(b"\r\n\r\n", self.head_bytes)

    def is_whole(self, came: bytes) -> bool:
        """Tell whether `came` is a whole answer, and remember how long it is."""
        if not is_whole(came):
            return False
        self.size, self.head_bytes = len(came), came.find(b"\r\n\r\n")
        return True


def is_whole(came: bytes) -> bool:
    """Tell whether `came` holds a whole answer, with its length said or in chunks."""
    end = came.find(b"\r\n\r\n")
    if end < 0:
        return False
    length = _LENGTH.search(came, 0, end + 2)
    if length is None:
        return came.endswith(b"0\r\n\r\n")
    return len(came) >= end + 4 + int(length[1])


def run_load(
    port: int,
    requests: Sequence[bytes],
    *,
    seconds: float,
    answers_max: int | None = None,
    connections: int = CONNECTIONS,
) -> Load:
    """Send `requests` over and over for so long, or until so many are answered; raise LoadError for another than 200.

    Each connection sends its next request as soon as its last one is answered.
    """
    poll = select.poll()
    by_number = {each.socket.fileno(): each for each in (_Connection(port) for _ in range(connections))}
    try:
        for number in by_number:
            poll.register(number, select.POLLIN)
            # With a timeout each call would ask the kernel first whether it may; here the poll has told.
            by_number[number].socket.setblocking(True)
        return _drive(poll, by_number, requests, seconds, answers_max)
    finally:
        for each in by_number.values():
            each.socket.close()


def _drive(
    poll: select.poll,
    by_number: dict[int, _Connection],
    requests: Sequence[bytes],
    seconds: float,
    answers_max: int | None,
) -> Load:
    clock = time.perf_counter
    latencies: list[float] = []
    count, sent = len(requests), 0
    started = now = clock()
    ends = started + seconds
    for each in by_number.values():
        each.sent_at = clock()
        each.send(requests[sent % count])
        sent += 1
    while now < ends and (answers_max is None or len(latencies) < answers_max):
        ready = poll.poll(_SILENCE_SECONDS_MAX * 1_000)
        if not ready:
            raise LoadError(f"no answer came for {_SILENCE_SECONDS_MAX:g} s")
        for number, _ in ready:
            each = by_number[number]
            came = each.take(65_536)
            if not came:
                raise LoadError(f"the server closed a connection; it had sent {each.came[:200]!r}")
            if each.came:
                came = each.came + came
            if not (each.is_like_the_last(came) or each.is_whole(came)):
                each.came = came
                continue
            if not came.startswith(b"HTTP/1.1 200"):
                raise LoadError(f"the answer is {came[:300]!r}")
            each.came = b""
            now = clock()
            latencies.append(now - each.sent_at)
            each.sent_at = now
            each.send(requests[sent % count])
            sent += 1
    return Load(len(latencies), now - started, latencies)


def fetch(port: int, request: bytes) -> bytes:
    """Send one request on a connection of its own, and return the whole answer."""
    connection = _Connection(port)
    with connection.socket:
        connection.socket.sendall(request)
        while not is_whole(connection.came):
            came = connection.socket.recv(65_536)
            if not came:
                raise LoadError(f"the server closed the connection; it had sent {connection.came[:200]!r}")
            connection.came += came
        return connection.came
