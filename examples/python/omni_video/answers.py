"""What an answer says, whoever wrote it: the vendor, a gateway that wraps the vendor's answers, or a proxy in between.

Everything is read into one `Reading`. Nothing here raises: what cannot be read is a kind of answer, too.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# Status words, in lower case. The vendor says succeed and failed. Others were seen; a paid success must not be missed.
SUCCEEDED = frozenset(("succeed", "succeeded", "success", "successful", "completed"))
FAILED = frozenset(("failed", "fail", "failure", "error", "cancelled", "canceled"))

# Codes that mean: all is well. One that is not there is no error by itself.
_FINE_CODES: tuple[Any, ...] = (0, "success", "SUCCESS", "ok", "", None)
# A 429 with one of these, or these words, is not mended by waiting: no money, no account, no right.
_PERMANENT_CODES = frozenset((1100, 1101, 1102, 1304))
_PERMANENT_WORDS = ("quota", "balance", "arrears", "insufficient", "whitelist", "account status")
_THROTTLED_CODES = frozenset((1302, 1303))
_TROUBLE_CODES = frozenset((5000, 5001, 5002))
_ABSENT_WORDS = ("not found", "not_exist", "not exist")
_REQUEST_ID = re.compile(r"request[ _-]id: ?([\w.-]{4,100})", re.IGNORECASE)
# The vendor's whole answer stands at most so deep in a gateway's.
_LEVELS_MAX = 4
_ID_CHARACTERS_MAX = 512

Kind = Literal[
    "fine",  # it tells of a task
    "unsent",  # there was no connection: the provider has seen nothing
    "lost",  # the request may have arrived, and no whole answer came
    "garbled",  # an answer that tells nothing: a page for people, a redirect, an envelope without a task
    "trouble",  # the provider's own fault
    "throttled",  # too much at once
    "absent",  # there is no such task, or not yet
    "exists",  # the external id was used already
    "refused",  # anything else that it does not want
]


@dataclass(frozen=True)
class Answer:
    """A whole HTTP answer; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Lost:
    """No whole answer. `sent` is whether the request may have been received."""

    reason: str
    sent: bool = True


@dataclass(frozen=True)
class Reading:
    """One answer, read."""

    kind: Kind
    http_status: int | None = None
    code: int | str | None = None
    message: str = ""
    request_id: str | None = None
    task_id: str | None = None
    external_id: str | None = None
    status: str = ""
    reason: str = ""
    url: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def read(answer: Answer | Lost) -> Reading:
    """Return what an answer says."""
    if isinstance(answer, Lost):
        return Reading("lost" if answer.sent else "unsent", message=answer.reason)
    document = parsed(answer.body)
    if document is None or 300 <= answer.status < 400:
        message = f"redirected to {answer.headers.get('location', 'nowhere')}" if 300 <= answer.status < 400 else ""
        text = message or f"not JSON: {answer.body[:200].decode('utf-8', 'replace')!r}"
        kind: Kind = "garbled" if answer.status < 400 else _kind(answer.status, None, "")
        request_id = answer.headers.get("x-request-id")
        return Reading(kind, answer.status, None, text, request_id, headers=answer.headers)
    code, message, request_id = _envelope(document, answer.headers)
    if answer.status >= 400 or code not in _FINE_CODES or document.get("error"):
        kind = _kind(answer.status, code, message)
        return Reading(kind, answer.status, code, message, request_id, headers=answer.headers)
    told = task(document)
    return Reading(
        "fine" if told else "garbled", answer.status, code, message, request_id, headers=answer.headers, **told
    )


