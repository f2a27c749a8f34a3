"""What holds whatever the server does: each invariant looks at one session, and says what broke it, if anything did.

Each has an exception type of its own, so that Hypothesis shrinks each apart.
"""

import functools
import urllib.parse
from base64 import b64encode
from collections.abc import Callable, Mapping

import msgspec

from contracts.checks.base import seconds, times
from contracts.checks.counts import went_well
from contracts.checks.outcomes import told_in_wire
from contracts.observation import JobSeen, Session, explanation
from contracts.wire import Sighting
from mock_server.lifecycle import step_index
from mock_server.task import Task

# On top of what the client declared; a busy machine is late, and what is late is tried again before it counts.
SLACK_SECONDS = 1.0
# A request may be on its way when the result is given.
_IN_FLIGHT_SECONDS = 0.02
# More creates for one job than any client means.
_SUBMITS_MAX = 12
# On top of one poll for each interval until the deadline.
_REQUESTS_BESIDE_MAX = 40
# A client that gives up this share of its deadline before it has not waited for it.
_EARLY_SHARE = 0.8
# Where its next try would come later than this, a client does not wait for the deadline.
_LAST_TRY_SECONDS = 1.5


class Broken(msgspec.Struct, frozen=True):
    """An invariant that a session broke: what was seen, in a sentence, and the lines of the wire that show it."""

    invariant: str
    seen: str
    lines: tuple[int, ...] = ()


class Violated(AssertionError):
    """An invariant was broken. Each invariant has a subclass of its own."""

    broken: Broken


@functools.cache
def violation_of(invariant: str) -> type[Violated]:
    """Return the exception type of an invariant."""
    return type("".join(each.capitalize() for each in invariant.split("-")), (Violated,), {})


Check = Callable[[Session], "str | tuple[str, list[Sighting]] | None"]


def broken_in(session: Session, names: frozenset[str]) -> list[Broken]:
    """Return what a session broke, of these invariants, in the order of the table."""
    found = []
    for name, (check, _) in INVARIANTS.items():
        if name in names and (seen := check(session)) is not None:
            text, shown = seen if isinstance(seen, tuple) else (seen, [])
            found.append(Broken(name, text, session.places(shown)))
    return found


def _ends(session: Session) -> str | None:
    for each in session.jobs:
        if each.ending.is_defect:
            return each.ending.detail
        allowed = session.setting("deadline_seconds") + SLACK_SECONDS
        took = each.ending.ended - each.ending.began
        if took > allowed:
            return f"the job took {seconds(took)}; its deadline was {seconds(session.setting('deadline_seconds'))}"
    return None


def _truth(session: Session) -> str | None:
    for each in session.jobs:
        if told := _untrue(session, each):
            return told
    return None


def _untrue(session: Session, seen: JobSeen) -> str | None:
    ends = [_end(session, task) for task in session.tasks]
    result = seen.ending.result
    match seen.outcome:
        case "succeed":
            if "success" not in ends:
                return f"the client reported a success; {_stood(session)}"
            if result is not None and result.url and not told_in_wire(session, result.url):
                return f"the client reported the video {result.url[:200]!r}, which no reply of the API told"
            if result is not None and not result.url:
                return "the client reported a success without a video"
        case "failed":
            if "failure" not in ends:
                return f"the client reported a failed task; {_stood(session)}"
        case "rejected":
            if session.tasks:
                return f"the client reported that there is no task; {_stood(session)}"
        case "refused":
            if session.submits:
                return f"the client reported that it sent nothing; {times(len(session.submits), 'create')} came"
        case "timeout":
            deadline, took = session.setting("deadline_seconds"), seen.ending.ended - seen.ending.began
            left_at_most = max((1 - _EARLY_SHARE) * deadline, _LAST_TRY_SECONDS)
            if deadline - took > left_at_most and not _told_to_wait(session):
                return f"the client reported a time-out after {seconds(took)}; its deadline was {seconds(deadline)}"
    return None


def _told_to_wait(session: Session) -> bool:
    """Whether a reply named a wait: one that ends after the deadline may end the job at once."""
    replies = [each.exchange.reply for each in session.wire]
    return any(name == b"retry-after" for each in replies if each is not None for name, _ in each.headers)


def _paid_once(session: Session) -> tuple[str, list[Sighting]] | None:
    if len(session.tasks) <= len(session.jobs):
        return None
    told = f"{times(len(session.tasks), 'task')} were created and paid for {times(len(session.jobs), 'job')}"
    return told, session.submits


def _fits(session: Session) -> tuple[str, list[Sighting]] | None:
    for each in session.wire:
        for violation in explanation(each).get("violations", ()):
            told: Mapping[str, str] = (
                msgspec.structs.asdict(violation) if isinstance(violation, msgspec.Struct) else violation
            )
            # The provider's own guard against paying twice: to run into it is no mistake.
            if told["pointer"] not in session.external_pointers:
                return f"{told['pointer'] or 'the body'}: came {told['came']}, allowed {told['allowed']}", [each]
        if each.role is None and each.exchange.incoming.method != "-":
            path = each.exchange.incoming.path.decode("latin-1")
            return f"{each.exchange.incoming.method} {path[:200]} is no operation of the spec", [each]
    return None


