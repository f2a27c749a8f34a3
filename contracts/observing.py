"""Observes a client: runs a command of the user's, such as a test suite, and judges what came over the wire.

No job is given and no result is asked for. Of the catalogue those cases are judged that say what can be seen so.
"""

import asyncio
import datetime
import sys
import time
from collections.abc import Mapping, Sequence
from typing import BinaryIO

import msgspec

from contracts.arena import Arena
from contracts.case import Case, Play
from contracts.checks.table import CHECKS
from contracts.coverage import cells_of, coverage_of, universe_of
from contracts.drivers.base import Declared, Ending, Log, now
from contracts.drivers.child import PIPE_GRACE_SECONDS, name_of, spawn
from contracts.drivers.exec import filled
from contracts.jobs import Job
from contracts.judging import checked, report_of, without_keys
from contracts.observation import JobSeen, Session
from contracts.report.model import CaseReport, Client, Report
from contracts.shown import session_report
from contracts.stage import finals_of
from contracts.verdicts import case_verdict
from mock_server import __version__
from mock_server.journal import Attempt


class Observed(msgspec.Struct, frozen=True):
    """What came of it: the report, and the command's own exit status."""

    report: Report
    exit_status: int
    # How many requests came.
    requests: int


async def observe_command(
    arena: Arena,
    command: Sequence[str],
    cases: Sequence[Case],
    *,
    environment: Mapping[str, str],
    settings: Mapping[str, float],
    strict: bool = False,
) -> Observed:
    """Run a command with the twin's address and a fresh key in its environment, and judge the wire."""
    began, started = time.monotonic(), datetime.datetime.now(datetime.UTC)
    async with arena.lane() as lane:
        key, world = arena.open_world("observe")
        wire = arena.watch(lane)
        log = Log()
        status = await _run(command, _environment(lane.base_url, key, environment), log)
        ended = now()
        entries = world.journal.entries
        job = Job("observe", lane.base_url, key, {})
        ending = Ending("silent", began, ended, log=log.content, exit_status=status)
        session = Session(
            number=0,
            case=_WHOLE,
            play=_WHOLE.plays[0],
            key=key,
            began=began,
            ended=ended,
            watched_until=now(),
            jobs=[JobSeen(job, ending)],
            wire=wire,
            tasks=list(world.store.tasks()),
            attempts=[each for each in entries if isinstance(each, Attempt)],
            posted=arena.post.since(0),
            strangers=[*arena.stranger.shown, *arena.video_stranger.shown],
            log=log.content,
            declared=Declared(name_of(command), frozenset(("polling",)), settings),
            finals=finals_of(arena.twin),
            fills={},
            profile=arena.twin.program.profile.name,
        )
        arena.close_world(world)
    reports = [_judged(arena, each, session, strict=strict) for each in cases if each.observed]
    client = Client(name_of(command), "observe", tuple(command), (), dict(settings))
    report = Report(
        client=client,
        cases=tuple(reports),
        status=1 if any(each.red for each in reports) else 0,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        profile=session.profile,
        spec=arena.twin.program.spec.title,
        version=__version__,
        strict=strict,
        seed=arena.seed,
        coverage=coverage_of(cells_of(session), universe_of(arena.twin.program)),
    )
    return Observed(report, status, len(wire))


_WHOLE = Case(
    id="observe",
    title="what the command did",
    requirement="",
    level="info",
    basis="ours",
    source="",
    why="",
    fix="",
    example="",
    plays=(Play(),),
    checks=(),
)


def _judged(arena: Arena, case: Case, session: Session, *, strict: bool) -> CaseReport:
    found = [
        finding
        for check in case.observed
        for name, argument in check.items()
        for finding in checked(case, name, CHECKS, session, argument)
    ]
    findings = without_keys(found, [session])
    verdict = case_verdict(findings, case.level)
    reason = ""
    if verdict == "not exercised":
        reason = next((each.seen for each in findings if each.verdict == "not exercised"), "nothing was seen")
    shown = (session_report(arena.twin, session),) if verdict in ("failed", "warned") else ()
    return report_of(
        case, case.level, findings, shown, verdict, reason, red=verdict == "failed" or (strict and verdict == "warned")
    )


def _environment(base_url: str, key: str, more: Mapping[str, str]) -> dict[str, str]:
    own = {name: filled(value, base_url, key) for name, value in more.items()}
    return {
        "OMNIMOCK_BASE_URL": base_url,
        "OMNIMOCK_API_KEY": key,
        "DEERAPI_BASE_URL": base_url,
        "DEERAPI_KEY": key,
        **own,
    }


async def _run(command: Sequence[str], environment: Mapping[str, str], log: Log) -> int:
    """Run it to its end; what it prints is shown as it comes, and kept."""
    child = await spawn(command, environment)
    child.stdin.close()
    tees = [
        asyncio.create_task(_tee(child.stdout, log, sys.stdout.buffer)),
        asyncio.create_task(_tee(child.stderr, log, sys.stderr.buffer)),
    ]
    try:
        status = await child.wait()
        # What it started may hold its pipes open.
        await asyncio.wait(tees, timeout=PIPE_GRACE_SECONDS)
        return status
    finally:
        await child.end()
        for each in tees:
            each.cancel()
        await asyncio.gather(*tees, return_exceptions=True)


async def _tee(stream: asyncio.StreamReader, log: Log, shown: BinaryIO) -> None:
    reading = True
    while part := await stream.read(65_536):
        log.add(part)
        if reading:
            # Whoever reads ours may have left; the command goes on.
            try:
                shown.write(part)
                shown.flush()
            except OSError:
                reading = False
