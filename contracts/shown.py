"""Puts down a session for reports: its wire log with times and gaps, its jobs, its log. Keys are taken out."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from contracts.observation import JobSeen, Session
from contracts.report.model import JobReport, SessionReport, WireLine
from contracts.scenario_files import document_of, scenario_text
from contracts.strangers import Shown
from contracts.wire import Sighting
from mock_server.exchange import Headers
from mock_server.journal import Attempt
from mock_server.redaction import Redactor, shown_header
from mock_server.twin import Twin

# Of bodies and logs, what a person reads.
_BODY_CHARACTERS_MAX = 4_000
_LOG_CHARACTERS_MAX = 8_000
_LINES_MAX = 200


def session_report(twin: Twin, session: Session) -> SessionReport:
    """Return a session as reports show it."""
    redactor = Redactor([session.key])
    lines = [_exchange(twin, session, each, redactor) for each in session.wire]
    gapped = [msgspec.structs.replace(line, gap_seconds=gap) for line, gap in zip(lines, _gaps(session), strict=True)]
    others = [*(_stranger(session, each, redactor) for each in session.strangers), *_callbacks(session, redactor)]
    # Lines of the wire come first: findings name them by their place.
    shown = (*gapped, *sorted(others, key=lambda each: each.at_seconds))
    scenario = document_of(session.case, session.play, session.case.id.lower())
    return SessionReport(
        name=session.name,
        scenario=scenario_text(_short(scenario)),
        jobs=tuple(_job(each, redactor) for each in session.jobs),
        wire=shown[:_LINES_MAX],
        log=redactor.text(session.log.decode("utf-8", "replace")[-_LOG_CHARACTERS_MAX:]).strip(),
    )


def _gaps(session: Session) -> Iterator[float | None]:
    """How long after the one before of its role each request began."""
    ended: dict[str | None, float] = {}
    for each in session.wire:
        yield each.began - ended[each.role] if each.role in ended else None
        ended[each.role] = each.ended


def _exchange(twin: Twin, session: Session, sighting: Sighting, redactor: Redactor) -> WireLine:
    exchange = sighting.exchange
    incoming, reply = exchange.incoming, exchange.reply
    query = b"?" + incoming.query if incoming.query else b""
    target = redactor.text((incoming.path + query).decode("latin-1"))
    key_header = twin.key_header
    request = (
        f"{incoming.method} {target}\n{_headers(incoming.headers, redactor, key_header)}\n\n{_body(incoming.body)}"
    )
    response = ""
    if reply is not None and sighting.status:
        headers = [(b"content-type", reply.content_type), *reply.headers]
        response = f"HTTP {reply.status}\n{_headers(headers, redactor, key_header)}\n\n{_body(reply.body)}"
    return WireLine(
        at_seconds=sighting.began - session.began,
        kind="exchange",
        title=f"{incoming.method} {target}"[:300],
        status=sighting.status or None,
        told=sighting.told,
        took_seconds=(sighting.ended - sighting.began),
        request=redactor.text(request),
        response=redactor.text(response),
        note=redactor.text(_note(sighting)),
    )


def _note(sighting: Sighting) -> str:
    told = sighting.exchange.explanation or {}
    notes = []
    if sighting.left is not None:
        notes.append("the client left before the reply was whole")
    elif sighting.status == 0:
        notes.append("the reply never came")
    notes += [str(told[name]) for name in ("problem", "what") if told.get(name)]
    for each in told.get("violations", ()):
        violation = each if isinstance(each, Mapping) else {}
        notes.append(f"{violation.get('pointer')}: came {violation.get('came')}, allowed {violation.get('allowed')}")
    return "; ".join(map(str, notes))[:1_000]


def _headers(headers: Headers, redactor: Redactor, key_header: str) -> str:
    lines = []
    for name_bytes, value_bytes in headers:
        name, value = name_bytes.decode("latin-1"), value_bytes.decode("latin-1")
        if name == "x-mock-explanation":
            continue
        lines.append(f"{name}: {shown_header(name, value, key_header) or redactor.text(value)}")
    return "\n".join(lines)


def _body(body: bytes) -> str:
    text = body.decode("utf-8", "replace")
    if len(text) > _BODY_CHARACTERS_MAX:
        return f"{text[:_BODY_CHARACTERS_MAX]}… ({len(text)} characters)"
    return text


def _stranger(session: Session, shown: Shown, redactor: Redactor) -> WireLine:
    return WireLine(
        at_seconds=shown.at - session.began,
        kind="stranger",
        title=redactor.text(f"{shown.method} {shown.target} (another origin)")[:300],
        status=404,
        request=redactor.text(shown.head.decode("latin-1"))[:_BODY_CHARACTERS_MAX],
    )


def _callbacks(session: Session, redactor: Redactor) -> Iterator[WireLine]:
    posted = list(session.posted)
    for each in session.attempts:
        mine = next((one for one in posted if one.url == each.url and one.status == each.http_status), None)
        if mine is not None:
            posted.remove(mine)
        yield WireLine(
            at_seconds=(mine.began if mine is not None else session.began) - session.began,
            kind="callback",
            title=redactor.text(f"callback {each.status} (attempt {each.attempt})"),
            status=each.http_status,
            told=each.status,
            took_seconds=mine.ended - mine.began if mine is not None else None,
            request=redactor.text(_body(mine.body)) if mine is not None else "",
            note=_callback_note(each),
        )


def _callback_note(attempt: Attempt) -> str:
    faults = f"faults: {', '.join(attempt.faults)}" if attempt.faults else ""
    return "; ".join(each for each in (attempt.outcome, faults, attempt.reason) if each)


def _job(seen: JobSeen, redactor: Redactor) -> JobReport:
    result = seen.ending.result
    told = (
        {key: value for key, value in msgspec.structs.asdict(result).items() if value is not None} if result else None
    )
    return JobReport(
        job=seen.job.job,
        request=redactor.value(_short(seen.job.request)),
        settings=msgspec.structs.asdict(seen.job.settings),
        result=redactor.value(_short(told)) if told is not None else None,
        ended=seen.ending.how if not seen.ending.detail else f"{seen.ending.how}: {seen.ending.detail}",
        seconds=seen.ending.ended - seen.ending.began,
        exit_status=seen.ending.exit_status,
    )


def _short(value: Any) -> Any:
    """Return a value whose texts are not longer than a person reads."""
    if isinstance(value, str) and len(value) > _BODY_CHARACTERS_MAX:
        return f"{value[:_BODY_CHARACTERS_MAX]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return value
