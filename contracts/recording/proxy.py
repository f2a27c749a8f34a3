"""The proxy as an ASGI application: passes requests on, and replies back as they come, and hands both to the recorder.

What passes is never changed, but for one thing, if that is wanted: the callback address in a submit becomes one of the
recorder's, and what comes there goes on to the client's own.

Of a reply the end is held back until it is written down, so whoever has seen a reply whole finds it in the recording,
whatever becomes of the recorder.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

import msgspec

from contracts.recording.addresses import Address, Addresses
from contracts.recording.forwarding import Arriving, Forwarder, Lost, RawHeaders, Target, passed_on
from contracts.recording.inspecting import Inspector, Place
from contracts.recording.noting import Passed
from contracts.recording.recorded import Loss
from contracts.recording.recorder import Recorder
from mock_server.compiled import Compiled

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# Of a reply no more is kept, though all of it passes.
_KEPT_BYTES_MAX = 32 * 1024 * 1024
_DRAINED_BYTES_MAX = 256 * 1024 * 1024
_DRAIN_SECONDS_MAX = 10.0
_GATEWAY_TIMEOUT, _BAD_GATEWAY, _TOO_LARGE = 504, 502, 413


class Proxy:
    """An ASGI application in front of one service."""

    def __init__(
        self,
        target: Target,
        forwarder: Forwarder,
        recorder: Recorder,
        *,
        body_bytes_max: int,
        tell: Callable[[str], None],
        public_url: str | None = None,
        now_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        """`public_url` is the address under which the service reaches this application."""
        self._target, self._forwarder, self._recorder = target, forwarder, recorder
        self._inspector: Inspector = recorder.inspector
        self._body_bytes_max, self._tell, self._now_ns = body_bytes_max, tell, now_ns
        self.addresses = Addresses(public_url, tell)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve one connection's request."""
        if scope["type"] != "http":
            return
        began_ns = self._now_ns()
        path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
        passing = _Passing(self, scope["method"], path, scope["query_string"], list(scope["headers"]), began_ns)
        await passing.run(receive, send)

    # What a request on its way needs

    def sent(self, passing: "_Passing") -> tuple[Target, bytes, bytes]:
        """Return where a request goes, with which path, and which body."""
        if passing.address is not None:
            return *passing.address.target, passing.body
        query = b"?" + passing.query if passing.query else b""
        body = passing.body
        if passing.place is not None and passing.place.compiled is not None:
            passing.token, body = self.addresses.given(passing.place.compiled, body)
        return self._target, passing.path + query, body

    def address(self, path: bytes) -> tuple[str, Address | None] | None:
        """Return what one of the recorder's own paths leads to, None for a path that is not its own."""
        return self.addresses.at(path)

    async def arriving(self, method: str, sent: tuple[Target, bytes, bytes], headers: RawHeaders) -> Arriving:
        """Send it, and wait for the head of its reply."""
        target, path, body = sent
        return await self._forwarder.send(method, target, path, headers, body)

    def place(self, method: str, path: bytes) -> Place:
        """Return where a request leads."""
        return self._inspector.place(method, path.decode("latin-1"))

    def learn(self, headers: RawHeaders, query: bytes) -> None:
        """Know the keys of a request before anything is told of it."""
        self._recorder.learn(headers, query)

    def record(self, passed: Passed, place: Place | None, submit: Compiled | None) -> None:
        """Record it. What goes wrong with that is ours, and no reason to hold up anybody."""
        try:
            self._recorder.take(passed, place, submit)
        except Exception as error:  # noqa: BLE001  A defect of ours must be told, and nothing else.
            defect = "this is a defect of omnimock, please report it"
            self._tell(f"error: an exchange was not recorded; {defect}: {type(error).__name__}")

    def now_ns(self) -> int:
        """Return the nanoseconds of a clock that never goes back."""
        return self._now_ns()

    @property
    def body_bytes_max(self) -> int:
        """The largest request that is passed on."""
        return self._body_bytes_max


