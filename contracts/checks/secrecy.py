"""That the key stays secret, and that errors can be shown: logs, other origins, texts, certificates."""

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from contracts.checks.base import Check, PooledCheck, right, times, unseen, verdict_of, wrong
from contracts.checks.heads import target
from contracts.checks.replies import reply_json
from contracts.observation import Session, explanation
from contracts.report.model import Finding
from contracts.wire import Sighting
from mock_server.redaction import Redactor

# So much of a key's end gives it away as well.
_TAIL_CHARACTERS = 12
_SHOWN_MAX = 3


def key_only_in(session: Session, argument: str) -> Iterator[Finding]:
    """`authorization`: the key is in this header, and nowhere else in any request."""
    expected = f"the key in the header {argument.title()} alone"
    found = [(each, where) for each in session.wire for where in places_of_key(each, argument, session.key)]
    for sighting, where in found[:_SHOWN_MAX]:
        yield wrong(session, expected, f"the key is in {where} of a {sighting.exchange.incoming.method}", sighting)
    if not len(session.wire):
        yield unseen(session, expected, "no request came")
    elif not found:
        yield right(session, expected, f"{times(len(session.wire), 'request')}, and it is nowhere else")


def no_key_elsewhere(session: Session, argument: str) -> Iterator[Finding]:
    """`elsewhere`: the other origin of this name, to which a reply leads, is not shown the key."""
    expected = "a request to another origin goes without the key"
    address = session.fills.get(argument, "").encode()
    led = [each for each in session.wire if address and _names(each, address)]
    shown = [each for each in session.strangers if address.endswith(each.target.encode())]
    bad = [each for each in shown if form_of_key(session.key, each.head)]
    for each in bad[:_SHOWN_MAX]:
        yield wrong(
            session,
            expected,
            f"{each.method} {each.target} at the other origin, with {form_of_key(session.key, each.head)}",
        )
    if bad:
        return
    if not led:
        yield unseen(session, expected, "no reply led to another origin: the client did not get so far")
    elif shown:
        yield right(session, expected, f"{times(len(shown), 'request')} there, without the key", *led[:_SHOWN_MAX])
    else:
        yield right(session, expected, "it did not go there", *led[:_SHOWN_MAX])


def no_key_in_log(session: Session, argument: Any) -> Iterator[Finding]:
    """Neither what the client prints nor what it reports has the key in it, in any form."""
    expected = "no key in the log or in the result: not as it is, not in Base64, and not its end"
    if not len(session.wire):
        yield unseen(session, expected, "the client sent no request")
        return
    results = b"\n".join(msgspec.json.encode(each.ending.result) for each in session.jobs if each.ending.result)
    for name, text in (("the log", session.log), ("the result", results)):
        if how := form_of_key(session.key, text):
            yield wrong(session, expected, f"{name} has {how}: …{_around(session.key, text)}…")
        else:
            yield right(session, expected, f"not in {times(len(text), 'byte')} of {name}")


def request_id_told(session: Session, argument: Any) -> Iterator[Finding]:
    """The request id of a refusal is in the client's log or result."""
    expected = "the request id of the refusal in the log or in the result"
    ids = {found for each in session.wire if "problem" in explanation(each) and (found := _request_id(each))}
    if not ids:
        yield unseen(session, expected, "no refusal told a request id")
        return
    results = b"\n".join(msgspec.json.encode(each.ending.result) for each in session.jobs if each.ending.result)
    where = next((name for name, text in (("the result", results), ("the log", session.log)) if _has(text, ids)), None)
    if where is not None:
        yield right(session, expected, f"it is in {where}")
    else:
        yield wrong(session, expected, f"told was {' or '.join(sorted(ids)[:2])}, and it is in neither")


def log_is_safe(session: Session, argument: Any) -> Iterator[Finding]:
    """A text of the provider is in the log without its control characters, and has begun no line of its own."""
    expected = "what the provider says is logged without raw control characters, and on one line"
    tag = session.fills["tag"].encode()
    if not any(tag in each.exchange.reply.body for each in session.wire if each.exchange.reply is not None):
        yield unseen(session, expected, "the client was not told the text")
        return
    harms = {
        "an escape sequence for the terminal": re.escape(b"\x1b") + rb"[^\n]{0,6}" + tag,
        "a line that the provider has forged": rb"(?m)^" + tag + rb" level=info",
        "a NUL or a backspace": rb"all is well[\x00\x08]",
    }
    bad = [name for name, pattern in harms.items() if re.search(pattern, session.log)]
    came = (
        f"the log has {' and '.join(bad)}" if bad else f"nothing of it raw in {times(len(session.log), 'byte')} of log"
    )
    yield verdict_of(session, not bad, expected, came)


