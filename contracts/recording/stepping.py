"""Makes the steps of a scenario, and its latencies, of what each attempt met: refusals, losses, odd replies."""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from contracts.recording.pacing import Moment, duration
from contracts.recording.recorded import Exchange, Reply
from mock_server.spec import TaskType

# What is quicker is this machine's own time.
_LATENCY_MS_MIN = 10
# An answer is slow among its own where it takes so many times as long as the middle one, and so much longer.
_SLOW_TIMES, _SLOW_MS = 2, 250
_BODY_CHARACTERS_MAX = 4_096
ROLES = ("submit", "query", "cancel")

Step = dict[str, Any]


class Untold(list[str]):
    """What could not be expressed, each thing once."""

    def add(self, what: str) -> None:
        """Note one thing."""
        if what not in self:
            self.append(what)


def script(
    role: str,
    exchanges: Sequence[Exchange],
    created: Exchange | None,
    moments: Sequence[Moment],
    task_type: TaskType,
    untold: Untold,
) -> list[Step]:
    """Return the steps of a role's attempts, those without anything special left out."""
    steps: list[Step] = []
    attempt = 0
    slow = _slow(exchanges, role)
    for each in (one for one in exchanges if one.role == role and one.kind == "exchange"):
        if role == "submit" and _breaks_a_rule(each):
            # The twin refuses it by itself, and does not count it.
            continue
        attempt += 1
        step = _step(each, role, created, moments, task_type, untold)
        if each.number in slow and each.head_ms is not None:
            step = {**step, "latency": duration(each.head_ms)}
        if step:
            steps.append({**step, "at": attempt})
    return _together(steps)


def _together(steps: Sequence[Step]) -> list[Step]:
    """The same one after the other is said once; `at` is said where attempts before it are normal."""
    told: list[Step] = []
    following = 1
    for step in steps:
        what, at = {key: value for key, value in step.items() if key != "at"}, step["at"]
        before = {key: value for key, value in told[-1].items() if key not in ("at", "times")} if told else None
        if at == following and before == what:
            told[-1]["times"] = told[-1].get("times", 1) + 1
        else:
            told.append(what if at == following else {**what, "at": at})
        following = at + 1
    return told


def _step(
    exchange: Exchange,
    role: str,
    created: Exchange | None,
    moments: Sequence[Moment],
    task_type: TaskType,
    untold: Untold,
) -> Step:
    reply = exchange.reply
    if exchange.lost:
        return _lost(exchange, role, created, untold)
    if reply is None:
        return {}
    if exchange.refusal is not None:
        if exchange.refusal.other_words:
            untold.add("the words of refusals: here they are those of the spec")
        return _refused(exchange, reply)
    if not exchange.accepted:
        return _strange(exchange, reply, role, untold)
    if exchange.told is None or exchange.told.status is None:
        return _other(exchange, reply, role, untold) if exchange.told is None or role != "cancel" else {}
    return _shown(exchange, exchange.told.status, role, moments, task_type, untold)


def _refused(exchange: Exchange, reply: Reply) -> Step:
    refusal = exchange.refusal
    assert refusal is not None
    step: Step = {"problem": refusal.problem}
    if refusal.message:
        step["message"] = refusal.message
    if refusal.status is not None:
        step["status"] = refusal.status
    return {**step, **_retry_after(reply)}


def _retry_after(reply: Reply) -> Step:
    said = (reply.header("retry-after") or "").strip()
    if not said:
        return {}
    if said.isdigit() and said.isascii() and 0 < int(said) < 1_000_000:
        return {"retry-after": f"{int(said)}s"}
    try:
        moment, now = parsedate_to_datetime(said), parsedate_to_datetime(reply.header("date") or "")
        seconds = round((moment - now).total_seconds())
    except (ValueError, TypeError):
        seconds = 0
    if seconds > 0:
        return {"retry-after": {"date": f"{seconds}s"}}
    return {"retry-after": {"text": said}} if said.isascii() and said.isprintable() else {}


def _strange(exchange: Exchange, reply: Reply, role: str, untold: Untold) -> Step:
    """A refusal that the spec does not know: what a gateway sends, in its own words."""
    untold.add("refusals that the spec does not know are told as a gateway's: status, content type and body alone")
    arguments: dict[str, Any] = {"status": reply.status, **_text_of(reply, untold)}
    if reply.status < 300 or reply.status > 599:
        return {}
    kind = reply.header("content-type")
    if kind and kind.isascii() and kind.isprintable():
        arguments["content-type"] = kind
    return {"fault": {"http-error": arguments}, **_not_stored(role), **_retry_after(reply)}


