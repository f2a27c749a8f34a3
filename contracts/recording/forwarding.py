"""Sends a request on as it came, and gives back the reply as it comes; says in one word what went wrong.

httpx's transport is asked, not its client: that would add headers, follow redirects, keep cookies, unpack bodies. The
target goes out to the byte.
"""

import contextlib
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from contracts.recording.recorded import Loss

RawHeaders = Sequence[tuple[bytes, bytes]]

# What is between two neighbours only (RFC 9110, 7.6.1). `Expect` is answered by the recorder's own server.
_HOP_BY_HOP = frozenset(
    b"""connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer transfer-encoding
    upgrade expect""".split()
)
# Reaching a service takes no longer, and giving up early is told as what it is.
_CONNECT_SECONDS = 10.0
# A connection that was idle for longer may be closed at the other end: that would look like the service's mistake.
_IDLE_SECONDS = 2.0
_UNPACKED = frozenset((b"gzip", b"x-gzip", b"deflate", b"identity"))
# What a small compressed body may become.
_UNPACKED_BYTES_MAX = 64 * 1024 * 1024
_LOSSES: tuple[tuple[type[Exception], Loss], ...] = (
    (httpx.TimeoutException, "timeout"),
    (httpx.RemoteProtocolError, "closed"),
    (httpx.ReadError, "reset"),
    (httpx.WriteError, "reset"),
    (httpx.ConnectError, "refused"),
)


class Lost(Exception):
    """No reply came, or not the whole of it: in one word, and in a sentence."""

    def __init__(self, loss: Loss, why: str) -> None:
        super().__init__(why)
        self.loss, self.why = loss, why


class Target(msgspec.Struct, frozen=True):
    """An address to send to: where to connect, and what stands before each path."""

    url: str
    host: str
    prefix: bytes

    @property
    def address(self) -> tuple[str, int]:
        """The host and the port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or {"http": 80, "https": 443}[parts.scheme]


def target_of(url: str, option: str) -> Target:
    """Return the base of a service's addresses; raise ValueError where `url`, said by `option`, is none.

    What is wrong with it may be a secret in it, so a text with one is not repeated.
    """
    example = "such as https://api.example.com or http://127.0.0.1:4747/prefix"
    try:
        parts = urlsplit(url)
        port_known = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"{option}: {error}; an address is needed, {example}") from None
    if "@" in parts.netloc:
        raise ValueError(f"{option}: take the user information out: the client's own headers bring the key")
    if parts.query or parts.fragment:
        raise ValueError(f"{option}: an address without a query is needed, {example}")
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_known or not url.isascii():
        raise ValueError(f"{option} {url!r}: an address with http:// or https:// is needed, {example}")
    return Target(f"{parts.scheme}://{parts.netloc}", parts.netloc, parts.path.rstrip("/").encode("ascii"))


def passed_on(headers: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Return the headers that are meant for the other end."""
    named = b",".join(value for name, value in headers if name.lower() == b"connection")
    left_out = _HOP_BY_HOP | {each.strip().lower() for each in named.split(b",")}
    return [(name, value) for name, value in headers if name.lower() not in left_out]


class Arriving:
    """A reply whose head has come."""

    def __init__(self, response: httpx.Response) -> None:
        self.status, self.headers = response.status_code, list(response.headers.raw)
        self._response = response

    async def parts(self) -> AsyncIterator[bytes]:
        """Give the body as it comes, packed as it is; raise Lost where it ends before its end."""
        assert isinstance(self._response.stream, httpx.AsyncByteStream)
        try:
            async for part in self._response.stream:
                yield part
        except Exception as error:
            lost = _lost(error)
            raise Lost(lost.loss if lost.loss in ("timeout", "reset") else "cut", lost.why) from error

    async def close(self) -> None:
        """Let go of the connection."""
        with contextlib.suppress(Exception):
            await self._response.aclose()


class Forwarder:
    """Sends requests on."""

    def __init__(
        self, *, timeout_seconds: float, trust: Any = True, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        """`trust` says whose certificates are believed; a `transport` comes in place of sockets."""
        self._timeout = {
            "connect": min(_CONNECT_SECONDS, timeout_seconds),
            "read": timeout_seconds,
            "write": timeout_seconds,
            "pool": None,
        }
        self._transport, self._trust = transport, trust

    async def send(self, method: str, target: Target, path: bytes, headers: RawHeaders, body: bytes) -> Arriving:
        """Return the reply when its head has come; raise Lost where none comes. `path` has the query with it."""
        if self._transport is None:
            # What it trusts is read from files, which takes a while.
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=_IDLE_SECONDS)
            self._transport = httpx.AsyncHTTPTransport(verify=self._trust, limits=limits, trust_env=False)
        own = [
            (name, _unpackable(value) if name.lower() == b"accept-encoding" else value)
            for name, value in passed_on(headers)
            if name.lower() not in (b"host", b"content-length")
        ]
        length = [(b"content-length", b"%d" % len(body))] if body or _says_length(headers) else []
        request = httpx.Request(
            method,
            _url(target, path),
            headers=[(b"host", target.host.encode("ascii")), *own, *length],
            stream=httpx.ByteStream(body),
            extensions={"timeout": self._timeout, "target": target.prefix + path},
        )
        try:
            return Arriving(await self._transport.handle_async_request(request))
        except Exception as error:
            raise _lost(error) from error

    async def close(self) -> None:
        """Let go of all connections."""
        if self._transport is not None:
            await self._transport.aclose()


def unpacked(headers: RawHeaders, body: bytes) -> bytes | None:
    """Return a body without its Content-Encoding; None where it is one that cannot be undone here."""
    packed = b",".join(value for name, value in headers if name.lower() == b"content-encoding").strip().lower()
    if packed in (b"", b"identity") or not body:
        return body
    if packed not in _UNPACKED:
        return None
    for bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):
        with contextlib.suppress(zlib.error):
            undone = zlib.decompressobj(bits)
            plain = undone.decompress(body, _UNPACKED_BYTES_MAX)
            return None if undone.unconsumed_tail else plain
    return None


def reachable(target: Target, seconds: float = 2.0) -> str:
    """Return why nothing can connect to a service now; empty where something can. Nothing is sent."""
    try:
        with socket.create_connection(target.address, timeout=seconds):
            return ""
    except TimeoutError:
        return f"no connection within {seconds:g} s"
    except OSError as error:
        return error.strerror or str(error)


def _unpackable(accepted: bytes) -> bytes:
    """What a client takes, without what could not be looked into here; nobody reads from a reply how it was packed."""
    packings = [each.strip() for each in accepted.split(b",")]
    known = [each for each in packings if each.partition(b";")[0].strip().lower() in _UNPACKED]
    return accepted if len(known) == len(packings) else b", ".join(known) or b"identity"


def _url(target: Target, path: bytes) -> httpx.URL:
    """What transports without sockets look at; over one, the bytes of the target go out as they are."""
    try:
        return httpx.URL(target.url).copy_with(raw_path=target.prefix + path)
    except httpx.InvalidURL:
        return httpx.URL(target.url)


def _says_length(headers: RawHeaders) -> bool:
    return any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in headers)


def _lost(error: Exception) -> Lost:
    causes: list[BaseException] = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and len(causes) < 10:
        causes.append(cause)
    why = next((str(each) for each in causes if str(each)), type(error).__name__)
    if any(isinstance(each, ssl.SSLError) for each in causes):
        return Lost("tls", f"the TLS handshake failed: {why}")
    loss: Loss = next((loss for kind, loss in _LOSSES if isinstance(error, kind)), "failed")
    return Lost(loss, f"{type(error).__name__}: {why}")
