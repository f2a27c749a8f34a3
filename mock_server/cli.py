"""The command line: `omnimock serve`, and the commands of `offline.py` and `scenario_commands.py`.

Settings come from the command line, else from the environment (`OMNIMOCK_…`), else from `[tool.omnimock]` in the
`pyproject.toml` of the current folder, else they have their defaults.
"""

import contextlib
import errno
import gc
import importlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

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
@option(
    "--callback-ca",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Trust this authority as well where a receiver speaks TLS.",
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
@option("--tls/--no-tls", default=False, show_default=True, help="Speak TLS, with an authority made for this run.")
@option("--tls-cert", type=click.Path(path_type=Path), metavar="FILE", help="Speak TLS with this certificate (PEM).")
@option("--tls-key", type=click.Path(path_type=Path), metavar="FILE", help="The private key of --tls-cert (PEM).")
@option(
    "--tls-name",
    "tls_names",
    multiple=True,
    metavar="HOST",
    help="With --tls, certify this host as well; may be repeated.",
)
@option(
    "--tls-dir",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --tls, write the certificates here and keep them.",
)
@option(
    "--tls-fault",
    type=click.Choice(["expired", "wrong-host"]),
    help="With --tls, show a certificate that a client has to refuse.",
)
@option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write base_url, port, pid and, with --tls, ca_file here, once the server answers.",
)
def serve(ready_file: Path | None, **values: Any) -> None:
    """Run the twin."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    _log_to_stderr()
    with one_line_errors(), _without_garbage_collector():
        settings = Settings(**values)
        _serve(settings, ready_file)


@contextlib.contextmanager
def _without_garbage_collector() -> Iterator[None]:
    """A start makes much that stays, and looking through it for garbage takes a tenth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _serve(settings: Settings, ready_path: Path | None) -> None:
    from mock_server.banner import welcome
    from mock_server.server import ReadyFile, base_url, listen, run
    from mock_server.tls import tls_of
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
        tls = at_the_end.enter_context(tls_of(settings))
        ca_file = tls.ca_file if tls else None
        try:
            listener = listen(settings.host, settings.port)
        except OSError as error:
            hint = "; --port 0 takes a free one" if error.errno == errno.EADDRINUSE else ""
            where = f"{settings.host} port {settings.port}"
            raise ValueError(f"cannot listen on {where}: {error.strerror or error}{hint}") from None
        port = listener.getsockname()[1]
        url = twin.endpoint.heads.own_base_url = base_url(settings.host, port, "https" if tls else "http")

        def on_ready() -> None:
            if ready_file is not None:
                ready_file.write(url, port, ca_file)
            click.echo(welcome(twin.program, settings, url, ca_file))

        run(twin, listener, on_ready, tls.context if tls else None)
    # The terminal may be gone.
    with contextlib.suppress(OSError):
        click.echo("omnimock has stopped", err=True)


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
    """A group of commands that reads settings from the project and the environment before it runs one.

    `later` names further commands, each with the module and the name in it; that is imported when it is needed.
    """

    def __init__(self, *args: Any, later: Mapping[str, tuple[str, str]] | None = None, **more: Any) -> None:
        super().__init__(*args, **more)
        self._later = dict(later or {})
        self._defaults: Mapping[str, Any] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands."""
        return sorted([*super().list_commands(ctx), *self._later])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported if need be."""
        if cmd_name in self._later:
            module, name = self._later[cmd_name]
            command = getattr(importlib.import_module(module), name)
            assert isinstance(command, click.Command)
            return command
        return super().get_command(ctx, cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the arguments name; one that was imported for it takes in the defaults now."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in self._later and command is not None and isinstance(ctx.default_map, dict):
            ctx.default_map[name] = _for(command, self._defaults)
        return name, command, rest

    def invoke(self, ctx: click.Context) -> Any:
        """Take in the defaults, then run the command."""
        with one_line_errors():
            check_environment(os.environ, self.commands.values())
            self._defaults = defaults_from_project(Path.cwd(), self.commands["serve"])
        ctx.default_map = {name: _for(command, self._defaults) for name, command in self.commands.items()}
        return super().invoke(ctx)


def _for(command: click.Command, defaults: Mapping[str, Any]) -> dict[str, Any]:
    names = {option.name for option in command.params}
    mine = {name: value for name, value in defaults.items() if name in names}
    if isinstance(command, click.Group):
        mine |= {name: _for(each, defaults) for name, each in command.commands.items()}
    return mine


def group(about: str, later: Mapping[str, tuple[str, str]] | None = None) -> click.Group:
    """Return the command `omnimock`: the server's commands, and others `later`, imported when they are needed."""

    @click.group(cls=Group, commands=dict(COMMANDS), later=later, help=about)
    @click.version_option(__version__, prog_name="omnimock")
    def omnimock() -> None:
        pass

    return omnimock


def run(command: click.Group, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command `omnimock`: whatever is wrong with its arguments is told in one line too."""
    try:
        status = command.main(arguments, prog_name="omnimock", standalone_mode=False)
    except click.Abort:
        fail("interrupted")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "omnimock"
        fail(f"{error.format_message()} (see {where} --help)")
    sys.exit(status if isinstance(status, int) else 0)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the server's commands alone."""
    run(group("Omnimock: a stand-in for an asynchronous task API."), arguments)
