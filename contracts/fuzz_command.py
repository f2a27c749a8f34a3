"""`omnimock fuzz -- CMD…`: draws how the server behaves, runs a client against it, and shrinks what breaks."""

import contextlib
import re
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts.check_command import driver_of
from contracts.command_options import client_setting_option, warp_given, warp_option
from contracts.kit import elsewhere, need_kit
from mock_server.options import Duration, fail, one_line_errors, profile_option, spec_option

if TYPE_CHECKING:
    from contracts.drivers.base import Driver
    from contracts.fuzz.fuzzing import Options
    from contracts.fuzz.search import Budget, Found, Outcome

# As many sessions side by side as a batch of the search has.
_LANES = 24
_FOLDER = Path(".omnimock/fuzz")


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--worker", is_flag=True, help="CMD takes many jobs as JSON lines, in place of being started for each.")
@click.option("--for", "for_ms", type=Duration(), default="60s", show_default=True, help="How long to search.")
@click.option("--examples", type=click.IntRange(1), help="Search no further than so many sessions.")
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
@click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME={base_url}",
    help="Set this variable for the client; {base_url} and {api_key} are filled in. May be repeated.",
)
@click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="NAME",
    help="What the client can do; may be repeated.  [default: polling images, or what a worker says]",
)
@client_setting_option
@warp_option
@profile_option
@spec_option
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def fuzz(
    command: tuple[str, ...],
    worker: bool,
    for_ms: int,
    examples: int | None,
    seed: int,
    invariants: Sequence[str],
    folder: Path,
    environment: Sequence[str],
    capabilities: Sequence[str],
    client_settings: Sequence[str],
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
        from contracts.fuzz.found import read_corpus
        from contracts.fuzz.fuzzing import Options, chosen_invariants
        from contracts.fuzz.search import Budget
        from contracts.interrupts import run_unless_interrupted

        names = chosen_invariants(invariants)
        corpus = [each.behaviour for each in read_corpus(folder)]
        options = Options(seconds=for_ms / 1000, examples=examples, seed=seed, invariants=names, corpus=corpus)
        budget, kept = Budget(options.seconds, examples), Progress()
        interrupted = False
        try:
            check_command(command)
            warped = warp_given(warp, command, environment)
            driver = driver_of(command, worker, capabilities, environment, client_settings, _LANES, warped)
            with elsewhere():
                run_unless_interrupted(_fuzz(driver, options, budget, kept, profile=profile, spec=spec))
        except HarnessError as error:
            fail(str(error))
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
        outcome = kept.outcome
        if outcome is None:
            fail("interrupted: the client was ended, and nothing had been searched")
        replay = replay_words(worker, capabilities, environment, profile, spec, client_settings, warp)
        for found in outcome.found.values():
            click.echo(_told(found, outcome, folder, command, replay, worker=worker))
        for found in outcome.intermittent.values():
            click.echo(_intermittent(found))
        click.echo(summary(outcome, budget, interrupted=interrupted))
    sys.exit(1 if outcome.found else 2 if interrupted else 0)


class Progress:
    """What a search has come to so far: it is told also where a signal ended it."""

    outcome: "Outcome | None" = None

    def __call__(self, outcome: "Outcome") -> None:
        """Note it."""
        self.outcome = outcome


async def _fuzz(
    driver: "Driver",
    options: "Options",
    budget: "Budget",
    progress: Progress,
    *,
    profile: str | None,
    spec: Path | None,
) -> None:
    from contracts.arena import Arena
    from contracts.fuzz.fuzzing import fuzz_live
    from contracts.playing import LiveStage

    async with Arena(lanes=_LANES, profile=profile, spec=spec) as arena, contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(driver.close)
        declared = await driver.start()
        progress(await fuzz_live(LiveStage(arena, driver, declared), options, budget, progress))


def replay_words(
    worker: bool,
    capabilities: Sequence[str],
    environment: Sequence[str],
    profile: str | None,
    spec: Path | None,
    client_settings: Sequence[str] = (),
    warp: float | None = None,
) -> list[str]:
    """Return the options of `omnimock replay`. A variable that is not filled in by us may be a secret."""
    words = ["--worker"] * worker + ([f"--warp={warp:g}"] if warp is not None else [])
    words += [f"--capability={each}" for each in capabilities]
    words += [f"--client-setting={each}" for each in client_settings]
    for each in environment:
        name, _, value = each.partition("=")
        words.append(f"--env={each}" if re.search(r"\{(base_url|api_key)\}", value) else f"--env={name}=…")
    return words + [f"{name}={value}" for name, value in (("--profile", profile), ("--spec", spec)) if value]


def _told(
    found: "Found", outcome: "Outcome", folder: Path, command: Sequence[str], replay: Sequence[str], *, worker: bool
) -> str:
    """Write a finding into the corpus, and return what is told of it."""
    from contracts.fuzz.client import kept_of
    from contracts.fuzz.found import write_kept

    kept = kept_of(found, dict(found.session.play.settings))
    path, test = write_kept(folder, kept, command, worker=worker)
    again = shlex.join(["omnimock", "replay", str(path), *replay, "--", *command])
    return (
        f"{click.style(found.broken.invariant, fg='red', bold=True)}: {found.broken.seen}\n\n{kept.story}\n\n"
        f"{kept.text()}\nwritten: {path}\n         {test}\nreplay:  {again}\n"
    )


def _intermittent(found: "Found") -> str:
    name = click.style(f"INTERMITTENT {found.broken.invariant}", fg="yellow", bold=True)
    return f"{name}: {found.broken.seen} (in {found.broke} of {found.played} plays; not counted)\n"


def summary(outcome: "Outcome", budget: "Budget", *, interrupted: bool) -> str:
    """Return the last line: how much was searched, and what it came to."""
    seconds = outcome.seconds or max(budget.now() - budget.began, 0.001)
    outcomes = ", ".join(f"{name} {count}" for name, count in outcome.outcomes.most_common())
    found = f"{len(outcome.found)} invariants broken" if outcome.found else "no invariant broken"
    found = found.replace("1 invariants", "1 invariant")
    return (
        f"{'interrupted; ' * interrupted}{found}: {outcome.sessions} sessions in {seconds:.1f} s "
        f"({outcome.sessions / seconds:.0f}/s), {len(outcome.cells)} coverage cells; outcomes: {outcomes or 'none'}"
    )
