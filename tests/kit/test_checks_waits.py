"""The checks of growing waits and closed connections, with sessions made by hand."""

import msgspec
import pytest

from contracts.checks.table import CHECKS, POOLED
from contracts.observation import Session
from contracts.wire import Sighting
from mock_server.lifecycle import Final
from tests.kit.sessions_a import TASK, create, query, session

GROWS = {"role": "query", "factor": 1.5, "gaps": 3}
FINALS: dict[str, Final | None] = {"processing": None, "succeed": "success"}


def at(sighting: Sighting, began: float) -> Sighting:
    sighting.began, sighting.replied = began, began
    return sighting


def tried(first_poll: float, *waits: float) -> Session:
    """A session whose queries are refused, with so long waits between them."""
    wire, moment = [at(create(), 0.0)], first_poll
    for wait in waits:
        wire.append(at(query(TASK, status=503, reply={}, explanation={"problem": "maintenance"}), moment))
        moment += wait
    return session(*wire, at(query(TASK, reply={}), moment))


@pytest.mark.parametrize(
    ("first_poll", "waits", "verdict"),
    [
        (0.1, (0.4, 0.8, 1.6), "passed"),
        (0.1, (0.4, 0.4, 0.4), "failed"),
        # It needs 0.4 s for itself each time, as it shows after the create.
        (0.5, (0.7, 1.0, 1.6), "passed"),
        (0.1, (0.7, 1.0, 1.6), "failed"),
        # A late first query does not make equal waits grow.
        (9.0, (0.4, 0.4, 0.4), "failed"),
        (9.0, (0.4, 0.45, 0.5), "failed"),
    ],
)
def test_waits_grow_without_what_the_client_needs_for_its_own_work(
    first_poll: float, waits: tuple[float, ...], verdict: str
) -> None:
    (found,) = POOLED["grows"]([tried(first_poll, *waits)] * 6, GROWS)
    assert (found.verdict, found.upper) == (verdict, verdict == "failed")


@pytest.mark.parametrize(("status", "verdict"), [("processing", "failed"), ("succeed", "not exercised")])
def test_only_a_connection_that_is_closed_before_the_end_needs_another(status: str, verdict: str) -> None:
    last = query(TASK, reply={}, explanation={"faults": ["close"]})
    last.told = status
    (found,) = CHECKS["reconnects"](msgspec.structs.replace(session(create(), last), finals=FINALS), None)
    assert found.verdict == verdict
