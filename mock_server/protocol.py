"""HTTP/1.1 on one connection: from the parser straight to the endpoint, and the reply straight to the socket.

    bytes ─▶ parser ─▶ Incoming ─▶ endpoint ─▶ Reply ─▶ bytes        the spec's operations
                  └──▶ ASGI task ─▶ App ─▶ …                         what is left to uvicorn

An ASGI round trip costs more than all that the endpoint does, so the spec's operations do without. uvicorn carries

    what is below `/_mock/`;
    a body above the limit, which is read on for a while, so that the client sees the refusal;
    a request behind one that uvicorn still has, or behind replies that are not read yet: it waits its turn there.

A client on a kept connection sends the same heads again and again. One that was read before is known by its bytes, and
is not parsed again.

The answers have the same bytes on either way. uvicorn waits for ever for the end of a head, and keeps whatever comes
until then; both are bounded here.

A reply that has a `Wire` may be held back. What comes behind it on the connection waits its turn: a request that is
answered here is kept; one for uvicorn is not, and the connection is closed after the reply.
"""

import asyncio
from collections import deque
from typing import Any
from urllib.parse import unquote_to_bytes

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from mock_server.app import OWN_PREFIX, App
from mock_server.exchange import Headers, Incoming, Reply, Wire, with_body
from mock_server.heads import KnownHead
from mock_server.journal import Journal
from mock_server.sending import HELD_SECONDS_MAX, Sending, rendered

# What common servers take: nginx 32 KB, Apache 64 KB.
HEAD_BYTES_MAX = 65_536
# A client on the same machine needs milliseconds; a slow uplink with a large picture a minute.
HEAD_SECONDS_MAX = 15.0
REQUEST_SECONDS_MAX = 120.0
# Longer than clients pause between polls, so that a kept connection is still there.
KEEP_ALIVE_SECONDS = 75
_MORE_THAN_A_LENGTH = frozenset((b"transfer-encoding", b"expect"))
# More than any client sends before the first of them is answered.
_BEHIND_MAX = 32
_OFFERS = frozenset((b"connection", b"upgrade", b"http2-settings"))
_OWN_PREFIX = OWN_PREFIX.encode("ascii")


