"""What every driver is: it takes jobs to a client, and brings back what became of them.

Two failures are never mixed. A `HarnessError` says that the client could not be driven at all: nothing was judged.
Whatever happens later is an `Ending` of the job that was running.
"""

import time
from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from contracts.jobs import Job, Result

# Of what a client prints while one job runs. Logs are looked through for secrets; a flood is cut, and counted.
# A case has up to 30 sessions, which are kept until it is judged.
LOG_BYTES_MAX = 1024 * 1024
# A result is a line of a few hundred bytes.
LINE_BYTES_MAX = 1024 * 1024


class HarnessError(Exception):
    """The client could not be started or spoken to. Nothing was judged."""


class Ending(msgspec.Struct, frozen=True):
    """What became of a job: the client's word where it gave one, and how it came to its end.

    `how` is `answered`, or says in one word what was wrong; `detail` says it in a sentence. Times are monotonic.
    """

    how: Literal["answered", "silent", "hung", "died", "bad-result", "wrong-job"]
    began: float
    ended: float
    result: Result | None = None
    detail: str = ""
    log: bytes = b""
    exit_status: int | None = None
    # Whether jobs of other cases were running on the same worker, so that it may be their fault.
    shared: bool = False

    @property
    def is_defect(self) -> bool:
        """Whether the client broke the driver protocol. To say nothing is allowed: then the wire alone is judged."""
        return self.how not in ("answered", "silent")


class Declared(msgspec.Struct, frozen=True):
    """What a client says of itself: what it can do, and the settings that it cannot change, in seconds."""

    name: str
    capabilities: frozenset[str]
    settings: Mapping[str, float] = {}


Kind = Literal["exec", "worker", "in process"]


class Driver(Protocol):
    """Drives one client."""

    kind: Kind

    async def start(self) -> Declared:
        """Begin; raise HarnessError where the client cannot be driven."""

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Give a job to the client, and wait for its end; a client that takes longer than the limit has hung."""

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand a callback to the client; return the status that it answers with."""

    def separate(self) -> None:
        """Let jobs that run at once no longer share a process, where they do: what ends one then ends no other."""

    def results(self, job: Job) -> int:
        """Return how many results came for a job until now."""

    def printed(self, job: Job) -> bytes:
        """Return what the client printed since a job ended, and forget the job."""

    async def close(self) -> None:
        """End whatever is left of the client."""


class Log:
    """What a client prints, bounded: of a flood the beginning and the end are kept."""

    def __init__(self, limit: int = LOG_BYTES_MAX) -> None:
        self._head, self._tail = bytearray(), bytearray()
        self._limit = limit // 2
        self.dropped_bytes = 0

    def add(self, part: bytes) -> None:
        """Take in some output."""
        room = self._limit - len(self._head)
        self._head += part[:room]
        self._tail += part[room:] if room > 0 else part
        if len(self._tail) > 2 * self._limit:
            self.dropped_bytes += len(self._tail) - self._limit
            del self._tail[: len(self._tail) - self._limit]

    @property
    def content(self) -> bytes:
        """What is kept."""
        gap = b"\n[%d bytes left out]\n" % self.dropped_bytes if self.dropped_bytes else b""
        return bytes(self._head) + gap + bytes(self._tail)


def now() -> float:
    """Return the moment, in seconds, by the clock that sightings have."""
    return time.monotonic()
