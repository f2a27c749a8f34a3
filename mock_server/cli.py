"""The commands of the server: `serve`, `rules`, `problems` and `validate`.

Settings come from the command line, else from the environment (`OMNIMOCK_…`), else from `[tool.omnimock]` in the
`pyproject.toml` of the current folder, else they have their defaults.
"""

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from mock_server import __version__
from mock_server.defaults import check_environment, defaults_from_project
from mock_server.document import SpecError
from mock_server.durations import parse_duration_ms
from mock_server.settings import BODY_BYTES_MAX, Settings

if TYPE_CHECKING:
    from mock_server.program import Program
    from mock_server.validation import Violation


class _Duration(click.ParamType[int]):
    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_duration_ms(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _Durations(click.ParamType[tuple[int, ...]]):
    name = "durations"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            return tuple(parse_duration_ms(part) for part in value.split(",") if part.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _option(*names: str, **more: Any) -> Callable[[Any], Any]:
    """An option that the environment can set: `--api-key` reads OMNIMOCK_API_KEYS, the others their own name."""
    flag = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "OMNIMOCK_" + flag.lstrip("-").upper().replace("-", "_") + ("S" if more.get("multiple") else "")
    return click.option(*names, envvar=variable, show_envvar=True, **more)


_spec_option = _option(
    "--spec", type=click.Path(path_type=Path), help="Another OpenAPI file than the one that comes with omnimock."
)
_profile_option = _option(
    "--profile", metavar="NAME[@DATE]", help="How much is enforced: page, kling, kling@2026-05-01."
)
_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")


@click.command()
@_option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@_option(
    "--port", default=4747, show_default=True, type=click.IntRange(0, 65_535), help="The port; 0 takes a free one."
)
@_option("--seed", default=0, show_default=True, type=int, help="What ids, paces and chance are drawn from.")
@_option(
    "--time-scale",
    default=1.0,
    show_default=True,
    type=float,
    help="How many times faster than real time tasks and callbacks run.",
)
@_option(
    "--clock",
    default="system",
    show_default=True,
    type=click.Choice(["system", "manual"]),
    help="A manual clock moves only by POST /_mock/clock/advance.",
)
@_profile_option
@_option(
    "--outcome", default="succeed", show_default=True, help="What becomes of tasks: succeed, or the name of a failure."
)
@_option(
    "--api-key",
    "api_keys",
    multiple=True,
    metavar="KEY",
    help="Accept this key; may be repeated. Without it, any key opens its own world.",
)
@_option(
    "--concurrency",
    type=click.IntRange(1),
    help="How many tasks a world may have live at once for each model.  [default: no limit]",
)
@_option(
    "--callback-allow", multiple=True, metavar="HOST", help="Send callbacks to this host as well; may be repeated."
)
@_option("--callback-secret", metavar="whsec_…", help="Sign callbacks with this secret (Standard Webhooks).")
@_option(
    "--callback-timeout",
    "callback_timeout_ms",
    type=_Duration(),
    help="How long a receiver may take, in real time.  [default: the spec's]",
)
@_option(
    "--callback-retries",
    "callback_retries_ms",
    type=_Durations(),
    help="How long after each failure to try again, such as 10s,30s,60s.  [default: the spec's]",
)
@_option(
    "--mount", "mounts", multiple=True, metavar="PREFIX", help="Answer below this prefix as well; may be repeated."
)
@_option(
    "--media-base-url", metavar="URL", help="The address in result URLs.  [default: the one that the client called]"
)
@_spec_option
@_option("--explain/--no-explain", default=True, show_default=True, help="Whether replies carry X-Mock-Explanation.")
@_option(
    "--body-bytes-max",
    default=BODY_BYTES_MAX,
    show_default=True,
    type=click.IntRange(1),
    help="The largest body that is taken.",
)
@_option(
    "--allowed-host",
    "allowed_hosts",
    multiple=True,
    metavar="HOST",
    help="A Host header that may use the control API; may be repeated.",
)
@_option(
    "--control-token", metavar="TOKEN", help="What the control API asks for where the server is open to the network."
)
@_option(
    "--ready-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write base_url, port and pid here, once the server answers.",
)
def serve(ready_file: Path | None, **values: Any) -> None:
    """Run the twin."""
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    _log_to_stderr()
    with _one_line_errors():
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
            hint = "; --port 0 takes a free one" if settings.port else ""
            where = f"{settings.host} port {settings.port}"
            raise ValueError(f"cannot listen on {where}: {error.strerror or error}{hint}") from None
        port = listener.getsockname()[1]
        url = twin.endpoint.own_base_url = base_url(settings.host, port)

        def on_ready() -> None:
            if ready_file is not None:
                ready_file.write(url, port)
            click.echo(_welcome(twin.program, settings, url))

        run(twin, listener, on_ready)
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
            body = json.dumps(next(iter(compiled.operation.examples.values())), ensure_ascii=False, indent=2)
            return [
                "  try it:",
                f"curl {url}{compiled.operation.path} \\",
                '  -H "Content-Type: application/json" \\',
                f'  -H "Authorization: Bearer {key}" \\',
                f"  -d {shlex.quote(body)}",
            ]
    return []


@click.command()
@_spec_option
@_profile_option
@_json_option
def rules(spec: Path | None, profile: str | None, as_json: bool) -> None:
    """Show every rule, with its source, and whether the profile enforces it."""
    with _one_line_errors():
        from mock_server.reader import load_spec
        from mock_server.resources import resource
        from mock_server.rules import all_rules, choose_profile

        loaded = load_spec(spec or resource("openapi.yaml"))
        chosen = choose_profile(loaded, profile)
        rows = []
        for rule in all_rules(loaded):
            in_force = chosen.holds(rule) and chosen.keeps(rule.sources, loaded.sources)
            rows.append(
                {
                    "id": rule.id,
                    "state": (rule.severity if rule.severity == "warn" else "refuse") if in_force else "off",
                    "confidence": rule.confidence,
                    "models": list(rule.models),
                    "since": rule.since,
                    "until": rule.until,
                    "message": rule.message,
                    "sources": [
                        {"title": loaded.sources[name].title, "url": loaded.sources[name].url} for name in rule.sources
                    ],
                }
            )
        title = f"Rules under the profile {chosen.name}"
        _print(title, rows, ("id", "state", "confidence", "models", "since", "until", "message"), as_json)


@click.command()
@_spec_option
@_json_option
def problems(spec: Path | None, as_json: bool) -> None:
    """Show every refusal that the provider can make."""
    with _one_line_errors():
        from mock_server.reader import load_spec
        from mock_server.resources import resource

        loaded = load_spec(spec or resource("openapi.yaml"))
        rows = [
            {
                "name": each.name,
                "status": each.status,
                "code": each.body.get("code", ""),
                "retry": each.retry,
                "about": each.about,
                "confidence": each.confidence,
                "sources": [
                    {"title": loaded.sources[name].title, "url": loaded.sources[name].url} for name in each.sources
                ],
            }
            for each in loaded.problems.values()
        ]
        _print("Problems", rows, ("name", "status", "code", "retry", "confidence", "about"), as_json)


@click.command()
@click.argument("body", type=click.File("rb"))
@_spec_option
@_profile_option
@_json_option
def validate(body: Any, spec: Path | None, profile: str | None, as_json: bool) -> None:
    """Check a request body (a file, or - for standard input), offline.

    Exit status 0 where the provider would take it, 1 where not, 2 where it could not be checked.
    """
    with _one_line_errors():
        from mock_server.decoding import NotJson, decode_body
        from mock_server.twin import load_program

        program = load_program(Settings(spec=spec, profile=profile))
        submission = next(each.submission for each in program.operations if each.submission is not None)
        try:
            value = decode_body(body.read())
            violations, warnings = submission.validation.check(value, None, ())
        except NotJson as error:
            raise ValueError(f"{body.name}: {error}") from None
    if as_json:
        import msgspec

        result = {"profile": program.profile.name, "violations": violations, "warnings": warnings}
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        for kind, found in (("violation", violations), ("warning", warnings)):
            for each in found:
                click.echo(_paragraph(kind, each))
        click.echo(f"{len(violations)} violations, {len(warnings)} warnings under the profile {program.profile.name}")
    sys.exit(1 if violations else 0)


def _paragraph(kind: str, violation: "Violation") -> str:
    return (
        f"{kind} at {violation.pointer or 'the whole body'} (rule {violation.rule})\n"
        f"  came     {violation.came}\n"
        f"  allowed  {violation.allowed}\n"
        f"  source   {violation.source or 'none'} ({violation.confidence})"
    )


def _print(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    if as_json:
        import json

        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(
            *(", ".join(row[column]) if isinstance(row[column], list) else str(row[column]) for column in columns)
        )
    console = Console()
    # A pipe has no width: nothing is cut, whatever reads it.
    Console(width=None if console.is_terminal else 200).print(table)


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        colour = {"WARNING": "yellow", "ERROR": "red"}.get(record.levelname)
        click.echo(click.style(f"{record.levelname.lower()}: ", fg=colour) + self.format(record), err=True)


def _log_to_stderr() -> None:
    logging.basicConfig(level=logging.WARNING, handlers=[_ToStderr()], format="%(message)s")


@contextlib.contextmanager
def _one_line_errors() -> Iterator[None]:
    """What the user got wrong is one line on standard error, and exit status 2."""
    try:
        yield
    except (SpecError, ValueError, OSError) as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line, and end with status 2."""
    click.echo(click.style("error: ", fg="red") + message, err=True)
    sys.exit(2)


COMMANDS: Mapping[str, click.Command] = {
    "serve": serve,
    "rules": rules,
    "problems": problems,
    "validate": validate,
}


class Group(click.Group):
    """A group of commands that reads settings from the project and the environment before it runs one."""

    def invoke(self, ctx: click.Context) -> Any:
        """Take in the defaults, then run the command."""
        with _one_line_errors():
            check_environment(os.environ, self.commands.values())
            defaults = defaults_from_project(Path.cwd(), self.commands["serve"])
        ctx.default_map = {name: _for(command, defaults) for name, command in self.commands.items()}
        return super().invoke(ctx)


def _for(command: click.Command, defaults: Mapping[str, Any]) -> dict[str, Any]:
    names = {option.name for option in command.params}
    return {name: value for name, value in defaults.items() if name in names}


@click.group(cls=Group, commands=dict(COMMANDS))
@click.version_option(__version__, prog_name="omnimock")
def omnimock() -> None:
    """Omnimock: a stand-in for an asynchronous task API."""


def main() -> NoReturn:
    """Run the command `omnimock`: whatever is wrong with its arguments is told in one line too."""
    try:
        status = omnimock.main(prog_name="omnimock", standalone_mode=False)
    except click.Abort:
        fail("interrupted")
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "omnimock"
        fail(f"{error.format_message()} (see {where} --help)")
    sys.exit(status if isinstance(status, int) else 0)
