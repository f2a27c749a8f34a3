"""Makes sightings: what the journal says of an exchange, with its role in the spec and what it told of the task."""

from urllib.parse import unquote_to_bytes

from contracts.wire import Sighting
from mock_server.exchange import Exchange
from mock_server.lifecycle import step_index
from mock_server.twin import Twin
from mock_server.worlds import World


def sighting_of(
    twin: Twin, world: World, exchange: Exchange, *, connection: int, began: float, whole: float
) -> Sighting:
    """Return the sighting of an exchange that has just been recorded. Times are seconds by the session's clock."""
    role = next((each.role for each in twin.program.operations if each.id == exchange.operation), None)
    return Sighting(exchange, connection, began, whole, role=role, told=_told(world, exchange, role))


def _told(world: World, exchange: Exchange, role: str | None) -> str | None:
    """The status of the task that the exchange is about, as the twin meant it; a submit tells the first."""
    task = world.store.find(exchange.task_id) if exchange.task_id is not None else None
    if task is None:
        return None
    if role == "submit":
        return task.plan.steps[0].status
    return task.plan.steps[step_index(task.plan, exchange.at_ms)].status


def decoded_path(exchange: Exchange) -> str:
    """Return the path without percent-encoding."""
    return unquote_to_bytes(exchange.incoming.path).decode("utf-8", "replace")
