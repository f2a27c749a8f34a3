"""Bytes that are no HTTP, as from a port that speaks something else."""

from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said, sent

_USUAL_BYTES = 64


def make(arguments: Any) -> Fault:
    """`bytes`: how many (64)."""
    count: int = said(arguments, "bytes").get("bytes", _USUAL_BYTES)

    def spoil(reply: Reply, around: Around) -> Reply:
        # The first bit is set: no status line begins so, nor does it end in the middle. It has an end, to be read.
        drawn = bytes(0x80 | around.below(128) for _ in range(count))
        return sent(reply, raw=drawn[:-2] + b"\r\n" if count > 2 else drawn, end="close")

    return Fault("garbage", spoil)
