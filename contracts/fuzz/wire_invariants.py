"""Invariants of what a client sends: what it pays, how much it asks for and when, and where its key is seen."""

import urllib.parse
from base64 import b64encode
from collections.abc import Mapping

import msgspec

from contracts.checks.base import seconds, times
from contracts.fuzz.hearing import final_heard
from contracts.observation import Session, explanation
from contracts.wire import Sighting

# A request may be on its way when the result is given.
_IN_FLIGHT_SECONDS = 0.05
# More creates for one job than any client means.
_SUBMITS_MAX = 12
# On top of one poll for each interval until the deadline.
_REQUESTS_BESIDE_MAX = 40


def is_paid_once(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether more tasks were created than there were jobs."""
    if len(session.tasks) <= len(session.jobs):
        return None
    told = f"{times(len(session.tasks), 'task')} were created and paid for {times(len(session.jobs), 'job')}"
    return told, session.submits


def fits_the_spec(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether a request breaks a rule of the spec, or goes where there is nothing."""
    for each in session.wire:
        for violation in explanation(each).get("violations", ()):
            told: Mapping[str, str] = (
                msgspec.structs.asdict(violation) if isinstance(violation, msgspec.Struct) else violation
            )
            # The provider's own guard against paying twice: to run into it is no mistake.
            if told["pointer"] not in session.external_pointers:
                return f"{told['pointer'] or 'the body'}: came {told['came']}, allowed {told['allowed']}", [each]
        if each.role is None and each.exchange.incoming.method != "-":
            path = each.exchange.incoming.path.decode("latin-1")
            return f"{each.exchange.incoming.method} {path[:200]} is no operation of the spec", [each]
    return None


def stays_bounded(session: Session) -> str | None:
    """Say whether there were more creates, or more requests, than a job can need."""
    spent = max(each.ending.ended - each.ending.began for each in session.jobs)
    polls = min(spent, session.setting("deadline_seconds")) / session.setting("poll_interval_seconds")
    most = len(session.jobs) * (round(1.5 * polls) + _REQUESTS_BESIDE_MAX + len(session.posted))
    if len(session.submits) > _SUBMITS_MAX * len(session.jobs):
        return f"{times(len(session.submits), 'create')} for {times(len(session.jobs), 'job')}"
    if len(session.wire) > most:
        return f"{times(len(session.wire), 'request')} for one job in {seconds(spent)}; at most {most} are plenty"
    return None


def keeps_its_key(session: Session) -> str | None:
    """Say whether the key is anywhere but in the header that it belongs to."""
    key = session.key
    hidden = [key.encode(), b64encode(key.encode()), key[-12:].encode()]
    if any(each in session.log for each in hidden):
        return "the key stands in what the client prints"
    for each in session.jobs:
        if each.ending.result is not None and key in str(each.ending.result):
            return "the key stands in the result"
    for shown in session.strangers:
        if any(each in shown.head for each in hidden):
            return f"the key was shown to another origin: {shown.method} {shown.target[:100]}"
    quoted = urllib.parse.quote(key).encode()
    for sighting in session.wire:
        incoming = sighting.exchange.incoming
        if quoted in incoming.path or quoted in incoming.query or key.encode() in incoming.body:
            return "the key stands in an address or a body"
    return None


def is_quiet(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether requests came after the result, or queries after the end of the task."""
    late = [each for each in session.wire if each.began > session.ended + _IN_FLIGHT_SECONDS]
    if late:
        return f"{times(len(late), 'request')} came when the client had given its result", late
    final = final_heard(session)
    if final is None or len(session.jobs) > 1:
        return None
    further = [each for each in session.queries if each.began > final.ended]
    if len(further) > 1:
        return (
            f"{times(len(further), 'query')} came when the client had been told that the task is {final.told}",
            further,
        )
    return None
