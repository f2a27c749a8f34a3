"""`omnimock check -- CMD…`: examines a client, and says what is wrong with it."""

import contextlib
import datetime
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.command_options import (
    capability_option,
    case_option,
    client_setting_option,
    command_argument,
    coverage_option,
    driver_of,
    env_option,
    port_option,
    replay_of,
    report_option,
    strict_option,
    worker_option,
)
from mock_server.options import fail, one_line_errors, profile_option, scenarios_option, spec_option

if TYPE_CHECKING:
    from contracts.baseline import Baseline
    from contracts.case import Case
    from contracts.drivers.base import Driver
    from contracts.report.model import Report
    from contracts.report.progress import PlainProgress

# As many as a machine with two cores carries without being late; the cases wait more than they work.
_LANES = 8


@click.command(context_settings={"ignore_unknown_options": False})
@worker_option
@case_option
@click.option(
    "--level",
    type=click.Choice(["must", "should", "info"]),
    default="info",
    show_default=True,
    help="Only cases of this level and above.",
)
@strict_option
@capability_option
@click.option("--baseline", "baseline_file", type=click.Path(path_type=Path), help="Known failures (YAML).")
@click.option("--baseline-update", is_flag=True, help="Write what fails into the baseline, and take out what passes.")
@env_option
@client_setting_option
@click.option(
    "--jobs", "lanes", type=click.IntRange(1, 64), default=_LANES, show_default=True, help="Sessions side by side."
)
@report_option
@coverage_option
@port_option
@click.option("--seed", type=int, default=0, show_default=True, help="What ids, paces and chance are drawn from.")
@profile_option
@spec_option
@scenarios_option
@command_argument
def check(command: tuple[str, ...], **options: Any) -> None:
    """Examine a client, in any language: CMD is started as the driver protocol says.

    Exit status 0 where it is right, 1 where it is wrong, 2 where it could not be examined.
    """
    from contracts.drivers.base import HarnessError
    from contracts.interrupts import Interrupted

    with one_line_errors():
        try:
            report = _check(command, **options)
        except HarnessError as error:
            fail(str(error))
        except (Interrupted, KeyboardInterrupt):
            fail("interrupted: the client was ended, and nothing was written")
    sys.exit(report.status)


def _check(
    command: Sequence[str],
    *,
    worker: bool,
    globs: Sequence[str],
    level: str,
    strict: bool,
    capabilities: Sequence[str],
    baseline_file: Path | None,
    baseline_update: bool,
    environment: Sequence[str],
    client_settings: Sequence[str],
    lanes: int,
    folder: Path | None,
    whole_coverage: bool,
    port: int,
    seed: int,
    profile: str | None,
    spec: Path | None,
    scenarios: Path | None,
) -> "Report":
    from contracts.baseline import updated, write_baseline
    from contracts.case import LEVELS, CaseError, catalogue, chosen
    from contracts.drivers.child import check_command
    from contracts.interrupts import run_unless_interrupted
    from contracts.report.coverage_table import print_coverage
    from contracts.report.folder import append_step_summary, check_folder, write_reports
    from contracts.report.progress import progress_on
    from contracts.report.terminal import make_console

    names: list[str] = list(LEVELS)
    cases = chosen(globs, LEVELS[: names.index(level) + 1])
    if not cases:
        raise CaseError(f"none of these cases is of the level {level} or above; leave --level out")
    check_command(command)
    today = datetime.datetime.now(datetime.UTC).date()
    baseline = _baseline(baseline_file, catalogue(), today, update=baseline_update)
    driver = driver_of(command, worker, capabilities, environment, client_settings, lanes)
    if folder is not None:
        check_folder(folder)
    replay = replay_of(
        command,
        worker=worker,
        strict=strict,
        capabilities=capabilities,
        environment=environment,
        client_settings=client_settings,
        profile=profile,
        spec=spec,
        scenarios=scenarios,
        seed=seed,
    )
    arguments = {
        "profile": profile,
        "spec": spec,
        "scenarios": scenarios,
        "seed": seed,
        "port": port,
    }
    with progress_on(make_console()) as progress:
        report = run_unless_interrupted(
            _examine(driver, command, cases, baseline, progress, replay, strict=strict, lanes=lanes, arena=arguments)
        )
        if folder is not None:
            write_reports(folder, report)
        else:
            append_step_summary(report)
        if whole_coverage:
            progress.close()
            print_coverage(report.coverage, progress.console)
        progress.finished(report)
    if baseline_update and baseline_file is not None:
        write_baseline(baseline_file, updated(baseline, report.cases, today))
    return report


async def _examine(
    driver: "Driver",
    command: Sequence[str],
    cases: "Sequence[Case]",
    baseline: "Baseline",
    progress: "PlainProgress",
    replay: str,
    *,
    strict: bool,
    lanes: int,
    arena: dict[str, Any],
) -> "Report":
    from contracts.arena import Arena
    from contracts.playing import LiveStage
    from contracts.report.model import Client
    from contracts.runner import Plan, run_cases

    async with Arena(lanes=lanes, **arena) as one, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(driver.close)
        declared = await driver.start()
        client = Client(
            declared.name,
            driver.kind,
            tuple(command),
            tuple(sorted(declared.capabilities)),
            dict(declared.settings),
        )
        progress.started(len(cases))
        plan = Plan(cases=cases, baseline=baseline, strict=strict, lanes=lanes, replay=replay)
        return await run_cases(LiveStage(one, driver, declared), client, plan, progress.case_done)


def _baseline(path: Path | None, cases: "Sequence[Case]", today: datetime.date, *, update: bool) -> "Baseline":
    from contracts.baseline import Baseline, check_writable, read_baseline

    if path is None:
        if update:
            raise ValueError("--baseline-update goes with --baseline FILE, which it writes")
        return Baseline()
    if update:
        check_writable(path)
        if not path.exists():
            return Baseline()
    return read_baseline(path, cases, today)
