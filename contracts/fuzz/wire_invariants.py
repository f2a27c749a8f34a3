"""Invariants of what a client sends: what it pays, how much it asks for and when, and where its key is seen."""

from collections.abc import Iterator, Mapping

import msgspec

from contracts.checks.base import seconds, times
from contracts.checks.secrecy import form_of_key, places_of_key
from contracts.fuzz.hearing import final_heard
from contracts.observation import Session, explanation
from contracts.wire import Sighting

# How the server says that there is no such operation.
_NOWHERE = (404, 405)
_ITS_HEADER = "authorization"
# A request may be on its way when the result is given.
_IN_FLIGHT_SECONDS = 0.05
# More creates for one job than any client means: so many, and one each second besides.
_SUBMITS_MAX, _SUBMIT_SECONDS = 12, 1.0
# On top of one poll for each interval until the deadline.
_REQUESTS_BESIDE_MAX = 40


def is_paid_once(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether more tasks were created than there were jobs."""
    # As in the ledger: a task that fails is taken to cost nothing.
    paid = [each for each in session.tasks if each.plan.steps[-1].final != "failure"]
    if len(paid) <= len(session.jobs):
        return None
    told = f"{times(len(paid), 'task')} were created and paid for {times(len(session.jobs), 'job')}"
    return told, session.submits


def fits_the_spec(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether a request breaks a rule of the spec, or goes where there is nothing."""
    for each in session.wire:
        # Of a request that was broken off there is no telling what it was to be.
        if each.exchange.reply is None:
            continue
        for violation in explanation(each).get("violations", ()):
            told: Mapping[str, str] = (
                msgspec.structs.asdict(violation) if isinstance(violation, msgspec.Struct) else violation
            )
            # The provider's own guard against paying twice: to run into it is no mistake.
            if told["pointer"] not in session.external_pointers:
                return f"{told['pointer'] or 'the body'}: came {told['came']}, allowed {told['allowed']}", [each]
        if each.role is None and each.status in _NOWHERE:
            path = each.exchange.incoming.path.decode("latin-1")
            return f"{each.exchange.incoming.method} {path[:200]} is no operation of the spec", [each]
    return None


def stays_bounded(session: Session) -> str | None:
    """Say whether there were more creates, or more requests, than a job can need."""
    spent = max(each.ending.ended - each.ending.began for each in session.jobs)
    polls = min(spent, session.setting("deadline_seconds")) / session.setting("poll_interval_seconds")
    most = len(session.jobs) * (round(1.5 * polls) + _REQUESTS_BESIDE_MAX + len(session.posted))
    if len(session.submits) > (_SUBMITS_MAX + spent / _SUBMIT_SECONDS) * len(session.jobs):
        return f"{times(len(session.submits), 'create')} for {times(len(session.jobs), 'job')}"
    if len(session.wire) > most:
        return f"{times(len(session.wire), 'request')} for one job in {seconds(spent)}; at most {most} are plenty"
    return None


def keeps_its_key(session: Session) -> str | None:
    """Say whether the key is anywhere but in the header that it belongs to, as it is, in Base64, or by its end."""
    key = session.key
    results = b"\n".join(msgspec.json.encode(each.ending.result) for each in session.jobs if each.ending.result)
    for name, text in (("what the client prints", session.log), ("the result", results)):
        if how := form_of_key(key, text):
            return f"{name} has {how}"
    for shown in session.strangers:
        if how := form_of_key(key, shown.head):
            return f"another origin was shown {how}: {shown.method} {shown.target[:100]}"
    # All requests at once, for most have nothing to hide.
    if form_of_key(key, b"\n".join(part for each in session.wire for part in _told(each))):
        for each in session.wire:
            for place in places_of_key(each, _ITS_HEADER, key):
                return f"{place} of a {each.exchange.incoming.method} has the key"
    return None


def _told(sighting: Sighting) -> Iterator[bytes]:
    """Yield all that a request says, but the header that the key belongs to."""
    incoming = sighting.exchange.incoming
    yield from (incoming.path + b"?" + incoming.query, incoming.body)
    yield from (value for name, value in incoming.headers if name != _ITS_HEADER.encode())


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
