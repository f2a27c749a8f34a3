"""Real parts for the tests of this folder: a server in a process of its own, a client of it, a receiver of callbacks.

Nothing here waits for a fixed time: a wait looks for a condition, and gives up with a message that says what it saw.
"""

import asyncio
import contextlib
import json
import os
import queue
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, TypeVar

import httpx
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from mock_server.app import App
from mock_server.twin import Twin
from tests.support import MINIMAL, OMNI

ADVANCE = "/_mock/clock/advance"

# Much more than anything here needs on a noisy machine; only a failing test waits so long.
PATIENCE_SECONDS = 30.0
# How often a condition is looked at.
_GLANCE_SECONDS = 0.01
# What a receiver that hangs is let go after, should its test forget to.
_HANG_SECONDS_MAX = 60.0

T = TypeVar("T")

# Longer than a task takes at the spec's slowest pace, its callbacks' retries included.
TO_THE_END = "10m"


def eventually(look: Callable[[], T | None], what: str) -> T:
    """Return what `look` returns as soon as that is true; fail where it never is."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        if seen := look():
            return seen
        assert time.monotonic() < ends_at, f"this did not come: {what}"
        time.sleep(_GLANCE_SECONDS)


def clean_environment(**more: str) -> dict[str, str]:
    """Return the environment of this process without settings of omnimock and pytest, and proxies, with `more`."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OMNIMOCK_", "PYTEST_")) and not name.lower().endswith("_proxy")
    }
    return {**mine, "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default", "NO_PROXY": "*", **more}


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str


