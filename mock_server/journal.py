"""The bounded record of one world: every exchange, and every attempt to deliver a callback."""

from collections import deque
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from mock_server.exchange import Exchange, Incoming, Reply
from mock_server.store import Room

# A test reads the last few exchanges; a thousand is a long test.
ENTRIES_MAX = 1_000
# Of a longer body the beginning is kept: enough to see what it was.
_KEPT_BODY_BYTES_MAX = 16_384
_ENTRY_BYTES = 400

Outcome = Literal["delivered", "failed", "refused", "abandoned"]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try to deliver a callback: which delivery, its number of tries so far, and what came of it."""

    number: int
    at_ms: int
    delivery: str
    attempt: int
    task_id: str
    status: str
    url: str
    outcome: Outcome
    http_status: int | None
    reason: str
    final: bool


class Journal:
    """The last entries of a world, oldest first. All journals together stay within `room` bytes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._entries: deque[tuple[int, Exchange | Attempt]] = deque()
        self._closed = False
        self.next_number = 1

    def exchange(
        self,
        at_ms: int,
        incoming: Incoming,
        reply: Reply | None,
        operation: str | None,
        task_id: str | None,
        explanation: dict[str, Any] | None,
    ) -> None:
        """Record a request with its reply, or with None where the client left before it was answered."""
        if len(incoming.body) > _KEPT_BODY_BYTES_MAX or (reply and len(reply.body) > _KEPT_BODY_BYTES_MAX):
            incoming, reply = _shortened(incoming, reply)
        size = _ENTRY_BYTES + len(incoming.path) + len(incoming.query) + len(incoming.body)
        for name, value in incoming.headers:
            size += len(name) + len(value)
        if reply is not None:
            size += len(reply.body)
        if explanation is not None:
            size += len(msgspec.json.encode(explanation))
        self._keep(size, Exchange(self.next_number, at_ms, incoming, reply, operation, task_id, explanation))

    def attempt(self, make: Callable[[int], Attempt]) -> Attempt:
        """Record an attempt; `make` is told its number."""
        entry = make(self.next_number)
        self._keep(_ENTRY_BYTES, entry)
        return entry

    @property
    def entries(self) -> list[Exchange | Attempt]:
        """The entries that are still kept, oldest first."""
        return [entry for _, entry in self._entries]

    def close(self) -> None:
        """Forget everything, give the room back, and keep nothing more."""
        self.clear()
        self._closed = True

    def clear(self) -> None:
        """Forget everything, and give the room back."""
        self._room.used -= sum(size for size, _ in self._entries)
        self._entries.clear()

    def _keep(self, size: int, entry: Exchange | Attempt) -> None:
        self.next_number += 1
        if self._closed:
            return
        entries, room = self._entries, self._room
        entries.append((size, entry))
        room.used += size
        while len(entries) > ENTRIES_MAX or (room.used > room.limit and len(entries) > 1):
            room.used -= entries.popleft()[0]


def _shortened(incoming: Incoming, reply: Reply | None) -> tuple[Incoming, Reply | None]:
    body = incoming.body[:_KEPT_BODY_BYTES_MAX]
    kept = msgspec.structs.replace(incoming, body=body)
    return kept, reply and msgspec.structs.replace(reply, body=reply.body[:_KEPT_BODY_BYTES_MAX])