def text_is_bounded(session: Session, argument: int) -> Iterator[Finding]:
    """`65536`: of a text of a million characters no more than so many are logged or reported."""
    expected = f"at most {argument} characters of a very long text in the log, and in the result"
    piece = session.fills["long-text"][:40].encode()
    if not any(piece in each.exchange.reply.body for each in session.wire if each.exchange.reply is not None):
        yield unseen(session, expected, "the client was not told the text")
        return
    own = session.fills["tag"].encode()
    unit = session.fills["long-text"].index("All", 1)
    reasons = "\n".join(each.ending.result.reason or "" for each in session.jobs if each.ending.result).encode()
    for name, text in (("the log", session.log), ("the result", reasons)):
        characters = text.count(b"no play, " + own) * unit
        yield verdict_of(session, characters <= argument, expected, f"about {characters} in {name}")


def says(session: Session, argument: Mapping[str, Any]) -> Iterator[Finding]:
    """`{about: the key, words: ["401", auth]}`: the result has one of these words or numbers."""
    expected = f"a result that says that it is about {argument['about']}"
    for each in session.jobs:
        result = each.ending.result
        if result is None:
            why = each.ending.detail or "the client reported no outcome"
            yield unseen(session, expected, why, channel="outcome")
            continue
        said = " ".join(str(one) for one in (result.http_status, result.code, result.reason) if one is not None)
        good = any(word.lower() in said.lower() for word in argument["words"])
        yield verdict_of(session, good, expected, said[:300] or "nothing but the outcome", channel="outcome")


def certificate_checked(session: Session, argument: Any) -> Iterator[Finding]:
    """A server whose certificate nobody trusts gets no request."""
    expected = "no request to a server whose certificate cannot be verified"
    if len(session.wire):
        sent = next(iter(session.wire))
        yield wrong(session, expected, f"{target(sent)}, with all that it carries", sent)
    elif any(each.outcome == "succeed" for each in session.jobs):
        yield wrong(session, expected, "a success was reported, and nothing had been asked")
    elif session.tls_connections:
        yield right(session, expected, f"{times(session.tls_connections, 'connection')}, and each broken off")
    else:
        yield unseen(session, expected, "the client did not connect")


def places_of_key(sighting: Sighting, header: str, key: str) -> Iterator[str]:
    """Yield where in a request the key is, besides the header that it belongs to."""
    incoming = sighting.exchange.incoming
    if form_of_key(key, incoming.path + b"?" + incoming.query):
        yield "the address"
    for name, value in incoming.headers:
        if name.decode("latin-1") != header and form_of_key(key, value):
            yield f"the header {name.decode('latin-1')}"
    if form_of_key(key, incoming.body):
        yield "the body"


def _names(sighting: Sighting, address: bytes) -> bool:
    """Whether a reply leads to an address: as its place, or in its body."""
    reply = sighting.exchange.reply
    if reply is None:
        return False
    slashes = address.replace(b"/", b"\\/")
    return any(address in value for _, value in reply.headers) or address in reply.body or slashes in reply.body


def form_of_key(key: str, text: bytes) -> str:
    """Return in what form the key is in a text; empty where it is not."""
    written = text.decode("latin-1")
    if Redactor([key]).text(written) != written:
        return "the key"
    if any(form in text for form in base64_forms(key.encode())):
        return "the key in Base64"
    return f"the last {_TAIL_CHARACTERS} characters of the key" if key[-_TAIL_CHARACTERS:].encode() in text else ""


def base64_forms(key: bytes) -> set[bytes]:
    """Return the key in Base64 as it is inside of something longer: at each of three places, without the ends."""
    forms = set()
    for lead in range(3):
        whole = b"\0" * lead + key
        whole = whole[: len(whole) // 3 * 3]
        begins = (0, 2, 3)[lead]
        forms |= {encode(whole)[begins:] for encode in (b64encode, urlsafe_b64encode)}
    return forms


def _around(key: str, text: bytes) -> str:
    """Return what is before the key in a text, where it stands as it is, so that it can be found."""
    place = text.find(key.encode())
    return text[max(0, place - 40) : place].decode("utf-8", "replace") if place >= 0 else ""


def _request_id(sighting: Sighting) -> str:
    body = reply_json(sighting)
    found = body.get("request_id") if isinstance(body, dict) else None
    return found if isinstance(found, str) else ""


def _has(text: bytes, ids: set[str]) -> bool:
    return any(each.encode() in text for each in ids)


CHECKS: Mapping[str, Check] = {
    "key-only-in": key_only_in,
    "no-key-elsewhere": no_key_elsewhere,
    "no-key-in-log": no_key_in_log,
    "request-id-told": request_id_told,
    "log-is-safe": log_is_safe,
    "text-is-bounded": text_is_bounded,
    "says": says,
    "certificate-checked": certificate_checked,
}
POOLED: Mapping[str, PooledCheck] = {}
