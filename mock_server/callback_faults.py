"""How a callback misbehaves, as a value: which statuses it is about, how likely, and what is done to the delivery."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# What a callback can suffer. The arguments of each are in fixtures/schemas/scenario.schema.json.
CALLBACK_FAULTS = (
    "lost", "duplicate", "reorder", "late", "early", "stale", "forged", "bad-signature", "missing-signature",
    "stale-timestamp", "truncated", "wrong-content-type", "slow-send",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CallbackFault:
    """One misbehaviour of the callback channel; `statuses` None means all. Durations among `arguments` are in ms."""

    name: str
    statuses: frozenset[str] | None = None
    chance: float = 1.0
    arguments: Mapping[str, Any] = field(default_factory=dict)
