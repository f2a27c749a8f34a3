"""`omnimock replay FILE -- CMD…`: plays what `omnimock fuzz` found once more."""

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from contracts.check_command import driver_of
from contracts.command_options import client_setting_option, warp_given, warp_option
from contracts.kit import need_kit
from mock_server.options import fail, one_line_errors, profile_option, spec_option


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--worker", is_flag=True, help="CMD takes many jobs as JSON lines, in place of being started for each.")
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
    help="What the client can do; may be repeated.  [default: what the finding needs, or what a worker says]",
)
@client_setting_option
@warp_option
@profile_option
@spec_option
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")
def replay(
    file: Path,
    command: tuple[str, ...],
    worker: bool,
    environment: Sequence[str],
    capabilities: Sequence[str],
    client_settings: Sequence[str],
    warp: float | None,
    profile: str | None,
    spec: Path | None,
) -> None:
    """Play a finding a few times against CMD, and say whether the invariant still breaks.

    Exit status 0 where it holds, 1 where it breaks, 2 where that could not be told.
    """
    from contracts.drivers.base import HarnessError
    from contracts.interrupts import Interrupted

    with one_line_errors():
        need_kit("replay")
        from contracts.drivers.child import check_command
        from contracts.fuzz.found import read_kept
        from contracts.fuzz.invariants import INVARIANTS
        from contracts.fuzz.replaying import CAPABILITIES, replay_driver
        from contracts.fuzz.story import story
        from contracts.interrupts import run_unless_interrupted

        kept = read_kept(file)
        able = capabilities or ([] if worker else sorted(CAPABILITIES))
        if warp is not None and kept.callbacks:
            raise ValueError(f"{file} is about callbacks, of which none are told under --warp: leave --warp out")
        try:
            check_command(command)
            warped = warp_given(warp, command, environment)
            driver = driver_of(command, worker, able, environment, client_settings, 1, warped)
            found = run_unless_interrupted(replay_driver(kept, driver, profile=profile, spec=spec))
        except HarnessError as error:
            fail(str(error))
        except (Interrupted, KeyboardInterrupt):
            fail("interrupted: the client was ended, and nothing was told")
    if found is None:
        click.echo(f"{kept.invariant} holds: {INVARIANTS[kept.invariant][1]}")
        return
    click.echo(f"{click.style(kept.invariant, fg='red', bold=True)}: {found.broken.seen}\n\n{story(found)}")
    sys.exit(1)
