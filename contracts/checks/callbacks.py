"""What the client's receiver does with callbacks, and what the client makes of them."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.checks.base import Check, PooledCheck, right, seconds, times, unseen, verdict_of, wrong
from contracts.observation import Session
from contracts.report.model import Finding
from mock_server.journal import Attempt

# A client that has its result may let go of its receiver: what was sent just before that may not have been answered.
_AT_THE_END_SECONDS = 0.1


def acknowledged(session: Session, argument: Any) -> Iterator[Finding]:
    """Each callback that came while the job ran is answered with 2xx in time."""
    yield from _answered(session, "each callback is answered with 2xx within its time-out", range(200, 300))


def answers(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{with: 4xx}`: each callback that came while the job ran is answered with such a status."""
    wanted = int(argument["with"][0]) * 100
    yield from _answered(session, f"each callback is answered with {argument['with']}", range(wanted, wanted + 100))


def came(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{at-least: 2}`: so many callbacks reached the receiver, else nothing can be told."""
    reached = [each for each in session.attempts if each.http_status is not None]
    expected = f"at least {times(argument['at-least'], 'callback')} at the receiver"
    if len(reached) < argument["at-least"]:
        yield unseen(session, expected, _none(session) or f"{times(len(reached), 'callback')} reached it")
    else:
        yield right(session, expected, f"{times(len(reached), 'callback')} reached it")


def once(session: Session, argument: Any) -> Iterator[Finding]:
    """The result of each job is delivered once."""
    for each in session.jobs:
        if each.outcome is None:
            yield unseen(session, "one result for the job", "the client reported no outcome", channel="outcome")
        else:
            good = each.results == 1
            yield verdict_of(session, good, "one result for the job", times(each.results, "result"), channel="outcome")


def not_before_end(session: Session, argument: Any) -> Iterator[Finding]:
    """The client does not take the task for finished before the provider said so, by a query or a true callback."""
    expected = "no success before the task has ended"
    final = session.first_final()
    moments = [final.began] if final is not None else []
    moments += [each.began for each in session.posted if session.tells_end(each)]
    for each in session.jobs:
        if each.outcome != "succeed":
            yield unseen(session, expected, f"outcome {each.outcome or 'not reported'}", channel="outcome")
        elif not moments:
            yield wrong(session, expected, "a success, and nothing had told the end of the task", channel="outcome")
        else:
            early = min(moments) - each.ending.ended
            told = f"{seconds(early)} before the end was told" if early > 0 else "after the end was told"
            yield verdict_of(session, early <= 0, expected, f"success {told}", channel="outcome")


def strangers_left_alone(session: Session, argument: Any) -> Iterator[Finding]:
    """Nothing is fetched from the address that a forged callback names."""
    expected = "nothing is fetched from the address in a forged callback"
    if not any(each.faults for each in session.attempts if each.http_status is not None):
        yield unseen(session, expected, _none(session) or "no forged callback reached the receiver")
    elif session.strangers:
        asked = session.strangers[0]
        yield wrong(session, expected, f"{asked.method} {asked.target} at the other origin")
    else:
        yield right(session, expected, "the other origin was asked nothing")


def _answered(session: Session, expected: str, wanted: range) -> Iterator[Finding]:
    judged = list(_judged(session))
    if not judged:
        yield unseen(session, expected, _none(session) or "no callback was due while the job ran")
        return
    bad = [each for each in judged if each.http_status not in wanted]
    if not bad:
        yield right(session, expected, f"{times(len(judged), 'callback')}, each answered so")
    for each in bad[:3]:
        told = f"the callback of {each.status} (attempt {each.attempt})"
        answer = f"was answered with {each.http_status}" if each.http_status else f"had no answer: {each.reason}"
        yield wrong(session, expected, f"{told} {answer}")


def _judged(session: Session) -> Iterator[Attempt]:
    """The attempts that began while the job ran: a receiver may be gone with its job."""
    left = list(session.posted)
    for attempt in session.attempts:
        if attempt.outcome in ("refused", "lost", "abandoned"):
            continue
        mine = next((each for each in left if each.url == attempt.url and each.status == attempt.http_status), None)
        if mine is None:
            continue
        left.remove(mine)
        if mine.began < session.ended - _AT_THE_END_SECONDS or mine.status is not None:
            yield attempt


def _none(session: Session) -> str:
    if not session.attempts:
        return "the client put no callback_url into its request" if session.submits else "the client sent no request"
    refused = next((each.reason for each in session.attempts if each.outcome == "refused"), None)
    return f"callbacks were not sent: {refused}" if refused else ""


CHECKS: Mapping[str, Check] = {
    "acknowledged": acknowledged,
    "callback-answers": answers,
    "callbacks-came": came,
    "once": once,
    "not-before-end": not_before_end,
    "strangers-left-alone": strangers_left_alone,
}
POOLED: Mapping[str, PooledCheck] = {}
