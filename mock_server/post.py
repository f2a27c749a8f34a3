"""Sends one HTTP POST. The only file that knows which library does it; that is imported with the first callback."""

import asyncio
import importlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

import msgspec


class PostFailed(Exception):
    """The POST got no answer; the message says why."""


# Of an answer the head counts, which is short. What comes beyond it is not to be taken in by the megabyte, and what is
# made to keep the parser busy must not do so for long before others have their turn.
ANSWER_BYTES_READ_AHEAD = 8_192


class Manner(msgspec.Struct, frozen=True, gc=False):
    """How a body goes out where it is not simply sent: so many bytes of it and then no more, or a few at a time."""

    body_bytes: int | None = None
    drip_bytes: int = 0
    drip_ms: int = 0


class Post(Protocol):
    """What callbacks are sent with."""

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        manner: Manner | None = None,
    ) -> int:
        """Return the status of the answer; raise PostFailed where there is none in time, or the body was cut."""

    async def close(self) -> None:
        """Let go of all connections."""


CUT = "the connection was closed before the body's end, as its scenario has it"


class BodyCut(Exception):
    """The body ends here, though more was announced: the connection is closed."""


class AiohttpPost:
    """POSTs with aiohttp: redirects are not followed, no cookie is kept, and the body of an answer is not read.

    What of that body has come with its head is let go with the connection. The time-out is for all of it: connecting,
    sending, and the head of the answer.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says whom it trusts; without it, the authorities that this machine trusts."""
        self._tls = tls
        self._aiohttp: Any = None
        self._yarl: Any = None
        self._session: Any = None
        self._loading = asyncio.Lock()

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        manner: Manner | None = None,
    ) -> int:
        """Return the status of the answer; raise PostFailed where there is none in time, or the body was cut."""
        session = self._session or await self._start()
        aiohttp = self._aiohttp
        if manner is not None:
            headers = {**headers, "content-length": str(len(body))}
        try:
            async with session.post(
                # As it was given: a signature in a query does not survive being quoted anew.
                self._yarl.URL(url, encoded=url.isascii()),
                data=body if manner is None else _pieces(body, manner),
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            ) as answer:
                return int(answer.status)
        except TimeoutError:
            raise PostFailed(f"no answer within {timeout_seconds:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise PostFailed(f"cannot connect: {error.os_error.strerror or error.os_error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            if isinstance(error.__cause__ or error.__context__, BodyCut):
                raise PostFailed(CUT) from None
            raise PostFailed(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__) from None

    async def close(self) -> None:
        """Let go of all connections."""
        if self._session is not None:
            await self._session.close()

    async def _start(self) -> Any:
        async with self._loading:
            if self._session is None:
                # The import takes a third of a second: in a thread it holds up nobody.
                self._aiohttp = await asyncio.to_thread(importlib.import_module, "aiohttp")
                self._yarl = importlib.import_module("yarl")
                self._session = self._aiohttp.ClientSession(
                    connector=self._aiohttp.TCPConnector(limit=0, ssl=self._tls or True, socket_factory=_socket),
                    cookie_jar=self._aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                )
            return self._session


def _socket(address: Any) -> socket.socket:
    family, kind, protocol, *_ = address
    one = socket.socket(family, kind, protocol)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ANSWER_BYTES_READ_AHEAD)
    return one


async def _pieces(body: bytes, manner: Manner) -> AsyncIterator[bytes]:
    """Give the body a piece at a time, or no more than a part of it."""
    # aiohttp sends the head with the first piece, so there must be one.
    yield b""
    sent = body[: manner.body_bytes]
    piece_bytes = manner.drip_bytes or len(sent) or 1
    for start in range(0, len(sent), piece_bytes):
        if start:
            await asyncio.sleep(manner.drip_ms / 1_000)
        yield sent[start : start + piece_bytes]
    if len(sent) < len(body):
        raise BodyCut
