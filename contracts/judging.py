"""Judges the sessions of a case: what its checks find, and the report of it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from contracts.case import Case, CaseError, Level
from contracts.checks.table import CHECKS, POOLED
from contracts.observation import Session
from contracts.report.model import CaseReport, Finding, SessionReport, Verdict
from contracts.verdicts import channel_verdict
from mock_server.names import nearest
from mock_server.redaction import Redactor

# What is said of a defect that is not the client's.
OURS = "this is a defect of omnimock's catalogue, not of the client"


def report_of(
    case: Case,
    level: Level,
    findings: Sequence[Finding],
    sessions: tuple[SessionReport, ...],
    verdict: Verdict,
    reason: str,
    *,
    red: bool,
) -> CaseReport:
    """Return the report of a case that was judged."""
    return CaseReport(
        id=case.id,
        title=case.title,
        group=case.group,
        group_title=case.group_title,
        requirement=case.requirement,
        level=level,
        basis=case.basis,
        source=case.source,
        why=case.why,
        fix=case.fix,
        verdict=verdict,
        wire=channel_verdict(findings, "wire") or "not exercised",
        outcome=channel_verdict(findings, "outcome") or "not exercised",
        reason=reason,
        findings=tuple(findings),
        sessions=sessions,
        red=red,
    )


def findings_of(case: Case, sessions: Sequence[Session]) -> list[Finding]:
    """Return what the checks of a case find."""
    found: list[Finding] = []
    for session in sessions:
        for check in (*case.checks, *session.play.checks):
            for name, argument in check.items():
                found += _at_level(checked(case, name, CHECKS, session, argument), session.play.level)
    for check in case.pooled:
        for name, argument in check.items():
            found += checked(case, name, POOLED, sessions, argument)
    # A client that breaks the protocol fails the case that was running, whatever else was seen.
    for session in sessions:
        for each in session.jobs:
            if each.ending.is_defect:
                found.append(Finding("outcome", "failed", "a result for the job", each.ending.detail, session.number))
    return without_keys(found, sessions)


def without_keys(findings: Iterable[Finding], sessions: Iterable[Session]) -> list[Finding]:
    """Return findings as they may be shown: a request that a check names may have the key in it."""
    redactor = Redactor([each.key for each in sessions])
    return [msgspec.structs.replace(each, seen=redactor.text(each.seen)) for each in findings]


def checked(
    case: Case, name: str, checks: Mapping[str, Callable[..., Iterable[Finding]]], *given: Any
) -> list[Finding]:
    """Return what a check finds; raise CaseError, which names both, where there is none of that name or it breaks."""
    if name not in checks:
        raise CaseError(f"case {case.id}: there is no check {name!r}; {nearest(name, checks)}; {OURS}")
    try:
        return list(checks[name](*given))
    except Exception as error:
        raise CaseError(f"case {case.id}: the check {name!r} broke with {error!r}; {OURS}") from error


def _at_level(findings: Iterable[Finding], level: Level | None) -> list[Finding]:
    """Return the findings of a play that has a level of its own, so that they count for that."""
    if level is None:
        return list(findings)
    return [each if each.level else msgspec.structs.replace(each, level=level) for each in findings]


def only_silent(case: Case, sessions: Sequence[Session], findings: Sequence[Finding]) -> bool:
    """Whether nothing could be told because the client says nothing, and not because nothing happened."""
    nothing_said = all(job.outcome is None and not job.ending.is_defect for each in sessions for job in each.jobs)
    return nothing_said and all(each.channel == "outcome" for each in findings)
