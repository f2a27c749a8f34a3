"""That one job is paid at most once. The ledger is the world's: each task in it is paid for when it succeeds."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.checks.base import Check, PooledCheck, noted, right, times, unseen, verdict_of, wrong
from contracts.checks.counts import said, went_well
from contracts.observation import Session, was_heard
from contracts.report.model import Finding
from contracts.wire import Sighting

_NOT_REPORTED = "the client reported no outcome"


def paid_once(session: Session, argument: Any) -> Iterator[Finding]:
    """There are not more paid tasks than jobs. Those with one external id count once: the provider takes it once."""
    jobs = len(session.jobs)
    expected = f"at most {times(jobs, 'paid task')} for {times(jobs, 'job')}"
    paid: dict[tuple[str, str], str] = {}
    for each in session.tasks:
        which = ("external", each.external_id) if each.external_id else ("own", each.id)
        external = f"external id {each.external_id[:60]}" if each.external_id else "no external id"
        paid.setdefault(which, f"{each.id} ({external})")
    if not paid:
        yield unseen(session, expected, f"no task was created by {times(len(session.submits), 'create')}")
        return
    came = f"{times(len(paid), 'paid task')}: {', '.join(list(paid.values())[:4])}"
    yield verdict_of(session, len(paid) <= jobs, expected, came, *session.submits[:8])


def same_body(session: Session, argument: Any) -> Iterator[Finding]:
    """Each further create of a job is the same JSON as the first, its external id included."""
    expected = "each further create has the same body as the first"
    submits = session.submits
    if len(submits) < 2:
        yield unseen(session, expected, f"{times(len(submits), 'create')}: none was sent again")
        return
    first = _content(submits[0])
    for number, each in enumerate(submits[1:], 2):
        content = _content(each)
        if content != first:
            yield wrong(session, expected, f"create {number}: {_difference(first, content)}", submits[0], each)
            return
    yield right(session, expected, f"{times(len(submits), 'create')} with the same body", *submits[:8])


def creates_no_more(session: Session, argument: Any) -> Iterator[Finding]:
    """When a query has gone wrong, no further task is created."""
    expected = "no further create, whatever becomes of the queries"
    trouble = next((each for each in session.queries if not went_well(each)), None)
    if trouble is None:
        yield unseen(session, expected, f"no query of {len(session.queries)} went wrong")
        return
    further = [each for each in session.submits if each.began > trouble.began]
    came = f"{times(len(further), 'create')} after {said(trouble)}"
    yield verdict_of(session, not further, expected, came, trouble, *further[:8])


def adopts(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{id: external_task_id}`: a task that there is already is followed, or the job ends with a clear error.

    A further create with another external id (or with none) would make another task.
    """
    expected = "the task that exists is followed, or nothing more is created"
    submits = session.submits
    if not session.tasks or not submits:
        yield unseen(session, expected, "no task was created")
        return
    first = _external(submits[0], argument["id"])
    other = next((each for each in submits[1:] if not first or _external(each, argument["id"]) != first), None)
    heard = [each for each in session.task_queries() if was_heard(each)]
    if other is not None:
        told = _external(other, argument["id"]) or "none"
        yield wrong(session, expected, f"a further create with the external id {told[:60]}", submits[0], other)
    elif heard:
        yield right(session, expected, f"followed by {times(len(heard), 'query')}", submits[-1], heard[0])
    else:
        yield right(session, expected, f"{times(len(submits), 'create')} with one external id, then no more", *submits)


def clear_end(session: Session, argument: Any) -> Iterator[Finding]:
    """A job that did not come to its video ends with a word on what is known: a reason, or the task's id."""
    expected = "a success, or an error that says what is known"
    for each in session.jobs:
        result = each.ending.result
        if result is None:
            yield unseen(session, expected, each.ending.detail or _NOT_REPORTED, channel="outcome")
            continue
        clear = result.outcome == "succeed" or bool(result.reason or result.task_id or result.code)
        reason = f": {result.reason[:200]!r}" if result.reason else ""
        yield verdict_of(session, clear, expected, f"outcome {result.outcome}{reason}", channel="outcome")


def one_task_each(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{id: external_task_id}`: each job has a task of its own, though all ask for the same, and an id of its own."""
    jobs = len(session.jobs)
    expected = f"{times(jobs, 'task')} for {times(jobs, 'job')}, each with an external id of its own"
    if not session.submits:
        yield unseen(session, expected, "no create came")
        return
    good = len(session.tasks) == jobs
    yield verdict_of(session, good, expected, times(len(session.tasks), "task"), *session.submits[:8])
    ids = [each for each in (_external(one, argument["id"]) for one in session.submits) if each]
    if not ids:
        yield noted(session, expected, "the client uses no external ids")
    elif len(set(ids)) < min(jobs, len(ids)):
        yield wrong(session, expected, f"the external id {ids[0][:60]} for {times(jobs, 'job')}", *session.submits[:8])
    for task in session.tasks:
        polls = [each for each in session.task_queries() if each.exchange.task_id == task.id]
        final = next((each for each in polls if session.is_final(each) and was_heard(each)), None)
        called = [each for each in session.posted if session.tells_end(each) and task.id.encode() in each.body]
        followed = final is not None or bool(called)
        came = f"{times(len(polls), 'query')} of task {task.id}"
        yield verdict_of(session, followed, "each task is followed to its end", came, *polls[-1:])


def _content(sighting: Sighting) -> Any:
    body = sighting.body()
    return body if body is not None else sighting.exchange.incoming.body


def _difference(first: Any, other: Any) -> str:
    """Say which members of two bodies differ."""
    if not isinstance(first, dict) or not isinstance(other, dict):
        return "another body"
    names = [name for name in {**first, **other} if first.get(name, ...) != other.get(name, ...)]
    shown = [f"{name} was {_shown(first, name)}, and is {_shown(other, name)}" for name in names]
    return "; ".join(shown[:3])


def _shown(body: Mapping[str, Any], name: str) -> str:
    return repr(body[name])[:80] if name in body else "not there"


def _external(sighting: Sighting, name: str) -> str:
    body = sighting.body()
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, str) else ""


CHECKS: Mapping[str, Check] = {
    "paid-once": paid_once,
    "same-body": same_body,
    "creates-no-more": creates_no_more,
    "adopts": adopts,
    "clear-end": clear_end,
    "one-task-each": one_task_each,
}
POOLED: Mapping[str, PooledCheck] = {}
