"""Another body in the place of the provider's, with the same headers: JSON that the spec allows, say, or words."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said


def make(arguments: Any) -> Fault:
    """`body`, a text (`{}`); `status`, without which it is that of the reply."""
    given = said(arguments, "body")
    body: bytes = given.get("body", "{}").encode()
    status: int | None = given.get("status")

    def spoil(reply: Reply, around: Around) -> Reply:
        return answered(reply, status, body)

    return Fault("other-body", spoil)
