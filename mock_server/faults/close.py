"""The connection is closed (FIN): without a reply, as by a server that is restarted; or behind one, as when idle."""

from typing import Any

import msgspec

from mock_server.exchange import CLOSING, Reply
from mock_server.faults.base import Around, Fault, said, sent


def make(arguments: Any) -> Fault:
    """`when`: `before` the reply, `after` the whole of it and unannounced, or `announced` in its head."""
    when: str = said(arguments, "when").get("when", "before")

    def spoil(reply: Reply, around: Around) -> Reply:
        if when == "announced" and CLOSING not in reply.headers:
            reply = msgspec.structs.replace(reply, headers=(*reply.headers, CLOSING))
        return sent(reply, head=False, end="close") if when == "before" else sent(reply, end="close")

    return Fault("close", spoil)
