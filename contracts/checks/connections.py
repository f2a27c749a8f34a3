"""What the client does when the connection misbehaves: it leaves in time, and it connects anew."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.checks.base import Check, PooledCheck, right, seconds, unseen, wrong
from contracts.observation import FAULT, Session, explanation
from contracts.report.model import Finding
from contracts.wire import Sighting

# What a time-out may be late, on a busy machine.
_SLACK_SECONDS = 0.5


def leaves(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{fault: hang, by: request}`: the client leaves a reply that does not end, by its time-out for one request.

    With `by: deadline` the deadline of the whole job is early enough; it is counted from the first request.
    """
    whole_job = argument["by"] == "deadline"
    timeout, deadline = session.setting("request_timeout_seconds"), session.setting("deadline_seconds")
    limit = f"the time-out of {seconds(timeout)} for a request"
    if whole_job:
        limit += f", or the deadline of {seconds(deadline)} for the job"
    expected = f"the client leaves by {limit}"
    stuck = _with_fault(session, argument["fault"])
    if not stuck:
        yield unseen(session, expected, "no request met it")
    for each in stuck:
        ends_at = session.wire.sightings[0].began + deadline
        most = max(each.whole + timeout, ends_at) if whole_job else min(each.whole + timeout, max(ends_at, each.whole))
        left = each.left if each.left is not None else session.watched_until
        if each.replied is not None and each.left is None:
            yield unseen(session, expected, "the reply came to its end", each)
        elif left <= most + _SLACK_SECONDS:
            yield right(session, expected, f"it left {seconds(left - each.whole)} after its request", each)
        else:
            stayed = "it left" if each.left is not None else "it was still there"
            came = f"{stayed} {seconds(left - each.whole)} after its request"
            yield wrong(session, expected, came, each, upper=True)


def reconnects(session: Session, argument: Any) -> Iterator[Finding]:
    """When the connection was closed behind a reply, the next request comes all the same.

    Behind one that told the end no other has to come.
    """
    expected = "the next request comes, on another connection"
    closed = [each for each in _with_fault(session, "close") if not session.is_final(each)]
    if not closed:
        yield unseen(session, expected, "no connection was closed before the end of the task")
    for each in closed:
        later = next((one for one in session.wire if one.began > each.began), None)
        if later is None:
            yield wrong(session, expected, "nothing more came", each)
        else:
            came = f"{seconds(max(0.0, later.began - each.ended))} later on connection {later.connection}"
            yield right(session, expected, came, each, later)


def _with_fault(session: Session, name: str) -> list[Sighting]:
    return [each for each in session.wire if name in explanation(each).get(FAULT, ())]


CHECKS: Mapping[str, Check] = {"leaves": leaves, "reconnects": reconnects}
POOLED: Mapping[str, PooledCheck] = {}
