"""The pages of scenarios: which there are, and which one is armed for a world."""

from http import HTTPStatus
from typing import Any

from starlette.responses import Response

from mock_server.catalogue import Entry, ScenariosRefused
from mock_server.control.asking import BadInput
from mock_server.control.base import Asked, ControlError
from mock_server.scenario_form import ScenarioError
from mock_server.scenarios import Scenario

# A test that wants more says always.
_TIMES_MAX = 1_000_000
# As many as somebody mends before trying again.
_COMPLAINTS_MAX = 100


async def listed(asked: Asked) -> Response:
    """List every scenario, and what can be said besides its name."""
    return asked.json({"scenarios": [_entry(each) for each in asked.twin.catalogue.entries()]})


async def reloaded(asked: Asked) -> Response:
    """Read the user's folder again. All of it is good and comes in place of what there was, or nothing changes."""
    await asked.body()
    if asked.twin.catalogue.folder is None:
        raise ControlError(HTTPStatus.CONFLICT, "there is no folder to read again: start the server with --scenarios")
    try:
        changes = asked.twin.reload_scenarios()
    except ScenariosRefused as refused:
        complaints = [
            {"file": str(each.path), "line": each.line, "reason": each.reason}
            for each in refused.complaints[:_COMPLAINTS_MAX]
        ]
        detail = f"the scenarios stay as they were: {refused}"
        raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, detail, more={"complaints": complaints}) from None
    return asked.json(changes)


async def shown(asked: Asked) -> Response:
    """Say which scenario is armed for the world, and which one the server has where nobody says anything else."""
    return asked.json(_state(asked))


async def armed(asked: Asked) -> Response:
    """Arm a scenario for the world: `{"scenario": "maintenance; on=query", "times": 1}`."""
    said = await asked.body("scenario", "times")
    scenario, times = _scenario(asked, said.get("scenario")), _times(said.get("times", "always"))
    asked.world.arm(scenario, times)
    return asked.json(_state(asked))


async def disarmed(asked: Asked) -> Response:
    """Take back what is armed; tasks that have it keep it."""
    asked.world.steering.disarm()
    return asked.json(_state(asked))


def _scenario(asked: Asked, said: Any) -> Scenario:
    catalogue = asked.twin.catalogue
    try:
        if isinstance(said, str):
            return catalogue.choose(said)
        if isinstance(said, dict):
            return catalogue.define(said)
    except ScenarioError as error:
        raise BadInput(f"scenario: {error}") from None
    raise BadInput('scenario: name one, such as "maintenance; on=query", or give one whole, as in a file')


def _times(said: Any) -> int | None:
    if said == "always":
        return None
    # 2.0 is a whole number to JSON Schema, too.
    if isinstance(said, int | float) and not isinstance(said, bool) and 1 <= said <= _TIMES_MAX and said == int(said):
        return int(said)
    raise BadInput(f"times: a whole number from 1 to {_TIMES_MAX}, or always, is expected")


def _state(asked: Asked) -> dict[str, Any]:
    armed = asked.world.steering.armed
    return {
        "default": asked.twin.endpoint.scenarios.default.name,
        "armed": None
        if armed is None
        else {
            "scenario": armed.scenario.name,
            "about": armed.scenario.about,
            "left": "always" if armed.left is None else armed.left,
            "submits": asked.world.steering.attempts(armed.scenario, "submit"),
        },
    }


def _entry(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "about": entry.about,
        "seen": entry.seen,
        "parameters": [{"name": each.name, "default": each.default, "about": each.about} for each in entry.parameters],
        "own": entry.own,
    }
