"""`omnimock replay FILE -- CMD…`: plays what `omnimock fuzz` found once more."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contracts.command_options import (
    capability_option,
    client_setting_option,
    command_argument,
    driver_of,
    env_option,
    warp_given,
    warp_option,
    worker_option,
)
from contracts.kit import need_kit
from mock_server.options import fail, one_line_errors, profile_option, spec_option

if TYPE_CHECKING:
    from contracts.fuzz.found import Kept
    from contracts.fuzz.invariants import Broken
    from contracts.fuzz.outcome import Found


@click.command(context_settings={"ignore_unknown_options": False})
@worker_option
@env_option
@client_setting_option
@capability_option
@warp_option
@profile_option
@spec_option
@click.argument("file", type=click.Path(path_type=Path))
@command_argument
def replay(file: Path, **given: Any) -> None:
    """Play a finding a few times against CMD, and say whether the invariant still breaks.

    Exit status 0 where it holds, 1 where it breaks, 2 where that could not be told.
    """
    from contracts.drivers.base import HarnessError
    from contracts.interrupts import Interrupted

    with one_line_errors():
        need_kit("replay")
        from contracts.fuzz.found import read_kept
        from contracts.fuzz.invariants import INVARIANTS
        from contracts.fuzz.story import story

        kept = read_kept(file)
        try:
            found = _played(kept, file, **given)
        except HarnessError as error:
            fail(str(error))
        except (Interrupted, KeyboardInterrupt):
            fail("interrupted: the client was ended, and nothing was told")
    if found is None:
        click.echo(f"{kept.invariant} holds: {INVARIANTS[kept.invariant].rule}")
        return
    click.echo(f"{click.style(kept.invariant, fg='red', bold=True)}: {found.broken.seen}\n\n{story(found)}")
    sys.exit(1)


def broken_by(found: str, options: Sequence[str], command: Sequence[str]) -> "Broken | None":
    """Replay a finding, as a test has it, on a command; return what broke, or None.

    `options` are those of `omnimock replay`. Raise what click or the options do for one that is wrong, FoundError for
    what is no finding, and HarnessError where the command cannot be driven.
    """
    from contracts.fuzz.found import HERE, kept_from_text
    from contracts.interrupts import Interrupted

    given = replay.make_context("replay", [*options, HERE, "--", *command]).params
    where = given.pop("file")
    try:
        broken = _played(kept_from_text(found), where, **given)
    except Interrupted:
        # Not this test alone is to end.
        raise KeyboardInterrupt from None
    return broken.broken if broken is not None else None


def _played(
    kept: "Kept",
    where: Path,
    *,
    command: Sequence[str],
    worker: bool,
    environment: Sequence[str],
    client_settings: Sequence[str],
    capabilities: Sequence[str],
    warp: float | None,
    profile: str | None,
    spec: Path | None,
) -> "Found | None":
    """Play a finding; return what broke, or None. The options are those of the command."""
    from contracts.drivers.child import check_command
    from contracts.fuzz.replaying import CAPABILITIES, PLAYS, replay_driver
    from contracts.interrupts import run_unless_interrupted

    able = capabilities or ([] if worker else sorted(CAPABILITIES))
    if warp is not None and kept.callbacks:
        raise ValueError(f"{where} is about callbacks, of which none are told under --warp: leave --warp out")
    check_command(command)
    warped = warp_given(warp, command, environment)
    driver = driver_of(command, worker, able, environment, client_settings, PLAYS, warped)
    return run_unless_interrupted(replay_driver(kept, driver, where, profile=profile, spec=spec))
