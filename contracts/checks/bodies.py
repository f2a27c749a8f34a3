"""What stands in the bodies of creates: kept rules, types, members, text."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from contracts.checks.base import Check, PooledCheck, right, times, unseen, verdict_of, wrong
from contracts.observation import JobSeen, Session, explanation
from contracts.report.model import Finding
from contracts.wire import Sighting

_TEXT_CHARACTERS_MAX = 200
# Of one body; what is beyond says nothing new.
_SHOWN_MAX = 3
_NO_CREATE = "no create came"


def no_violation(session: Session, argument: Any) -> Iterator[Finding]:
    """No create breaks the schema, or a rule of the profile."""
    expected = "a body that keeps the schema and the rules"
    for each in session.submits:
        broken = [_said(one) for one in _violations(each)]
        if explanation(each).get("at") == "body":
            broken.append(f"no JSON: {explanation(each).get('reason')}")
        yield from _verdicts(session, expected, each, broken)
    yield from _refusals(session, expected)


def no_warning(session: Session, argument: Sequence[str]) -> Iterator[Finding]:
    """`[R17]`: no create is warned of by one of these rules."""
    expected = "only members that the spec knows"
    for each in session.submits:
        warnings = explanation(each).get("warnings") or ()
        yield from _verdicts(session, expected, each, [_said(one) for one in warnings if one["rule"] in argument])
    yield from _refusals(session, expected)


def kept_rule(session: Session, argument: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """`{rules: [R3], at: [/multi_prompt]}`: what breaks such a rule, or the schema at such a place, is never sent.

    The client may refuse the job, or mend the request.
    """
    rules, places = argument.get("rules", ()), argument.get("at", ())
    expected = "a request that breaks the rule is refused by the client, or mended before it is sent"
    for each in session.submits:
        broken = [
            _said(one)
            for one in _violations(each)
            if one["rule"] in rules or any(f"{one['pointer']}/".startswith(f"{place}/") for place in places)
        ]
        yield from _verdicts(session, expected, each, broken, good="it was sent with the rule kept")
    for job in session.jobs if not session.submits else ():
        yield _not_sent(session, expected, job)


def has_member(session: Session, argument: str) -> Iterator[Finding]:
    """`prompt`: each create has this member, and it is a text."""
    expected = f"each create has {argument}"
    for each in session.submits:
        body = each.body()
        good = isinstance(body, dict) and isinstance(body.get(argument), str)
        came = (
            f"{argument}: {_short(body[argument])}" if isinstance(body, dict) and argument in body else "it is missing"
        )
        yield verdict_of(session, good, expected, came, each)
    yield from _refusals(session, expected)


def has_types(session: Session, argument: Mapping[str, str]) -> Iterator[Finding]:
    """`{duration: text, multi_shot: boolean, image_list: list of objects}`: members have their documented types."""
    for each in session.submits:
        body = each.body()
        members = body if isinstance(body, dict) else {}
        for name, wanted in argument.items():
            expected = f"{name} is a {wanted} in JSON"
            if name in members:
                good = _TYPES[wanted](members[name])
                yield verdict_of(session, good, expected, f"{name}: {_short(members[name])}", each)
        if not set(argument) & set(members):
            yield unseen(session, f"{', '.join(argument)} of the documented types", "none of them was sent", each)
    yield from _refusals(session, "the documented types")


def nothing_unset(session: Session, argument: Any) -> Iterator[Finding]:
    """What the job does not set is left out: no null, no empty text, list or object in its place."""
    expected = "members that are not set are left out"
    for each in session.submits:
        body = each.body()
        asked = {name for job in session.jobs for name in job.job.request}
        members = body.items() if isinstance(body, dict) else ()
        empty = [f"{name}: {_short(value)}" for name, value in members if name not in asked and value in _EMPTY]
        yield from _verdicts(session, expected, each, empty)
    yield from _refusals(session, expected)


def text_intact(session: Session, argument: str) -> Iterator[Finding]:
    """`prompt`: the text of the job arrives as it was given, character by character, in UTF-8."""
    expected = f"{argument} as the job has it, in UTF-8"
    given = [job.job.request.get(argument) for job in session.jobs]
    for each in session.submits:
        body = each.body()
        came = body.get(argument) if isinstance(body, dict) else None
        if came in given:
            yield right(session, expected, f"the {len(str(came))} characters are the same", each)
        elif body is None:
            yield wrong(session, expected, "the body is not JSON in UTF-8", each)
        else:
            yield wrong(session, expected, _difference(str(given[0]), came), each)
    yield from _refusals(session, expected)


def _violations(sighting: Sighting) -> Sequence[Mapping[str, Any]]:
    return explanation(sighting).get("violations") or ()


def _said(violation: Mapping[str, Any]) -> str:
    return (
        f"{violation['pointer'] or 'the body'} ({violation['rule']}): came {violation['came']}; {violation['allowed']}"
    )


def _verdicts(
    session: Session, expected: str, sighting: Sighting, broken: Sequence[str], good: str = "it was so"
) -> Iterator[Finding]:
    for each in broken[:_SHOWN_MAX]:
        yield wrong(session, expected, each, sighting)
    if len(broken) > _SHOWN_MAX:
        yield wrong(session, expected, f"and {len(broken) - _SHOWN_MAX} more", sighting)
    if not broken:
        yield right(session, expected, good, sighting)


def _refusals(session: Session, expected: str) -> Iterator[Finding]:
    """Where nothing was sent, nothing can be told: these requests are good ones."""
    if not session.submits:
        reasons = [job.ending.result.reason for job in session.jobs if job.ending.result is not None]
        said = next((each for each in reasons if each), "")
        yield unseen(session, expected, f"{_NO_CREATE}: {said[:_TEXT_CHARACTERS_MAX]}" if said else _NO_CREATE)


def _not_sent(session: Session, expected: str, job: JobSeen) -> Finding:
    """A client that sends nothing has refused the job, if it says so, or ends as one that has failed."""
    result = job.ending.result
    if result is not None:
        said = f"outcome {result.outcome}" + (f": {result.reason[:_TEXT_CHARACTERS_MAX]}" if result.reason else "")
        good = result.outcome in ("refused", "error")
        return verdict_of(session, good, expected, f"nothing was sent; {said}")
    if job.ending.exit_status:
        return right(session, expected, f"nothing was sent, and it ended with status {job.ending.exit_status}")
    return unseen(session, expected, "nothing was sent, and the client did not say why")


def _difference(given: str, came: Any) -> str:
    """Say where two texts part, so that a person can see it."""
    if not isinstance(came, str):
        return f"{_short(came)} came"
    place = next((index for index, (one, other) in enumerate(zip(given, came, strict=False)) if one != other), None)
    if place is None:
        return f"{len(came)} characters came of {times(len(given), 'character')}"
    wanted, seen = ascii(given[place : place + 8]), ascii(came[place : place + 8])
    return f"from character {place + 1} on {seen} came in place of {wanted}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _TEXT_CHARACTERS_MAX else text[:_TEXT_CHARACTERS_MAX] + "…"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, dict) for each in value)


_EMPTY: Sequence[Any] = (None, "", [], {})
_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "text": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "list of objects": _is_list_of_objects,
}

CHECKS: Mapping[str, Check] = {
    "no-violation": no_violation,
    "no-warning": no_warning,
    "kept-rule": kept_rule,
    "has-member": has_member,
    "has-types": has_types,
    "nothing-unset": nothing_unset,
    "text-intact": text_intact,
}
POOLED: Mapping[str, PooledCheck] = {}
