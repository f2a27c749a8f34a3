"""How long the client waits after something went wrong, and when it gives up."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from contracts.checks.base import Check, PooledCheck, noted, right, seconds, times, unseen, verdict_of, wrong
from contracts.checks.counts import NOUNS, said, went_well
from contracts.observation import Session, gaps
from contracts.report.model import Finding
from contracts.wire import Sighting

# Clients that differ by less than this do not differ by chance.
_JITTER_SECONDS = 0.002
# Of the longest gaps the very longest may be a busy machine's; these are the next two.
_ENVELOPE = slice(-3, -1)
# Fewer gaps tell nothing of their spread.
_GAPS_WANTED = 5


def waits(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: submit, at-least: 1.95}`: after each refusal of a role, its next request does not come sooner."""
    role, least = argument["role"], argument["at-least"]
    noun = NOUNS[role]
    expected = f"at least {seconds(least)} between a refused {noun} and the next"
    found = _waits(session, role)
    if not found:
        yield unseen(session, expected, _why_no_wait(session, role))
    for before, after, gap in found:
        yield verdict_of(session, gap >= least, expected, f"{seconds(gap)} after {said(before)}", before, after)


def gives_up(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query, at-most: 12}`: it stops after so many attempts; how many it made is noted."""
    role, most = argument["role"], argument["at-most"]
    seen = session.wire.of(role)
    noun = NOUNS[role]
    if not seen:
        yield unseen(session, f"at most {times(most, noun)}", f"no {noun} came")
        return
    good = len(seen) <= most
    span = seen[-1].began - seen[0].began
    came = f"{times(len(seen), noun)} in {seconds(span)}"
    yield verdict_of(session, good, f"at most {times(most, noun)} where each is refused", came, *seen)
    yield noted(session, "", f"amplification: {times(len(session.wire), 'request')} for one job")


def stops(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: submit, at-most: 0}`: after the first refusal at most so many requests of the role come."""
    role, most = argument["role"], argument["at-most"]
    noun = NOUNS[role]
    seen = session.wire.of(role)
    first = next((each for each in seen if not went_well(each)), None)
    expected = f"at most {times(most, noun)} after the refusal" if most else f"no further {noun} after the refusal"
    if first is None:
        yield unseen(session, expected, f"no {noun} was refused")
        return
    further = [each for each in seen if each.began > first.began]
    yield verdict_of(session, len(further) <= most, expected, f"{len(further)} further", first, *further)


def counted(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query}`: how often the client tried is noted."""
    seen = session.wire.of(argument["role"])
    yield noted(session, "recorded", times(len(seen), NOUNS[argument["role"]]), *seen)


def grows(sessions: Sequence[Session], argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query, factor: 1.5, gaps: 3}`: over all sessions, the longest n-th gaps grow by the factor."""
    role, factor, wanted = argument["role"], argument["factor"], argument["gaps"]
    expected = f"the longest waits grow {factor:g} × from one failure to the next"
    by_session = [_rid_of_work(each, [gap for _, _, gap in _waits(each, role)][:wanted]) for each in sessions]
    columns = [[each[index] for each in by_session if len(each) > index] for index in range(wanted)]
    envelope = [_upper(column) for column in columns if len(column) >= _GAPS_WANTED]
    first = sessions[0]
    if len(envelope) < 2:
        yield unseen(first, expected, f"the client did not wait often enough to tell: {_why_no_wait(first, role)}")
        return
    shown = ", ".join(map(seconds, envelope))
    seen = f"longest waits over {len(sessions)} sessions: {shown}"
    if all(after >= factor * before for before, after in pairwise(envelope)):
        yield right(first, expected, seen, *_shown(first, role))
    else:
        # On a busy machine the first waits are longer than they were meant to be.
        yield wrong(first, expected, seen, *_shown(first, role), upper=True)


def not_immediate(sessions: Sequence[Session], argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query, at-least: 0.1}`: the median of the first waits is not shorter."""
    role, least = argument["role"], argument["at-least"]
    expected = f"a first wait of {seconds(least)} or more, in the middle of several"
    firsts = [found[0][2] for each in sessions if (found := _waits(each, role))]
    if len(firsts) < _GAPS_WANTED:
        yield unseen(sessions[0], expected, _why_no_wait(sessions[0], role))
        return
    middle = median(firsts)
    came = f"{seconds(middle)} in the middle of {len(firsts)} sessions"
    yield verdict_of(sessions[0], middle >= least, expected, came, *_shown(sessions[0], role))


def jitter(sessions: Sequence[Session], argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: query}`: whether first waits differ from session to session is noted."""
    firsts = [found[0][2] for each in sessions if (found := _waits(each, argument["role"]))]
    expected = "waits that differ by chance, so that many clients do not come back together"
    if len(firsts) < _GAPS_WANTED:
        yield unseen(sessions[0], expected, _why_no_wait(sessions[0], argument["role"]))
        return
    spread = max(firsts) - min(firsts)
    came = f"first waits of {seconds(min(firsts))} to {seconds(max(firsts))} in {len(firsts)} sessions"
    yield noted(sessions[0], expected, came if spread > _JITTER_SECONDS else f"{came}: they are all the same")


