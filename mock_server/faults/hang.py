"""No reply, and the connection stays open."""

from typing import Any

from mock_server.durations import parse_duration_ms
from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said, sent

# The longest that a client usually waits for one reply.
_USUAL = "10m"


def make(arguments: Any) -> Fault:
    """`for` so long (10m); then the connection is closed."""
    for_ms = parse_duration_ms(said(arguments, "for").get("for", _USUAL))

    def spoil(reply: Reply, around: Around) -> Reply:
        return sent(reply, head=False, end="hang", hang_ms=for_ms)

    return Fault("hang", spoil)
