"""Plain values that the shells hand in and get back: a request as it came, the reply to send, and the two together."""

from typing import Any

import msgspec

Headers = list[tuple[bytes, bytes]]


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One request. `path` is as it came, not percent-decoded; header names are in lower case."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    scheme: str = "http"


class Head(msgspec.Struct, frozen=True, gc=False):
    """What was read in a head that came in one piece with its body, and asked to keep the connection."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body_bytes: int


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What to send back. The body is JSON; `headers` come besides content-type and content-length."""

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """One request with its reply. `reply` is None where the client left before it was answered."""

    number: int
    at_ms: int
    incoming: Incoming
    reply: Reply | None
    operation: str | None
    task_id: str | None
    explanation: dict[str, Any] | None
    # When it was recorded, in real time since 1970: the world's clock may stand still.
    real_ns: int = 0
    # Whether of a long body only the beginning was kept.
    cut: bool = False

    @property
    def real_ms(self) -> int:
        """When it was recorded, in milliseconds of real time."""
        return self.real_ns // 1_000_000