# Enough for every client and task that is called in turn; a longer head is parsed each time.
_KNOWN_HEADS_MAX = 1_000
_KNOWN_HEAD_BYTES_MAX = 2_048


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
        # The last request that was answered here, where the connection is kept after it.
        self.answered: Incoming | None = None
        self.path = self.query = b""
        # The reply that is held back, where it stands in a journal, and the requests that wait behind it.
        self.held: Sending | None = None
        self.held_entry: tuple[Journal, int] | None = None
        self.held_since = 0.0
        # The callbacks that go out before it.
        self.going_first: asyncio.Task[None] | None = None
        self.closes_behind = False
        self.behind: deque[tuple[Incoming, bool]] = deque()
        # The headers of every reply, as uvicorn has them (it makes new ones each second) and as bytes.
        self._usual_headers: Headers | None = None
        self._usual_lines = b""

    # What comes in

    def data_received(self, data: bytes) -> None:
        """Take in some bytes, unless they make the head of a request too large."""
        end = 0
        if self.in_head:
            if not self.head_bytes:
                self.since = self.loop.time()
                end = data.find(b"\r\n\r\n") + 4
                known = self.app.known_heads.get(data[:end])
                if known is not None and len(data) == end + known.body_bytes and self.held is None and self.may_answer:
                    incoming = with_body(known.incoming, data[end:]) if known.body_bytes else known.incoming
                    self.put(incoming, self.app.endpoint.answer(incoming, known.head), keep_alive=True)
                    return
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
            elif end and self.answered is not None:
                self.learn(data[:end], len(data) - end, self.answered)
                self.answered = None

    def on_message_begin(self) -> None:
        """A request begins."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take in a header; what comes after the body, a trailer, is none."""
        if self.in_head:
            name = name.lower()
            self.headers.append((name, value))
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True

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
        if _is_own(self.path) or not self.may_answer:
            self.leave_to_uvicorn()
        elif self.expect_100_continue and self.held is None:
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
        elif self.cycle is not None and not self.transport.is_closing():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it. What comes now is the next one's head."""
        if self.parser.should_upgrade():
            return
        self.in_head = True
        if self.parts is not None:
            incoming = self.incoming()
            # One of HTTP/1.0 is not kept, whatever the client says.
            keep_alive = self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"
            self.parts = None
            if self.held is not None:
                self.wait_behind(incoming, keep_alive=keep_alive)
                return
            self.answered = incoming if keep_alive else None
            self.put(incoming, self.app.endpoint.answer(incoming), keep_alive=keep_alive)
        elif self.cycle is not None and not self.transport.is_closing():
            super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended, perhaps in the middle of a request."""
        if self.parts is not None:
            self.app.endpoint.client_left(self.incoming())
            self.parts = None
        if self.held is not None and self.held_entry is not None:
            journal, number = self.held_entry
            journal.gave_up(number)
        self.let_go()
        super().connection_lost(exc)

    def incoming(self) -> Incoming:
        """Return the request, as far as it has come in."""
        parts = self.parts or [b""]
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        method = self.parser.get_method().decode("ascii")
        return Incoming(method, self.path, self.query, self.headers, body, self.scheme or "http")

    def announced_bytes(self) -> int:
        """Return the length of the body that the head tells; 0 where it tells none."""
        length = next((value for name, value in self.headers if name == b"content-length"), b"0")
        return int(length) if length.isdigit() else 0

    def learn(self, head: bytes, body_bytes: int, answered: Incoming) -> None:
        """Keep what was read in a head, where nothing but the body whose length it tells came behind it."""
        if (
            len(head) <= _KNOWN_HEAD_BYTES_MAX
            # The next request has not begun.
            and self.headers is answered.headers
            and body_bytes == self.announced_bytes()
            and not any(name in _MORE_THAN_A_LENGTH for name, _ in self.headers)
        ):
            if len(self.app.known_heads) >= _KNOWN_HEADS_MAX:
                self.app.known_heads.clear()
            incoming = with_body(answered, b"")
            self.app.known_heads[head] = KnownHead(incoming, body_bytes, self.app.endpoint.heads.read(incoming))

    # What goes out

    def put(self, incoming: Incoming, reply: Reply, *, keep_alive: bool) -> None:
        """Put a reply on the wire. How its bytes go there is said here, and in `sending.py` where it has a wire."""
        self.server_state.total_requests += 1
        if reply.wire is not None:
            self.hold(incoming, reply, reply.wire, keep_alive=keep_alive)
            return
        if self._usual_headers is not self.server_state.default_headers:
            self._usual_headers = self.server_state.default_headers
            lines = b"".join([b"%s: %s\r\n" % header for header in self._usual_headers])
            self._usual_lines = lines + b"content-type: application/json\r\ncontent-length: "
        more = b"".join([b"%s: %s\r\n" % header for header in reply.headers]) if reply.headers else b""
        if not keep_alive:
            more += b"connection: close\r\n"
        body = reply.body if incoming.method != "HEAD" else b""
        head = STATUS_LINE[reply.status]
        self.transport.write(b"%b%b%d\r\n%b\r\n%b" % (head, self._usual_lines, len(reply.body), more, body))
        if not keep_alive:
            self.transport.close()

    def hold(self, incoming: Incoming, reply: Reply, wire: Wire, *, keep_alive: bool) -> None:
        """Put a reply on the wire as its wire says, and hold back what comes behind it until it is out."""
        world, number = self.app.endpoint.last_entry(incoming)
        wire = self.app.held.take(wire)
        usual = self.server_state.default_headers
        parts = rendered(reply, wire, usual, keep_alive=keep_alive, with_body=incoming.method != "HEAD")
        if wire.end == "keep" and not keep_alive:
            wire = msgspec.structs.replace(wire, end="close")
        self.held_entry, self.held_since = (world.journal, number), self.loop.time()
        self.held = sending = Sending(self.transport, parts, wire, world.clock, self.go_on)
        if reply.first is None:
            sending.start()
        else:
            self.going_first = self.loop.create_task(self.app.twin.callbacks.send_first(reply.first))
            self.going_first.add_done_callback(lambda _: sending.start())

    def go_on(self, kept: bool) -> None:
        """What was held back is out: answer what waits behind it, where the connection is kept."""
        self.let_go()
        self.since = self.loop.time()
        while kept and self.behind and self.held is None and not self.transport.is_closing():
            incoming, keep_alive = self.behind.popleft()
            self.put(incoming, self.app.endpoint.answer(incoming), keep_alive=keep_alive)
        if kept and self.held is None and self.closes_behind:
            self.transport.close()

    def wait_behind(self, incoming: Incoming, *, keep_alive: bool) -> None:
        """Keep a request until it is its turn; nothing is kept behind one that there is no room for."""
        size = sum(len(each.body) for each, _ in self.behind) + len(incoming.body)
        if len(self.behind) < _BEHIND_MAX and size <= self.app.body_bytes_max and not self.closes_behind:
            self.behind.append((incoming, keep_alive))
        else:
            self.closes_behind = True

    def let_go(self) -> None:
        """Send no more of what is held back."""
        if self.held is not None:
            self.held.cancel()
            self.held = None
            self.app.held.give()

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

    # What is left to uvicorn

    @property
    def may_answer(self) -> bool:
        """Whether a request may be answered here: it is its turn, and the client reads what it gets."""
        return (self.cycle is None or self.cycle.response_complete) and not self.flow.write_paused

    @property
    def uvicorn_is_busy(self) -> bool:
        """Whether uvicorn has a request of this connection that is not answered yet."""
        return self.cycle is not None and not self.cycle.response_complete

    def leave_to_uvicorn(self) -> None:
        """Let uvicorn carry this request to the ASGI application, from what has come of it on.

        Behind a reply that is held back it cannot.
        """
        if self.held is not None or self.behind:
            self.parts, self.closes_behind = None, True
            return
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
        if self.held is not None:
            self.closes_behind = True
        elif self.in_head and self.uvicorn_is_busy:
            self.cycle.keep_alive = False
        elif not self.transport.is_closing():
            incoming = Incoming("-", getattr(self, "url", b"")[:1_024], b"", [], b"")
            self.put(incoming, self.app.endpoint.refuse(incoming, event, explanation, detail), keep_alive=False)

    def end_if_overdue(self, now: float) -> None:
        """End the connection where a request takes too long to come, a reply to be read, or nothing has come at all."""
        seconds = now - self.since
        if self.stalled(now, self.app.twin.readers.stalled_seconds):
            self.end()
        elif self.held is not None:
            if now - self.held_since > HELD_SECONDS_MAX:
                self.end()
        elif not self.in_head or self.head_bytes:
            if seconds > (HEAD_SECONDS_MAX if self.in_head else REQUEST_SECONDS_MAX):
                self.end()
        elif seconds > KEEP_ALIVE_SECONDS and not self.uvicorn_is_busy:
            self.transport.close()

    def end(self) -> None:
        """End the connection at once, whatever is under way."""
        self.let_go()
        self.transport.abort()

    def shutdown(self) -> None:
        """The server stops: what is held back is not waited for."""
        self.let_go()
        super().shutdown()


def _is_own(path: bytes) -> bool:
    """Whether a path leads to the twin's own pages; they are told by the decoded path, as uvicorn tells it."""
    return path.startswith(_OWN_PREFIX) or (b"%" in path and unquote_to_bytes(path).startswith(_OWN_PREFIX))
