"""Examines a Python callable: the driver in process, for tests.

    from contracts.examine import examine

    def test_my_client_keeps_the_contract():
        report = examine(generate)          # async def generate(job): …
        assert not [(each.id, each.findings) for each in report.cases if each.red]

An async callable, and a sync one that takes a clock, `(job, clock)`, is examined in virtual time; any other over
sockets.
"""

import asyncio
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from contracts.arena import Arena
from contracts.case import LEVELS, Level, chosen
from contracts.drivers.base import Declared, Driver
from contracts.drivers.in_process import Client as Callee
from contracts.drivers.in_process import InProcessDriver, is_async, name_of
from contracts.jobs import CAPABILITIES, USUAL_CAPABILITIES, WISHES
from contracts.playing import LiveStage
from contracts.report.model import CaseReport, Client, Report
from contracts.runner import Plan, run_cases
from contracts.stage import Stage
from contracts.virtual_stage import VirtualStage
from mock_server.names import nearest


def examine(
    client: Callee,
    *,
    cases: Sequence[str] = (),
    levels: Iterable[Level] = LEVELS,
    capabilities: Iterable[str] = USUAL_CAPABILITIES,
    settings: Mapping[str, float] | None = None,
    virtual: bool | None = None,
    strict: bool = False,
    profile: str | None = None,
    spec: Path | None = None,
    scenarios: Path | None = None,
    seed: int = 0,
    lanes: int = 8,
    done: Callable[[CaseReport], None] = lambda report: None,
) -> Report:
    """Run the cases (all, or those that the globs name) on a callable; return the report.

    `settings` are those that the client cannot change, in seconds. `virtual` None means: where the callable allows it.
    Raise CaseError or ValueError, naming it, for a case, capability or setting that there is not, and HarnessError
    where the client cannot be driven.
    """
    declared = Declared(name_of(client), _known(capabilities), _settings(settings or {}))
    can_be = is_async(client) or takes_clock(client)
    if virtual and not can_be:
        raise ValueError(f"{declared.name} is sync and takes no clock: write it as (job, clock), or leave virtual out")
    plan = Plan(cases=chosen(list(cases), tuple(levels)), strict=strict, lanes=lanes)
    told = Client(declared.name, "in process", (), tuple(sorted(declared.capabilities)), dict(declared.settings))

    async def run() -> Report:
        if can_be if virtual is None else virtual:
            stage: Stage = VirtualStage(client, declared, profile=profile, spec=spec, scenarios=scenarios, seed=seed)
            return await run_cases(stage, told, plan, done)
        driver: Driver = InProcessDriver(client, capabilities=declared.capabilities, settings=declared.settings)
        await driver.start()
        async with Arena(lanes=lanes, profile=profile, spec=spec, scenarios=scenarios, seed=seed) as arena:
            return await run_cases(LiveStage(arena, driver, declared), told, plan, done)

    return asyncio.run(run())


def takes_clock(client: Callee) -> bool:
    """Whether a sync client takes a clock beside the job."""
    try:
        names = [each for each in inspect.signature(client).parameters if each not in ("self", "job")]
    except (TypeError, ValueError):
        return False
    return "clock" in names


def _known(capabilities: Iterable[str]) -> frozenset[str]:
    found = frozenset(capabilities)
    for each in sorted(found - set(CAPABILITIES)):
        raise ValueError(f"there is no capability {each!r}; {nearest(each, CAPABILITIES)}")
    return found


def _settings(settings: Mapping[str, float]) -> Mapping[str, float]:
    for each in settings:
        if each not in WISHES:
            raise ValueError(f"there is no setting {each!r}; {nearest(each, WISHES)}")
    return settings
