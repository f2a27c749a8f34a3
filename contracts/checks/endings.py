"""What the client does when a task has ended: it stops, and it reports the end of the right task."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

import msgspec

from contracts.checks.base import Check, PooledCheck, right, seconds, times, unseen, verdict_of, wrong
from contracts.checks.outcomes import told_in
from contracts.observation import JobSeen, Session, was_heard
from contracts.relay import Posted
from contracts.report.model import Finding
from contracts.wire import Sighting
from mock_server.lifecycle import Final
from mock_server.task import Task

# A poll that is on its way when the end is told cannot be called back.
_ON_ITS_WAY_SECONDS = 0.02
_OUTCOMES: Mapping[Final, str] = {"success": "succeed", "failure": "failed", "cancelled": "failed"}


def stops_at_end(session: Session, argument: Any) -> Iterator[Finding]:
    """When the end of a task has been told, nobody asks for it any more."""
    expected = "no query after the end of the task was told"
    ended = [
        (final, polls)
        for polls in session.queries_by_task().values()
        if (final := next((each for each in polls if session.is_final(each) and was_heard(each)), None)) is not None
    ]
    if not ended:
        yield unseen(session, expected, f"no query of {len(session.queries)} was told the end")
        return
    allowed = 0.0 if session.virtual else _ON_ITS_WAY_SECONDS
    for final, polls in ended:
        later = [each for each in polls if each.began > final.ended + allowed]
        watched = seconds(session.watched_until - final.ended)
        came = f"{times(len(later), 'query')} in the {watched} after {final.told!r}"
        yield verdict_of(session, not later, expected, came, final, *later[:8])


def bounded_at_end(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{at-most: 3}`: a task that has ended is asked for so often at most, however strange its end is told."""
    most = argument["at-most"]
    told = [each for each in session.task_queries() if session.is_final(each)]
    expected = f"at most {times(most, 'query')} of a task that has ended"
    if told:
        yield verdict_of(session, len(told) <= most, expected, times(len(told), "query"), *told[:8])
    elif not session.queries and session.submits:
        yield right(session, expected, "the client did not follow what it was answered", *session.submits)
    else:
        yield unseen(session, expected, f"none of {times(len(session.queries), 'query')} came after the end")


def own_end(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{by: prompt}`: each job follows its own task to its end, and reports what its own task came to.

    Which task is whose is told by a member of the request that differs from job to job.
    """
    for seen in session.jobs:
        wanted = seen.job.request.get(argument["by"])
        tasks = [each for each in session.tasks if _submitted(each, argument["by"]) == wanted]
        name = f"job {session.jobs.index(seen) + 1}"
        if not tasks:
            yield unseen(session, f"{name}: its own task is followed to its end", "no task was created for it")
            continue
        yield from _followed(session, name, tasks)
        yield _reported(session, name, seen, tasks)


def _followed(session: Session, name: str, tasks: list[Task]) -> Iterator[Finding]:
    expected = f"{name}: its own task is followed to its end"
    ids = {each.id for each in tasks}
    polls = [each for each in session.task_queries() if each.exchange.task_id in ids]
    final = next((each for each in polls if session.is_final(each) and was_heard(each)), None)
    if final is not None:
        yield right(session, expected, f"told {final.told!r} by query {polls.index(final) + 1} of it", final)
    elif any(each.began < session.ended for each in _callbacks(session, ids)):
        yield unseen(session, expected, "a callback told the end")
    else:
        yield wrong(session, expected, f"{times(len(polls), 'query')} of it, and none was told the end", *polls[-1:])


def _reported(session: Session, name: str, seen: JobSeen, tasks: list[Task]) -> Finding:
    """Compare what a client says of a job with the ends of its tasks."""
    result = seen.ending.result
    expected = f"{name}: the end of its own task is reported"
    if result is None:
        return unseen(session, expected, seen.ending.detail or "the client reported no outcome", channel="outcome")
    ids = {each.id for each in tasks}
    ends = {_OUTCOMES[final] for each in tasks if (final := session.finals.get(each.plan.steps[-1].status))}
    polls: list[Sighting] = [each for each in session.queries if each.exchange.task_id in ids]
    if result.task_id is not None and result.task_id not in ids:
        return wrong(
            session, expected, f"it reports task {result.task_id[:100]}, which is not its own", channel="outcome"
        )
    if result.outcome not in ends:
        came = f"outcome {result.outcome}; its task ended as {' or '.join(sorted(ends)) or 'nothing yet'}"
        return wrong(session, expected, came, channel="outcome")
    told = [each.body for each in _callbacks(session, ids)]
    if result.url and not told_in(polls, result.url) and not any(result.url.encode() in body for body in told):
        return wrong(session, expected, f"the address {result.url[:200]!r} is not that of its task", channel="outcome")
    return right(session, expected, f"outcome {result.outcome}", channel="outcome")


def _callbacks(session: Session, ids: Collection[str]) -> list[Posted]:
    """The callbacks that told the true end of one of these tasks."""
    about = [each for each in session.posted if any(identifier.encode() in each.body for identifier in ids)]
    return [each for each in about if session.tells_end(each)]


def _submitted(task: Task, name: str) -> Any:
    """A member of the request that a task was made by."""
    body = msgspec.json.decode(task.body)
    return body.get(name) if isinstance(body, dict) else None


CHECKS: Mapping[str, Check] = {
    "stops-at-end": stops_at_end,
    "bounded-at-end": bounded_at_end,
    "own-end": own_end,
}
POOLED: Mapping[str, PooledCheck] = {}