def _bounded(session: Session) -> str | None:
    spent = max(each.ending.ended - each.ending.began for each in session.jobs)
    polls = min(spent, session.setting("deadline_seconds")) / session.setting("poll_interval_seconds")
    most = len(session.jobs) * (round(1.5 * polls) + _REQUESTS_BESIDE_MAX + len(session.posted))
    if len(session.submits) > _SUBMITS_MAX * len(session.jobs):
        return f"{times(len(session.submits), 'create')} for {times(len(session.jobs), 'job')}"
    if len(session.wire) > most:
        return f"{times(len(session.wire), 'request')} for one job in {seconds(spent)}; at most {most} are plenty"
    return None


def _converges(session: Session) -> tuple[str, list[Sighting]] | None:
    final = session.first_final()
    for each in session.jobs:
        if each.outcome is None or each.outcome in ("succeed", "failed"):
            continue
        if final is not None and final.told is not None:
            told = f"a query was told that the task is {final.told}, and the client reported {each.outcome}"
            return told, [final]
        undisturbed = bool(session.wire) and all(went_well(one) for one in session.wire)
        if undisturbed and each.outcome in ("error", "unknown", "rejected"):
            return f"nothing went wrong, and the client reported {each.outcome}{_reason(each)}", []
    return None


def _secret(session: Session) -> str | None:
    key = session.key
    hidden = [key.encode(), b64encode(key.encode()), key[-12:].encode()]
    if any(each in session.log for each in hidden):
        return "the key stands in what the client prints"
    for each in session.jobs:
        if each.ending.result is not None and key in str(each.ending.result):
            return "the key stands in the result"
    for shown in session.strangers:
        if any(each in shown.head for each in hidden):
            return f"the key was shown to another origin: {shown.method} {shown.target[:100]}"
    quoted = urllib.parse.quote(key).encode()
    for sighting in session.wire:
        incoming = sighting.exchange.incoming
        if quoted in incoming.path or quoted in incoming.query or key.encode() in incoming.body:
            return "the key stands in an address or a body"
    return None


def _quiet(session: Session) -> tuple[str, list[Sighting]] | None:
    late = [each for each in session.wire if each.began > session.ended + _IN_FLIGHT_SECONDS]
    if late:
        return f"{times(len(late), 'request')} came when the client had given its result", late
    final = session.first_final()
    if final is None or len(session.jobs) > 1:
        return None
    further = [each for each in session.queries if each.began > final.ended]
    if len(further) > 1:
        return (
            f"{times(len(further), 'query')} came when the client had been told that the task is {final.told}",
            further,
        )
    return None


def _agrees(session: Session) -> str | None:
    for attempt in session.attempts:
        if attempt.http_status is not None and attempt.http_status >= 500:
            return f"the receiver answered the callback of {attempt.status} with {attempt.http_status}"
    for each in session.jobs:
        if each.results > 1:
            return f"{times(each.results, 'result')} came for one job"
    return None


def _end(session: Session, task: Task) -> str | None:
    """How a task had ended when its client gave its result; with a moment to spare, for two clocks are compared."""
    created = next((each for each in session.submits if each.exchange.task_id == task.id), None)
    elapsed_ms = (session.ended - created.whole) * 1_000 if created is not None else float("inf")
    step = task.plan.steps[step_index(task.plan, int(min(task.created_at_ms + elapsed_ms + 50, 1 << 60)))]
    return step.final


def _stood(session: Session) -> str:
    if not session.tasks:
        return "no task was ever created"
    ends = [_end(session, task) or "not ended" for task in session.tasks]
    return f"the task had {'ended in ' if ends[0] != 'not ended' else ''}{ends[0]}"


def _reason(seen: JobSeen) -> str:
    result = seen.ending.result
    return f": {result.reason[:200]!r}" if result is not None and result.reason else ""


# By name: the check, and the sentence that it stands for.
INVARIANTS: Mapping[str, tuple[Check, str]] = {
    "ends": (_ends, "a job ends within its deadline, with an answer"),
    "paid-once": (_paid_once, "one job is paid at most once"),
    "truth": (_truth, "what the client reports is what became of the task"),
    "converges": (_converges, "what the client was told in the end, it reports"),
    "fits-the-spec": (_fits, "every request fits the spec"),
    "bounded": (_bounded, "the requests for one job stay bounded"),
    "secret": (_secret, "the key stays secret"),
    "quiet-after-the-end": (_quiet, "polls stop after the end"),
    "agrees": (_agrees, "callbacks and polling agree, and each job has one result"),
}
