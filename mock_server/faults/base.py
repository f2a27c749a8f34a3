"""What every fault has: its name, what it makes of a reply, and what it does to the read behind it."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from mock_server.exchange import Incoming, Reply, Wire

# With these statuses a reply has no body, whatever it would say.
_BODILESS = (204, 304)


class Around(msgspec.Struct, frozen=True, gc=False):
    """What a fault may know besides the reply.

    `draw` gives chance below 1 from the seed; `status_places` are the pointers in the body at which a task's status
    stands, with `*` for every item of an array; `base_url` is the address that the client called.
    """

    incoming: Incoming
    draw: Callable[[], float]
    status_places: tuple[str, ...]
    base_url: str

    def below(self, count: int) -> int:
        """Draw a whole number below `count`, which is at least 1."""
        return int(self.draw() * count)


class Fault(msgspec.Struct, frozen=True):
    """One deliberate misbehaviour.

    `reads` says what a query sees: the task as it is `now`, as it was at `first`, or `nothing`. A fault that needs a
    `success` to spoil says so; it cannot befall a request that is refused.
    """

    name: str
    spoil: Callable[[Reply, Around], Reply]
    reads: Literal["now", "first", "nothing"] = "now"
    needs_success: bool = False


def said(arguments: Any, short: str) -> Mapping[str, Any]:
    """Return the arguments by name; a value alone is that of the argument `short`."""
    if isinstance(arguments, dict):
        return arguments
    return {} if arguments is None else {short: arguments}


def answered(reply: Reply, status: int | None, body: bytes, content_type: bytes | None = None) -> Reply:
    """Return a reply with another body, and perhaps another status; None keeps what there is."""
    status = reply.status if status is None else status
    return msgspec.structs.replace(
        reply,
        status=status,
        body=b"" if status in _BODILESS else body,
        content_type=reply.content_type if content_type is None else content_type,
    )


def sent(reply: Reply, **changes: Any) -> Reply:
    """Return a reply that goes out in another way."""
    return msgspec.structs.replace(reply, wire=msgspec.structs.replace(reply.wire or Wire(), **changes))
