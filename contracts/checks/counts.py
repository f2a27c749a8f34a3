"""How many requests of which kind there were."""

from collections.abc import Iterator, Mapping
from typing import Any

from contracts.checks.base import Check, PooledCheck, right, times, unseen, verdict_of, wrong
from contracts.observation import FAULT, Session, explanation
from contracts.report.model import Finding
from contracts.wire import Sighting

NOUNS = {"submit": "create", "query": "query", "list": "list", "cancel": "cancel"}


def requests(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: submit, at-least: 1, at-most: 1}`: so many requests of a role."""
    role = argument["role"]
    seen = session.wire.of(role)
    least, most = argument.get("at-least", 0), argument.get("at-most")
    wanted = _range(least, most, NOUNS[role])
    good = len(seen) >= least and (most is None or len(seen) <= most)
    yield verdict_of(session, good, wanted, times(len(seen), NOUNS[role]), *seen)


def retried(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query}`: after the first refused or lost request of a role another one comes.

    On a create a query by the external id counts as well, because it finds out whether there is a task.
    """
    role = argument["role"]
    noun = NOUNS[role]
    seen = session.wire.of(role)
    first = next((each for each in seen if not went_well(each)), None)
    expected = f"another {noun} after one that did not go well"
    if role == "submit":
        expected += ", or a query by the external id"
    if first is None:
        yield unseen(session, expected, f"no {noun} of {len(seen)} went wrong")
        return
    again = [each for each in seen if each.began > first.began]
    if role == "submit":
        again += [each for each in session.queries if each.began > first.began]
    if again:
        yield right(session, expected, f"after {said(first)} came {times(len(again), 'request')} more", first, again[0])
    else:
        yield wrong(session, expected, f"after {said(first)} nothing more came", first)


def goes_on(session: Session, argument: Any) -> Iterator[Finding]:
    """The client polls on until it is told a final status, or a callback tells it."""
    final = session.first_final()
    expected = "polls until the task has ended"
    polls = session.task_queries()
    if final is not None:
        yield right(session, expected, f"the end was told by query {polls.index(final) + 1}", final)
    elif not session.tasks:
        yield wrong(session, expected, "no task was ever created")
    elif any(each.began < session.ended and session.tells_end(each) for each in session.posted):
        yield right(session, expected, "the end was told by a callback")
    else:
        last = session.queries[-1:] or session.submits[-1:]
        yield wrong(session, expected, f"{times(len(session.queries), 'query')}, and none was told the end", *last)


def said(sighting: Sighting) -> str:
    """Return what came of an exchange, in a few words."""
    reply = sighting.exchange.reply
    if reply is None:
        return "a request that the client broke off"
    problem = (sighting.exchange.explanation or {}).get("problem")
    spoiled = reply.wire is not None
    if sighting.status == 0:
        return "a reply that was lost"
    words = f"HTTP {reply.status}"
    if problem:
        words += f" ({problem})"
    return f"{words}, spoiled on its way" if spoiled and not problem else words


def went_well(sighting: Sighting) -> bool:
    """Whether the reply was a good one, and came whole and unspoiled."""
    reply = sighting.exchange.reply
    told = explanation(sighting)
    return reply is not None and sighting.status == 200 and FAULT not in told and "problem" not in told


def _range(least: int, most: int | None, noun: str) -> str:
    if most is None:
        return f"at least {times(least, noun)}"
    if least == most:
        return f"exactly {times(least, noun)}"
    return f"at most {times(most, noun)}" if not least else f"{least} to {times(most, noun)}"


CHECKS: Mapping[str, Check] = {"requests": requests, "retried": retried, "goes-on": goes_on}
POOLED: Mapping[str, PooledCheck] = {}
