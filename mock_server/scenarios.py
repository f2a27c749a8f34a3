"""A scenario: a named story that a request can get, as a value.

    name: two-bad-polls
    about: The second and the third query of each task are refused.
    query: [normal, {problem: maintenance, times: 2}]
    lifecycle: {pace: 10s, outcome: success}

Behaviour is addressed by operation and attempt, so it means the same however queries and callbacks interleave. What
may stand in a file is for `scenario_reader.py`, where files are found for `catalogue.py`, who gets which scenario for
`choosing.py`.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from mock_server.callback_faults import CallbackFault
from mock_server.faults import Fault
from mock_server.faults.latency import Latency
from mock_server.lifecycle import Way
from mock_server.retry_after import RetryAfter
from mock_server.roles import ROLES


class Happening(msgspec.Struct, frozen=True):
    """What befalls a request: it is refused with a problem, its reply is spoiled by faults, it takes long.

    With a `chance` below 1 it may come to nothing. `stores` tells whether a submit creates its task. A refusal has a
    `message` and an HTTP `status` of its own where they are not the problem's; it may say when to come back.
    """

    problem: str | None = None
    message: str = ""
    status: int | None = None
    retry_after: RetryAfter | None = None
    faults: tuple[Fault, ...] = ()
    latency: Latency | None = None
    stores: bool = True
    chance: float = 1.0


class Script(msgspec.Struct, frozen=True):
    """What happens on the attempts of one operation, each thing from its first attempt to its last (None: no end)."""

    steps: tuple[tuple[int, int | None, Happening], ...]

    def at(self, attempt: int) -> Happening | None:
        """Return what happens on the n-th attempt (from 1), or None where it is normal."""
        for first, last, happening in self.steps:
            if first <= attempt and (last is None or attempt <= last):
                return happening
        return None

    def over(self, attempts: int) -> bool:
        """Tell whether everything is normal after so many attempts."""
        return not self.steps or ((last := self.steps[-1][1]) is not None and attempts >= last)


class Outage(msgspec.Struct, frozen=True):
    """What befalls requests at certain times, counted from when the scenario began in a world."""

    happening: Happening
    roles: frozenset[str]
    from_ms: int = 0
    for_ms: int | None = None
    every_ms: int | None = None

    def holds(self, age_ms: int) -> bool:
        """Tell whether it lasts, so long after the scenario began."""
        since_ms = age_ms - self.from_ms
        if since_ms < 0:
            return False
        if self.every_ms is not None:
            since_ms %= self.every_ms
        return self.for_ms is None or since_ms < self.for_ms


class Rate(msgspec.Struct, frozen=True):
    """How many requests of these roles a world may make in a window, and how a refusal says when to come back."""

    requests: int
    per_ms: int
    roles: frozenset[str]
    retry_after: Literal["seconds", "date", "none"]


class Limits(msgspec.Struct, frozen=True):
    """What the provider can take from one world; None is no limit. `parallel` tasks are worked on at once."""

    concurrency: int | None = None
    rate: Rate | None = None
    quota: int | None = None
    parallel: int | None = None


class CallbackStory(msgspec.Struct, frozen=True):
    """Which callbacks are sent, how often each is tried, and how they misbehave; None is as the spec has it."""

    statuses: tuple[str, ...] | None = None
    retries_ms: tuple[int, ...] | None = None
    timeout_ms: int | None = None
    signed: bool | None = None
    faults: tuple[CallbackFault, ...] = ()


class Scenario(msgspec.Struct, frozen=True):
    """A named story.

    `ways` has for each type of task the way that its tasks take; with several shares, one is drawn for each task.
    `scripts` has for each role what its attempts meet, `latencies` how long every answer takes. `dialect` is the wire
    shape of the answers, None for the twin's own. Addresses of results work for `expires_ms`, None for the spec's.
    """

    name: str
    about: str
    ways: tuple[tuple[float, Mapping[str, Way]], ...]
    scripts: Mapping[str, Script] = msgspec.field(default_factory=dict)
    latencies: Mapping[str, Latency] = msgspec.field(default_factory=dict)
    outages: tuple[Outage, ...] = ()
    limits: Limits | None = None
    callbacks: CallbackStory = CallbackStory()
    dialect: str | None = None
    expires_ms: int | None = None
    seen: str = ""
    # The roles whose requests something may befall; each request asks. A timetable begins with any of them.
    befalls: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        roles = ROLES if self.outages else (*self.scripts, *self.latencies)
        msgspec.structs.force_setattr(self, "befalls", frozenset(roles))

    def way(self, task_type: str, chance: float) -> Way:
        """Return the way of a task; `chance`, below 1, chooses among several."""
        for upto, ways in self.ways:
            if chance < upto:
                return ways[task_type]
        return self.ways[-1][1][task_type]
