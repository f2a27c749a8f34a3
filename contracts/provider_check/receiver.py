"""Receives the callbacks of a service that runs on this machine, or that reaches it through a tunnel of the user's."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

import msgspec

_BODY_BYTES_MAX = 1_048_576
_RECEIVED_MAX = 1_000
_READ_SECONDS_MAX = 10.0


class Received(msgspec.Struct, frozen=True):
    """One callback as it came. Header names are in lower case."""

    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Receiver:
    """A server that answers every POST with 200, and keeps it. Use it as a context."""

    def __init__(self, port: int = 0, address: str = "") -> None:
        """Listen; raise OSError where the port is taken. `address` is where the service reaches it, if not directly."""
        self._received: list[Received] = []
        self._lock = threading.Lock()
        self._server = _Listener(("127.0.0.1", port), _answering(self))
        self._address = (address or f"http://127.0.0.1:{self._server.server_address[1]}").rstrip("/")
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> "Receiver":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def url(self, name: str) -> str:
        """Return the address for the callbacks of one task."""
        return f"{self._address}/{name}"

    def of(self, name: str) -> list[Received]:
        """Return what has come so far for one task."""
        with self._lock:
            return [each for each in self._received if each.path.endswith(f"/{name}")]

    def take(self, received: Received) -> None:
        """Keep one."""
        with self._lock:
            if len(self._received) < _RECEIVED_MAX:
                self._received.append(received)


class _Listener(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that gives up is no news."""


def _answering(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS_MAX

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "0")
            body = self.rfile.read(min(int(length), _BODY_BYTES_MAX)) if length.isdigit() else b""
            headers = tuple((name.lower(), value) for name, value in self.headers.items())
            receiver.take(Received(self.path, headers, body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The name is the base class's.
            """Write nothing."""

    return Answering
