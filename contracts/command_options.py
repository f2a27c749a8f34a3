"""What the commands that run a client have in common: their options, the driver that these say, and what replays."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contracts.drivers.base import Driver
    from contracts.drivers.warp import Warp

# What stands for the value of a variable that may be a secret.
WITHHELD = "…"
# A second of the client is a millisecond of ours then, which no machine keeps to.
WARP_MAX = 1_000

worker_option = click.option(
    "--worker", is_flag=True, help="CMD takes many jobs as JSON lines, in place of being started for each."
)
case_option = click.option(
    "--case", "globs", multiple=True, metavar="GLOB", help="Only these cases, such as RT-*; may be repeated."
)
strict_option = click.option("--strict", is_flag=True, help="Count should as must.")
env_option = click.option(
    "--env",
    "environment",
    multiple=True,
    metavar="NAME={base_url}",
    help="Set this variable for the client; {base_url} and {api_key} are filled in. May be repeated.",
)
capability_option = click.option(
    "--capability",
    "capabilities",
    multiple=True,
    metavar="NAME",
    help="What the client can do; may be repeated.  [default: polling images, or what a worker says]",
)
client_setting_option = click.option(
    "--client-setting",
    "client_settings",
    multiple=True,
    metavar="NAME=SECONDS",
    help="What the client spends and cannot change, such as poll_interval_seconds=5; may be repeated.",
)
report_option = click.option(
    "--report", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Write all reports here."
)
coverage_option = click.option(
    "--coverage", "whole_coverage", is_flag=True, help="Print all that the client was shown, and what it was not."
)
port_option = click.option(
    "--port", type=click.IntRange(0, 65_535), default=0, help="The port of the twin.  [default: a free one]"
)
warp_option = click.option(
    "--warp",
    type=click.FloatRange(1, WARP_MAX, min_open=True),
    metavar="N",
    help="Let the client's clock run N times as fast (Linux, with libfaketime).",
)
command_argument = click.argument("command", nargs=-1, type=click.UNPROCESSED, metavar="-- CMD...")


def replay_of(
    command: Sequence[str],
    *,
    worker: bool,
    strict: bool,
    capabilities: Sequence[str],
    environment: Sequence[str],
    client_settings: Sequence[str],
    profile: str | None,
    spec: Path | None,
    scenarios: Path | None,
    seed: int,
) -> str:
    """Return the command that replays a case, with `{case}` for its id."""
    words = client_words(worker, capabilities, environment, client_settings, profile=profile, spec=spec)
    words += ["--strict"] * strict + ([f"--scenarios={scenarios}"] if scenarios is not None else [])
    words += [f"--seed={seed}"] * (seed != 0)
    return f"{shlex.join(['omnimock', 'check', *words])} --case {{case}} -- {shlex.join(command)}"


def client_words(
    worker: bool,
    capabilities: Sequence[str],
    environment: Sequence[str],
    client_settings: Sequence[str],
    *,
    warp: float | None = None,
    profile: str | None = None,
    spec: Path | None = None,
) -> list[str]:
    """Return the options that play something again on the same client.

    A variable that is not filled in by us may be a secret: its value is left out.
    """
    words = ["--worker"] * worker + ([f"--warp={warp:g}"] if warp is not None else [])
    words += [f"--capability={each}" for each in capabilities]
    words += [f"--client-setting={each}" for each in client_settings]
    for each in environment:
        name, _, value = each.partition("=")
        filled_in = "{base_url}" in value or "{api_key}" in value
        words.append(f"--env={each}" if filled_in else f"--env={name}={WITHHELD}")
    return words + [f"{name}={value}" for name, value in (("--profile", profile), ("--spec", spec)) if value]


def driver_of(
    command: Sequence[str],
    worker: bool,
    capabilities: Sequence[str],
    environment: Sequence[str],
    client_settings: Sequence[str],
    lanes: int,
    warp: "Warp | None" = None,
) -> "Driver":
    """Return the driver of a command, warped or not; raise ValueError for options that do not fit."""
    from contracts.drivers.exec import ExecDriver
    from contracts.drivers.warp import WarpedDriver
    from contracts.drivers.worker import WorkerDriver
    from contracts.jobs import CAPABILITIES, USUAL_CAPABILITIES
    from mock_server.names import nearest

    if warp is not None:
        more = [*environment, *(f"{name}={value}" for name, value in warp.variables.items())]
        return WarpedDriver(driver_of(command, worker, capabilities, more, client_settings, lanes), warp)
    for each in capabilities:
        if each not in CAPABILITIES:
            raise ValueError(f"--capability {each}: there is no such capability; {nearest(each, CAPABILITIES)}")
    variables, settings = variables_of(environment), client_settings_of(client_settings)
    if worker:
        for name, value in variables.items():
            if "{base_url}" in value or "{api_key}" in value:
                raise ValueError(
                    f"--env {name}={value}: a worker is told address and key with each job; leave --worker out, "
                    "or have the client take them from the job"
                )
        return WorkerDriver(
            command, lanes=lanes, environment=variables, settings=settings, capabilities=frozenset(capabilities)
        )
    if "callback-relay" in capabilities:
        raise ValueError("--capability callback-relay: callbacks are relayed to workers only (--worker)")
    return ExecDriver(
        command,
        capabilities=frozenset(capabilities) or USUAL_CAPABILITIES,
        settings=settings,
        environment=variables,
    )


def variables_of(given: Sequence[str]) -> dict[str, str]:
    """Return what `--env` says; raise ValueError for what is no NAME=VALUE."""
    found = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals or not name or "\0" in each:
            raise ValueError(f"--env {each!r}: NAME=VALUE is expected, such as KLING_API_BASE={{base_url}}")
        found[name] = value
    return found


def client_settings_of(given: Sequence[str]) -> dict[str, float]:
    """Return what `--client-setting` says, in seconds; raise ValueError for a setting that there is not."""
    from contracts.jobs import WISHES
    from mock_server.names import nearest

    found = {}
    for each in given:
        name, _, value = each.partition("=")
        if name not in WISHES:
            raise ValueError(f"--client-setting {each!r}: there is no setting {name!r}; {nearest(name, WISHES)}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = 0.0
        if not 0 < found[name] < 86_400:
            raise ValueError(f"--client-setting {each!r}: a number of seconds above 0 is expected")
    return found


def warp_given(factor: float | None, command: Sequence[str], environment: Sequence[str]) -> "Warp | None":
    """Return the warp of `--warp`, tried out, after telling what the user has to know; None where there is none.

    Raise HarnessError where the clock of this command cannot be made fast.
    """
    if factor is None:
        return None
    from contracts.drivers.warp import warp_of

    warp = warp_of(factor, command, {**os.environ, **variables_of(environment)})
    for notice in warp.notices:
        click.echo(f"{click.style('note:', fg='yellow')} {notice}", err=True)
    return warp
