"""Runs cases on a client: sessions side by side where their judgement allows it, and what goes red once more, alone.

case ─▶ sessions ─▶ checks ─▶ findings ─▶ verdict
                      red? ─▶ again, alone ─▶ red again: failed
                                          └─▶ not red: a lateness is forgiven, anything else is intermittent
"""

import asyncio
import datetime
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

import msgspec

from contracts.baseline import Baseline
from contracts.case import Case, Level, Play
from contracts.checks.table import CHECKS, POOLED
from contracts.drivers.base import HarnessError
from contracts.observation import Session
from contracts.report.model import CaseReport, Client, Finding, Report, SessionReport, Verdict
from contracts.shown import session_report
from contracts.stage import Stage, plays_of
from contracts.verdicts import case_verdict, channel_verdict, is_red, only_late
from mock_server import __version__
from mock_server.redaction import Redactor

# What a check of a case alone is repeated before it counts as always so.
REPEATS = 2


class Plan(msgspec.Struct, frozen=True):
    """What is to be run, and how it counts."""

    cases: Sequence[Case]
    baseline: Baseline = Baseline()
    strict: bool = False
    lanes: int = 8
    # How the run is replayed, with {case} for a case's id.
    replay: str = "omnimock check --case {case}"


class Room:
    """Lets sessions run side by side: many, or one or two of those that must not be disturbed, or one alone."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._used = 0
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def place(self, side_by_side: int) -> AsyncIterator[None]:
        """Hold a place; a session that bears few beside it takes the room of many."""
        share = max(1, self._width // max(1, min(side_by_side, self._width)))
        async with self._changed:
            await self._changed.wait_for(lambda: self._used + share <= self._width)
            self._used += share
        try:
            yield
        finally:
            async with self._changed:
                self._used -= share
                self._changed.notify_all()


async def run_cases(
    stage: Stage,
    client: Client,
    plan: Plan,
    done: Callable[[CaseReport], None] = lambda report: None,
) -> Report:
    """Run the cases of a plan; `done` is told each as it ends. Raise HarnessError where the client cannot be driven."""
    run = _Run(stage, plan)
    began, started = time.monotonic(), datetime.datetime.now(datetime.UTC)
    reports: dict[str, CaseReport] = {}

    async def one(case: Case) -> None:
        report = await run.case(case)
        reports[case.id] = report
        done(report)

    # The longest first, so that none is left over at the end.
    order = sorted(plan.cases, key=lambda each: -sum(play.times for play in each.plays))
    try:
        async with asyncio.TaskGroup() as group:
            for case in order:
                group.create_task(one(case))
    except* HarnessError as errors:
        raise errors.exceptions[0] from None
    cases = tuple(reports[case.id] for case in plan.cases)
    return Report(
        client=client,
        cases=cases,
        status=1 if any(each.red for each in cases) else 0,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        profile=stage.twin.program.profile.name,
        spec=stage.twin.program.spec.title,
        version=__version__,
        strict=plan.strict,
        seed=stage.seed,
    )


class _Run:
    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage, self.plan = stage, plan
        self.room = Room(plan.lanes)
        # Cases whose plays are the same share the sessions.
        self.played: dict[bytes, asyncio.Task[list[Session]]] = {}

    async def case(self, case: Case) -> CaseReport:
        """Run one case, and judge it."""
        began = time.monotonic()
        if reason := self.unsupported(case):
            return self.report(case, [], [], "unsupported", reason, began)
        sessions = await self.sessions(case)
        findings = findings_of(case, sessions)
        verdict, reason = self.verdict(case, findings), ""
        if verdict in ("failed", "warned"):
            sessions, findings, verdict, reason = await self.again(case, sessions, findings, verdict)
        if verdict == "not exercised":
            reason = next((each.seen for each in findings if each.verdict == "not exercised"), "nothing was seen")
            if _only_silent(case, sessions, findings):
                verdict, reason = "unsupported", "the client reports no outcome"
        return self.report(case, sessions, findings, verdict, reason, began)

    def unsupported(self, case: Case) -> str:
        """Why a client is not asked; empty where it is."""
        reasons = [self.unplayable(case, play) for play in case.plays]
        return reasons[0] if all(reasons) else ""

    def unplayable(self, case: Case, play: Play) -> str:
        """Why a play is left out; empty where it is not."""
        missing = [each for each in dict.fromkeys((*case.needs, *play.needs)) if not self.has(each)]
        if missing:
            return f"the client does not declare {' and '.join(missing)}"
        if self.stage.virtual and (play.callbacks or play.listener != "usual"):
            return "it needs sockets, and there are none in virtual time"
        return ""

    def has(self, capability: str) -> bool:
        """Whether the client has a capability; a callback may come to it by either way."""
        mine = self.stage.declared.capabilities
        return capability in mine or (capability == "callbacks" and "callback-relay" in mine)

    async def sessions(self, case: Case) -> list[Session]:
        """Return the sessions of a case, played now or for another case that has the same plays."""
        name = msgspec.json.encode((case.plays, case.needs))
        if name not in self.played:
            self.played[name] = asyncio.create_task(self.play(case, case.side_by_side))
        return await asyncio.shield(self.played[name])

    async def play(self, case: Case, side_by_side: int) -> list[Session]:
        """Play all sessions of a case."""

        async def one(number: int) -> Session:
            async with self.room.place(side_by_side):
                return await self.stage.play(case, number, plays[number])

        plays = {number: play for number, play in plays_of(case) if not self.unplayable(case, play)}
        return list(await asyncio.gather(*(one(number) for number in plays)))

    async def again(
        self, case: Case, sessions: list[Session], findings: list[Finding], verdict: Verdict
    ) -> tuple[list[Session], list[Finding], Verdict, str]:
        """Run a case that went red again, alone. Return what counts, with a reason where it is not plain."""
        late = only_late(findings)
        for _ in range(REPEATS):
            sessions_again = await self.play(case, 1)
            findings_again = findings_of(case, sessions_again)
            verdict_again = self.verdict(case, findings_again)
            if verdict_again in ("failed", "warned"):
                late = late and only_late(findings_again)
                continue
            if late:
                return sessions_again, findings_again, verdict_again, "it was late on a busy machine, and in time alone"
            return sessions, findings, "intermittent", "it failed, and passed when it was run again alone"
        return sessions, findings, verdict, ""

    def verdict(self, case: Case, findings: Sequence[Finding]) -> Verdict:
        """Return the verdict, at the level at which the case counts."""
        return case_verdict(findings, self.level(case))

    def level(self, case: Case) -> Level:
        """Return the level: under another profile, or without the claim it is about, a case is for information."""
        if case.profile is not None and not self.stage.twin.program.profile.name.startswith(case.profile):
            return "info"
        if case.claim is not None and not self.has(case.claim):
            return "info"
        return self.plan.baseline.level(case)

    def report(
        self,
        case: Case,
        sessions: Sequence[Session],
        findings: Sequence[Finding],
        verdict: Verdict,
        reason: str,
        began: float,
    ) -> CaseReport:
        """Put down what came of a case, by the baseline too."""
        entry = self.plan.baseline.knows(case.id)
        if entry is not None and verdict in ("failed", "warned", "intermittent"):
            verdict, reason = "known failing", f"{entry.reason} (until {entry.expires})"
        elif entry is not None and verdict == "passed":
            verdict, reason = "unexpectedly passing", f"it passes now: take it out of the baseline ({entry.reason})"
        level = self.level(case)
        shown = tuple(session_report(self.stage.twin, each) for each in sessions)
        red = is_red(verdict, level, strict=self.plan.strict)
        report = report_of(case, level, findings, shown, verdict, reason, red=red)
        replay, seconds = self.plan.replay.format(case=case.id), time.monotonic() - began
        return msgspec.structs.replace(report, replay=replay, seconds=seconds)


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
                found += _at_level(CHECKS[name](session, argument), session.play.level)
    for check in case.pooled:
        for name, argument in check.items():
            found += POOLED[name](sessions, argument)
    # A client that breaks the protocol fails the case that was running, whatever else was seen.
    for session in sessions:
        for each in session.jobs:
            if each.ending.is_defect:
                found.append(Finding("outcome", "failed", "a result for the job", each.ending.detail, session.number))
    # What a finding shows of a request may have the key in it: that is what some cases are about.
    redactor = Redactor([each.key for each in sessions])
    return [msgspec.structs.replace(each, seen=redactor.text(each.seen)) for each in found]


def _at_level(findings: Iterable[Finding], level: Level | None) -> list[Finding]:
    """Return the findings of a play that has a level of its own, so that they count for that."""
    if level is None:
        return list(findings)
    return [each if each.level else msgspec.structs.replace(each, level=level) for each in findings]


def _only_silent(case: Case, sessions: Sequence[Session], findings: Sequence[Finding]) -> bool:
    """Whether nothing could be told because the client says nothing, and not because nothing happened."""
    nothing_said = all(job.outcome is None and not job.ending.is_defect for each in sessions for job in each.jobs)
    return nothing_said and all(each.channel == "outcome" for each in findings)
