"""When a task has changed its status, by what was seen of it.

Between the last sight of one status and the first of the next lies the moment of the change. A callback tells it, or
the service's own times do, where they lie between the two; else it is put in the middle: so a client that polls as the
recorded one did sees each status at the same poll, though its polls come a little earlier or later.
"""

from collections.abc import Sequence

import msgspec

from mock_server.lifecycle import Lifecycle


class Sight(msgspec.Struct, frozen=True):
    """A status that was told at a moment. `own_ms` is how long after its creation it changed, as the service says."""

    at_ms: int
    status: str
    by_callback: bool = False
    own_ms: int | None = None


class Moment(msgspec.Struct, frozen=True):
    """When a task has taken on a status, how that is known, and when a client saw it first (None: never)."""

    status: str
    at_ms: int
    known: str
    seen_ms: int | None


def moments_of(sights: Sequence[Sight], lifecycle: Lifecycle, created_ms: int) -> list[Moment]:
    """Return the way of a task. What is no move of the lifecycle is passed over; what was never seen is put between."""
    way = [Moment(lifecycle.initial, created_ms, "as it was created", None)]
    looked_ms = created_ms
    for sight in sorted(sights, key=lambda each: each.at_ms):
        here, low = way[-1], max(way[-1].at_ms, looked_ms)
        looked_ms = looked_ms if sight.by_callback else sight.at_ms
        if sight.status == here.status:
            if here.seen_ms is None:
                way[-1] = msgspec.structs.replace(here, seen_ms=sight.at_ms)
            continue
        if sight.status not in lifecycle.statuses:
            continue
        try:
            names = lifecycle.between(here.status, sight.status)
        except ValueError:
            continue
        at_ms, known = _moment(sight, low, created_ms)
        for index, name in enumerate(names[:-1], 1):
            between = low + (at_ms - low) * index // len(names)
            way.append(Moment(name, between, "never seen", None))
        way.append(Moment(sight.status, at_ms, known, sight.at_ms))
    return way


def _moment(sight: Sight, low: int, created_ms: int) -> tuple[int, str]:
    """The moment of a change, after `low` and until it was seen; and how it is known."""
    if sight.by_callback:
        return sight.at_ms, "by its callback"
    if sight.own_ms is not None and low < created_ms + sight.own_ms <= sight.at_ms:
        return created_ms + sight.own_ms, "by the service's times"
    return (low + sight.at_ms + 1) // 2, f"seen first after {duration(sight.at_ms - created_ms)}"


def duration(milliseconds: int) -> str:
    """Return a length of time as scenarios say it."""
    milliseconds = max(0, milliseconds)
    return f"{milliseconds // 1_000}s" if milliseconds % 1_000 == 0 and milliseconds else f"{milliseconds}ms"