def run_omnimock(*arguments: str, folder: Path, environment: Mapping[str, str] | None = None) -> Ended:
    """Run `omnimock` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "mock_server", *arguments],
        cwd=folder,
        env=clean_environment(**(environment or {})),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Server:
    """`omnimock serve` in a process of its own, on a free port of this machine."""

    def __init__(self, folder: Path, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        """Start it, and return when it answers; `folder` is where it runs and where its output goes."""
        self.folder = folder
        self.ready_file = folder / "ready.json"
        self._out_path, self._err_path = folder / "stdout.txt", folder / "stderr.txt"
        port = () if "--port" in arguments else ("--port", "0")
        with self._out_path.open("wb") as out, self._err_path.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mock_server", "serve", *port, "--ready-file", str(self.ready_file), *arguments],
                cwd=folder,
                env=clean_environment(**(environment or {})),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        try:
            ready = eventually(self._look_for_ready_file, "the ready file")
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        self.base_url: str = ready["base_url"]
        self.port: int = ready["port"]
        self.pid: int = ready["pid"]
        self.ca_file: str | None = ready.get("ca_file")
        self.http = httpx.Client(
            base_url=self.base_url,
            timeout=PATIENCE_SECONDS,
            trust_env=False,
            verify=ssl.create_default_context(cafile=self.ca_file) if self.ca_file else True,
        )

    def _look_for_ready_file(self) -> dict[str, Any] | None:
        assert self.process.poll() is None, f"the server ended before it was ready: {self.err}"
        with contextlib.suppress(FileNotFoundError):
            ready = json.loads(self.ready_file.read_text(encoding="utf-8"))
            assert isinstance(ready, dict)
            return ready
        return None

    @property
    def out(self) -> str:
        """What it wrote to standard output so far."""
        return self._out_path.read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        """What it wrote to standard error so far."""
        return self._err_path.read_text(encoding="utf-8")

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self.process.poll() is None

    def health(self) -> dict[str, Any]:
        """Return what the health page says."""
        answer = self.http.get("/_mock/health")
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert isinstance(told, dict)
        return told

    def end(self, by: signal.Signals = signal.SIGTERM) -> Ended:
        """End it by a signal, and return its exit status and output."""
        self.http.close()
        if self.running:
            self.process.send_signal(by)
        try:
            self.process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not end by {by.name}: {self.err}") from None
        return Ended(self.process.returncode, self.out, self.err)


def assert_clean_end(ended: Ended) -> None:
    """Fail where a server did not end with status 0, or has spoken of an error, or Python has warned."""
    assert "Traceback" not in ended.err, ended.err
    assert "error:" not in ended.err, ended.err
    assert "Warning:" not in ended.err, ended.err
    assert ended.status == 0, ended


@dataclass
class Client:
    """Somebody who calls one server with one key; the key's world is theirs alone."""

    server: Server
    key: str

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    def submit(self, body: Any = None, *, path: str = OMNI, **more: Any) -> httpx.Response:
        """Submit a body; `more` are members beside those of the smallest one."""
        whole = {**MINIMAL, **more} if body is None else body
        return self.server.http.post(path, json=whole, headers=self.headers)

    def created(self, **more: Any) -> str:
        """Submit what must be accepted, and return the task's id."""
        answer = self.submit(**more)
        assert answer.status_code == 200, answer.text
        task_id = answer.json()["data"]["task_id"]
        assert isinstance(task_id, str)
        return task_id

    def task(self, task_id: str, *, path: str = OMNI) -> dict[str, Any]:
        """Query what must be there, and return its `data`."""
        answer = self.server.http.get(f"{path}/{task_id}", headers=self.headers)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert isinstance(data, dict)
        return data

    def listed(self, *, path: str = OMNI) -> list[dict[str, Any]]:
        answer = self.server.http.get(path, headers=self.headers)
        assert answer.status_code == 200, answer.text
        data = answer.json()["data"]
        assert isinstance(data, list)
        return data

    def try_advance(self, body: Any) -> httpx.Response:
        """Ask for a move of the clock that may be refused."""
        return self.server.http.post(ADVANCE, json=body, headers=self.headers)

    def advance(self, by: str) -> list[dict[str, Any]]:
        """Move the world's manual clock, and return what fired."""
        answer = self.try_advance({"by": by})
        assert answer.status_code == 200, answer.text
        fired = answer.json()["fired"]
        assert isinstance(fired, list)
        return fired

    def now_ms(self) -> int:
        """Return what the world's manual clock shows."""
        answer = self.try_advance({"by": "0ms"})
        assert answer.status_code == 200, answer.text
        now_ms = answer.json()["now_ms"]
        assert isinstance(now_ms, int)
        return now_ms

    def finished(self, **more: Any) -> dict[str, Any]:
        """Submit a task, move a manual clock past its end, and return it."""
        task_id = self.created(**more)
        self.advance(TO_THE_END)
        task = self.task(task_id)
        assert task["task_status"] == "succeed", task
        return task

    def wait_for(self, task_id: str, status: str) -> dict[str, Any]:
        """Poll a task until it has this status, and return it."""

        def look() -> dict[str, Any] | None:
            task = self.task(task_id)
            return task if task["task_status"] == status else None

        return eventually(look, f"task {task_id} with status {status}")


Answer = int | Literal["hang", "reset"]


@dataclass(frozen=True)
class Message:
    """A request or a reply with a JSON body. Header names are in lower case."""

    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True, kw_only=True)
class Received(Message):
    """One request that a receiver got."""

    path: str


