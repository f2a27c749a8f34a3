"""A client of the control pages of a twin in process: one key, and whatever it asks of `/_mock/`."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from mock_server.app import App
from mock_server.post import Manner
from mock_server.twin import Twin
from tests.support import MINIMAL, Caller

# Only a failing test waits so long.
PATIENCE_SECONDS = 10.0
CALLBACK_URL = "http://127.0.0.1:9/callback"


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  What is looked at has no event to wait for.
            await asyncio.sleep(0)


@dataclass
class Steward:
    """Somebody who steers and inspects the world of one key; `caller` is the client with the same key."""

    twin: Twin
    key: str = "sk-test"

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(App(self.twin))
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")

    @property
    def caller(self) -> Caller:
        return Caller(self.twin, self.key)

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.key}"}

    async def send(self, method: str, page: str, body: Any = None, /, **query: Any) -> httpx.Response:
        """Send anything to a page."""
        content = None if body is None else json.dumps(body)
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.http.request(
                method, f"/_mock/{page}", params=query, content=content, headers=self.headers
            )

    async def get(self, page: str, /, **query: Any) -> dict[str, Any]:
        """Return what a page says, which must be good."""
        return good(await self.send("GET", page, **query))

    async def post(self, path: str, body: Any = None) -> dict[str, Any]:
        """Return what comes of a POST, which must be good."""
        return good(await self.send("POST", path, body))

    async def entries(self, **query: Any) -> list[dict[str, Any]]:
        """Return journal entries."""
        found = (await self.get("journal", **query))["entries"]
        assert isinstance(found, list)
        return found

    def created(self, **more: Any) -> str:
        """Submit what must be accepted, and return the task's id."""
        return self.caller.created({**MINIMAL, **more})


async def quiet(steward: Steward) -> None:
    """Wait until every callback that is due has been sent."""
    world = steward.caller.world
    now_ms = world.clock.now_ms()
    await until(
        lambda: not steward.twin.callbacks.under_way(world) and all(each.due_ms > now_ms for each in world.outbox)
    )


def good(answer: httpx.Response) -> dict[str, Any]:
    """Return the body of an answer that must be good."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    value = answer.json()
    assert isinstance(value, dict)
    return value


def refused(answer: httpx.Response, status: int, *words: str) -> dict[str, Any]:
    """Return a problem document, which must have this status and hold these words in its detail."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    value = answer.json()
    assert isinstance(value, dict)
    assert value["status"] == status
    for word in words:
        assert word in value["detail"]
    return value


@dataclass
class FakePost:
    """A Post that answers as its script says, else with 200; while `held`, none ends."""

    script: deque[int] = field(default_factory=deque)
    bodies: list[bytes] = field(default_factory=list)
    delivery_headers: list[Mapping[str, str]] = field(default_factory=list)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.free.set()

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float, manner: Manner | None = None
    ) -> int:
        self.bodies.append(body)
        self.delivery_headers.append(headers)
        await self.free.wait()
        return self.script.popleft() if self.script else 200

    async def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class Reader:
    """A reader of a stream, without a socket: it takes in what is sent while it is not `stopped`."""

    twin: Twin
    key: str
    query: str = ""
    last_event_id: str | None = None
    text: str = ""
    status: int = 0
    reading: asyncio.Event = field(default_factory=asyncio.Event)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.reading.set()
        self.done = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        headers = [(b"host", b"127.0.0.1"), (b"authorization", f"Bearer {self.key}".encode())]
        if self.last_event_id is not None:
            headers.append((b"last-event-id", self.last_event_id.encode()))
        scope: dict[str, Any] = {
            "type": "http", "method": "GET", "path": "/_mock/journal/stream", "raw_path": b"/_mock/journal/stream",
            "query_string": self.query.encode(), "headers": headers, "scheme": "http", "server": ("127.0.0.1", 80),
            "http_version": "1.1", "root_path": "",
        }  # fmt: skip
        await App(self.twin)(scope, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        await self.reading.wait()
        if message["type"] == "http.response.start":
            self.status = message["status"]
        else:
            self.text += message["body"].decode()

    @property
    def events(self) -> list[tuple[str, dict[str, Any]]]:
        """What came so far: the name of each event, and its data."""
        found = []
        for block in self.text.split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
            if fields:
                data = json.loads(fields["data"])
                assert fields.get("id", "") == str(data.get("number", ""))
                found.append((fields["event"], data))
        return found

    def numbers(self) -> list[int]:
        """The numbers of the entries that came so far."""
        return [data["number"] for _, data in self.events if "number" in data]

    async def leave(self) -> None:
        """Go away, and wait until that is noticed."""
        self.left.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.done