def parsed(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object of a body; None where it is none. NaN is not JSON, whatever Python says."""
    try:
        document = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def task(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a document tells of a task, in an envelope, in two, or flat; nothing where it tells of none."""
    levels = _levels(document)
    if not levels:
        return {}
    status = next((text for text in (_status(level) for level in levels) if text), "")
    inside_first = levels[::-1]
    reasons = [text for level in inside_first for text in (level.get("task_status_msg"),) if _is_text(text)]
    reasons += [level["fail_reason"] for level in levels if _is_text(level.get("fail_reason"))]
    infos = [level["task_info"] for level in levels if isinstance(level.get("task_info"), dict)]
    return {
        "task_id": next((found for level in levels if (found := _id(level.get("task_id")))), None),
        "external_id": next((found for info in infos if (found := _id(info.get("external_task_id")))), None),
        "status": status,
        "reason": next((str(reason) for reason in reasons if not _is_address(str(reason))), ""),
        "url": next((found for level in inside_first if (found := _url(level))), None),
    }


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _levels(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects that tell of the task, outermost first: each stands in the `data` of the one around it."""
    levels: list[Mapping[str, Any]] = []
    level: Any = document
    for _ in range(_LEVELS_MAX):
        if not isinstance(level, Mapping):
            break
        if "task_id" in level or "task_status" in level:
            levels.append(level)
        level = level.get("data")
    return levels


def _status(level: Mapping[str, Any]) -> str:
    value = level.get("task_status", level.get("status"))
    return value.strip().lower() if isinstance(value, str) else ""


def _url(level: Mapping[str, Any]) -> str | None:
    """The address of the video: of the first that has one, or where older gateways put it."""
    result = level.get("task_result")
    videos = result.get("videos") if isinstance(result, Mapping) else None
    listed = videos if isinstance(videos, list) else [videos]
    places = [video.get("url") for video in listed if isinstance(video, Mapping)]
    if _status(level) in SUCCEEDED:
        places += [level.get("result_url"), level.get("fail_reason")]
    return next((place for place in places if isinstance(place, str) and _is_address(place)), None)


def _envelope(document: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int | str | None, str, str | None]:
    """The code, the message and the request id. A gateway may have the vendor's whole answer as text in the message."""
    error = document.get("error")
    said = error if isinstance(error, Mapping) else document
    code, message = _code(said.get("code")), said.get("message")
    message = message if isinstance(message, str) else error if isinstance(error, str) else ""
    told = document.get("data")
    inner = told.get("data") if isinstance(told, Mapping) else None
    places = (document, said, inner, {"request_id": headers.get("x-request-id")})
    ids = [place.get("request_id") for place in places if isinstance(place, Mapping)]
    request_id = next((str(each) for each in ids if each and isinstance(each, str | int)), None)
    inside = parsed(message.encode("utf-8", "replace")) if message.startswith("{") else None
    if inside is not None and "code" in inside:
        inner_code, inner_message, inner_id = _envelope(inside, {})
        return inner_code, inner_message or message, inner_id or request_id
    if request_id is None and (match := _REQUEST_ID.search(message[:2_000])):
        request_id = match[1]
    return code, message, request_id


def _code(value: Any) -> int | str | None:
    """0, "0" and 0.0 are the same; a word stays a word."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else value
    return value if isinstance(value, int) else None if value is None else str(value)


def _kind(status: int, code: int | str | None, message: str) -> Kind:
    words = f"{code} {message[:2_000]}".lower()
    if code == "invalid_request":
        # A gateway says so under 500 as well: it is the request that is wrong.
        return "refused"
    if status == 429 or code in _THROTTLED_CODES:
        permanent = code in _PERMANENT_CODES or any(word in words for word in _PERMANENT_WORDS)
        return "refused" if permanent else "throttled"
    if status >= 500 or status in (408, 425) or code in _TROUBLE_CODES:
        return "trouble"
    if status == 409 or "already exist" in words:
        return "exists"
    if status not in (401, 403) and (status == 404 or any(word in words for word in _ABSENT_WORDS)):
        return "absent"
    return "refused"


def _id(value: Any) -> str | None:
    """An id is text, also where it is sent as a number. One that is only dots would lead to another path."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    is_usable = (
        isinstance(value, str) and 0 < len(value) <= _ID_CHARACTERS_MAX and value.strip(".") and value.isprintable()
    )
    return value if isinstance(value, str) and is_usable else None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_address(text: str) -> bool:
    return text.startswith(("http://", "https://"))
