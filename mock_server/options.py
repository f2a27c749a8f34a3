"""What the commands share: how an option reads the environment, durations as values, tables, and errors in one line."""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from mock_server.document import SpecError
from mock_server.durations import parse_duration_ms


class Duration(click.ParamType[int]):
    """A duration such as `5s`, in milliseconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            return parse_duration_ms(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Durations(click.ParamType[tuple[int, ...]]):
    """Durations such as `10s,30s`, in milliseconds."""

    name = "durations"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, ...]:
        try:
            return tuple(parse_duration_ms(part) for part in value.split(",") if part.strip())
        except ValueError as error:
            self.fail(str(error), param, ctx)


def option(*names: str, **more: Any) -> Callable[[Any], Any]:
    """An option that the environment can set: `--api-key` reads OMNIMOCK_API_KEYS, the others their own name."""
    flag = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = "OMNIMOCK_" + flag.lstrip("-").upper().replace("-", "_") + ("S" if more.get("multiple") else "")
    return click.option(*names, envvar=variable, show_envvar=True, **more)


spec_option = option(
    "--spec", type=click.Path(path_type=Path), help="Another OpenAPI file than the one that comes with omnimock."
)
profile_option = option(
    "--profile",
    metavar="NAME[@DATE]",
    help="How much is enforced: a profile of the spec, and after @ a day such as 2026-05-01.",
)
scenarios_option = option(
    "--scenarios",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A folder of your own scenarios, one in each file NAME.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON in place of a table.")


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """What the user got wrong is one line on standard error, and exit status 2."""
    try:
        yield
    except (SpecError, ValueError, OSError) as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """Say what is wrong in one line, and end with status 2."""
    click.echo(click.style("error: ", fg="red") + message, err=True)
    sys.exit(2)


def print_rows(title: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """Print values as a table, or as JSON."""
    if as_json:
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
    # A pipe has no width, unless somebody gave it one.
    wide = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    Console(width=200 if wide else None).print(table)
