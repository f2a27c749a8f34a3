"""Runs the twin under uvicorn: the socket, the protocol class with its bounds, the ready file, a clean end.

uvicorn waits for ever for the end of a header, and keeps whatever comes until then. `TwinProtocol` bounds both.
"""

import asyncio
import contextlib
import gc
import json
import logging
import os
import resource as system_resource
import socket
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from types import FrameType
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_server.app import STOP_GRACE_SECONDS, App
from mock_server.exchange import Incoming, Reply
from mock_server.twin import Twin

log = logging.getLogger("omnimock")

# What common servers take: nginx 32 KB, Apache 64 KB.
HEAD_BYTES_MAX = 65_536
# A client on the same machine needs milliseconds; a slow uplink with a large picture a minute.
HEAD_SECONDS_MAX = 15.0
REQUEST_SECONDS_MAX = 120.0
# When the server stops, a reply that has been unread for so long will not be read in the time that is left.
UNREAD_AT_STOP_SECONDS = 0.5
# Longer than clients pause between polls, so that a kept connection is still there.
KEEP_ALIVE_SECONDS = 75
_OFFERS = frozenset((b"connection", b"upgrade", b"http2-settings"))
# For clients that open thousands of connections.
OPEN_FILES_WANTED = 65_536


class TwinProtocol(HttpToolsProtocol):
    """HTTP/1.1 with a bound on the size and the time of a request, and without upgrades.

    A client may offer HTTP/2 beside a request (`Upgrade: h2c`, as Java's does). The parser takes the offer for the end
    of HTTP and drops the body, so the request is fed to it again without the offer.
    """

    app: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_bytes = 0
        self.in_head = True
        # When the request that is coming in began, by the loop's clock; None between requests.
        self.since: float | None = self.loop.time()
        # Since when the client has not read what lies ready for it; None while it reads.
        self.stalled_since: float | None = None

    def data_received(self, data: bytes) -> None:
        """Take in some bytes, unless they make the head of a request too large."""
        if self.in_head:
            if not self.head_bytes:
                self.since = self.loop.time()
            self.head_bytes += len(data)
            if self.head_bytes > HEAD_BYTES_MAX:
                end = data.find(b"\r\n\r\n")
                size = self.head_bytes - len(data) + (len(data) if end < 0 else end)
                if size > HEAD_BYTES_MAX:
                    explanation = {"came": f"{size} bytes of headers", "allowed": f"{HEAD_BYTES_MAX} bytes"}
                    self.refuse("headers-too-large", explanation)
                    return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self.decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("The request is not HTTP/1.1")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; what comes after the body, a trailer, is none."""
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has ended; what comes now is body."""
        if self.parser.should_upgrade():
            return
        self.in_head = False
        self.head_bytes = 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is whole; what comes now is the next one's head."""
        if self.parser.should_upgrade():
            return
        self.in_head = True
        self.since = None
        super().on_message_complete()

    def decline(self, rest: bytes) -> None:
        """Feed the request to a new parser, without the offer to speak another protocol."""
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.send_400_response("CONNECT is for proxies")
            return
        head = [b"%s %s HTTP/%s" % (method, self.url, self.parser.get_http_version().encode("ascii"))]
        head += [b"%s: %s" % header for header in self.headers if header[0] not in _OFFERS]
        self.parser = httptools.HttpRequestParser(self)
        self.head_bytes = 0
        self.data_received(b"\r\n".join([*head, b"", rest]))

    def send_400_response(self, msg: str) -> None:
        """Answer what is not HTTP as the provider would."""
        explanation = {"came": "bytes that are not an HTTP/1.1 request", "do": "check the request line and the headers"}
        self.refuse("request-malformed", explanation, msg)

    def refuse(self, event: str, explanation: dict[str, Any], detail: str = "") -> None:
        """Answer a request that never became one, and close; one before it is answered first, and alone."""
        if self.in_head and self.cycle is not None and not self.cycle.response_complete:
            self.cycle.keep_alive = False
            return
        incoming = Incoming("-", getattr(self, "url", b"")[:1_024], b"", [], b"")
        self.transport.write(_on_the_wire(self.app.endpoint.refuse(incoming, event, explanation, detail)))
        self.transport.close()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is written to; nothing is made for it until it does."""
        self.stalled_since = self.loop.time()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self.stalled_since = None
        super().resume_writing()

    def stalled(self, now: float, for_seconds: float) -> bool:
        """Tell whether the client has read nothing for so long."""
        return self.stalled_since is not None and now - self.stalled_since > for_seconds

    def overdue(self, now: float) -> bool:
        """Tell whether a request has been coming in, a reply is unread, or a new connection silent, for too long."""
        if self.stalled(now, self.app.twin.readers.stalled_seconds):
            return True
        if self.since is None:
            return False
        if not self.in_head:
            return now - self.since > REQUEST_SECONDS_MAX
        return now - self.since > (HEAD_SECONDS_MAX if self.head_bytes else KEEP_ALIVE_SECONDS)


def _on_the_wire(reply: Reply) -> bytes:
    lines = [
        b"HTTP/1.1 %d %s" % (reply.status, HTTPStatus(reply.status).phrase.encode("ascii")),
        b"content-type: application/json",
        b"content-length: %d" % len(reply.body),
        b"connection: close",
        *(name + b": " + value for name, value in reply.headers),
    ]
    return b"\r\n".join([*lines, b"", reply.body])


class TwinServer(uvicorn.Server):
    """A uvicorn server that says when it is ready, closes overdue connections, and ends cleanly on a signal."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None] = lambda: None
    ) -> None:
        """`on_stop` is called before it waits for the replies that are under way: it ends those that have no end."""
        super().__init__(config)
        self._on_ready, self._on_stop = on_ready, on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell that the server answers."""
        await super().startup(sockets=sockets)
        if self.started:
            # What lives from the start on is not looked at again by the garbage collector.
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 50, 100)
            self._on_ready()

    async def on_tick(self, counter: int) -> bool:
        """Once a second, close the connections whose request does not come to an end."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            self._abort(lambda connection: connection.overdue(now))
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; a request that is still coming in is not waited for, nor a client that does not read."""
        self._on_stop()
        self._abort(lambda connection: not connection.in_head)
        loop = asyncio.get_running_loop()
        unread = loop.call_later(
            2 * UNREAD_AT_STOP_SECONDS,
            self._abort,
            lambda connection: connection.stalled(loop.time(), UNREAD_AT_STOP_SECONDS),
        )
        await super().shutdown(sockets=sockets)
        unread.cancel()

    def _abort(self, which: Callable[[TwinProtocol], bool]) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, TwinProtocol) and which(connection):
                connection.transport.abort()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server cleanly, with exit status 0; the second ends it at once."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise OSError where the address is not free or not ours.

    The protocol is named, because asyncio sets TCP_NODELAY only then, and without it each request takes 45 ms.
    """
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(4_096)
    except OSError:
        listener.close()
        raise
    return listener


