"""What befalls a request by the scenario that it got: a step of a script, or an outage, and how long the answer takes.

Decided before the request is carried out, because a submit may come to nothing by it; done to the reply at the end.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from mock_server import retry_after
from mock_server.clock import Clock
from mock_server.exchange import Incoming, Reply, Wire
from mock_server.faults import Around
from mock_server.faults.base import answered
from mock_server.scenarios import Happening, Scenario
from mock_server.worlds import World


class Befallen(msgspec.Struct, frozen=True, gc=False):
    """What befalls one request. `attempt` is its number, 0 where an outage or nothing but a latency is to blame."""

    scenario: Scenario
    role: str
    happening: Happening
    attempt: int
    delay_ms: int

    @property
    def told(self) -> dict[str, Any]:
        """What the developer is told of it."""
        does = self.happening
        what = [f"is refused: {does.problem}"] if does.problem is not None else []
        what += [each.name for each in does.faults]
        what += [f"takes {self.delay_ms} ms"] if self.delay_ms else []
        if not what:
            return {}
        lost = "" if does.stores or self.role != "submit" or does.problem is not None else "; it is never carried out"
        told: dict[str, Any] = {"scenario": self.scenario.name, "what": f"{self._which} {', '.join(what)}{lost}"}
        return {**told, "faults": [each.name for each in does.faults]} if does.faults else told

    @property
    def reads(self) -> str:
        """What a query sees: the task as it is `now`, as it was at `first`, or `nothing`."""
        return next((each.reads for each in self.happening.faults if each.reads != "now"), "now")

    @property
    def _which(self) -> str:
        return f"{self.role} {self.attempt}" if self.attempt else f"this {self.role}, by an outage,"


_NOTHING = Happening()


def befall(world: World, scenario: Scenario, role: str, task: str, now_ms: int) -> Befallen | None:
    """Count an attempt, and return what befalls it, or None where all is normal. `task` names what it is about."""
    if role not in scenario.befalls:
        return None
    # A timetable begins with the first request, whatever befalls that.
    age_ms = now_ms - world.steering.began_ms(scenario, now_ms) if scenario.outages else 0
    step = world.steering.step(scenario, role, task)
    if step is not None and _comes(step[0], world.chances.of(f"steps/{role}")):
        happening, attempt = step
    else:
        happening, attempt = _outage(world, scenario, role, age_ms) or _NOTHING, 0
    latency = happening.latency or scenario.latencies.get(role)
    if happening is _NOTHING and latency is None:
        return None
    delay_ms = latency(world.chances.of(f"latency/{role}")()) if latency is not None else 0
    return Befallen(scenario, role, happening, attempt, delay_ms)


def restated(reply: Reply, happening: Happening, clock: Clock) -> Reply:
    """Return the reply with the status, and the word when to come back, that its refusal has in the scenario."""
    reply = answered(reply, happening.status, reply.body)
    if happening.retry_after is None:
        return reply
    others = [header for header in reply.headers if header[0] != retry_after.HEADER]
    return msgspec.structs.replace(reply, headers=(*others, happening.retry_after.header(clock.date_ms)))


def spoiled(reply: Reply, befallen: Befallen, around: Around) -> Reply:
    """Return the reply as it goes out after all that befalls it."""
    for fault in befallen.happening.faults:
        reply = fault.spoil(reply, around)
    # A shell looks at what is special about a reply only where there is a wire.
    return msgspec.structs.replace(reply, wire=delayed(reply.wire or Wire(), befallen.delay_ms))


def delayed(wire: Wire, by_ms: int) -> Wire:
    """Return a wire that is silent so much longer."""
    return msgspec.structs.replace(wire, delay_ms=wire.delay_ms + by_ms)


def around(world: World, role: str, incoming: Incoming, status_places: tuple[str, ...], base_url: str) -> Around:
    """Return what faults may know of a request."""
    return Around(incoming, world.chances.of(f"faults/{role}"), status_places, base_url)


def _outage(world: World, scenario: Scenario, role: str, age_ms: int) -> Happening | None:
    for outage in scenario.outages:
        holds = role in outage.roles and outage.holds(age_ms)
        if holds and _comes(outage.happening, world.chances.of(f"outages/{role}")):
            return outage.happening
    return None


def _comes(happening: Happening, draw: Callable[[], float]) -> bool:
    """Chance is drawn only where it matters, so that a certain thing does not disturb an uncertain one."""
    return happening.chance >= 1 or draw() < happening.chance
