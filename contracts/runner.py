"""Runs cases on a client: sessions side by side where their judgement allows it, and what goes red once more, alone.

case ─▶ sessions ─▶ checks ─▶ findings ─▶ verdict
                      red? ─▶ again, alone ─▶ red again: failed
                                          └─▶ not red: a lateness is forgiven, anything else is intermittent
"""

import asyncio
import datetime
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

import msgspec

from contracts.baseline import Baseline
from contracts.case import Case, CaseError, Level, Play
from contracts.coverage import Cell, cells_of, coverage_of, universe_of
from contracts.drivers.base import HarnessError
from contracts.judging import OURS, findings_of, only_silent, report_of
from contracts.observation import Session
from contracts.report.model import CaseReport, Client, Finding, Report, Verdict
from contracts.room import Room
from contracts.shown import session_report
from contracts.stage import Stage, plays_of
from contracts.verdicts import case_verdict, is_red, only_late
from mock_server import __version__
from mock_server.scenario_form import ScenarioError

# What a check of a case alone is repeated before it counts as always so.
REPEATS = 2
# A case alone has its sessions one after the other; where there are many, a few at a time, lest it take minutes.
_FEW, _AT_ONCE_OF_MANY = 4, 4


class Plan(msgspec.Struct, frozen=True):
    """What is to be run, and how it counts."""

    cases: Sequence[Case]
    baseline: Baseline = Baseline()
    strict: bool = False
    lanes: int = 8
    # How the run is replayed, with {case} for a case's id.
    replay: str = "omnimock check --case {case}"


async def run_cases(
    stage: Stage,
    client: Client,
    plan: Plan,
    done: Callable[[CaseReport], None] = lambda report: None,
) -> Report:
    """Run the cases of a plan; `done` is told each as it ends.

    Raise HarnessError where the client cannot be driven, and CaseError where a case itself is wrong.
    """
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
    except* (HarnessError, CaseError) as errors:
        first = errors.exceptions[0]
        raise first from first.__cause__
    finally:
        await run.close()
    cases = tuple(reports[case.id] for case in plan.cases)
    complaints = [*run.complaints, *_unheard(cases)]
    return Report(
        client=client,
        cases=cases,
        status=1 if complaints or any(each.red for each in cases) else 0,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        profile=stage.twin.program.profile.name,
        spec=stage.twin.program.spec.title,
        version=__version__,
        strict=plan.strict,
        seed=stage.seed,
        complaints=tuple(complaints),
        coverage=coverage_of(run.cells, universe_of(stage.twin.program)),
    )


def _unheard(cases: Sequence[CaseReport]) -> list[str]:
    """What there is to say where something is red, nothing passed, and no request ever came."""
    sessions = [session for each in cases for session in each.sessions]
    came = any(session.wire for session in sessions) or any(each.verdict == "passed" for each in cases)
    if came or not any(each.red and each.sessions for each in cases):
        return []
    last = next((session.log.splitlines()[-1] for session in sessions if session.log), "nothing")
    return [
        "no request came in any case: does the client call the address that it is given (base_url of the job, or the "
        f"variables OMNIMOCK_BASE_URL and DEERAPI_BASE_URL)? The last line that it printed: {last[:200]}"
    ]