def base_url(host: str, port: int) -> str:
    """Return the address at which a client on this machine reaches a server bound to `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{reachable}:{port}"


def run(twin: Twin, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until a signal ends it."""
    _raise_open_files()
    config = uvicorn.Config(
        App(twin),
        http=TwinProtocol,
        ws="none",
        loop="uvloop",
        lifespan="on",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(STOP_GRACE_SECONDS),
    )
    TwinServer(config, on_ready, twin.readers.stop).run(sockets=[listener])


class ReadyFile:
    """Says that the server answers, and where. It appears in one step: whoever sees it can read it whole."""

    def __init__(self, path: Path) -> None:
        """Take away an old one; raise OSError where a new one could not be written."""
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        path.unlink(missing_ok=True)
        self._temporary.write_bytes(b"")

    def write(self, url: str, port: int) -> None:
        """Let it appear."""
        content = {"base_url": url, "port": port, "pid": os.getpid()}
        self._temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
        self._temporary.replace(self.path)

    def remove(self) -> None:
        """Take it away: the server has stopped."""
        self.path.unlink(missing_ok=True)
        self._temporary.unlink(missing_ok=True)


def _raise_open_files() -> None:
    soft, hard = system_resource.getrlimit(system_resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == system_resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != system_resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            system_resource.setrlimit(system_resource.RLIMIT_NOFILE, (wanted, hard))
