"""A worker that loses no time: the reference client's decisions, on connections that it keeps and waits that are short.

    omnimock fuzz --worker -- python -m benchmarks.quick_client

It polls only. What is slow about a session with it is the examiner, or what the server was drawn to do.
"""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httptools
import msgspec

sys.path.insert(0, str(Path(__file__).parent.parent / "examples/python"))

from driving import ended, settings_of, succeeded
from omni_video.answers import Answer, Lost
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob
from omni_video.steps import Send

CAPABILITIES = ("polling", "parallel", "images", "videos", "elements", "multi-shot", "local-validation")
# Where the reference client waits 0.4 s, and 2 s when it is throttled. A wait doubles from time to time all the same.
_BACKOFF_SECONDS = 0.02
_THROTTLED_BACKOFF_SECONDS = 0.05
_ANSWER_BYTES_MAX = 4_194_304


class Connection(asyncio.Protocol):
    """A connection that carries one exchange at a time."""

    def __init__(self, idle: "list[Connection]") -> None:
        self._idle = idle
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Answer | Lost] | None = None
        self._parser: httptools.HttpResponseParser
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._in_body = False

    async def exchange(self, request: bytes) -> Answer | Lost:
        """Send a request, and return what came of it; whoever does not wait for that closes the connection."""
        self._answer = asyncio.get_running_loop().create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._headers, self._body, self._in_body = {}, bytearray(), False
        self._transport.write(request)
        try:
            return await self._answer
        except asyncio.CancelledError:
            self._transport.abort()
            raise

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # It is one for TCP.
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self._transport.abort()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._settle(Lost(f"no HTTP: {error}"))
        if len(self._body) > _ANSWER_BYTES_MAX:
            self._settle(Lost("the answer is too long"))

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._idle:
            self._idle.remove(self)
        # Where no length was told, the end of the connection is the end of the answer.
        whole = self._in_body and not self._headers.keys() & {"content-length", "transfer-encoding"}
        self._settle(self._came() if whole else Lost(f"the connection was lost: {exc or 'closed'}"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        keeps = self._parser.should_keep_alive()
        self._settle(self._came(), keeps=keeps)

    def _came(self) -> Answer:
        return Answer(self._parser.get_status_code(), self._headers, bytes(self._body))

    def _settle(self, answer: Answer | Lost, *, keeps: bool = False) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)
            if keeps and not self._transport.is_closing():
                self._idle.append(self)
                return
        self._transport.abort()


class QuickClient:
    """Does jobs, on connections that it keeps."""

    def __init__(self) -> None:
        self._idle: defaultdict[tuple[str, int], list[Connection]] = defaultdict(list)

    async def do(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """Do a job; return its result."""
        name = str(message["job"])
        settings = replace(
            settings_of(message),
            backoff_seconds=_BACKOFF_SECONDS,
            throttled_backoff_seconds=_THROTTLED_BACKOFF_SECONDS,
        )
        job = OmniJob(message["request"], base_url=message["base_url"], api_key=message["api_key"], settings=settings)
        steps = job.steps()
        answer: Answer | Lost | None = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, Send):
                    answer = await self._send(step)
                else:
                    await asyncio.sleep(step.seconds)
                    answer = None
        except StopIteration as end:
            return succeeded(name, end.value)
        except OmniVideoError as error:
            return ended(name, error)

    async def _send(self, step: Send) -> Answer | Lost:
        try:
            async with asyncio.timeout(step.timeout_seconds):
                parts = urlsplit(step.url)
                assert parts.hostname is not None
                idle = self._idle[parts.hostname, parts.port or 80]
                connection = idle.pop() if idle else await _connected(parts.hostname, parts.port or 80, idle)
                return await connection.exchange(_bytes(step, f"{parts.hostname}:{parts.port}", parts.path))
        except TimeoutError:
            return Lost(f"no whole answer within {step.timeout_seconds:.1f} s")
        except OSError as error:
            return Lost(str(error), sent=False)


async def _connected(host: str, port: int, idle: list[Connection]) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(lambda: Connection(idle), host, port)
    return connection


def _bytes(step: Send, host: str, path: str) -> bytes:
    headers = {"host": host, **step.headers}
    if step.body is not None:
        headers["content-length"] = str(len(step.body))
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{step.method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (step.body or b"")


def _say(message: Mapping[str, Any]) -> None:
    os.write(1, msgspec.json.encode(message) + b"\n")


async def _talk() -> None:
    client, running = QuickClient(), set[asyncio.Task[None]]()
    reader = asyncio.StreamReader(limit=_ANSWER_BYTES_MAX)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)

    async def do(message: Mapping[str, Any]) -> None:
        _say({"type": "result", **await client.do(message)})

    _say({"type": "hello", "protocol": 1, "name": "quick client", "capabilities": CAPABILITIES})
    while line := await reader.readline():
        message = msgspec.json.decode(line)
        if message["type"] == "bye":
            break
        if message["type"] == "run":
            task = asyncio.create_task(do(message))
            running.add(task)
            task.add_done_callback(running.discard)
    if running:
        await asyncio.wait(running)


if __name__ == "__main__":
    import uvloop

    uvloop.run(_talk())
