"""The connection is reset (RST), before the reply or inside its body."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said, sent
from mock_server.faults.truncated_body import inside


def make(arguments: Any) -> Fault:
    """`when`: `before` the reply, or `inside` its body, at a place that is drawn."""
    within = said(arguments, "when").get("when", "before") == "inside"

    def spoil(reply: Reply, around: Around) -> Reply:
        if within:
            return sent(reply, body_bytes=inside(reply, None, around), end="reset")
        return sent(reply, head=False, end="reset")

    return Fault("reset", spoil)
