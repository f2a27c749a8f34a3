"""How a callback misbehaves, as values: what a scenario says of it, and what that makes of one delivery.

What becomes of the deliveries of a task is decided once, by `callback_plan.py`. What is done to the bytes is done by
`callback_message.py`, each time the delivery is attempted.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

# What a callback can suffer. The arguments of each are in fixtures/schemas/scenario.schema.json.
CALLBACK_FAULTS = (
    "lost", "duplicate", "reorder", "late", "early", "stale", "forged", "bad-signature", "missing-signature",
    "two-signatures", "stale-timestamp", "unknown-fields", "rewritten", "truncated", "wrong-content-type", "slow-send",
)  # fmt: skip


class CallbackFault(msgspec.Struct, frozen=True):
    """One misbehaviour of the callback channel; `statuses` None means all. Durations among `arguments` are in ms."""

    name: str
    statuses: frozenset[str] | None = None
    chance: float = 1.0
    arguments: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Spoiling(msgspec.Struct, frozen=True, gc=False):
    """What one delivery suffers, in each of its attempts: the names of the faults, and how each goes.

    `message` is the id that is sent, where it is that of another delivery. A forged one tells of a success, of the
    task `task_id` and with its result at `media_url` where these are said. One with `unknown_fields` has members that
    nobody knows; one that is `rewritten` is the same JSON in other spelling. `two` signatures are a wrong one and the
    right one. `age_ms` is how old its signature is. Of the body so many bytes are sent (None: all, -1: half),
    `drip_bytes` at a time, `drip_ms` apart.
    """

    faults: tuple[str, ...] = ()
    message: str = ""
    status: str = ""
    task_id: str = ""
    media_url: str = ""
    signature: Literal["usual", "right", "wrong", "two", "none"] = "usual"
    age_ms: int = 0
    unknown_fields: bool = False
    rewritten: bool = False
    content_type: str = ""
    body_bytes: int | None = None
    drip_bytes: int = 0
    drip_ms: int = 0

    def sent_again(self) -> "Spoiling":
        """Return what is suffered by one that is sent once more by hand: all but its loss."""
        return msgspec.structs.replace(self, faults=tuple(each for each in self.faults if each != "lost"))
