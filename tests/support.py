"""What many tests need: a twin in process, and somebody who talks to it."""

from dataclasses import dataclass
from typing import Any

import msgspec

from mock_server.clock import ManualClock
from mock_server.exchange import Exchange, Headers, Incoming, Reply
from mock_server.journal import Attempt, Journal
from mock_server.outbox import Delivery
from mock_server.twin import Twin
from mock_server.worlds import World

OMNI = "/kling/v1/videos/omni-video"

# A body that keeps every rule and says no more than it must.
MINIMAL: dict[str, Any] = {"prompt": "A lighthouse.", "aspect_ratio": "16:9"}


def is_refused(reply: Reply, status: int, code: int) -> bool:
    """Tell whether the reply is this problem, in the provider's shape."""
    body = msgspec.json.decode(reply.body)
    return reply.status == status and set(body) == {"code", "message", "request_id"} and body["code"] == code


def explanation(reply: Reply) -> dict[str, Any]:
    """Return what the twin tells the developer beside a reply."""
    value = dict(reply.headers)[b"x-mock-explanation"]
    told = msgspec.json.decode(value)
    assert isinstance(told, dict)
    return told


def without_real_time(value: msgspec.Struct) -> dict[str, Any]:
    """Return the parts of a journal entry, a delivery or a thing that fired that the same story has every time.

    A task is left out: it holds its scenario, which is made anew for each twin.
    """
    return {
        key: without_real_time(each) if isinstance(each, Attempt | Exchange) else each
        for key, each in msgspec.structs.asdict(value).items()
        if key not in ("real_ms", "real_ns", "task")
    }


def booked_by(world: World) -> list[Delivery]:
    """Return the callbacks that a world has booked, in the order they are due."""
    return [delivery for _, _, delivery in sorted(world.outbox.snapshot(), key=lambda each: each[:2])]


@dataclass
class Caller:
    """A client of a twin, without a socket: one key, and the calls of the API."""

    twin: Twin
    key: str = "sk-test"

    @property
    def world(self) -> World:
        return self.twin.worlds.open(self.key)

    @property
    def clock(self) -> ManualClock:
        clock = self.world.clock
        assert isinstance(clock, ManualClock)
        return clock

    @property
    def journal(self) -> Journal:
        return self.world.journal

    def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        query: str = "",
        headers: Headers | None = None,
    ) -> Reply:
        """Send anything; `headers` replace the usual ones."""
        usual = [
            (b"host", b"twin.test:4747"),
            (b"authorization", f"Bearer {self.key}".encode()),
            (b"content-type", b"application/json"),
        ]
        return self.twin.endpoint.answer(
            Incoming(method, path.encode(), query.encode(), usual if headers is None else headers, body)
        )

    def submit(self, body: Any = None, path: str = OMNI) -> Reply:
        return self.send("POST", path, msgspec.json.encode(MINIMAL if body is None else body))

    def created(self, body: Any = None) -> str:
        """Submit what must be accepted, and return the task's id."""
        reply = self.submit(body)
        assert reply.status == 200, reply
        task_id = msgspec.json.decode(reply.body)["data"]["task_id"]
        assert isinstance(task_id, str)
        return task_id

    def query(self, task_id: str) -> Reply:
        return self.send("GET", f"{OMNI}/{task_id}")

    def task(self, task_id: str) -> dict[str, Any]:
        """Query what must be there, and return its `data`."""
        reply = self.query(task_id)
        assert reply.status == 200, reply
        data = msgspec.json.decode(reply.body)["data"]
        assert isinstance(data, dict)
        return data

    def listed(self, query: str = "") -> list[dict[str, Any]]:
        reply = self.send("GET", OMNI, query=query)
        assert reply.status == 200, reply
        data = msgspec.json.decode(reply.body)["data"]
        assert isinstance(data, list)
        return data

    def finish(self, task_id: str) -> None:
        """Move the clock past the end of a task."""
        task = self.world.store.find(task_id)
        assert task is not None
        self.clock.move_to(max(task.plan.ends_at_ms, self.clock.now_ms()))
