"""Makes sightings: what an exchange in the twin's journal was about, told for those who judge a client by it.

Any shell that carries requests to a twin uses it, right after the endpoint has answered.
"""

from typing import Any

import msgspec

from contracts.wire import Sighting
from mock_server.exchange import Exchange, Incoming, Reply
from mock_server.lifecycle import step_index
from mock_server.twin import Twin
from mock_server.worlds import World


def sighting_of(
    twin: Twin, incoming: Incoming, reply: Reply | None, *, connection: int, began: float, whole: float
) -> tuple[World, Sighting]:
    """Return the sighting of the request that was answered last, and the world that it belongs to.

    Of long bodies the journal keeps the beginning alone; a sighting has the whole.
    """
    world, number = twin.endpoint.last_entry(incoming)
    exchange = world.journal.after(number - 1)[0]
    assert isinstance(exchange, Exchange)
    if exchange.cut:
        exchange = msgspec.structs.replace(exchange, incoming=incoming, reply=reply, cut=False)
    role = role_of(twin, exchange.operation)
    sighting = Sighting(exchange, connection, began, whole, role=role, told=told_by(world, exchange, role))
    return world, sighting


def role_of(twin: Twin, operation: str | None) -> str | None:
    """Return the role of an operation, by its id; None for none."""
    return next((each.role for each in twin.program.operations if each.id == operation), None)


def told_by(world: World, exchange: Exchange, role: str | None) -> str | None:
    """Return the status that an answer was meant to tell of its task, just now; None where it told none.

    A submit tells the first status, however soon the task moves on. A problem tells none, whatever came of the task.
    """
    explanation: dict[str, Any] = exchange.explanation or {}
    if exchange.task_id is None or exchange.reply is None or "problem" in explanation:
        return None
    task = world.store.find(exchange.task_id)
    if task is None:
        return None
    step = 0 if role == "submit" else step_index(task.plan, exchange.at_ms)
    return task.plan.steps[step].status


def note_left(world: World, sighting: Sighting, at: float) -> None:
    """Note that the client closed the connection, at a moment of the session's clock, before the reply was out."""
    sighting.left = at
    after_ms = round((at - sighting.whole) * 1_000)
    sighting.exchange = msgspec.structs.replace(sighting.exchange, gave_up_after_ms=after_ms)
    world.journal.gave_up(sighting.number, after_ms)
