"""Reads what the twin's replies told: codes, messages, request ids, reasons."""

from typing import Any

import msgspec

from contracts.observation import Session
from contracts.wire import Sighting

_NAMES = {
    "code": ("code",),
    "message": ("message",),
    "request_id": ("request_id",),
    "task_id": ("task_id",),
    "reason": ("task_status_msg",),
}


def reply_json(sighting: Sighting) -> Any:
    """Return the JSON of a reply as it was meant; None where there was none, or it is no JSON."""
    reply = sighting.exchange.reply
    if reply is None:
        return None
    try:
        return msgspec.json.decode(reply.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def told_values(session: Session, name: str) -> set[str]:
    """Return the values that replies told under a name; of codes and messages those of refusals alone."""
    found: set[str] = set()
    for each in session.wire:
        body = reply_json(each)
        refused = isinstance(body, dict) and (each.status != 200 or body.get("code") not in (0, None))
        if name in ("code", "message") and not refused:
            continue
        found |= _values(body, _NAMES.get(name, (name,)))
    return {each for each in found if each and each != "0"}


def _values(value: Any, names: tuple[str, ...]) -> set[str]:
    if isinstance(value, list):
        return set().union(*(_values(each, names) for each in value))
    if not isinstance(value, dict):
        return set()
    own = {str(value[name]) for name in names if isinstance(value.get(name), str | int)}
    return own.union(*(_values(each, names) for each in value.values()))


def texts_in(value: Any) -> set[str]:
    """Return all texts in a JSON value, however deep."""
    if isinstance(value, str):
        return {value}
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return set().union(*map(texts_in, members))
