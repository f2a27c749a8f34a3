"""The body comes a few bytes at a time: no single read is slow, and the whole is."""

from typing import Any

from mock_server.durations import parse_duration_ms
from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, said, sent


def make(arguments: Any) -> Fault:
    """`bytes` at a time (1), one piece `every` so long (100ms)."""
    given = said(arguments, "every")
    every_ms, count = parse_duration_ms(given.get("every", "100ms")), given.get("bytes", 1)
    if not every_ms:
        raise ValueError("pieces that come every 0ms are no drip; write 100ms, say")

    def spoil(reply: Reply, around: Around) -> Reply:
        return sent(reply, drip_bytes=count, drip_ms=every_ms)

    return Fault("drip", spoil)
