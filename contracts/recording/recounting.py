"""Makes the callbacks of a scenario of those that were recorded: which came, when, how often, and what was odd."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

from contracts.recording.pacing import Moment, duration
from contracts.recording.recorded import Exchange

# What comes within it of the change is in time.
_LATE_MS_MIN = 1_000
_RETRIES_MAX = 20
_COPIES_MAX = 100


class Notes(Protocol):
    """Where is noted what could not be expressed."""

    def add(self, what: str) -> None:
        """Note one thing."""


def callback_story(
    exchanges: Sequence[Exchange], moments: Sequence[Moment], created: Exchange | None, untold: Notes
) -> dict[str, Any]:
    """Return what a scenario says of callbacks; nothing where none came."""
    came = [each for each in exchanges if each.kind == "callback" and each.told is not None and each.told.status]
    at_ms = {each.status: each.at_ms for each in moments}
    by_status: dict[str, list[Exchange]] = {}
    for each in came:
        assert each.told is not None
        assert each.told.status is not None
        if each.told.status in at_ms:
            by_status.setdefault(each.told.status, []).append(each)
        else:
            untold.add(f"a callback that tells {each.told.status}, which the task never was")
    if not by_status:
        return {}
    story: dict[str, Any] = {"send": sorted(by_status, key=lambda status: at_ms[status])}
    if retries := _retries(by_status.values()):
        story["retries"] = [duration(each) for each in retries]
    story["sign"] = any(line.startswith("webhook-signature:") for each in came for line in each.request.headers)
    faults: list[Any] = []
    for status, ones in by_status.items():
        faults += _faults(status, ones, at_ms[status], created)
    return {**story, "faults": faults} if faults else story


def _faults(status: str, ones: Sequence[Exchange], at_ms: int, created: Exchange | None) -> list[Any]:
    faults: list[Any] = []
    answered_ms = created.at_ms + created.took_ms if created is not None else None
    first = ones[0]
    if answered_ms is not None and created is not None and first.number < created.number and first.at_ms <= answered_ms:
        faults.append({"early": {"on": [status]}})
    elif first.at_ms - at_ms >= _LATE_MS_MIN:
        faults.append({"late": {"by": duration(first.at_ms - at_ms), "on": [status]}})
    received = next((index for index, each in enumerate(ones) if each.accepted), None)
    copies = ones[received + 1 :] if received is not None else []
    if copies and received is not None:
        apart_ms = max(0, (copies[-1].at_ms - ones[received].at_ms) // len(copies))
        copy = {"times": min(len(copies), _COPIES_MAX), "after": duration(apart_ms), "on": [status]}
        faults.append({"duplicate": copy})
    return faults


def _retries(all_of: Any) -> list[int]:
    """How long after each failed attempt the next was made, by the callback that was tried most."""
    longest: list[int] = []
    for ones in all_of:
        waits = []
        for here, there in pairwise(ones):
            if here.accepted:
                break
            waits.append(max(0, there.at_ms - here.at_ms - here.took_ms))
        longest = max(longest, waits, key=len)
    return longest[:_RETRIES_MAX]
