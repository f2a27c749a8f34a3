"""The connection is closed (FIN) without a reply, as by a server that is restarted."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, sent


def make(arguments: Any) -> Fault:
    """It has no arguments."""

    def spoil(reply: Reply, around: Around) -> Reply:
        return sent(reply, head=False, end="close")

    return Fault("close", spoil)
