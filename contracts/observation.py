"""What was seen while one session of a case ran: all that checks may look at."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from contracts.case import Case, Play
from contracts.drivers.base import Declared, Ending
from contracts.jobs import Job
from contracts.relay import Posted
from contracts.strangers import Shown
from contracts.wire import Sighting, WireLog
from mock_server.journal import Attempt
from mock_server.lifecycle import Final
from mock_server.task import Task

# How an explanation says that a reply was spoiled.
FAULT = "faults"


class JobSeen(msgspec.Struct, frozen=True):
    """A job, and what became of it."""

    job: Job
    ending: Ending
    # How many results came for it, those behind the first included.
    results: int = 1

    @property
    def outcome(self) -> str | None:
        """What the client said, if it did."""
        return self.ending.result.outcome if self.ending.result is not None else None


class Session(msgspec.Struct, frozen=True):
    """Everything that was seen in one session. Moments are seconds by one clock that never goes back.

    `finals` tells for each status of the spec whether it is a final one, and which. `ended` is when the last job had
    its result, `watched_until` when nobody looked any more.
    """

    number: int
    case: Case
    play: Play
    key: str
    began: float
    ended: float
    watched_until: float
    jobs: Sequence[JobSeen]
    wire: WireLog
    tasks: Sequence[Task]
    attempts: Sequence[Attempt]
    posted: Sequence[Posted]
    strangers: Sequence[Shown]
    log: bytes
    declared: Declared
    finals: Mapping[str, Final | None]
    # What was filled into the scenario, by name.
    fills: Mapping[str, str]
    profile: str
    virtual: bool = False
    # How often the client connected to the listener whose certificate nobody trusts, whether it spoke there or not.
    tls_connections: int = 0
    # Where in a body the client's own id of its job stands.
    external_pointers: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """How reports call it."""
        return self.play.name or (f"session {self.number + 1}" if self.play.times > 1 else "")

    def setting(self, name: str) -> float:
        """Return what the client spends, in seconds: what it declared, else what the job asked for."""
        declared = self.declared.settings.get(name)
        return declared if declared is not None else getattr(self.jobs[0].job.settings, name)

    @property
    def submits(self) -> list[Sighting]:
        """The creates."""
        return self.wire.of("submit")

    @property
    def queries(self) -> list[Sighting]:
        """The polls, of any task."""
        return self.wire.of("query")

    def task_queries(self) -> list[Sighting]:
        """The polls of a task that there is."""
        return [each for each in self.queries if each.told is not None]

    def place(self, sighting: Sighting) -> int:
        """Return which line of the wire log it is."""
        return next(index for index, each in enumerate(self.wire.sightings) if each is sighting)

    def places(self, sightings: Sequence[Sighting]) -> tuple[int, ...]:
        """Return which lines of the wire log these are."""
        return tuple(self.place(each) for each in sightings)

    def first_final(self) -> Sighting | None:
        """The first reply that told a final status, and came whole."""
        return next((each for each in self.task_queries() if self.is_final(each) and was_heard(each)), None)

    def is_final(self, sighting: Sighting) -> bool:
        """Whether a sighting told a final status."""
        return sighting.told is not None and self.finals.get(sighting.told) is not None

    def queries_by_task(self) -> dict[str, list[Sighting]]:
        """The polls by what they asked for: the task where there is one, else the path."""
        found: dict[str, list[Sighting]] = {}
        for each in self.queries:
            found.setdefault(each.exchange.task_id or each.exchange.incoming.path.decode("latin-1"), []).append(each)
        return found

    def tells_end(self, posted: Posted) -> bool:
        """Whether a callback told the true end of a task, and was not forged."""
        finals = [name for name, final in self.finals.items() if final is not None]
        forged = any(
            each.faults and "forged" in each.faults and each.url == posted.url and each.status in finals
            for each in self.attempts
        )
        of_ours = any(each.id.encode() in posted.body for each in self.tasks)
        return of_ours and not forged and any(b'"%b"' % name.encode() in posted.body for name in finals)


def gaps(sightings: Sequence[Sighting]) -> Iterator[tuple[Sighting, Sighting, float]]:
    """Yield each two neighbours, with the seconds from the end of the one to the first byte of the other."""
    for before, after in pairwise(sightings):
        yield before, after, after.began - before.ended


def was_heard(sighting: Sighting) -> bool:
    """Whether the reply came as the provider means it: in time, whole, and unspoiled."""
    reply = sighting.exchange.reply
    if reply is None or sighting.left is not None or FAULT in explanation(sighting):
        return False
    return reply.wire is None or reply.wire.end == "keep"


def explanation(sighting: Sighting) -> Mapping[str, Any]:
    """Return what the twin had to say of an exchange."""
    return sighting.exchange.explanation or {}
