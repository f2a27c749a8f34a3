"""The bounded record of one world: every exchange, and every attempt to deliver a callback."""

import time
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import Any, Literal

import msgspec

from mock_server.callback_faults import Spoiling
from mock_server.exchange import Exchange, Incoming, Reply
from mock_server.store import Room
from mock_server.tally import Tally

# A test reads the last few exchanges; a thousand is a long test.
ENTRIES_MAX = 1_000
# Of a longer body the beginning is kept: enough to see what it was.
KEPT_BODY_BYTES_MAX = 16_384
_ENTRY_BYTES = 400

# What comes of an attempt. What is lost was never sent, as its scenario has it.
Outcome = Literal["delivered", "failed", "refused", "abandoned", "lost"]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One try to deliver a callback: which delivery, its number of tries so far, and what came of it.

    `step` and `spoiling` are those of the delivery: what it tells of, and what it suffers.
    """

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
    real_ms: int = 0
    step: int = 0
    spoiling: Spoiling | None = None

    @property
    def faults(self) -> tuple[str, ...]:
        """The names of the faults that it suffers."""
        return self.spoiling.faults if self.spoiling is not None else ()


Entry = Exchange | Attempt


class Journal:
    """The last entries of a world, oldest first. All journals together stay within `room` bytes."""

    def __init__(self, room: Room, *, tally: Tally | None = None, real_ns: Callable[[], int] = time.time_ns) -> None:
        """What happens is counted in `tally` as well; `real_ns` tells real time, which the world's clock may not."""
        self._room = room
        self._tally = tally or Tally()
        self._exchanges = self._tally.exchanges
        self._real_ns = real_ns
        self._entries: deque[tuple[int, Entry]] = deque()
        # The first number since the journal was made or cleared.
        self._first_number = 1
        self.closed = False
        self.next_number = 1
        # Called, each one, with every new entry and at the end: readers that wait for news.
        self.watchers: set[Callable[[], None]] = set()

    def exchange(
        self,
        at_ms: int,
        incoming: Incoming,
        reply: Reply | None,
        operation: str | None,
        task_id: str | None,
        explanation: dict[str, Any] | None,
        *,
        head_bytes: int,
    ) -> None:
        """Record a request with its reply, or with None where the client left before it was answered.

        `head_bytes` is how much is kept of its head.
        """
        self._exchanges[operation, reply.status if reply else 0] += 1
        cut = False
        if len(incoming.body) > KEPT_BODY_BYTES_MAX or (reply and len(reply.body) > KEPT_BODY_BYTES_MAX):
            incoming, reply, cut = *_shortened(incoming, reply), True
        size = _ENTRY_BYTES + head_bytes + len(incoming.body)
        if reply is not None:
            size += len(reply.body)
        if explanation is not None:
            size += len(msgspec.json.encode(explanation))
        self._keep(
            size,
            Exchange(self.next_number, at_ms, incoming, reply, operation, task_id, explanation, self._real_ns(), cut),
        )

    def gave_up(self, number: int, after_ms: int | None = None) -> None:
        """Note that the client of an exchange left while its reply was held back; without `after_ms`, just now."""
        index = number - (self.next_number - len(self._entries))
        if 0 <= index < len(self._entries):
            size, entry = self._entries[index]
            assert isinstance(entry, Exchange)
            if after_ms is None:
                after_ms = max(0, self._real_ns() // 1_000_000 - entry.real_ms)
            self._entries[index] = (size, msgspec.structs.replace(entry, gave_up_after_ms=after_ms))
            self._tell()

    def attempt(self, make: Callable[[int, int], Attempt]) -> Attempt:
        """Record an attempt; `make` is told its number, and the real time in milliseconds."""
        entry = make(self.next_number, self._real_ns() // 1_000_000)
        self._tally.attempt(entry.outcome, final=entry.final)
        self._keep(_ENTRY_BYTES, entry)
        return entry

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def entries(self) -> list[Entry]:
        """The entries that are still kept, oldest first."""
        return [entry for _, entry in self._entries]

    def after(self, number: int) -> list[Entry]:
        """Return the entries with a higher number that are still kept, oldest first."""
        oldest = self.next_number - len(self._entries)
        return [entry for _, entry in islice(self._entries, max(0, number + 1 - oldest), None)]

    def dropped_after(self, number: int) -> int:
        """Return how many entries with a higher number are gone because the journal is bounded."""
        oldest = self.next_number - len(self._entries)
        return max(0, oldest - max(number + 1, self._first_number))

    def close(self) -> None:
        """Forget everything, give the room back, and keep nothing more."""
        self.clear()
        self.closed = True
        self._tell()

    def clear(self) -> None:
        """Forget everything, and give the room back. Numbers go on."""
        self._room.used -= sum(size for size, _ in self._entries)
        self._entries.clear()
        self._first_number = self.next_number

    def _tell(self) -> None:
        for each in self.watchers:
            each()

    def _keep(self, size: int, entry: Entry) -> None:
        self.next_number += 1
        if self.closed:
            return
        entries, room = self._entries, self._room
        entries.append((size, entry))
        room.used += size
        while len(entries) > ENTRIES_MAX or (room.used > room.limit and len(entries) > 1):
            room.used -= entries.popleft()[0]
        if self.watchers:
            self._tell()


def _shortened(incoming: Incoming, reply: Reply | None) -> tuple[Incoming, Reply | None]:
    body = incoming.body[:KEPT_BODY_BYTES_MAX]
    kept = msgspec.structs.replace(incoming, body=body)
    return kept, reply and msgspec.structs.replace(reply, body=reply.body[:KEPT_BODY_BYTES_MAX])
