"""What every fault has: its name, what it makes of a reply, and what it does to the read behind it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import msgspec

from mock_server.exchange import Incoming, Reply


class Around(msgspec.Struct, frozen=True, gc=False):
    """What a fault may know besides the reply.

    `draw` gives chance below 1 from the seed; `status_places` are the pointers in the body at which a task's status
    stands; `base_url` is the address that the client called.
    """

    incoming: Incoming
    draw: Callable[[], float]
    status_places: tuple[str, ...]
    base_url: str


@dataclass(frozen=True, slots=True)
class Fault:
    """One deliberate misbehaviour.

    `reads` says what a query sees: the task as it is `now`, as it was at `first`, or `nothing`. A fault that needs a
    `success` to spoil says so; it cannot befall a request that is refused.
    """

    name: str
    spoil: Callable[[Reply, Around], Reply]
    reads: Literal["now", "first", "nothing"] = "now"
    needs_success: bool = False
