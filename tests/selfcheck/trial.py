"""Tries mutants: each by its own case, in virtual time where that case can be played there, else as a worker."""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence

import msgspec
from driving import parts
from in_process import generate
from worker import CAPABILITIES

from contracts.arena import Arena
from contracts.case import Case, case_of, catalogue
from contracts.drivers.base import Driver
from contracts.drivers.worker import WorkerDriver
from contracts.examine import examine
from contracts.jobs import Job, Result
from contracts.playing import LiveStage
from contracts.report.model import CaseReport, Client, Report
from contracts.runner import Plan, run_cases
from tests.selfcheck import PYTHON_EXAMPLE, ROOT
from tests.selfcheck.mutants import Mutant

# Sessions side by side, and mutants: each is a process of its own, which mostly waits.
LANES, MUTANTS_AT_ONCE = 8, 4

# The verdicts that say that something is wrong with the client. What is intermittent was not surely seen.
CATCHES = ("failed", "warned")


class Trial(msgspec.Struct, frozen=True):
    """What came of a mutant: the verdict of its own case, and, where all cases were asked, which others caught it."""

    mutant: str
    case: str
    wrong: str
    where: str
    verdict: str
    seconds: float
    # What the case saw, in its own words.
    saw: str
    others: tuple[str, ...] = ()

    @property
    def caught(self) -> bool:
        """Whether its own case has caught it."""
        return self.verdict in CATCHES


def needs_sockets(case: Case) -> bool:
    """Whether nothing of a case can be played in virtual time."""
    return all(play.callbacks or play.listener != "usual" for play in case.plays)


def try_virtually(mutant: Mutant, *, every_case: bool = False) -> Trial:
    """Try a mutant in virtual time."""
    chosen = [] if every_case else [mutant.case]
    broken = parts(mutant.address)

    async def client(job: Job) -> Result:
        return await generate(job, broken)

    began = time.perf_counter()
    report = examine(client, cases=chosen, capabilities=CAPABILITIES, virtual=True, strict=True)
    return _trial(mutant, report, "virtual time", began)


async def try_as_workers(
    mutants: Sequence[Mutant], done: Callable[[Trial], None] = lambda trial: None, *, every_case: bool = False
) -> list[Trial]:
    """Try mutants over sockets, a few at a time, before one twin."""
    room = asyncio.Semaphore(MUTANTS_AT_ONCE)

    async def one(arena: Arena, mutant: Mutant) -> Trial:
        async with room:
            began = time.perf_counter()
            cases = list(catalogue()) if every_case else [case_of(mutant.case)]
            report = await examine_worker(arena, worker_command("--client", mutant.address), cases)
            trial = _trial(mutant, report, "worker", began)
            done(trial)
            return trial

    async with Arena(lanes=LANES) as arena:
        return list(await asyncio.gather(*(one(arena, each) for each in mutants)))


def worker_command(*arguments: str) -> list[str]:
    """Return the command of the example client in Python, as a worker."""
    return [sys.executable, str(PYTHON_EXAMPLE / "worker.py"), *arguments]


async def examine_worker(arena: Arena, command: Sequence[str], cases: Sequence[Case]) -> Report:
    """Examine a worker; mutants are found from the root of the project."""
    driver = WorkerDriver(command, lanes=LANES, environment={"PYTHONPATH": str(ROOT)})
    return await examine_driver(arena, driver, command, Plan(cases=cases, strict=True, lanes=LANES))


async def examine_driver(arena: Arena, driver: Driver, command: Sequence[str], plan: Plan) -> Report:
    """Examine a client over sockets, and let go of it."""
    try:
        declared = await driver.start()
        told = Client(declared.name, driver.kind, tuple(command), tuple(sorted(declared.capabilities)), {})
        return await run_cases(LiveStage(arena, driver, declared), told, plan)
    finally:
        await driver.close()


def saw(report: CaseReport) -> str:
    """Return what a case has seen, in one line."""
    told = [f"expected {each.expected}; seen {each.seen}" for each in report.failed_findings]
    if not told:
        told = [f"{each.verdict}: {each.seen}" for each in report.findings if each.verdict != "info"]
    return "; ".join(dict.fromkeys(filter(None, [report.reason, *told[:2]])))


def _trial(mutant: Mutant, report: Report, where: str, began: float) -> Trial:
    own = next(each for each in report.cases if each.id == mutant.case)
    others = tuple(each.id for each in report.cases if each.id != mutant.case and each.verdict in CATCHES)
    seconds = time.perf_counter() - began
    return Trial(mutant.name, mutant.case, mutant.wrong, where, own.verdict, seconds, saw(own), others)
