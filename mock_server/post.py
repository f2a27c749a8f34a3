"""Sends one HTTP POST. The only file that knows which library does it; that is imported with the first callback."""

import asyncio
import importlib
import ssl
from collections.abc import Mapping
from typing import Any, Protocol


class PostFailed(Exception):
    """The POST got no answer; the message says why."""


class Post(Protocol):
    """What callbacks are sent with."""

    async def send(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        """Return the status of the answer; raise PostFailed where there is none in time."""

    async def close(self) -> None:
        """Let go of all connections."""


class AiohttpPost:
    """POSTs with aiohttp: redirects are not followed, no cookie is kept, and the body of an answer is not read."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """`tls` says whom it trusts; without it, the authorities that this machine trusts."""
        self._tls = tls
        self._aiohttp: Any = None
        self._yarl: Any = None
        self._session: Any = None
        self._loading = asyncio.Lock()

    async def send(self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> int:
        """Return the status of the answer; raise PostFailed where there is none in time."""
        session = self._session or await self._start()
        aiohttp = self._aiohttp
        try:
            async with session.post(
                # As it was given: a signature in a query does not survive being quoted anew.
                self._yarl.URL(url, encoded=url.isascii()),
                data=body,
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
                    connector=self._aiohttp.TCPConnector(limit=0, ssl=self._tls or True),
                    cookie_jar=self._aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                    trust_env=False,
                )
            return self._session
