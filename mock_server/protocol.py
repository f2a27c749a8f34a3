"""HTTP/1.1 on one connection: from the parser straight to the endpoint, and the reply straight to the socket.

    bytes ─▶ parser ─▶ Incoming ─▶ endpoint ─▶ Reply ─▶ bytes        the spec's operations
                  └──▶ ASGI task ─▶ App ─▶ …                         what is left to uvicorn

An ASGI round trip costs more than all that the endpoint does, so the spec's operations do without. uvicorn carries

    what is below `/_mock/`;
    a body above the limit, which is read on for a while, so that the client sees the refusal;
    a request behind one that uvicorn still has, or behind replies that are not read yet: it waits its turn there.

The answers have the same bytes on either way. uvicorn waits for ever for the end of a head, and keeps whatever comes
until then; both are bounded here.
"""

from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mock_server.app import OWN_PREFIX, App
from mock_server.exchange import Headers, Incoming, Reply

# What common servers take: nginx 32 KB, Apache 64 KB.
HEAD_BYTES_MAX = 65_536
# A client on the same machine needs milliseconds; a slow uplink with a large picture a minute.
HEAD_SECONDS_MAX = 15.0
REQUEST_SECONDS_MAX = 120.0
# Longer than clients pause between polls, so that a kept connection is still there.
KEEP_ALIVE_SECONDS = 75
_OFFERS = frozenset((b"connection", b"upgrade", b"http2-settings"))
_OWN_PREFIX = OWN_PREFIX.encode("ascii")


