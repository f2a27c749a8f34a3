"""`omnimock observe -- CMD…`: runs a command of the user's own, and judges what it sent."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from contracts.command_options import (
    case_option,
    client_setting_option,
    client_settings_of,
    command_argument,
    coverage_option,
    env_option,
    port_option,
    report_option,
    strict_option,
    variables_of,
)
from mock_server.options import fail, one_line_errors, profile_option, scenarios_option, spec_option

if TYPE_CHECKING:
    from contracts.case import Case
    from contracts.observing import Observed


@click.command()
@case_option
@strict_option
@env_option
@client_setting_option
@click.option("--scenario", default="realistic", show_default=True, help="What the twin does.")
@click.option("--time-scale", type=float, default=1.0, show_default=True, help="How many times faster tasks run.")
@report_option
@coverage_option
@port_option
@profile_option
@spec_option
@scenarios_option
@command_argument
def observe(
    command: tuple[str, ...],
    globs: Sequence[str],
    strict: bool,
    environment: Sequence[str],
    client_settings: Sequence[str],
    scenario: str,
    time_scale: float,
    folder: Path | None,
    whole_coverage: bool,
    port: int,
    profile: str | None,
    spec: Path | None,
    scenarios: Path | None,
) -> None:
    """Run CMD, such as a test suite, with the twin's address in its environment, and judge what came over the wire.

    The address and a key are OMNIMOCK_BASE_URL and OMNIMOCK_API_KEY, DEERAPI_BASE_URL and DEERAPI_KEY. Exit status 1
    where the wire is wrong, 2 where CMD could not be run, else CMD's own.
    """
    from contracts.case import CaseError, chosen
    from contracts.drivers.base import HarnessError
    from contracts.drivers.child import check_command
    from contracts.interrupts import Interrupted, run_unless_interrupted
    from contracts.report.coverage_table import print_coverage
    from contracts.report.folder import append_step_summary, check_folder, write_reports
    from contracts.report.terminal import make_console, print_summary

    with one_line_errors():
        try:
            cases = [each for each in chosen(globs) if each.observed]
            if not cases:
                raise CaseError("none of these cases can be judged by what is only observed; run `omnimock check`")
            check_command(command)
            if folder is not None:
                check_folder(folder)
            observed = run_unless_interrupted(
                _observe(
                    command,
                    cases,
                    variables_of(environment),
                    client_settings_of(client_settings),
                    strict=strict,
                    arena={
                        "port": port,
                        "profile": profile,
                        "spec": spec,
                        "scenarios": scenarios,
                        "scenario": scenario,
                        "time_scale": time_scale,
                    },
                )
            )
        except HarnessError as error:
            fail(str(error))
        except (Interrupted, KeyboardInterrupt):
            fail("interrupted: the command was ended, and nothing was judged")
        status = observed.exit_status if observed.exit_status >= 0 else 128 - observed.exit_status
        if observed.requests == 0:
            _say_nothing_came(status)
        if folder is not None:
            write_reports(folder, observed.report)
        else:
            append_step_summary(observed.report)
    console = make_console()
    if whole_coverage:
        print_coverage(observed.report.coverage, console)
    print_summary(observed.report, console)
    sys.exit(observed.report.status or status)


def _say_nothing_came(status: int) -> NoReturn:
    """End with the command's own status; a right one would be a pass of which nothing was seen."""
    why = "no request came, so nothing was judged: the command must use the address in OMNIMOCK_BASE_URL"
    if status:
        click.echo(f"{why}; it ended with status {status}", err=True)
        sys.exit(status)
    fail(f"{why}, or in a name of its own (--env NAME={{base_url}})")


async def _observe(
    command: Sequence[str],
    cases: "Sequence[Case]",
    environment: Mapping[str, str],
    settings: Mapping[str, float],
    *,
    strict: bool,
    arena: dict[str, Any],
) -> "Observed":
    from contracts.arena import Arena
    from contracts.observing import observe_command

    async with Arena(lanes=1, **arena) as one:
        return await observe_command(one, command, cases, environment=environment, settings=settings, strict=strict)