class _Passing:
    """One request on its way, and its reply."""

    def __init__(
        self, proxy: Proxy, method: str, path: bytes, query: bytes, headers: RawHeaders, began_ns: int
    ) -> None:
        self.proxy, self.method, self.path, self.query, self.headers = proxy, method, path, query, headers
        self.body = b""
        self.token = ""
        self.place: Place | None = None
        self.address: Address | None = None
        self._began_ns = began_ns
        self._head_ns: int | None = None
        self._status: int | None = None
        self._reply_headers: RawHeaders = ()
        self._kept, self._kept_bytes, self._cut = list[bytes](), 0, False
        self._recorded = self._answering = self._body_cut = False

    async def run(self, receive: Receive, send: Send) -> None:
        """Pass it on, whatever comes of it; record it on every way out."""
        self.proxy.learn(self.headers, self.query)
        own = self.proxy.address(self.path)
        if own is not None:
            self.token, self.address = own
            if self.address is None:
                await _answer(send, 404, "no callback is awaited at this address")
                return
        else:
            self.place = self.proxy.place(self.method, self.path)
        if not await self._read(receive, send):
            return
        passing, leaving = asyncio.create_task(self._pass(send)), asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if passing.done():
                passing.result()
            else:
                passing.cancel()
                await asyncio.wait({passing})
                self._record("left", "the client did not wait for the reply")
        except asyncio.CancelledError:
            # Before anything else is waited for: who is in a hurry cancels twice.
            self._record("stopped", "the recorder was stopped meanwhile")
            passing.cancel()
            await asyncio.wait({passing})
            raise
        finally:
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)

    async def _read(self, receive: Receive, send: Send) -> bool:
        """Take in the request; tell whether all of it has come, and is not too much."""
        parts, size, more = list[bytes](), 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self._body_cut = True
                self._record("left", "the client left before its request was whole")
                return False
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.proxy.body_bytes_max:
                self._status, self._body_cut = _TOO_LARGE, True
                why = f"more than {self.proxy.body_bytes_max} bytes are not passed on (--body-bytes-max)"
                self._record("too-large", why)
                await _drain(receive if more else None)
                await _answer(send, _TOO_LARGE, why, closing=True)
                return False
        self.body = b"".join(parts)
        return True

    async def _pass(self, send: Send) -> None:
        arriving = None
        try:
            more = self.address.authorization if self.address is not None else []
            arriving = await self.proxy.arriving(self.method, self.proxy.sent(self), [*self.headers, *more])
            self._head_ns, self._status, self._reply_headers = self.proxy.now_ns(), arriving.status, arriving.headers
            await self._send_reply(arriving, send)
        except (Lost, ValueError) as error:
            lost = error if isinstance(error, Lost) else Lost("failed", str(error))
            self._record(lost.loss, lost.why)
            if not self._answering:
                status = _GATEWAY_TIMEOUT if lost.loss == "timeout" else _BAD_GATEWAY
                whose = "the client's callback address" if self.address is not None else "the service"
                await _answer(send, status, f"no reply came from {whose}: {lost.loss}")
            # Else the reply ends here, as it came: whoever serves this application closes the connection.
        finally:
            if arriving is not None:
                await arriving.close()

    async def _send_reply(self, arriving: Arriving, send: Send) -> None:
        headers = [(name.lower(), value) for name, value in passed_on(arriving.headers)]
        whole = _length(headers) if self.method != "HEAD" and arriving.status not in (204, 304) else 0
        came, last = 0, b""
        async for part in arriving.parts():
            if not self._answering:
                await self._begin(send, arriving.status, headers)
            came += len(part)
            self._keep(part)
            if whole is not None and came >= whole:
                last += part
            else:
                await send({"type": "http.response.body", "body": part, "more_body": True})
        self._record("", "")
        if not self._answering:
            await self._begin(send, arriving.status, headers)
        await send({"type": "http.response.body", "body": last, "more_body": False})

    async def _begin(self, send: Send, status: int, headers: RawHeaders) -> None:
        self._answering = True
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})

    def _keep(self, part: bytes) -> None:
        if self._kept_bytes + len(part) > _KEPT_BYTES_MAX:
            self._cut = True
        else:
            self._kept.append(part)
            self._kept_bytes += len(part)

    def _record(self, loss: Loss, why: str) -> None:
        if self._recorded:
            return
        self._recorded = True
        passed = Passed(
            method=self.method,
            path=self.path,
            query=self.query,
            headers=self.headers,
            body=self.body,
            body_cut=self._body_cut,
            began_ns=self._began_ns,
            ended_ns=self.proxy.now_ns(),
            head_ns=self._head_ns,
            status=self._status,
            reply_headers=self._reply_headers,
            reply_body=b"".join(self._kept),
            reply_cut=self._cut,
            loss=loss,
            why=why,
            token=self.token,
            callback=self.address is not None,
        )
        self.proxy.record(passed, self.place, self.address.submit if self.address is not None else None)


async def _drain(receive: Receive | None) -> None:
    """Read on for a while, so that a client that sends too much can see the refusal in place of a reset."""
    drained = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_DRAIN_SECONDS_MAX):
            while receive is not None and drained < _DRAINED_BYTES_MAX:
                message = await receive()
                drained += len(message.get("body", b""))
                if not message.get("more_body"):
                    return


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int, detail: str, *, closing: bool = False) -> None:
    """Answer in the recorder's own words, which no provider has."""
    body = msgspec.json.encode({"type": "about:blank", "title": "omnimock record", "status": status, "detail": detail})
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", b"%d" % len(body))]
    headers += [(b"connection", b"close")] if closing else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _length(headers: RawHeaders) -> int | None:
    value = next((value for name, value in headers if name == b"content-length"), b"")
    return int(value) if value.isdigit() else None
