"""The task has a status that the spec does not know."""

from typing import Any

import msgspec

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said
from mock_server.faults.places import placed
from mock_server.pointers import find, parse

_USUAL = "unheard_of"


def make(arguments: Any) -> Fault:
    """`status`: what stands where the status does, a text or null; `instead-of`: only where this one stands."""
    given = said(arguments, "status")
    status: str | None = given.get("status", _USUAL)
    instead_of: str | None = given.get("instead-of")

    def spoil(reply: Reply, around: Around) -> Reply:
        try:
            value = msgspec.json.decode(reply.body)
        except msgspec.DecodeError:
            return reply
        for place in around.status_places:
            for path, there in find(value, parse(place)):
                if instead_of is None or there == instead_of:
                    value = placed(value, path, lambda there: status)
        return answered(reply, None, msgspec.json.encode(value))

    return Fault("unknown-status", spoil, needs_success=True)
