"""The command line: `omnimock serve`, and the commands of `offline.py` and `scenario_commands.py`.

Settings come from the command line, else from the environment (`OMNIMOCK_…`), else from `[tool.omnimock]` in the
`pyproject.toml` of the current folder, else they have their defaults.
"""

import contextlib
import errno
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mock_server import __version__
from mock_server.defaults import check_environment, defaults_from_project
from mock_server.offline import problems, rules, validate
from mock_server.options import (
    Duration,
    Durations,
    fail,
    one_line_errors,
    option,
    profile_option,
    scenarios_option,
    spec_option,
)
from mock_server.scenario_commands import scenarios
from mock_server.settings import BODY_BYTES_MAX, Settings

if TYPE_CHECKING:
    from mock_server.program import Program


@click.command()
@option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@option("--port", default=4747, show_default=True, type=click.IntRange(0, 65_535), help="The port; 0 takes a free one.")
@option("--seed", default=0, show_default=True, type=int, help="What ids, paces and chance are drawn from.")
@option(
    "--time-scale",
    default=1.0,
    show_default=True,
    type=float,
    help="How many times faster than real time tasks and callbacks run.",
)
@option(
    "--clock",
    default="system",
    show_default=True,
    type=click.Choice(["system", "manual"]),
    help="A manual clock moves only by POST /_mock/clock/advance.",
)
@profile_option
@option("--dialect", metavar="NAME", help="The wire shape of the answers.  [default: the spec's]")
@option(
    "--scenario",
    default="realistic",
    show_default=True,
    metavar="NAME[; KEY=VALUE]",
    help="What happens where a request says nothing else; `omnimock scenarios` lists them.",
)
@scenarios_option
@option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    help="Accept this key; may be repeated. Without it, any key opens its own world.",
)
@option(
    "--concurrency",
    type=click.IntRange(1),
    help="How many tasks a world may have live at once for each model.  [default: no limit]",
)
@option("--callback-allow", multiple=True, metavar="HOST", help="Send callbacks to this host as well; may be repeated.")
@option("--callback-secret", metavar="whsec_…", help="Sign callbacks with this secret (Standard Webhooks).")
@option(
    "--callback-timeout",
    "callback_timeout_ms",
    type=Duration(),
    help="How long a receiver may take, in real time.  [default: the spec's]",
)
@option(
    "--callback-retries",
    "callback_retries_ms",
    type=Durations(),
    help="How long after each failure to try again, such as 10s,30s,60s.  [default: the spec's]",
)
@option("--mount", "mounts", multiple=True, metavar="PREFIX", help="Answer below this prefix as well; may be repeated.")
@option(
    "--media-base-url", metavar="URL", help="The address in result URLs.  [default: the one that the client called]"
)
@spec_option
@option("--explain/--no-explain", default=True, show_default=True, help="Whether replies carry X-Mock-Explanation.")
@option(
    "--body-bytes-max",
    default=BODY_BYTES_MAX,
    show_default=True,
    type=click.IntRange(1),
    help="The largest body that is taken.",
)
@option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="HOST",
    help="A Host header that may use the control API; may be repeated.",
)
@option(
    "--control-token", metavar="TOKEN", help="What the control API asks for where the server is open to the network."
)
@option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write base_url, port and pid here, once the server answers.",
)
def serve(ready_file: Path | None, **values: Any) -> None:
    """Run the twin."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    _log_to_stderr()
    with one_line_errors():
        settings = Settings(**values)
        _serve(settings, ready_file)


def _serve(settings: Settings, ready_path: Path | None) -> None:
    from mock_server.server import ReadyFile, base_url, listen, run
    from mock_server.twin import load_program, make_twin

    twin = make_twin(settings, load_program(settings))
    with contextlib.ExitStack() as at_the_end:
        ready_file = None
        if ready_path is not None:
            try:
                ready_file = ReadyFile(ready_path)
            except OSError as error:
                raise ValueError(f"ready-file {ready_path}: {error.strerror or error}") from None
            at_the_end.callback(ready_file.remove)
        try:
            listener = listen(settings.host, settings.port)
        except OSError as error:
            hint = "; --port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
            where = f"{settings.host} port {settings.port}"
            raise ValueError(f"cannot listen on {where}: {error.strerror or error}{hint}") from None
        port = listener.getsockname()[1]
        url = twin.endpoint.own_base_url = base_url(settings.host, port)

        def on_ready() -> None:
            if ready_file is not None:
                ready_file.write(url, port)
            click.echo(_welcome(twin.program, settings, url))

        run(twin, listener, on_ready)
    # The terminal may be gone.
    with contextlib.suppress(OSError):
        click.echo("omnimock has stopped", err=True)


def _welcome(program: "Program", settings: Settings, url: str) -> str:
    keys = (
        f"one of {len(settings.api_keys)} accepted; others get 401"
        if settings.api_keys
        else "any; each key is a world of its own"
    )
    key = "YOUR_KEY" if settings.api_keys else "sk-anything"
    clock = (
        "moves by POST /_mock/clock/advance" if settings.clock == "manual" else f"{settings.time_scale:g} × real time"
    )
    return "\n".join(
        [
            f"omnimock {__version__}: {program.spec.title}",
            f"  base URL  {url}",
            f"  API key   {keys}",
            f"  profile   {program.profile.name}",
            f"  clock     {clock}",
            *_curl(program, url, key),
        ]
    )


def _curl(program: "Program", url: str, key: str) -> list[str]:
    import json
    import shlex

    for compiled in program.operations:
        if compiled.submission is not None and compiled.operation.examples:
            example = dict(next(iter(compiled.operation.examples.values())))
            # Its receiver is somebody else's; the first thing that one tries should not end in a warning.
            if compiled.operation.delivery is not None:
                example.pop(compiled.operation.delivery.url.rpartition("/")[2], None)
            body = json.dumps(example, ensure_ascii=False, indent=2)
            return [
                "  try it:",
                f"curl {url}{compiled.operation.path} \\",
                '  -H "Content-Type: application/json" \\',
                f'  -H "Authorization: Bearer {key}" \\',
                f"  -d {shlex.quote(body)}",
            ]
    return []


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        colour = {"WARNING": "yellow", "ERROR": "red"}.get(record.levelname)
        click.echo(click.style(f"{record.levelname.lower()}: ", fg=colour) + self.format(record), err=True)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStderr()], format="%(message)s")
    logging.getLogger("omnimock").setLevel(logging.INFO)


COMMANDS: Mapping[str, click.Command] = {
    "serve": serve,
    "rules": rules,
    "problems": problems,
    "scenarios": scenarios,
    "validate": validate,
}


class Group(click.Group):
    """A group of commands that reads settings from the project and the environment before it runs one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Take in the defaults, then run the command."""
        with one_line_errors():
            check_environment(os.environ, self.commands.values())
            defaults = defaults_from_project(Path.cwd(), self.commands["serve"])
        ctx.default_map = {name: _for(command, defaults) for name, command in self.commands.items()}
        return super().invoke(ctx)


def _for(command: click.Command, defaults: Mapping[str, Any]) -> dict[str, Any]:
    names = {option.name for option in command.params}
    mine = {name: value for name, value in defaults.items() if name in names}
    if isinstance(command, click.Group):
        mine |= {name: _for(each, defaults) for name, each in command.commands.items()}
    return mine


@click.group(cls=Group, commands=dict(COMMANDS))
@click.version_option(__version__, prog_name="omnimock")
def omnimock() -> None:
    """Omnimock: a stand-in for an asynchronous task API."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command `omnimock`: whatever is wrong with its arguments is told in one line too."""
    try:
        status = omnimock.main(arguments, prog_name="omnimock", standalone_mode=False)
    except click.Abort:
        fail("interrupted")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "omnimock"
        fail(f"{error.format_message()} (see {where} --help)")
    sys.exit(status if isinstance(status, int) else 0)
