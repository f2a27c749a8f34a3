"""Invariants of what a client reports: that it does, in time, and that it is so."""

from contracts.checks.base import seconds, times
from contracts.checks.counts import went_well
from contracts.checks.outcomes import told_in_wire, trace_in
from contracts.drivers.base import Ending
from contracts.fuzz.hearing import final_heard
from contracts.observation import JobSeen, Session, was_heard
from contracts.wire import Sighting
from mock_server.lifecycle import step_index
from mock_server.redaction import Redactor
from mock_server.task import Task

# On top of what the client declared; a busy machine is late, and what is late is tried again before it counts.
SLACK_SECONDS = 1.0
# Virtual time is late by nothing but the client's own doing.
_VIRTUAL_SLACK_SECONDS = 0.2
# The share of an interval by which clients spread their polls.
_JITTER_SHARE = 0.5
# So much of the deadline may be left over at a time-out; more where the client was in trouble, and backed off.
_UNUSED_SHARE, _UNUSED_SHARE_IN_TROUBLE = 0.2, 0.5
_BACKOFF_SECONDS = 5.0
# What a server says that is in trouble for a moment.
_PASSING = (500, 502, 503, 504)
# Outcomes of a client that something went wrong for.
_IN_TROUBLE = ("error", "unknown", "rejected")


def ends(session: Session) -> str | None:
    """Say whether a job did not end, or later than its deadline."""
    for each in session.jobs:
        if each.ending.is_defect:
            return each.ending.detail
        if _has_crashed(each.ending):
            last = each.ending.log.decode("utf-8", "replace").rstrip().rpartition("\n")[2]
            return f"{each.ending.detail}; the last line in its log is {last[:200]!r}"
        allowed = session.setting("deadline_seconds") + SLACK_SECONDS
        # A program takes its time to start, and its deadline begins only then.
        began = min((one.began for one in session.wire), default=each.ending.began)
        took = each.ending.ended - max(began, each.ending.began)
        if took > allowed:
            return f"the job took {seconds(took)}; its deadline was {seconds(session.setting('deadline_seconds'))}"
    return None


def _has_crashed(ending: Ending) -> bool:
    """Whether a program that reported nothing has crashed: its status may say no more than that the task failed."""
    return ending.how == "silent" and bool(ending.exit_status) and trace_in(ending.log) is not None


def tells_the_truth(session: Session) -> str | None:
    """Say whether a result is not what became of the task."""
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
            return _too_early(session, seen)
    return None


def _too_early(session: Session, seen: JobSeen) -> str | None:
    """A time-out is one when the time is over, or what is left of it is not worth another try.

    Where the last reply told of trouble the next try may come after the deadline: no two clients back off alike.
    """
    if _told_to_wait(session):
        return None
    deadline, took = session.setting("deadline_seconds"), seen.ending.ended - seen.ending.began
    interval = session.setting("poll_interval_seconds")
    well = bool(session.wire) and _is_fine(session.wire.sightings[-1])
    worthless = (
        max(_UNUSED_SHARE * deadline, 2 * interval)
        if well
        else max(_UNUSED_SHARE_IN_TROUBLE * deadline, _BACKOFF_SECONDS)
    )
    if deadline - took <= worthless:
        return None
    return f"the client reported a time-out after {seconds(took)}; its deadline was {seconds(deadline)}"


def _told_to_wait(session: Session) -> bool:
    """Whether the last reply named a wait: where that outlasts the deadline the job may end at once."""
    last = session.wire.sightings[-1].exchange.reply if len(session.wire) else None
    return last is not None and any(name == b"retry-after" for name, _ in last.headers)


def converges(session: Session) -> tuple[str, list[Sighting]] | None:
    """Say whether a client was told what it does not report, or noticed it late."""
    final = final_heard(session)
    for each in session.jobs:
        if each.outcome is None or each.outcome in ("succeed", "failed"):
            continue
        if final is not None:
            told = f"a query was told that the task is {final.told}, and the client reported {each.outcome}"
            return told, [final]
        if each.outcome in _IN_TROUBLE and (why := _without_need(session, each)):
            return f"{why}, and the client reported {each.outcome}{_reason(each)}", []
    return _noticed_late(session)


def _without_need(session: Session, seen: JobSeen) -> str | None:
    """What there was of trouble, where it was none to give up for: nothing, or one query that went wrong in passing."""
    spent = seen.ending.ended - min((each.began for each in session.wire), default=seen.ending.began)
    trouble = [each for each in session.wire if not _is_fine(each)]
    # Who has only callbacks to go by may have missed one; and whose time is over may not know.
    if not session.queries or spent > _UNUSED_SHARE_IN_TROUBLE * session.setting("deadline_seconds"):
        return None
    if not trouble:
        return "nothing went wrong"
    (first, *others) = trouble
    if first.role != "query" or others or not session.tasks or _told_to_wait(session):
        return None
    passing = first.status in _PASSING or (first.status == 0 and first.left is None)
    return f"one query went wrong, as may pass ({first.status or 'no reply'})" if passing else None


def _noticed_late(session: Session) -> tuple[str, list[Sighting]] | None:
    """Whether it took more than a poll interval to notice the end, counted from the first good query after trouble."""
    since = 0
    for index, each in enumerate(session.wire.sightings):
        if not _is_fine(each):
            since = index + 1
    calm = next((each for each in session.wire.sightings[since:] if each.role == "query"), None)
    ends = [_ended_at(session, task) for task in session.tasks]
    if calm is None or len(session.jobs) > 1 or not ends or None in ends:
        return None
    interval = session.setting("poll_interval_seconds")
    slack = _VIRTUAL_SLACK_SECONDS if session.virtual else SLACK_SECONDS
    from_then = max(calm.ended, *(each for each in ends if each is not None))
    took = session.jobs[0].ending.ended - from_then - _spent_waiting(session, from_then)
    if took <= interval * (1 + _JITTER_SHARE) + slack:
        return None
    told = f"all was well again and the task had ended, and the client noticed it {seconds(took)} later"
    return f"{told}; its poll interval is {seconds(interval)}", [calm]


def _spent_waiting(session: Session, since: float) -> float:
    """How long replies were on their way since then: that is the server's doing."""
    return sum(max(0.0, each.ended - max(each.began, since)) for each in session.wire)


def _ended_at(session: Session, task: Task) -> float | None:
    """When a task has ended, on the clock of the session; None where it never does, or its submit was not seen."""
    created = next((each for each in session.submits if each.exchange.task_id == task.id), None)
    if created is None or task.plan.steps[-1].final is None:
        return None
    return created.whole + (task.plan.at_ms[-1] - task.created_at_ms) / 1_000


def _is_fine(sighting: Sighting) -> bool:
    return went_well(sighting) and was_heard(sighting)


def agrees(session: Session) -> str | None:
    """Say whether callbacks led to another result than the polls, or made the receiver fail."""
    for attempt in session.attempts:
        # 503 asks for the same callback once more, which is right of a receiver that is not ready.
        if attempt.http_status is not None and attempt.http_status >= 500 and attempt.http_status != 503:
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
    if result is None or not result.reason:
        return ""
    # Before it is cut: half a key is one that is found no more.
    return f": {Redactor([seen.job.api_key]).text(result.reason)[:200]!r}"
