"""What statuses there are, how a task moves between them, and what the plan of one task is.

    submitted ──▶ processing ──▶ succeed
        │             │
        └──────┬──────┘
               ▼
             failed

The table above is Kling's; it comes from the spec, and so can any other. A task gets its `Plan` when it is submitted:
which way it goes, and when it takes each step. From then on its status is a pure function of the plan and the time.
Nothing here knows about clocks, requests or replies.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import msgspec

Final = Literal["success", "failure", "cancelled"]

# Later than any clock can show.
NEVER_MS = 1 << 62


class Status(msgspec.Struct, frozen=True):
    """One row of the lifecycle table: where a task may go from here, or how it has ended."""

    name: str
    next: tuple[str, ...] = ()
    final: Final | None = None


class Step(msgspec.Struct, frozen=True, gc=False):
    """One status on a way, with the provider's reason where the task has failed."""

    status: str
    final: Final | None = None
    message: str = ""


class Way(msgspec.Struct, frozen=True):
    """The steps that a task takes, first to last, and the shortest and longest time it stays on each but the last."""

    steps: tuple[Step, ...]
    pace_ms: tuple[tuple[int, int], ...]


class Plan(msgspec.Struct, frozen=True, gc=False):
    """What will happen to one task: the steps, and the moment of each in milliseconds since 1970."""

    steps: tuple[Step, ...]
    at_ms: tuple[int, ...]

    @property
    def ends_at_ms(self) -> int:
        """The moment of the final status; NEVER_MS where the plan has none."""
        return self.at_ms[-1] if self.steps[-1].final else NEVER_MS


def step_index(plan: Plan, now_ms: int) -> int:
    """Return which step of the plan `now_ms` falls into; before the first moment it is the first step."""
    moments = plan.at_ms
    index = len(moments) - 1
    while index and moments[index] > now_ms:
        index -= 1
    return index


def make_plan(way: Way, now_ms: int, draw: Callable[[], float]) -> Plan:
    """Decide once how long the task stays on each step of `way`, starting at `now_ms`. `draw` gives chance below 1."""
    moments = [now_ms]
    for shortest, longest in way.pace_ms:
        now_ms += shortest + int(draw() * (longest - shortest + 1)) if longest > shortest else shortest
        moments.append(now_ms)
    return Plan(way.steps, tuple(moments))


def cut_short(plan: Plan, now_ms: int, rest: tuple[Step, ...]) -> Plan:
    """Return a plan that is as `plan` until `now_ms`, and then takes the steps `rest` at that very moment."""
    taken = step_index(plan, now_ms) + 1
    return Plan((*plan.steps[:taken], *rest), (*plan.at_ms[:taken], *(now_ms for _ in rest)))


class Lifecycle:
    """The table of statuses, checked when it is made."""

    def __init__(self, statuses: Mapping[str, Status]) -> None:
        """Raise ValueError where the table names an unknown status, leaves one unreachable, or has no success."""
        self.statuses = dict(statuses)
        self.initial = next(iter(self.statuses))
        for status in self.statuses.values():
            for name in status.next:
                if name not in self.statuses:
                    raise ValueError(
                        f"status {status.name!r} goes on to {name!r}, which is not among {', '.join(self.statuses)}"
                    )
            if bool(status.next) == bool(status.final):
                raise ValueError(f"status {status.name!r} needs either `next` or `final`")
        self._check_reach()
        self.success = self._usual_way()
        self.cancelled = next((name for name, each in self.statuses.items() if each.final == "cancelled"), None)

    def _check_reach(self) -> None:
        reached, waiting = set[str](), [self.initial]
        while waiting:
            name = waiting.pop()
            if name not in reached:
                reached.add(name)
                waiting.extend(self.statuses[name].next)
        if missing := [name for name in self.statuses if name not in reached]:
            raise ValueError(f"status {missing[0]!r} cannot be reached from {self.initial!r}")

    def _usual_way(self) -> tuple[str, ...]:
        """The usual way takes the first `next` of each status, and must end in success."""
        way = [self.initial]
        while following := self.statuses[way[-1]].next:
            if following[0] in way:
                raise ValueError(
                    f"the usual way (the first `next` of each status) runs in a circle at {following[0]!r}"
                )
            way.append(following[0])
        if self.statuses[way[-1]].final != "success":
            raise ValueError(f"the usual way (the first `next` of each status) ends in {way[-1]!r}, not in a success")
        return tuple(way)

    def between(self, start: str, end: str) -> tuple[str, ...]:
        """Return the shortest way from one status to another, without the first; raise ValueError where none leads."""
        ways: list[tuple[str, ...]] = [(start,)]
        seen = {start}
        for way in ways:
            for following in self.statuses[way[-1]].next:
                if following == end:
                    return (*way[1:], end)
                if following not in seen:
                    seen.add(following)
                    ways.append((*way, following))
        raise ValueError(f"no way leads from the status {start!r} to {end!r}")

    def succeeding(self, pace_ms: Mapping[str, tuple[int, int]]) -> Way:
        """Return the usual way, at this pace."""
        return self._way(self.success, "", pace_ms)

    def failing(self, message: str, pace_ms: Mapping[str, tuple[int, int]]) -> Way:
        """Return the usual way with a failure, for the reason `message`, in place of the success."""
        for name in reversed(self.success[:-1]):
            for following in self.statuses[name].next:
                if self.statuses[following].final == "failure":
                    names = self.success[: self.success.index(name) + 1]
                    return self._way((*names, following), message, pace_ms)
        raise ValueError("no status on the usual way goes on to a failure")

    def staying(self, pace_ms: Mapping[str, tuple[int, int]], status: str | None = None) -> Way:
        """Return the usual way up to `status`, or up to its last live status: the task stays there for ever."""
        last = self.success.index(status) if status is not None else len(self.success) - 2
        return self._way(self.success[: last + 1], "", pace_ms)

    def along(self, names: Sequence[str], message: str, pace_ms: Mapping[str, tuple[int, int]]) -> Way:
        """Return the way through these statuses; raise ValueError for a move that the table does not have."""
        if names[0] != self.initial:
            raise ValueError(f"a task starts {self.initial!r}, not {names[0]!r}")
        for here, there in pairwise(names):
            if there not in self.statuses[here].next:
                allowed = ", ".join(self.statuses[here].next) or "nothing: it is final"
                raise ValueError(f"there is no move from {here!r} to {there!r}; from there a task goes to {allowed}")
        return self._way(tuple(names), message, pace_ms)

    def cancelling(self, pace_ms: Mapping[str, tuple[int, int]]) -> Iterator[Way]:
        """Give each way that a cancel can make of the usual one."""
        for index, name in enumerate(self.success):
            if self.cancelled in self.statuses[name].next:
                yield self._way((*self.success[: index + 1], self.cancelled), "", pace_ms)

    def _way(self, names: tuple[str, ...], message: str, pace_ms: Mapping[str, tuple[int, int]]) -> Way:
        steps = [Step(name, self.statuses[name].final) for name in names]
        steps[-1] = Step(names[-1], self.statuses[names[-1]].final, message)
        return Way(tuple(steps), tuple(pace_ms[name] for name in names[:-1]))
