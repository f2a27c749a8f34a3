"""Plain values that the shells hand in and get back: a request as it came, the reply to send, and the two together."""

from typing import Any, Literal

import msgspec

Headers = list[tuple[bytes, bytes]]

# In the head of a reply: the connection ends behind it.
CLOSING = (b"connection", b"close")


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """One request. `path` is as it came, not percent-decoded; header names are in lower case."""

    method: str
    path: bytes
    query: bytes
    headers: Headers
    body: bytes
    scheme: str = "http"


def with_body(incoming: Incoming, body: bytes) -> Incoming:
    """Return a request with the same head and another body."""
    return Incoming(incoming.method, incoming.path, incoming.query, incoming.headers, body, incoming.scheme)


class Wire(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """How a reply goes out where it is not simply sent.

    Nothing is sent for `delay_ms`. Then come `raw`, or the head and the body, or nothing, where `head` is false. Of the
    body `body_bytes` at most are sent; the head tells the length of the whole, in one chunk if it is `chunked`. The
    body comes `drip_bytes` at a time, `drip_ms` apart, if that is not 0. After that the connection is as `end` says:
    kept, closed, reset, or left open in silence for `hang_ms` and then closed.
    """

    delay_ms: int = 0
    raw: bytes | None = None
    head: bool = True
    body_bytes: int | None = None
    chunked: bool = False
    drip_bytes: int = 0
    drip_ms: int = 0
    end: Literal["keep", "close", "reset", "hang"] = "keep"
    hang_ms: int = 0


class First(msgspec.Struct, frozen=True, gc=False):
    """Callbacks that go out before a reply does: the tag of their world, and the ids of the deliveries."""

    world_tag: str
    deliveries: tuple[str, ...]


class Reply(msgspec.Struct, frozen=True, gc=False):
    """What to send back. `headers` come besides content-type and content-length.

    `wire` is None where all is well. A `content_type` of its own has only a reply that has one, and so have callbacks
    that go out `first`: a shell lets them go before it does anything else with the reply.
    """

    status: int
    body: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"
    wire: Wire | None = None
    first: First | None = None


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
    # How long after it the client left, in real time, where its reply was held back and it did not wait for it.
    gave_up_after_ms: int | None = None

    @property
    def real_ms(self) -> int:
        """When it was recorded, in milliseconds of real time."""
        return self.real_ns // 1_000_000
