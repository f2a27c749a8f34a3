"""A receiver of callbacks that counts how often each delivery came, by its id.

`python -m benchmarks.receiver PORT`. It answers every POST with 200, and a GET with its counts as JSON. It parses no
more than it must.
"""

import asyncio
import json
import re
import sys
import time
from collections import Counter
from typing import Any

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_ID = re.compile(rb"\r\nwebhook-id: *([^\r]+)\r\n", re.IGNORECASE)
_RECEIVED = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"


class _Counts:
    def __init__(self) -> None:
        self.by_id: Counter[bytes] = Counter()
        self.first_at = self.last_at = 0.0

    def add(self, name: bytes) -> None:
        self.last_at = time.time()
        self.first_at = self.first_at or self.last_at
        self.by_id[name] += 1

    def as_json(self) -> bytes:
        return json.dumps(
            {
                "received": self.by_id.total(),
                "different": len(self.by_id),
                "first_at": self.first_at,
                "last_at": self.last_at,
            }
        ).encode()


class _Receiver(asyncio.Protocol):
    def __init__(self, counts: _Counts) -> None:
        self.counts, self.came = counts, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.came += data
        while (end := self.came.find(b"\r\n\r\n")) >= 0:
            head = self.came[: end + 2]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.came) < whole:
                return
            self.came = self.came[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"GET"):
            body = self.counts.as_json()
            self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body))
            return
        name = _ID.search(head)
        self.counts.add(name[1] if name else b"")
        self.transport.write(_RECEIVED)


async def _serve(port: int) -> None:
    counts = _Counts()
    server = await asyncio.get_running_loop().create_server(lambda: _Receiver(counts), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
