"""A receiver of callbacks for programs that have no web server of their own: a small one, in threads.

It acknowledges at once; what a callback means is for whoever takes it.
"""

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

# A callback has some hundred bytes.
BODY_BYTES_MAX = 1_048_576
# A sender that takes longer than that to send is cut off.
_READ_SECONDS_MAX = 10.0

# Takes the path, the headers and the raw body; returns the HTTP status to answer with.
Take = Callable[[str, Mapping[str, str], bytes], int]


class Receiver:
    """An HTTP server on a free port of this machine."""

    def __init__(self, take: Take, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._server = _Listener((host, port), _answering(take))
        self.base_url = f"http://{host}:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="callbacks", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A sender that breaks off is no news."""


def _answering(take: Take) -> type[BaseHTTPRequestHandler]:
    class Answering(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS_MAX
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            length = self.headers.get("content-length", "")
            if not length.isascii() or not length.isdigit():
                return self._answer(411)
            if len(length) > 10 or int(length) > BODY_BYTES_MAX:
                return self._answer(413)
            body = self.rfile.read(int(length))
            whole = len(body) == int(length)
            return self._answer(take(self.path, dict(self.headers.items()), body) if whole else 400)

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  The name is the base class's.
            """Write nothing: a path may be secret."""

    return Answering
