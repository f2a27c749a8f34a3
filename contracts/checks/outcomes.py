"""What the client said became of the job, against what the twin knows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.checks.base import Check, PooledCheck, noted, right, unseen, wrong
from contracts.checks.replies import reply_json, texts_in, told_values
from contracts.observation import Session
from contracts.report.model import Finding
from contracts.wire import Sighting

_NOT_REPORTED = "the client reported no outcome"


def outcome(session: Session, argument: str | Sequence[str]) -> Iterator[Finding]:
    """`succeed`, or a list: the outcome of each job is one of these."""
    allowed = [argument] if isinstance(argument, str) else list(argument)
    expected = f"outcome {' or '.join(allowed)}"
    for each in session.jobs:
        if each.outcome is None:
            yield unseen(session, expected, each.ending.detail or _NOT_REPORTED, channel="outcome")
        elif each.outcome in allowed:
            yield right(session, expected, f"outcome {each.outcome}", channel="outcome")
        else:
            reason = each.ending.result.reason if each.ending.result is not None else None
            told = f": {reason[:300]!r}" if reason else ""
            yield wrong(session, expected, f"outcome {each.outcome}{told}", channel="outcome")


def outcome_noted(session: Session, argument: Any) -> Iterator[Finding]:
    """What the client said is noted."""
    name = f"{session.name}: " if session.name else ""
    for each in session.jobs:
        if each.outcome is None:
            yield unseen(session, "recorded", each.ending.detail or _NOT_REPORTED, channel="outcome")
        else:
            yield noted(session, "recorded", f"{name}outcome {each.outcome}", channel="outcome")


def result_url(session: Session, argument: Any) -> Iterator[Finding]:
    """A job that succeeded has the video's address as the twin told it."""
    expected = "the address of the video, as it was told"
    for each in session.jobs:
        result = each.ending.result
        if result is None or result.outcome != "succeed":
            yield unseen(session, expected, "no success was reported", channel="outcome")
        elif not result.url:
            yield wrong(session, expected, "a success without an address", channel="outcome")
        elif told_in_wire(session, result.url):
            yield right(session, expected, "the address was told", channel="outcome")
        else:
            yield wrong(session, expected, f"{result.url[:200]!r}, which nothing told", channel="outcome")


def told_in_wire(session: Session, text: str) -> bool:
    """Whether a reply of the session told this text, however its JSON is written, or a callback that was not forged."""
    told = any(text.encode() in each.body for each in session.posted if session.tells_end(each))
    return told or told_in(session.wire, text)


def told_in(sightings: Iterable[Sighting], text: str) -> bool:
    """Whether one of these replies told this text, however its JSON is written."""
    seen, written = list(sightings), text.encode()
    bodies = [each.exchange.reply.body for each in seen if each.exchange.reply is not None]
    return any(written in body for body in bodies) or any(text in texts_in(reply_json(each)) for each in seen)


def names_in_result(session: Session, argument: Sequence[str]) -> Iterator[Finding]:
    """`[code, message, request_id, task_id]`: what the twin told of the failure is in the result."""
    for each in session.jobs:
        result = each.ending.result
        for name in argument:
            expected = f"the result names the {name.replace('_', ' ')} of the failure"
            if result is None:
                yield unseen(session, expected, each.ending.detail or _NOT_REPORTED, channel="outcome")
                continue
            wanted = told_values(session, name)
            said = " ".join(str(value) for value in (getattr(result, name, None), result.reason) if value is not None)
            if not wanted:
                yield unseen(session, expected, f"no reply told a {name.replace('_', ' ')}", channel="outcome")
            elif any(value in said for value in wanted):
                yield right(session, expected, said[:300], channel="outcome")
            else:
                came = f"told was {' or '.join(sorted(wanted))[:200]!r}; the result says {said[:200]!r}"
                yield wrong(session, expected, came, channel="outcome")


def no_crash(session: Session, argument: Any) -> Iterator[Finding]:
    """The client ends in good order: no trace of a crash, no signal, and no job left without a word."""
    expected = "an answer to the job, not a crash"
    for each in session.jobs:
        trace = trace_in(each.ending.log)
        if each.ending.is_defect:
            yield wrong(session, expected, each.ending.detail, channel="outcome")
        elif trace is not None:
            yield wrong(session, expected, f"its log has {trace!r}", channel="outcome")
        elif each.outcome is None:
            yield noted(session, expected, each.ending.detail or _NOT_REPORTED, channel="outcome")
        else:
            yield right(session, expected, f"outcome {each.outcome}", channel="outcome")


def trace_in(log: bytes) -> str | None:
    """Return the words by which a log tells of a crash, if it does."""
    return next((mark.decode() for mark in _TRACES if mark in log), None)


_TRACES = (
    b"Traceback (most recent call last)",
    b"UnhandledPromiseRejection",
    b"Uncaught ",
    b"panic: ",
    b"Exception in thread",
    b"goroutine 1 [",
)


CHECKS: Mapping[str, Check] = {
    "outcome": outcome,
    "outcome-noted": outcome_noted,
    "result-url": result_url,
    "names": names_in_result,
    "no-crash": no_crash,
}
POOLED: Mapping[str, PooledCheck] = {}
