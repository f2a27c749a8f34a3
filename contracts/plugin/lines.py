"""A journal as people read it in a failed test: one short line for each entry."""

from collections.abc import Mapping, Sequence
from typing import Any

# What fits a terminal without scrolling far; the last ones tell most.
LINES_MAX = 40
_PATH_CHARACTERS_MAX = 60
_TEXT_CHARACTERS_MAX = 100


def lines(entries: Sequence[Mapping[str, Any]], *, since_ms: int | None = None, most: int = LINES_MAX) -> list[str]:
    """Return a line for each entry, the last `most` of them. Times count from `since_ms`, or else from the first."""
    if not entries:
        return []
    began = entries[0]["at_ms"] if since_ms is None else since_ms
    shown = entries[-most:]
    left_out = len(entries) - len(shown)
    return [f"… {left_out} earlier"] * bool(left_out) + [_line(each, began) for each in shown]


def _line(entry: Mapping[str, Any], began: int) -> str:
    parts = _callback(entry) if entry["kind"] == "callback" else _exchange(entry)
    return f"#{entry['number']:<3} {(entry['at_ms'] - began) / 1000:8.3f} s  {'  '.join(filter(None, parts))}"


def _exchange(entry: Mapping[str, Any]) -> list[str]:
    request, response, explanation = entry["request"], entry["response"], entry["explanation"] or {}
    path = request["path"] + (f"?{request['query']}" if request["query"] else "")
    gave_up = entry["gave_up_after_ms"]
    return [
        f"{request['method']:<4} {_short(path, _PATH_CHARACTERS_MAX)}",
        _replied(response),
        _told(response),
        "; ".join((*_befell(explanation), *wrongs(explanation))),
        f"the client gave up after {gave_up / 1000:g} s" if gave_up is not None else "",
    ]


def _replied(response: Mapping[str, Any] | None) -> str:
    if response is None:
        return "→ no reply"
    lost = not (response["wire"] or {}).get("head", True)
    return f"→ no reply ({response['status']} was lost)" if lost else f"→ {response['status']}"


def _told(response: Mapping[str, Any] | None) -> str:
    """What a reply tells of its tasks: the status of one, or how many there are."""
    body = response["body"] if response is not None else None
    inner = body.get("data", body) if isinstance(body, dict) else body
    if isinstance(inner, list):
        return f"{len(inner)} tasks"
    if not isinstance(inner, dict):
        return ""
    status = inner.get("task_status", inner.get("status"))
    return status if isinstance(status, str) else ""


def _befell(explanation: Mapping[str, Any]) -> list[str]:
    """What the scenario did, or else the problem that the request got."""
    said = explanation.get("what") or explanation.get("problem")
    return [_short(str(said), _TEXT_CHARACTERS_MAX)] if said else []


def wrongs(explanation: Mapping[str, Any], *, warnings: bool = False) -> list[str]:
    """Return what a client did wrong by an explanation: where, what came, what is allowed, and the rule."""
    found = [*(explanation.get("violations") or ()), *((warnings and explanation.get("warnings")) or ())]
    said = [_violation(each) for each in found]
    if not said and "came" in explanation and "do" in explanation:
        said = [_short(f"{explanation['came']} came; {explanation['do']}", 2 * _TEXT_CHARACTERS_MAX)]
    return said


def _violation(told: Mapping[str, Any]) -> str:
    rule = f" ({told['rule']})" if told.get("rule") else ""
    return _short(
        f"{told['pointer'] or '/'}: {told['came']} came; allowed: {told['allowed']}{rule}", 2 * _TEXT_CHARACTERS_MAX
    )


def _callback(entry: Mapping[str, Any]) -> list[str]:
    status = f" {entry['http_status']}" if entry["http_status"] is not None else ""
    again = f"attempt {entry['attempt']}" if entry["attempt"] > 1 else ""
    return [
        f"CALLBACK {entry['status']} to {_short(entry['url'], _PATH_CHARACTERS_MAX)}",
        f"→ {entry['outcome']}{status}",
        again,
        _short(entry["reason"], _TEXT_CHARACTERS_MAX),
        "fault: " + ", ".join(entry["faults"]) if entry["faults"] else "",
    ]


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
