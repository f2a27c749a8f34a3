"""What a check is, and how it says what it saw."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from contracts.observation import Session
from contracts.report.model import Channel, Finding
from contracts.wire import Sighting

# A check of one session. The argument is what the catalogue says behind its name.
Check = Callable[[Session, Any], Iterable[Finding]]
# A check of all sessions of a case.
PooledCheck = Callable[[Sequence[Session], Any], Iterable[Finding]]


def right(session: Session, expected: str, seen: str, *at: Sighting, channel: Channel = "wire") -> Finding:
    """What was seen is right."""
    return Finding(channel, "passed", expected, seen, session.number, session.places(at))


def wrong(
    session: Session, expected: str, seen: str, *at: Sighting, channel: Channel = "wire", upper: bool = False
) -> Finding:
    """What was seen is wrong; with `upper`, because it took longer than it may."""
    return Finding(channel, "failed", expected, seen, session.number, session.places(at), upper=upper)


def unseen(session: Session, expected: str, why: str, *at: Sighting, channel: Channel = "wire") -> Finding:
    """Nothing was seen by which it could be told."""
    return Finding(channel, "not exercised", expected, why, session.number, session.places(at))


def noted(session: Session, expected: str, seen: str, *at: Sighting, channel: Channel = "wire") -> Finding:
    """Something that is worth a note, and neither right nor wrong."""
    return Finding(channel, "info", expected, seen, session.number, session.places(at))


def verdict_of(
    session: Session, good: bool, expected: str, seen: str, *at: Sighting, channel: Channel = "wire"
) -> Finding:
    """Right or wrong, as `good` says."""
    return (right if good else wrong)(session, expected, seen, *at, channel=channel)


def times(count: int, what: str) -> str:
    """Return a count with its noun, such as `1 create` and `3 creates`."""
    plural = what[:-1] + "ies" if what.endswith("ry") else what + "s"
    return f"{count} {what if count == 1 else plural}"


def seconds(value: float) -> str:
    """Return a length of time as people read it."""
    return f"{value * 1000:.0f} ms" if abs(value) < 1 else f"{value:.2f} s"
