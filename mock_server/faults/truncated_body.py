"""The connection ends before the body does: of the length that the head tells, or inside a chunk."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said, sent

_HOW = ("short-length", "cut-chunk")


def make(arguments: Any) -> Fault:
    """`how` the head tells the body's end, `after-bytes` of it the real one comes; drawn where they are not said."""
    given = said(arguments, "how")
    how: str | None = given.get("how")
    after: int | None = given.get("after-bytes")

    def spoil(reply: Reply, around: Around) -> Reply:
        chosen = _HOW[around.below(len(_HOW))] if how is None else how
        return sent(reply, chunked=chosen == "cut-chunk", body_bytes=inside(reply, after, around), end="close")

    return Fault("truncated-body", spoil)


def inside(reply: Reply, after: int | None, around: Around) -> int:
    """Return how much of a body is sent where it is not sent whole."""
    last = max(0, len(reply.body) - 1)
    return around.below(last + 1) if after is None else min(after, last)
