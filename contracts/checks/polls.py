"""How the client polls: how often, how many at once, until when.

One gap may be short: a callback is a good reason to ask at once, so a poll right after one is never too early.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from statistics import median
from typing import Any

from contracts.checks.base import Check, PooledCheck, noted, right, seconds, times, unseen, verdict_of, wrong
from contracts.checks.counts import said, went_well
from contracts.observation import Session
from contracts.report.model import Finding
from contracts.wire import Sighting

# A client that leaves and asks anew at once: the twin may hear of it in either order.
_ORDER_SECONDS = 0.05
# What a request takes on its way, on a busy machine.
_SLACK_SECONDS = 0.5


def spaced(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{share: 0.8}`: from one poll of a task to the next passes at least this share of the client's poll interval.

    It is counted from beginning to beginning, so that a client with a fixed rhythm is right too.
    """
    interval = session.setting("poll_interval_seconds")
    least = argument["share"] * interval
    expected = f"at least {seconds(least)} from one query to the next (the poll interval is {seconds(interval)})"
    steps = [each for polls in session.queries_by_task().values() for each in _steps(session, polls)]
    if not steps:
        yield unseen(session, expected, f"{times(len(session.queries), 'query')}, and none that had to wait")
        return
    before, after, shortest = min(steps, key=lambda each: each[2])
    came = f"{seconds(shortest)} at least, over {len(steps) + 1} queries"
    yield verdict_of(session, shortest >= least, expected, came, before, after)
    yield noted(session, "", f"in the middle {seconds(median(each[2] for each in steps))} from one query to the next")


def one_at_a_time(session: Session, argument: Any) -> Iterator[Finding]:
    """A task is asked for again only when the poll before was answered, or given up with its connection."""
    expected = "never two queries of one task on their way at once"
    seen = 0
    for polls in session.queries_by_task().values():
        ordered = sorted(polls, key=lambda each: each.began)
        seen = max(seen, len(ordered))
        for index, each in enumerate(ordered):
            before = next(
                (one for one in ordered[:index] if _over_at(session, one) > each.began + _ORDER_SECONDS), None
            )
            if before is not None:
                early = seconds(_over_at(session, before) - each.began)
                yield wrong(session, expected, f"another query {early} before the one before was over", before, each)
                return
    if seen < 2:
        yield unseen(session, expected, f"no task was asked for twice ({times(len(session.queries), 'query')})")
    else:
        yield right(session, expected, f"{seen} queries of one task, one after the other")


def asks_again(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{within: 5}`: after the first poll that did not go well another one comes, within so many seconds.

    Where the client's poll interval is longer, two intervals are allowed.
    """
    polls = session.queries
    first = next((each for each in polls if not went_well(each)), None)
    most = max(argument["within"], 2 * session.setting("poll_interval_seconds"))
    expected = f"another query within {seconds(most)}"
    if first is None:
        yield unseen(session, expected, f"no query of {len(polls)} went wrong")
        return
    again = next((each for each in polls if each.began > first.began), None)
    if again is None:
        yield wrong(session, expected, f"after {said(first)} no query came", first)
        return
    gap = max(0.0, again.began - first.ended)
    came = f"{seconds(gap)} after {said(first)}"
    if gap <= most:
        yield right(session, expected, came, first, again)
    else:
        yield wrong(session, expected, came, first, again, upper=True)


def by_deadline(session: Session, argument: Any) -> Iterator[Finding]:
    """No request comes after the deadline that the client declared, or was asked to keep.

    It is counted from the first request: before that a client may have had to start.
    """
    deadline = session.setting("deadline_seconds")
    most = deadline + session.setting("poll_interval_seconds") + _SLACK_SECONDS
    expected = f"no request later than the deadline of {seconds(deadline)}"
    if not session.queries:
        yield unseen(session, expected, "no query came")
        return
    began = [each.began for each in session.wire]
    last = session.wire.sightings[began.index(max(began))]
    span = last.began - min(began)
    came = f"the last of {times(len(began), 'request')} came {seconds(span)} after the first"
    if span <= most:
        yield right(session, expected, came, last)
    else:
        yield wrong(session, expected, came, last, upper=True)


def _steps(session: Session, polls: list[Sighting]) -> Iterator[tuple[Sighting, Sighting, float]]:
    """Each two polls of a task that should be apart: the first was answered, and no callback came between."""
    called = [each.began for each in session.posted]
    for before, after in pairwise(sorted(polls, key=lambda each: each.began)):
        if before.status == 200 and not any(before.began <= moment <= after.began for moment in called):
            yield before, after, after.began - before.began


def _over_at(session: Session, sighting: Sighting) -> float:
    """When nobody waited for a poll any more; one that never ended is on its way until nobody looks."""
    if sighting.replied is None and sighting.left is None:
        return session.watched_until
    return sighting.ended


CHECKS: Mapping[str, Check] = {
    "spaced": spaced,
    "one-at-a-time": one_at_a_time,
    "asks-again": asks_again,
    "by-deadline": by_deadline,
}
POOLED: Mapping[str, PooledCheck] = {}
