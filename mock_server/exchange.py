"""Plain values that the shells hand in and get back: a request as it came, the reply to send, and the two together."""

from typing import Any, Literal

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


class Wire(msgspec.Struct, frozen=True, gc=False):
    """How a reply goes out where it is not simply sent.

    Nothing is sent for `delay_ms`. Then come `raw`, or the head and the body, of which `body_bytes` at most are sent
    (chunked or with a length, which is that of the whole); `drip_bytes` at a time, `drip_ms` apart, if that is not 0.
    After that the connection is as `end` says: kept, closed, reset, or left open in silence for `hang_ms`.
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
    """What to send back. `headers` come besides content-type and content-length; `wire` is None where all is well.

    A shell lets callbacks that go out `first` go before it does anything else with the reply.
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
    # When it was recorded, in real time: the world's clock may stand still.
    real_ms: int = 0
    # Whether of a long body only the beginning was kept.
    cut: bool = False
