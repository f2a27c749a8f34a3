"""No body at all, though the headers are those of JSON."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said


def make(arguments: Any) -> Fault:
    """`status`; without it that of the reply."""
    status: int | None = said(arguments, "status").get("status")

    def spoil(reply: Reply, around: Around) -> Reply:
        return answered(reply, status, b"")

    return Fault("empty-body", spoil)