@dataclass
class Receiver:
    """A real HTTP server that takes callbacks, and answers each path as its script says, else with 200.

    A script is a list of statuses; `hang` does not answer until the receiver closes, `reset` closes the connection
    without an answer. A redirect leads to `redirect_to`.
    """

    redirect_to: str = ""
    on_receive: Callable[[Received], None] = lambda received: None
    tls: ssl.SSLContext | None = None
    _scripts: dict[str, deque[Answer]] = field(default_factory=dict)
    _received: "queue.Queue[Received]" = field(default_factory=queue.Queue)
    _released: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._server = _Listener(("127.0.0.1", 0), _handler_for(self))
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()

    def url(self, path: str = "/callback") -> str:
        """Return the address of a path here."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}{path}"

    def script(self, *answers: Answer, path: str = "/callback") -> str:
        """Say how a path answers its next requests, and return its address."""
        self._scripts[path] = deque(answers)
        return self.url(path)

    def wait(self, count: int) -> list[Received]:
        """Return the next `count` requests, in the order they came."""
        came: list[Received] = []
        for _ in range(count):
            try:
                came.append(self._received.get(timeout=PATIENCE_SECONDS))
            except queue.Empty:
                raise AssertionError(f"{count} requests were expected, and {len(came)} came: {came}") from None
        return came

    def so_far(self) -> list[Received]:
        """Return the requests that have come since the last look."""
        came = []
        with contextlib.suppress(queue.Empty):
            while True:
                came.append(self._received.get_nowait())
        return came

    def close(self) -> None:
        """Let go of whoever hangs here, and stop listening."""
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(PATIENCE_SECONDS)

    def answer_for(self, received: Received) -> Answer:
        """Take a request in; return how it is answered."""
        self.on_receive(received)
        script = self._scripts.get(received.path)
        answer = script.popleft() if script else 200
        self._received.put(received)
        if answer == "hang":
            self._released.wait(_HANG_SECONDS_MAX)
        return answer


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1_024

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that gives up is no news."""


def _handler_for(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = receiver.answer_for(Received(path=self.path, headers=headers, body=body))
            if isinstance(answer, str):
                self.close_connection = True
                return
            self.send_response(answer)
            if 300 <= answer < 400:
                self.send_header("location", receiver.redirect_to)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            """So it would come here after a redirect that is followed."""
            self.do_POST()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The name is the base class's.
            """Write nothing."""

    return Handler


@contextlib.contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    """Open a plain connection to a server on this machine; no read or write on it waits for ever."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        yield connection


def read_to_end(connection: socket.socket) -> bytes:
    """Return what comes until the other side closes, or resets after it has answered."""
    came = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            came += part
    return came


@dataclass(frozen=True, kw_only=True)
class RawReply(Message):
    """A reply as it came over a plain connection."""

    status: int


def parse_replies(came: bytes) -> list[RawReply]:
    """Take apart the replies that came one behind the other; each says its length."""
    replies = []
    while came:
        head, separator, rest = came.partition(b"\r\n\r\n")
        assert separator, came
        status_line, *lines = head.decode("latin-1").split("\r\n")
        assert status_line.startswith("HTTP/1.1 "), status_line
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        replies.append(RawReply(status=int(status_line.split(" ")[1]), headers=headers, body=rest[:length]))
        came = rest[length:]
    return replies


def read_replies(connection: socket.socket, count: int) -> list[RawReply]:
    """Read until `count` whole replies have come, on a connection that stays open."""
    came = b""
    while True:
        with contextlib.suppress(AssertionError):
            replies = parse_replies(came)
            whole = [each for each in replies if len(each.body) == int(each.headers.get("content-length", "0"))]
            if len(whole) >= count:
                return whole
        part = connection.recv(65_536)
        assert part, f"the connection closed after {came!r}"
        came += part


class FakeTransport(asyncio.Transport):
    """A transport that goes nowhere; it keeps what is written, and knows how it was ended."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = self.aborted = self.paused = False

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


AnyProtocol = TypeVar("AnyProtocol", bound=HttpToolsProtocol)


def open_connection(twin: Twin, kind: type[AnyProtocol]) -> tuple[AnyProtocol, FakeTransport]:
    """Connect a client to a protocol of this event loop, without a socket."""
    config = uvicorn.Config(App(twin), http=kind, ws="none", log_config=None, proxy_headers=False)
    config.load()
    protocol = kind(config=config, server_state=ServerState(), app_state={})
    transport = FakeTransport()
    protocol.connection_made(transport)
    return protocol, transport