def as_usual(sessions: Sequence[Session], argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: submit, usual: NAME}`: in no other play are the waits shorter than in the one of this name.

    Of each play the longest first wait counts, because a client may draw each by chance.
    """
    role, usual = argument["role"], argument["usual"]
    longest: dict[str, float] = {}
    one: dict[str, Session] = {}
    for each in sessions:
        one.setdefault(each.play.name, each)
        if found := _waits(each, role):
            longest[each.play.name] = max(longest.get(each.play.name, 0.0), found[0][2])
    expected = "a value that is no use is as if none had come: the usual wait, not a shorter one"
    if usual not in longest:
        yield unseen(sessions[0], expected, _why_no_wait(sessions[0], role))
        return
    for name, session in one.items():
        if name == usual:
            continue
        if name not in longest:
            yield right(session, expected, f"{name}: no further {NOUNS[role]}")
            continue
        good = longest[name] >= longest[usual] * argument.get("share", 0.25)
        came = f"{name}: {seconds(longest[name])}; usually {seconds(longest[usual])}"
        yield verdict_of(session, good, expected, came, *_shown(session, role))


def tries_on(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{role: submit}`: the client keeps trying until it gets through."""
    role = argument["role"]
    seen = session.wire.of(role)
    expected = f"{NOUNS[role]}s until one gets through"
    if any(went_well(each) for each in seen):
        yield right(session, expected, f"it got through with the {len(seen)}th" if len(seen) > 3 else "it got through")
    else:
        yield wrong(session, expected, f"it stopped after {times(len(seen), NOUNS[role])}", *seen)


def _waits(session: Session, role: str) -> list[tuple[Sighting, Sighting, float]]:
    """Each refused or lost request of a role, with the next one and the wait between them."""
    return [each for each in gaps(session.wire.of(role)) if not went_well(each[0])]


def _rid_of_work(session: Session, waits: Sequence[float]) -> list[float]:
    """Return waits without what the client needs for its own work: to start a process for each request, say.

    It is what comes on top of the poll interval after a good reply. At most half of a wait is taken for work, so that
    equal waits stay equal, whatever a client does after a good reply.
    """
    interval = session.setting("poll_interval_seconds")
    work = [
        after.began - before.ended - interval
        for before, after in pairwise(session.wire)
        if went_well(before) and after.role == "query"
    ]
    if not work or not waits:
        return list(waits)
    own = max(0.0, min(*work, min(waits) / 2))
    return [each - own for each in waits]


def _why_no_wait(session: Session, role: str) -> str:
    seen = session.wire.of(role)
    if not seen:
        return f"no {NOUNS[role]} came"
    if all(went_well(each) for each in seen):
        return f"none of {times(len(seen), NOUNS[role])} was refused"
    return f"the client did not try again after {said(next(each for each in seen if not went_well(each)))}"


def _shown(session: Session, role: str) -> list[Sighting]:
    return session.wire.of(role)[:8]


def _upper(column: Sequence[float]) -> float:
    return fmean(sorted(column)[_ENVELOPE])


CHECKS: Mapping[str, Check] = {
    "waits": waits,
    "gives-up": gives_up,
    "stops": stops,
    "counted": counted,
    "tries-on": tries_on,
}
POOLED: Mapping[str, PooledCheck] = {
    "grows": grows,
    "not-immediate": not_immediate,
    "jitter": jitter,
    "as-usual": as_usual,
}