def _other(exchange: Exchange, reply: Reply, role: str, untold: Untold) -> Step:
    """A success that tells nothing: another body, or none."""
    body = reply.body
    if body.form == "none":
        return {"fault": "empty-body"}
    if "text/html" in (reply.header("content-type") or ""):
        return {"fault": "html-page"}
    if body.form == "text":
        return {"fault": {"other-body": _text_of(reply, untold).get("body", "")}}
    untold.add(f"a {role} that was answered with {reply.status} and said nothing of the task")
    return {}


def _text_of(reply: Reply, untold: Untold) -> dict[str, str]:
    body = reply.body
    if body.form == "json":
        text = msgspec.json.encode(body.value).decode()
    elif body.form == "text":
        text = str(body.value)
    else:
        text = ""
    if len(text) > _BODY_CHARACTERS_MAX:
        untold.add("long bodies, which end early")
    return {"body": text[:_BODY_CHARACTERS_MAX]}


def _lost(exchange: Exchange, role: str, created: Exchange | None, untold: Untold) -> Step:
    """A reply that did not come. Whether its submit was carried out nobody knows; it is told as if it was not."""
    # Without any that was accepted, it was this one that the task came of.
    stored = _not_stored(role) if created is not None else {}
    if stored:
        untold.add("whether a submit without a reply was carried out: here it is not")
    match exchange.lost:
        case "reset" | "refused" | "tls" | "failed":
            if exchange.lost != "reset":
                untold.add("connections that could not be opened: here they are reset")
            when = "inside" if exchange.reply is not None else "before"
            return {"fault": "reset" if when == "before" else {"reset": when}, **stored}
        case "closed":
            return {"fault": "close", **stored}
        case "timeout":
            return {"fault": {"hang": duration(exchange.took_ms)}, **stored}
        case "cut":
            return {"fault": {"truncated-body": {"after-bytes": exchange.reply.body.bytes if exchange.reply else 0}}}
        case "left":
            return {"latency": duration(exchange.took_ms + _SLOW_MS)}
        case _:
            untold.add("requests that the recorder did not pass on")
            return {}


def _not_stored(role: str) -> Step:
    return {"then": "refuse"} if role == "submit" else {}


def _shown(
    exchange: Exchange, status: str, role: str, moments: Sequence[Moment], task_type: TaskType, untold: Untold
) -> Step:
    """What a reply shows, where it is not what the plan says."""
    lifecycle = task_type.lifecycle
    if role == "submit":
        if status != lifecycle.initial:
            untold.add(f"that the submit showed {status}: it always shows {lifecycle.initial}")
        return {}
    if role != "query":
        return {}
    if status not in lifecycle.statuses:
        return {"fault": {"unknown-status": status}}
    planned = next((each.status for each in reversed(moments) if each.at_ms <= exchange.at_ms), lifecycle.initial)
    if status == planned or lifecycle.statuses[status].final == "cancelled":
        return {}
    if status == lifecycle.initial:
        return {"fault": {"stale-read": "first"}}
    untold.add(f"that a query showed {status} when the task was {planned}")
    return {}


def _breaks_a_rule(exchange: Exchange) -> bool:
    return any(each.who == "client" and not each.warning for each in exchange.violations) and not exchange.accepted


# Latencies


def _slow(exchanges: Sequence[Exchange], role: str) -> set[int]:
    """The numbers of those answers that took much longer than the others."""
    taken = sorted(_answered(exchanges, role).values())
    if not taken:
        return set()
    middle = taken[len(taken) // 2] if len(taken) > 2 else taken[0]
    bound = max(_SLOW_TIMES * middle, middle + _SLOW_MS)
    return {number for number, ms in _answered(exchanges, role).items() if ms > bound}


def _answered(exchanges: Sequence[Exchange], role: str) -> dict[int, int]:
    return {
        each.number: each.head_ms
        for each in exchanges
        if each.role == role and each.kind == "exchange" and each.head_ms is not None and not _breaks_a_rule(each)
    }


def latencies(exchanges: Sequence[Exchange]) -> dict[str, str]:
    """Return how long the answers of each role took, the slow ones left out."""
    found = {}
    for role in ROLES:
        slow = _slow(exchanges, role)
        usual = [ms for number, ms in _answered(exchanges, role).items() if number not in slow]
        if usual and max(usual) >= _LATENCY_MS_MIN:
            shortest, longest = min(usual), max(usual)
            found[role] = duration(shortest) if shortest == longest else f"{duration(shortest)}..{duration(longest)}"
    return found
