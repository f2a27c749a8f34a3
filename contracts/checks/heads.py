"""What stands in the heads of requests: keys, addresses, content types."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from contracts.checks.base import Check, PooledCheck, right, times, unseen, wrong
from contracts.checks.replies import texts_in, told_values
from contracts.observation import Session
from contracts.report.model import Finding
from contracts.wire import Sighting

# Wrong lines beyond these say nothing new.
_SHOWN_MAX = 3
_TARGET_CHARACTERS_MAX = 200
# A client that has lost its task may look for it in the list, but to poll the list is something else.
_LISTS_MAX = 3


def bearer(session: Session, argument: Mapping[str, str]) -> Iterator[Finding]:
    """`{header: authorization, scheme: Bearer}`: each request has the header once, with the session's key."""
    header, scheme = argument["header"], argument["scheme"]
    expected = f"each request has one header {header.title()}: {scheme} and the key of the job"
    bad = [(each, why) for each in session.wire if (why := _not_bearer(each, header, scheme, session.key))]
    yield from _each(session, expected, list(session.wire), bad, "it was there, once")


def content_type(session: Session, argument: str) -> Iterator[Finding]:
    """`application/json`: each create has this content type, with no other parameter than charset=utf-8."""
    expected = f"each create has one header Content-Type: {argument}, with or without charset=utf-8"
    bad = []
    for each in session.submits:
        values = each.header("content-type")
        if len(values) != 1 or not _is_media_type(values[0], argument):
            bad.append((each, f"Content-Type: {', '.join(values)[:_TARGET_CHARACTERS_MAX]}" if values else "none came"))
    yield from _each(session, expected, session.submits, bad, f"{argument} each time")


def addresses(session: Session, argument: Mapping[str, str]) -> Iterator[Finding]:
    """`{submit: POST /videos, query: GET /videos/*}`: each request has the method and the path of its role.

    `*` is one segment. A request that leads to no operation is wrong, whatever it is.
    """
    expected = " and ".join(argument.values()) + ", and nothing else"
    bad = []
    for each in session.wire:
        wanted = argument.get(each.role or "")
        if each.role is None:
            bad.append((each, f"{target(each)}, which leads nowhere"))
        elif wanted is not None and not re.fullmatch(re.escape(wanted).replace(r"\*", "[^/]+"), _line(each)):
            bad.append((each, target(each)))
    yield from _each(session, expected, list(session.wire), bad, "they were right", wanted="submit")


def known_ids(session: Session, argument: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Each query is for an id that the client was told or has sent itself, as one segment, percent-encoded.

    With `{polls: needed}` it is not exercised where no query came, unless the client has said that it gave up.
    """
    expected = "queries only for ids that were told or sent, each as one percent-encoded segment of the path"
    if not session.submits:
        yield unseen(session, expected, "no create came")
        return
    known = _known(session)
    polls = [each for each in session.wire if each.role not in ("submit", "cancel")]
    lists = [each for each in polls if each.role == "list" and each.exchange.incoming.path == _collection(session)]
    bad = [each for each in polls if each not in lists and _asked_for(session, each) not in known]
    for each in bad[:_SHOWN_MAX]:
        told = ", ".join(sorted(told_values(session, "task_id"))) or "none"
        yield wrong(session, expected, f"{target(each)}; told was {told[:_TARGET_CHARACTERS_MAX]}", each)
    if len(lists) > _LISTS_MAX:
        yield wrong(session, expected, f"the list was asked for {times(len(lists), 'time')} in place of a task", *lists)
    elif not bad:
        yield _when_all_known(session, expected, len(polls), needed=argument is not None)


def _when_all_known(session: Session, expected: str, polls: int, *, needed: bool) -> Finding:
    if polls:
        return right(session, expected, f"{times(polls, 'query')}, each for such an id")
    outcomes = [each.outcome for each in session.jobs]
    if not needed or all(each in ("error", "rejected", "unknown") for each in outcomes):
        return right(session, expected, "nothing was asked for")
    return unseen(session, expected, "no query came")


def target(sighting: Sighting) -> str:
    """Return the method and the address of a request, as it came."""
    query = sighting.exchange.incoming.query
    line = _line(sighting) + (f"?{query.decode('latin-1')}" if query else "")
    return line if len(line) <= _TARGET_CHARACTERS_MAX else line[:_TARGET_CHARACTERS_MAX] + "…"


def _line(sighting: Sighting) -> str:
    return f"{sighting.exchange.incoming.method} {sighting.exchange.incoming.path.decode('latin-1')}"


def _each(
    session: Session,
    expected: str,
    judged: list[Sighting],
    bad: list[tuple[Sighting, str]],
    good: str,
    *,
    wanted: str | None = None,
) -> Iterator[Finding]:
    """Say the same of several requests; without one, or one of the role that is wanted, nothing can be told."""
    for sighting, why in bad[:_SHOWN_MAX]:
        yield wrong(session, expected, why, sighting)
    if len(bad) > _SHOWN_MAX:
        yield wrong(session, expected, f"and so on, in {times(len(bad), 'request')} of {len(judged)}")
    if bad:
        return
    if not judged or (wanted is not None and not session.wire.of(wanted)):
        yield unseen(session, expected, "no such request came")
        return
    yield right(session, expected, f"{times(len(judged), 'request')}: {good}", *judged[:_SHOWN_MAX])


def _not_bearer(sighting: Sighting, header: str, scheme: str, key: str) -> str:
    """Why the header is not as it should be, without what it says; empty where it is."""
    values = sighting.header(header)
    if len(values) != 1:
        return f"{target(sighting)}: {times(len(values), f'{header.title()} header')}"
    word, _, rest = values[0].strip().partition(" ")
    if word.lower() != scheme.lower():
        return f"{target(sighting)}: no {scheme} before the key"
    if rest.strip() != key:
        return f"{target(sighting)}: {'another key' if rest.strip() else 'no key'} behind {scheme}"
    return ""


def _is_media_type(value: str, wanted: str) -> bool:
    media_type, *parameters = (part.strip().lower() for part in value.split(";"))
    charsets = [part.partition("=")[2].strip().strip('"') for part in parameters if part]
    return (
        media_type == wanted
        and all(part.startswith("charset") for part in parameters if part)
        and all(each in ("utf-8", "utf8") for each in charsets)
    )


def _known(session: Session) -> set[str]:
    """All ids that a client may ask for: those it was told, and every text that it sent in a create."""
    sent: set[str] = set()
    for each in session.submits:
        sent |= texts_in(each.body())
    return (told_values(session, "task_id") | sent) - {""}


def _collection(session: Session) -> bytes:
    return session.submits[0].exchange.incoming.path


def _asked_for(session: Session, sighting: Sighting) -> str | None:
    """Return the id that a request asks for, decoded; None where its address is not the collection's and a segment."""
    start, slash, segment = sighting.exchange.incoming.path.rpartition(b"/")
    if not slash or not segment or start != _collection(session):
        return None
    return unquote_to_bytes(segment).decode("utf-8", "replace")


CHECKS: Mapping[str, Check] = {
    "bearer": bearer,
    "content-type": content_type,
    "addresses": addresses,
    "known-ids": known_ids,
}
POOLED: Mapping[str, PooledCheck] = {}
