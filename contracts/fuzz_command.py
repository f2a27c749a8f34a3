"""`omnimock fuzz -- CMD…`: draws how the server behaves, runs a client against it, and shrinks what breaks."""

import contextlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts.command_options import (
    capability_option,
    client_setting_option,
    client_words,
    command_argument,
    coverage_option,
    driver_of,
    env_option,
    warp_given,
    warp_option,
    worker_option,
)
from contracts.kit import elsewhere, need_kit
from mock_server.options import Duration, fail, one_line_errors, profile_option, spec_option

if TYPE_CHECKING:
    from contracts.drivers.base import Driver
    from contracts.fuzz.found import Kept
    from contracts.fuzz.fuzzing import Options
    from contracts.fuzz.outcome import Budget
    from contracts.fuzz.progress import Progress

_FOLDER = Path(".omnimock/fuzz")


@click.command(context_settings={"ignore_unknown_options": False})
@worker_option
@click.option("--for", "for_ms", type=Duration(), default="60s", show_default=True, help="How long to search.")
@click.option(
    "--examples", type=click.IntRange(1), help="Draw no more than so many; what breaks is played again besides."
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What behaviours are drawn from.")
@click.option("--invariant", "invariants", multiple=True, metavar="GLOB", help="Only these; may be repeated.")
@click.option(
    "--corpus",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=_FOLDER,
    show_default=True,
    help="Where findings are kept; those that are there are played first.",
)
@env_option
@client_setting_option
@capability_option
@click.option(
    "--report", "report_folder", type=click.Path(path_type=Path), metavar="DIR", help="Write coverage.json and fuzz.md."
)
@coverage_option
@warp_option
@profile_option
@spec_option
@command_argument
def fuzz(
    command: tuple[str, ...],
    worker: bool,
    for_ms: int,
    examples: int | None,
    seed: int,
    invariants: Sequence[str],
    folder: Path,
    environment: Sequence[str],
    client_settings: Sequence[str],
    capabilities: Sequence[str],
    report_folder: Path | None,
    whole_coverage: bool,
    warp: float | None,
    profile: str | None,
    spec: Path | None,
) -> None:
    """Search for behaviours of the server under which a client, in any language, breaks what must always hold.

    Exit status 0 where nothing was found, 1 where something was, 2 where the client could not be driven.
    """
    from contracts.drivers.base import HarnessError
    from contracts.interrupts import Interrupted

    with one_line_errors():
        need_kit("fuzz")
        from contracts.drivers.child import check_command
        from contracts.fuzz.found import check_corpus, read_files
        from contracts.fuzz.fuzz_report import Searched, check_report_folder, tell
        from contracts.fuzz.fuzzing import EXEC_WIDTH, WIDTH, Options, chosen_invariants
        from contracts.fuzz.outcome import Budget
        from contracts.fuzz.progress import Progress
        from contracts.fuzz.telling import summary, told, unseen
        from contracts.interrupts import run_unless_interrupted
        from contracts.report.terminal import make_console

        if for_ms <= 0:
            raise ValueError("--for: a time above 0 is expected, such as 60s")
        check_report_folder(report_folder)
        names = chosen_invariants(invariants)
        files = read_files(folder)
        check_corpus(folder)
        options = Options(
            seconds=for_ms / 1000,
            examples=examples,
            seed=seed,
            invariants=names,
            corpus=[each.behaviour for each in files.values()],
            width=WIDTH if worker else EXEC_WIDTH,
        )
        console = make_console()
        budget, progress = Budget(options.seconds, examples), Progress(make_console(sys.stderr))
        interrupted, broken_off = False, ""
        try:
            check_command(command)
            warped = warp_given(warp, command, environment)
            driver = driver_of(command, worker, capabilities, environment, client_settings, options.width, warped)
            with elsewhere(), progress:
                run_unless_interrupted(_fuzz(driver, options, budget, progress, files, profile=profile, spec=spec))
        except HarnessError as error:
            broken_off = str(error)
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
        outcome = progress.outcome
        if outcome is None:
            fail(broken_off or "interrupted: the client was ended, and nothing had been searched")
        replay = client_words(worker, capabilities, environment, client_settings, warp=warp, profile=profile, spec=spec)
        for found in outcome.all_found:
            click.echo(told(found, folder, command, replay))
        line = summary(outcome, budget, interrupted=interrupted)
        assert progress.universe is not None
        searched = Searched(outcome, progress.universe, line, seed, command, folder, replay)
        tell(searched, report_folder, console, whole=whole_coverage)
        click.echo(line)
        if broken_off:
            fail(broken_off)
        if notice := unseen(outcome):
            fail(notice)
    sys.exit(1 if outcome.counted else 2 if interrupted else 0)


async def _fuzz(
    driver: "Driver",
    options: "Options",
    budget: "Budget",
    progress: "Progress",
    files: Mapping[Path, "Kept"],
    *,
    profile: str | None,
    spec: Path | None,
) -> None:
    from contracts.arena import Arena
    from contracts.coverage import universe_of
    from contracts.fuzz.found import check_playable
    from contracts.fuzz.fuzzing import fuzz_live
    from contracts.playing import LiveStage

    async with Arena(lanes=options.width, profile=profile, spec=spec) as arena, contextlib.AsyncExitStack() as stack:
        check_playable(files, arena.twin)
        stack.push_async_callback(driver.close)
        declared = await driver.start()
        progress.universe = universe_of(arena.twin.program)
        progress(await fuzz_live(LiveStage(arena, driver, declared), options, budget, progress))
