"""Shows a journal entry as JSON, without any key."""

import base64
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec

from mock_server.exchange import Exchange, Incoming, Reply
from mock_server.journal import KEPT_BODY_BYTES_MAX, Attempt, Entry
from mock_server.redaction import Redactor, key_in, shown_header
from mock_server.worlds import World

# What is nested deeper is shown as text: not every client reads deep JSON.
_DEPTH_MAX = 64


class Shower:
    """Shows the entries of one world."""

    def __init__(self, world: World, key_header: str, secrets: Iterable[str | None] = ()) -> None:
        """`secrets` are taken out, and the world's key, and the one that each request brought in `key_header`."""
        self._world, self._key_header = world, key_header
        self._secrets = (*secrets, world.name)
        self._redactors: dict[str | None, Redactor] = {}

    def encoded(self, entry: Entry) -> bytes:
        """Return an entry as JSON."""
        if isinstance(entry, Attempt):
            return msgspec.json.encode(self._redactor(None).value(self._callback(entry)))
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in entry.incoming.headers]
        token = next((key_in(value) for name, value in headers if name == self._key_header), None)
        return msgspec.json.encode(self._exchange(entry, headers, self._redactor(token)))

    def _redactor(self, token: str | None) -> Redactor:
        redactor = self._redactors.get(token)
        if redactor is None:
            redactor = self._redactors[token] = Redactor((*self._secrets, token))
        return redactor

    def _callback(self, entry: Attempt) -> dict[str, Any]:
        return {
            "number": entry.number,
            **_moments(entry),
            "kind": "callback",
            "task_id": entry.task_id,
            "external_id": self._external_id(entry.task_id),
            "status": entry.status,
            "delivery": entry.delivery,
            "attempt": entry.attempt,
            "url": entry.url,
            "outcome": entry.outcome,
            "http_status": entry.http_status,
            "reason": entry.reason,
            "final": entry.final,
            "faults": list(entry.faults),
        }

    def _exchange(self, entry: Exchange, headers: list[tuple[str, str]], redactor: Redactor) -> dict[str, Any]:
        incoming, reply = entry.incoming, entry.reply
        return {
            "number": entry.number,
            **_moments(entry),
            "kind": "exchange",
            "operation": entry.operation,
            "task_id": entry.task_id,
            "external_id": redactor.value(self._external_id(entry.task_id)),
            "request": self._request(incoming, headers, redactor, cut=entry.cut),
            "response": self._response(reply, redactor, cut=entry.cut) if reply is not None else None,
            "gave_up_after_ms": entry.gave_up_after_ms,
            "explanation": redactor.value(entry.explanation, names=True),
        }

    def _external_id(self, task_id: str | None) -> str | None:
        task = self._world.store.find(task_id) if task_id is not None else None
        return task.external_id if task is not None else None

    def _request(
        self, incoming: Incoming, headers: list[tuple[str, str]], redactor: Redactor, *, cut: bool
    ) -> dict[str, Any]:
        return {
            "method": incoming.method,
            "path": redactor.text(incoming.path.decode("latin-1")),
            "query": redactor.text(incoming.query.decode("latin-1")),
            "headers": self._headers(headers, redactor),
            **_body(incoming.body, redactor, cut=cut),
        }

    def _response(self, reply: Reply, redactor: Redactor, *, cut: bool) -> dict[str, Any]:
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
        return {
            "status": reply.status,
            "headers": self._headers([("content-type", reply.content_type.decode("latin-1")), *headers], redactor),
            **_body(reply.body, redactor, cut=cut),
            "wire": msgspec.to_builtins(reply.wire) if reply.wire is not None else None,
        }

    def _headers(self, headers: list[tuple[str, str]], redactor: Redactor) -> dict[str, str]:
        """Return headers by name; what came several times is joined, as HTTP allows."""
        joined: dict[str, str] = {}
        for name, value in headers:
            safe = shown_header(name, value, self._key_header) or redactor.text(value)
            shown_name = redactor.text(name)
            joined[shown_name] = f"{joined[shown_name]}, {safe}" if shown_name in joined else safe
        return joined


def iso(at_ms: int) -> str:
    """Return a moment as people read it: `2026-01-01T00:00:00.000Z`."""
    moment = datetime.fromtimestamp(at_ms // 1_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"


def _moments(entry: Entry) -> dict[str, Any]:
    return {"at_ms": entry.at_ms, "at_iso": iso(entry.at_ms), "real_ms": entry.real_ms}


def _body(body: bytes, redactor: Redactor, *, cut: bool) -> dict[str, Any]:
    value, form = _readable(body, redactor)
    return {"body": value, "body_form": form, "body_cut": cut and len(body) == KEPT_BODY_BYTES_MAX}


def _readable(body: bytes, redactor: Redactor) -> tuple[Any, str]:
    if not body:
        return None, "none"
    try:
        value = msgspec.json.decode(body)
        if not _deeper_than(value, _DEPTH_MAX):
            return redactor.value(value, names=True), "json"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        return redactor.text(body.decode("utf-8")), "text"
    except UnicodeDecodeError:
        return base64.b64encode(redactor.bytes(body)).decode("ascii"), "base64"


def _deeper_than(value: Any, depth_max: int) -> bool:
    level = [value]
    for _ in range(depth_max):
        level = [
            each
            for whole in level
            if isinstance(whole, dict | list)
            for each in (whole.values() if isinstance(whole, dict) else whole)
        ]
        if not level:
            return False
    return True