class _Run:
    def __init__(self, stage: Stage, plan: Plan) -> None:
        self.stage, self.plan = stage, plan
        self.room = Room(plan.lanes)
        # Cases whose plays are the same share the sessions, which are kept until all have them.
        self.played: dict[bytes, asyncio.Task[list[Session]]] = {}
        self.sharers = Counter(_plays_name(each) for each in plan.cases)
        # What the client was shown, in whatever session.
        self.cells: Counter[Cell] = Counter()
        # What broke while sessions of several cases were running, and which cases did not break alone.
        self.broken_together: dict[str, list[str]] = {}
        self.broken_alone = False

    @property
    def complaints(self) -> list[str]:
        """What the client did wrong that no case alone makes it do."""
        if self.broken_alone:
            return []
        return [
            f"while several cases were running, {detail}; each of them alone goes well: {', '.join(cases)}"
            for detail, cases in self.broken_together.items()
        ]

    async def close(self) -> None:
        """End what is still played."""
        for each in self.played.values():
            each.cancel()
        await asyncio.gather(*self.played.values(), return_exceptions=True)

    async def case(self, case: Case) -> CaseReport:
        """Run one case, and judge it."""
        began = time.monotonic()
        if reason := self.unsupported(case):
            return self.report(case, [], [], "unsupported", reason, began)
        sessions = await self.sessions(case)
        findings = findings_of(case, sessions)
        verdict, reason = self.verdict(case, findings), ""
        if self.is_to_be_tried_again(case, verdict):
            sessions, findings, verdict, reason = await self.again(case, sessions, findings, verdict)
        if verdict == "not exercised":
            unseen = sorted(
                (each for each in findings if each.verdict == "not exercised"), key=lambda each: each.channel
            )
            reason = unseen[-1].seen if unseen else "nothing was seen"
            if only_silent(case, sessions, findings):
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
        name = _plays_name(case)
        if name not in self.played:
            self.played[name] = asyncio.create_task(self.play(case))
        found = await asyncio.shield(self.played[name])
        self.sharers[name] -= 1
        if not self.sharers[name]:
            del self.played[name]
        return found

    async def play(self, case: Case) -> list[Session]:
        """Play all sessions of a case, beside those of others."""

        async def one(number: int) -> Session:
            async with self.room.place(case.side_by_side):
                return await self.session(case, number, plays[number])

        plays = self.plays(case)
        return list(await asyncio.gather(*(one(number) for number in plays)))

    def plays(self, case: Case) -> dict[int, Play]:
        """Return the sessions of a case that can be played, by number."""
        return {number: play for number, play in plays_of(case) if not self.unplayable(case, play)}

    async def session(self, case: Case, number: int, play: Play) -> Session:
        """Play one session; raise CaseError where its scenario is none."""
        try:
            session = await self.stage.play(case, number, play)
        except ScenarioError as error:
            raise CaseError(f"case {case.id}, scenario {number + 1}, is wrong: {error}; {OURS}") from error
        self.cells.update(cells_of(session))
        return session

    def is_to_be_tried_again(self, case: Case, verdict: Verdict) -> bool:
        """Whether a case is to be run again alone: one that went red, or a known failure that passed, perhaps once."""
        if self.plan.baseline.knows(case.id) is not None:
            return verdict == "passed"
        return verdict in ("failed", "warned")

    async def again(
        self, case: Case, sessions: list[Session], findings: list[Finding], verdict: Verdict
    ) -> tuple[list[Session], list[Finding], Verdict, str]:
        """Run a case again, alone. Return what counts, with a reason where it is not plain."""
        if verdict == "passed":
            return await self.passed_again(case, sessions, findings)
        late, together = only_late(findings), _broken_together(sessions)
        for _ in range(REPEATS):
            sessions_again, findings_again, verdict_again = await self.alone(case)
            if verdict_again in ("failed", "warned"):
                late, together = late and only_late(findings_again), ""
                self.broken_alone |= any(job.ending.is_defect for each in sessions_again for job in each.jobs)
                continue
            if together:
                self.broken_together.setdefault(together, []).append(case.id)
                reason = f"{together}, and other cases were running; it was run again alone"
                return sessions_again, findings_again, verdict_again, reason
            if late:
                return sessions_again, findings_again, verdict_again, "it was late on a busy machine, and in time alone"
            return sessions, findings, "intermittent", "it failed, and passed when it was run again alone"
        return sessions, findings, verdict, ""

    async def passed_again(
        self, case: Case, sessions: list[Session], findings: list[Finding]
    ) -> tuple[list[Session], list[Finding], Verdict, str]:
        """Run a known failure that passed again: it is stale only where it passes every time."""
        for _ in range(REPEATS):
            sessions_again, findings_again, verdict = await self.alone(case)
            if verdict in ("failed", "warned"):
                return sessions_again, findings_again, verdict, ""
        return sessions, findings, "passed", ""

    async def alone(self, case: Case) -> tuple[list[Session], list[Finding], Verdict]:
        """Play a case with nothing beside it, and judge it."""
        plays = self.plays(case)
        at_once = asyncio.Semaphore(1 if len(plays) <= _FEW else min(case.side_by_side, _AT_ONCE_OF_MANY))

        async def one(number: int) -> Session:
            async with at_once:
                return await self.session(case, number, plays[number])

        async with self.room.place(1):
            sessions = list(await asyncio.gather(*(one(number) for number in plays)))
        findings = findings_of(case, sessions)
        return sessions, findings, self.verdict(case, findings)

    def level(self, case: Case) -> Level:
        """Return the level: under another profile, or without the claim that it is about, a case only informs."""
        if case.profile is not None and not self.stage.twin.program.profile.name.startswith(case.profile):
            return "info"
        if case.claim is not None and not self.has(case.claim):
            return "info"
        return self.plan.baseline.level(case)

    def verdict(self, case: Case, findings: Sequence[Finding]) -> Verdict:
        """Return the verdict, at the level at which the case counts."""
        return case_verdict(findings, self.level(case))

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
        replay, seconds = self.plan.replay.replace("{case}", case.id, 1), time.monotonic() - began
        return msgspec.structs.replace(report, replay=replay, seconds=seconds)


def _broken_together(sessions: Iterable[Session]) -> str:
    """Return how a client broke off while jobs of other cases were running; empty where it did not."""
    details = (job.ending.detail for each in sessions for job in each.jobs if job.ending.shared)
    return next(details, "")


def _plays_name(case: Case) -> bytes:
    return msgspec.json.encode((case.plays, case.needs, case.side_by_side))