class TwinProtocol(HttpToolsProtocol):
    """One connection.

    A client may offer HTTP/2 beside a request (`Upgrade: h2c`, as Java's does). The parser takes the offer for the end
    of HTTP and drops the body, so the request is fed to it again without the offer.
    """

    app: App

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.head_bytes = 0
        self.in_head = True
        # When the request that is coming in began, or the silence before it, by the loop's clock.
        self.since = self.loop.time()
        # Since when the client has not read what lies ready for it; None while it reads.
        self.stalled_since: float | None = None
        # The body so far of a request that is answered here; None where uvicorn has the request, or there is none.
        self.parts: list[bytes] | None = None
        self.room = 0
        self.path = self.query = b""
        # The headers of every reply, as uvicorn has them and as bytes: it makes new ones each second.
        self._usual_headers: Headers = []
        self._usual_lines = b""

    # What comes in

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
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self.decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("The request is not HTTP/1.1")
        else:
            if self.parts is not None and self.announced_bytes() > self.app.body_bytes_max:
                self.leave_to_uvicorn()

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; what comes after the body, a trailer, is none."""
        if self.in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head has ended, and tells who answers; what comes now is body."""
        if self.parser.should_upgrade():
            return
        self.in_head = False
        self.head_bytes = 0
        if self.transport.is_closing():
            return
        url = httptools.parse_url(self.url)
        if url.path is None:
            raise ValueError("the address has no path")
        self.path, self.query = url.path, url.query or b""
        self.parts, self.room = [], self.app.body_bytes_max
        if self.uvicorn_is_busy or self.flow.write_paused or _is_own(self.path):
            self.leave_to_uvicorn()
        elif self.expect_100_continue:
            if self.announced_bytes() > self.room:
                self.leave_to_uvicorn()
            else:
                self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self.expect_100_continue = False

    def on_body(self, body: bytes) -> None:
        """Take in a part of the body."""
        if self.parts is not None:
            self.parts.append(body)
            self.room -= len(body)
            if self.room < 0:
                self.leave_to_uvicorn()
        elif not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it. What comes now is the next one's head."""
        if self.parser.should_upgrade():
            return
        self.in_head = True
        if self.parts is not None:
            incoming = self.incoming(b"".join(self.parts))
            self.parts = None
            self.put(incoming, self.app.endpoint.answer(incoming), keep_alive=self.keep_alive)
            self.server_state.total_requests += 1
        elif not self.transport.is_closing():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, perhaps in the middle of a request."""
        if self.parts is not None:
            self.app.endpoint.client_left(self.incoming(b"".join(self.parts)))
            self.parts = None
        super().connection_lost(exc)

    def incoming(self, body: bytes) -> Incoming:
        """Return the request that has come in, with this body."""
        method = self.parser.get_method().decode("ascii")
        return Incoming(method, self.path, self.query, self.headers, body, self.scheme or "http")

    def announced_bytes(self) -> int:
        """Return the length of the body that the head tells; 0 where it tells none."""
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        return int(length) if length.isdigit() else 0

    @property
    def keep_alive(self) -> bool:
        """Whether the client wants the connection kept. One of HTTP/1.0 is not kept, whatever it says."""
        return bool(self.parser.should_keep_alive()) and self.parser.get_http_version() != "1.0"

    # What goes out

    def put(self, incoming: Incoming, reply: Reply, *, keep_alive: bool) -> None:
        """Put a reply on the wire. How its bytes go there is said here and nowhere else."""
        head = [
            STATUS_LINE[reply.status],
            self._usual(),
            b"content-type: application/json\r\ncontent-length: %d\r\n" % len(reply.body),
            *[b"%s: %s\r\n" % header for header in reply.headers],
            b"\r\n" if keep_alive else b"connection: close\r\n\r\n",
        ]
        if incoming.method != "HEAD":
            head.append(reply.body)
        self.transport.write(b"".join(head))
        if not keep_alive:
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

    @property
    def over_tls(self) -> bool:
        """Whether this connection is encrypted. To close such a one takes a word from the client."""
        return self.scheme == "https"

    @property
    def idle_over_tls(self) -> bool:
        """Whether this is an encrypted connection on which no reply is due: no word of its client is needed."""
        return self.over_tls and not self.uvicorn_is_busy and not self.transport.get_write_buffer_size()

    def _usual(self) -> bytes:
        headers = self.server_state.default_headers
        if headers is not self._usual_headers:
            self._usual_headers = headers
            self._usual_lines = b"".join([b"%s: %s\r\n" % header for header in headers])
        return self._usual_lines

    # What is left to uvicorn

    @property
    def uvicorn_is_busy(self) -> bool:
        """Whether uvicorn has a request of this connection that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def leave_to_uvicorn(self) -> None:
        """Let uvicorn carry this request to the ASGI application, from what has come of it on."""
        url, headers, expects, parts = self.url, self.headers, self.expect_100_continue, self.parts
        super().on_message_begin()
        self.url, self.expect_100_continue, self.parts = url, expects, None
        self.headers += headers
        super().on_headers_complete()
        if parts:
            super().on_body(b"".join(parts))

    def on_response_complete(self) -> None:
        """Uvicorn has answered. Its timer for idle connections is not needed: `end_if_overdue` sees to them."""
        super().on_response_complete()
        self._unset_keepalive_if_required()
        self.since = self.loop.time()

    # What is not taken

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
        self.parts = None
        if self.in_head and self.uvicorn_is_busy:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            incoming = Incoming("-", getattr(self, "url", b"")[:1_024], b"", [], b"")
            self.put(incoming, self.app.endpoint.refuse(incoming, event, explanation, detail), keep_alive=False)

    def end_if_overdue(self, now: float) -> None:
        """End the connection where a request takes too long to come, a reply to be read, or nothing has come at all."""
        seconds = now - self.since
        if self.stalled(now, self.app.twin.readers.stalled_seconds):
            self.transport.abort()
        elif not self.in_head or self.head_bytes:
            if seconds > (HEAD_SECONDS_MAX if self.in_head else REQUEST_SECONDS_MAX):
                self.transport.abort()
        elif seconds > KEEP_ALIVE_SECONDS and not self.uvicorn_is_busy:
            self.transport.close()


def _is_own(path: bytes) -> bool:
    """Whether a path leads to the twin's own pages; they are told by the decoded path, as uvicorn tells it."""
    return path.startswith(_OWN_PREFIX) or (b"%" in path and unquote_to_bytes(path).startswith(_OWN_PREFIX))
