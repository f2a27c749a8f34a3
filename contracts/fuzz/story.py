"""Tells a finding in words: what the server did, what the client did, and why that is wrong."""

from collections.abc import Callable

from contracts.checks.base import seconds
from contracts.fuzz.invariants import INVARIANTS
from contracts.fuzz.outcome import Found
from contracts.observation import FAULT, Session, explanation
from contracts.wire import Sighting
from mock_server.journal import Attempt
from mock_server.redaction import Redactor

_VERBS = {"submit": "sent a create", "query": "asked for the task", "list": "asked for the list", "cancel": "cancelled"}
# A longer story is told by its beginning and its end.
_SENTENCES_MAX = 8


def story(found: Found) -> str:
    """Return a paragraph. The key of the session is not in it, whatever the client wrote."""
    session = found.session
    said = Redactor([session.key]).text
    sentences = [_sentence(session, each) for each in session.wire]
    if len(sentences) > _SENTENCES_MAX:
        left_out = len(sentences) - _SENTENCES_MAX
        half = _SENTENCES_MAX // 2
        sentences = [*sentences[:half], f"({left_out} more requests.)", *sentences[-half:]]
    if session.attempts:
        told = ", ".join(_callback(each) for each in session.attempts[:6])
        sentences.append(f"Callbacks came: {told}.")
    sentences.append(_result(session, said))
    rule = INVARIANTS[found.broken.invariant].rule
    wrong = f"That is wrong: {rule}; but {found.broken.seen}."
    if found.intermittent:
        wrong += f" It happened in {found.broke} of {found.played} plays."
    return said(" ".join([*sentences, wrong]))


def _sentence(session: Session, sighting: Sighting) -> str:
    at = seconds(sighting.began - session.began)
    does = _VERBS.get(sighting.role or "", f"sent {sighting.exchange.incoming.method} to an address that is none")
    return f"At {at} the client {does}; {_answer(session, sighting)}."


def _answer(session: Session, sighting: Sighting) -> str:
    told = explanation(sighting)
    if sighting.exchange.reply is None:
        return "it broke the request off"
    faults = told.get(FAULT) or ()
    stored = sighting.role == "submit" and any(each.id == sighting.exchange.task_id for each in session.tasks)
    kept = ", and the task was created" if stored else ""
    if told.get("problem"):
        return f"the server refused it ({sighting.status} {told['problem']}{_wait(sighting)}){kept}"
    if faults:
        gone = "the reply was lost" if not sighting.status else f"the reply was spoiled ({', '.join(faults)})"
        left = ", until the client gave up" if sighting.left is not None else ""
        return f"{gone}{left}{kept}"
    if sighting.left is not None:
        return f"the reply was late, and the client gave up{kept}"
    if sighting.told is not None:
        return f"the server said {sighting.told}"
    return f"the server answered {sighting.status}"


def _wait(sighting: Sighting) -> str:
    reply = sighting.exchange.reply
    waits = [value for name, value in reply.headers if name == b"retry-after"] if reply is not None else []
    return f", Retry-After: {waits[0].decode('latin-1')}" if waits else ""


def _callback(attempt: Attempt) -> str:
    refused = attempt.http_status is not None and attempt.http_status >= 400
    notes = [*attempt.faults, *([f"answered with {attempt.http_status}"] if refused else [])]
    return f"{attempt.status} ({', '.join(notes)})" if notes else attempt.status


def _result(session: Session, said: Callable[[str], str]) -> str:
    words = []
    for each in session.jobs:
        result = each.ending.result
        if result is None:
            words.append(f"The client gave no result: {each.ending.detail or each.ending.how}.")
        else:
            # Of a key that is cut the rest would stay.
            reason = f" ({said(result.reason)[:200]!r})" if result.reason else ""
            words.append(f"At {seconds(each.ending.ended - session.began)} it reported {result.outcome}{reason}.")
    return " ".join(words)
