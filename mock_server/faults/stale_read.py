"""The query does not see the task yet, or sees it as it was created: its write has not come everywhere."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said


def make(arguments: Any) -> Fault:
    """What it `shows`: `nothing`, or the task as it was at `first`."""
    shows = said(arguments, "shows").get("shows", "nothing")
    return Fault("stale-read", _as_it_is, reads=shows, needs_success=True)


def _as_it_is(reply: Reply, around: Around) -> Reply:
    return reply
