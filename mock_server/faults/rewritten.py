"""The same JSON, written as nobody usually does: other order, other spaces, escapes and exponents."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered
from mock_server.respelling import respelled, strange


def make(arguments: Any) -> Fault:
    """It has no arguments."""

    def spoil(reply: Reply, around: Around) -> Reply:
        try:
            body = respelled(reply.body, strange)
        except ValueError:
            return reply
        return answered(reply, None, b"\n" + body + b"\n")

    return Fault("rewritten", spoil)
