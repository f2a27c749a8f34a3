"""Other origins: servers that a client has no business to show its key to. They keep what they were shown."""

import asyncio
import time

import msgspec

# A head of a client is a few kilobytes; what is longer is cut.
_HEAD_BYTES_MAX = 65_536
_SECONDS_MAX = 5.0
_KEPT_MAX = 1_000
_ANSWER = (
    b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"
)


class Shown(msgspec.Struct, frozen=True):
    """What a stranger was shown: the head of a request, as it came."""

    at: float
    head: bytes

    @property
    def target(self) -> str:
        """The address that was asked for."""
        parts = self.head.split(b"\r\n", 1)[0].split(b" ")
        return parts[1].decode("latin-1") if len(parts) > 1 else ""

    @property
    def method(self) -> str:
        """The method that was used."""
        return self.head.split(b" ", 1)[0].decode("latin-1")

    def header(self, name: str) -> list[str]:
        """Return all values of a header; `name` in lower case."""
        lines = self.head.split(b"\r\n")[1:]
        pairs = [line.split(b":", 1) for line in lines if b":" in line]
        return [value.strip().decode("latin-1") for key, value in pairs if key.lower() == name.encode("ascii")]


class Stranger:
    """A server that answers 404 to everything, and keeps the heads."""

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self.port = 0
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_HEAD_BYTES_MAX)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    @property
    def origin(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def shown_below(self, path: str) -> list[Shown]:
        """Return what was asked for below a path."""
        return [each for each in self.shown if each.target.startswith(path)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_SECONDS_MAX):
                head = await reader.readuntil(b"\r\n\r\n")
                if len(self.shown) < _KEPT_MAX:
                    self.shown.append(Shown(time.monotonic(), head))
                writer.write(_ANSWER)
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
