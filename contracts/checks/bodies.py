"""What stands in the bodies of creates: kept rules, types, members, text."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from contracts.checks.base import Check, PooledCheck, right, times, unseen, verdict_of, wrong
from contracts.observation import JobSeen, Session, explanation
from contracts.report.model import Finding
from contracts.wire import Sighting
from mock_server.names import nearest

_TEXT_CHARACTERS_MAX = 200
# Wrong things beyond these say nothing new.
_SHOWN_MAX = 3
_NO_CREATE = "no create came"
# How the catalogue calls the whole of it.
_BODY = "the body"


def no_violation(session: Session, argument: Any) -> Iterator[Finding]:
    """No create breaks the schema, or a rule of the profile."""
    expected = "a body that keeps the schema and the rules"

    def broken(sighting: Sighting) -> Iterator[str]:
        yield from map(_said, _violations(sighting))
        if explanation(sighting).get("at") == "body":
            yield f"no JSON: {explanation(sighting).get('reason')}"

    yield from _each(session, expected, broken) or _refusals(session, expected)


def known_members(session: Session, argument: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """`{the body: [prompt, …], image_list: [image_url, …]}`: each object has no other members than these."""
    expected = "only members that are documented"
    found = _each(session, expected, lambda each: _unknown(each.body(), argument))
    yield from found or _refusals(session, expected)


def kept_rule(session: Session, argument: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """`{rules: [R3], at: [/multi_prompt]}`: what breaks such a rule, or the schema at such a place, is never sent.

    The client may refuse the job, or mend the request.
    """
    rules, places = argument.get("rules", ()), argument.get("at", ())
    expected = "a request that breaks the rule is refused by the client, or mended before it is sent"

    def broken(sighting: Sighting) -> Iterator[str]:
        for each in _violations(sighting):
            if each["rule"] in rules or any(f"{each['pointer']}/".startswith(f"{place}/") for place in places):
                yield _said(each)

    found = _each(session, expected, broken, good="with the rule kept")
    yield from found or [_not_sent(session, expected, job) for job in session.jobs]


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
    asked = {name for job in session.jobs for name in job.job.request}

    def empty(sighting: Sighting) -> Iterator[str]:
        body = sighting.body()
        for name, value in body.items() if isinstance(body, dict) else ():
            if name not in asked and value in _EMPTY:
                yield f"{name}: {_short(value)}"

    yield from _each(session, expected, empty) or _refusals(session, expected)


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


def _unknown(body: Any, known: Mapping[str, Sequence[str]]) -> Iterator[str]:
    objects = [(_BODY, body)]
    for name in known:
        value = body.get(name) if isinstance(body, dict) else None
        objects += [(name, one) for one in (value if isinstance(value, list) else [value])]
    for where, one in objects:
        if isinstance(one, dict):
            unknown = [name for name in one if name not in known[where]]
            yield from (f"{name!r} in {where}, {nearest(name, known[where])}" for name in unknown)


def _said(violation: Mapping[str, Any]) -> str:
    return (
        f"{violation['pointer'] or 'the body'} ({violation['rule']}): came {violation['came']}; {violation['allowed']}"
    )


def _each(
    session: Session, expected: str, broken: Callable[[Sighting], Iterable[str]], good: str = "none of them otherwise"
) -> list[Finding]:
    """Say of all creates what is broken in them, each thing once; nothing where there was none."""
    found: dict[str, list[Sighting]] = {}
    for sighting in session.submits:
        for each in broken(sighting):
            found.setdefault(each, []).append(sighting)
    if not found:
        creates = session.submits
        return [right(session, expected, f"{times(len(creates), 'create')}, {good}", *creates)] if creates else []
    shown = [wrong(session, expected, each, *where) for each, where in list(found.items())[:_SHOWN_MAX]]
    if len(found) > _SHOWN_MAX:
        shown.append(wrong(session, expected, f"and {times(len(found) - _SHOWN_MAX, 'thing')} more"))
    return shown


def _refusals(session: Session, expected: str) -> list[Finding]:
    """Where nothing was sent, nothing can be told: these requests are good ones."""
    if session.submits:
        return []
    reasons = [job.ending.result.reason for job in session.jobs if job.ending.result is not None]
    said = next((each for each in reasons if each), "")
    return [unseen(session, expected, f"{_NO_CREATE}: {said[:_TEXT_CHARACTERS_MAX]}" if said else _NO_CREATE)]


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
    "known-members": known_members,
    "kept-rule": kept_rule,
    "has-member": has_member,
    "has-types": has_types,
    "nothing-unset": nothing_unset,
    "text-intact": text_intact,
}
POOLED: Mapping[str, PooledCheck] = {}
