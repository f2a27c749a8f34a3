"""Sends callbacks: to the client's own receiver over HTTP, or, where the examiner owns the address, to its driver."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from mock_server.post import AiohttpPost, Manner, PostFailed

# Takes a relayed callback, headers and body; returns the status that the client answers with.
Relayed = Callable[[Mapping[str, str], bytes], Awaitable[int]]

# More than a session of a case has; the oldest are forgotten.
_POSTED_MAX = 10_000


class Posted(msgspec.Struct, frozen=True):
    """One callback on its way: what was sent where, from when to when, and the answer, if there was one."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    began: float
    ended: float
    status: int | None


class RelayingPost:
    """What the twin sends callbacks with while a client is examined."""

    def __init__(self, origin: str) -> None:
        """Addresses at `origin` are the examiner's own."""
        self.origin = origin
        self.relays: dict[str, Relayed] = {}
        self._posted: deque[Posted] = deque(maxlen=_POSTED_MAX)
        # How many were sent in all.
        self.count = 0
        self._http = AiohttpPost()

    def address(self, token: str, relayed: Relayed) -> str:
        """Return an address of the examiner's own; what is sent there goes to `relayed`."""
        url = f"{self.origin}/_callbacks/{token}"
        self.relays[url] = relayed
        return url

    def forget(self, url: str | None) -> None:
        """Relay no more to this address."""
        if url is not None:
            self.relays.pop(url, None)

    def since(self, count: int) -> list[Posted]:
        """Return those that were sent after the first `count`, and are still kept."""
        new = self.count - count
        return list(self._posted)[-new:] if new else []

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        manner: Manner | None = None,
    ) -> int:
        """Return the status of the answer; raise PostFailed where there is none in time."""
        began, status = time.monotonic(), None
        try:
            relayed = self.relays.get(url)
            if relayed is None:
                status = await self._http.send(url, body, headers, timeout_seconds, manner)
            else:
                status = await self._relay(relayed, body, headers, timeout_seconds, manner)
            return status
        finally:
            self.count += 1
            self._posted.append(Posted(url, body, dict(headers), began, time.monotonic(), status))

    async def close(self) -> None:
        """Let go of all connections."""
        await self._http.close()

    @staticmethod
    async def _relay(
        relayed: Relayed, body: bytes, headers: Mapping[str, str], timeout_seconds: float, manner: Manner | None
    ) -> int:
        if manner is not None and manner.body_bytes is not None:
            raise PostFailed("a cut body cannot be relayed")
        try:
            async with asyncio.timeout(timeout_seconds):
                return await relayed(headers, body)
        except TimeoutError:
            raise PostFailed(f"no answer within {timeout_seconds:g} s") from None
