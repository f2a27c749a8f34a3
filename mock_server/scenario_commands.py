"""The command `scenarios`: the catalogue; and to show, lint and begin scenarios, and to tell their schema."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from mock_server.names import nearest
from mock_server.options import json_option, one_line_errors, print_rows, scenarios_option, spec_option

if TYPE_CHECKING:
    from mock_server.catalogue import Catalogue, Told
    from mock_server.spec import Spec

_SCHEMA = "fixtures/schemas/scenario.schema.json"
# As wide as the project's own files.
_COLUMNS = 120


class Scenarios(click.Group):
    """The group, which says what to do where the name of a scenario stands in place of a command."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a word that is none may be a scenario."""
        if args[0] in self.commands:
            return super().resolve_command(ctx, args)
        hint = f"{nearest(args[0], self.commands)}; a scenario is shown by `scenarios show NAME`"
        raise click.UsageError(f"there is no command {args[0]!r}; {hint}", ctx)


@click.group(cls=Scenarios, invoke_without_command=True)
@spec_option
@scenarios_option
@json_option
@click.pass_context
def scenarios(ctx: click.Context, spec: Path | None, scenarios: Path | None, as_json: bool) -> None:
    """Show every scenario: what happens, where it was seen, and what can be said besides its name."""
    if ctx.invoked_subcommand is not None:
        return
    with one_line_errors():
        rows = [
            {
                "name": each.name,
                "about": each.about,
                "seen": each.seen,
                "parameters": [f"{parameter.name}={parameter.default}" for parameter in each.parameters],
                "own": each.own,
            }
            for each in _catalogue(spec, scenarios).entries()
        ]
        print_rows("Scenarios", rows, ("name", "about", "seen", "parameters"), as_json)


@scenarios.command()
@click.argument("reference", metavar="NAME[; KEY=VALUE]")
@click.option("--resolved", is_flag=True, help="With parameters filled in, and all that it builds on.")
@spec_option
@scenarios_option
@json_option
@click.pass_context
def show(ctx: click.Context, /, reference: str, resolved: bool, **_: Any) -> None:
    """Show a scenario: its file as it is, or what it comes to. With KEY=VALUE, what it comes to with these."""
    with one_line_errors():
        told = _catalogue(_said(ctx, "spec"), _said(ctx, "scenarios")).tell(reference)
        resolved = resolved or ";" in reference
        if _said(ctx, "as_json"):
            click.echo(json.dumps(_row(told, resolved), indent=2, ensure_ascii=False))
        else:
            text = _yaml(told.resolved) if resolved else told.path.read_text(encoding="utf-8")
            click.echo(f"# {told.path}\n{text}", nl=False)


@scenarios.command()
@click.argument("files", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@spec_option
@json_option
@click.pass_context
def lint(ctx: click.Context, /, files: tuple[Path, ...], **_: Any) -> None:
    """Check files of scenarios whole, as the server would: form, names, and all that they build on.

    A file may build on those beside it, and on those that come with omnimock. Exit status 0 where all are good, 1 where
    one is not, 2 where one cannot be read.
    """
    with one_line_errors():
        spec = _spec(_said(ctx, "spec"))
        rows, status = [], 0
        for path in files:
            row, worse = _linted(path, spec)
            rows.append(row)
            status = max(status, worse)
    if _said(ctx, "as_json"):
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for row in rows:
            place = f"{row['file']}:{row['line']}" if row["line"] else row["file"]
            click.echo(f"{place}: {row['reason'] or 'ok'}")
    sys.exit(status)


@scenarios.command()
@click.argument("name")
@click.option(
    "--dir",
    "folder",
    default=".",
    show_default="this folder",
    type=click.Path(path_type=Path),
    help="Where the file is written.",
)
@click.option("--from", "reference", metavar="REFERENCE", help="A scenario to build on, such as instant.")
@spec_option
@scenarios_option
@click.pass_context
def new(ctx: click.Context, /, name: str, folder: Path, reference: str | None, **_: Any) -> None:
    """Begin a scenario: write NAME.yaml, which is good as it stands and says what else it could say."""
    with one_line_errors():
        from mock_server.scenario_files import EACH_PROBLEM
        from mock_server.scenario_form import check_form

        if name == EACH_PROBLEM:
            raise ValueError(f"{name}.yaml stands for one scenario of each problem; take another name")
        check_form({"name": name, "about": name})
        catalogue = _catalogue(_said(ctx, "spec"), _said(ctx, "scenarios"))
        text = _starter(name, catalogue, reference)
        path = folder / f"{name}.yaml"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise ValueError(f"{path} is there already, and stays as it is") from None
        except OSError as error:
            raise ValueError(f"{path}: {error.strerror or error}") from None
        shadows = " It takes the place of the one that is called so." if name in catalogue.names else ""
        click.echo(f"{path} is written; serve it with --scenarios {folder} --scenario {name}.{shadows}")


@scenarios.command()
@click.option("--path", "as_path", is_flag=True, help="Where it is, in place of what it says.")
def schema(as_path: bool) -> None:
    """Print the JSON Schema of scenario files, for editors and other tools."""
    from mock_server.resources import resource

    path = resource(_SCHEMA)
    click.echo(path if as_path else path.read_text(encoding="utf-8").rstrip())


# What the commands share


def _said(ctx: click.Context, name: str) -> Any:
    """An option as it was said: behind the command, else before it, else by the environment or the project."""
    assert ctx.parent is not None
    here = ctx.get_parameter_source(name)
    if here is not ParameterSource.COMMANDLINE and ctx.parent.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        return ctx.parent.params[name]
    return ctx.params[name]


def _spec(path: Path | None) -> "Spec":
    from mock_server.reader import load_spec
    from mock_server.resources import resource

    return load_spec(path or resource("openapi.yaml"))


def _catalogue(spec: Path | None, folder: Path | None) -> "Catalogue":
    from mock_server.catalogue import Catalogue

    return Catalogue(_spec(spec), folder)


def _yaml(value: Mapping[str, Any]) -> str:
    from mock_server.document_text import members_text

    return members_text(value, columns=_COLUMNS)


def _row(told: "Told", resolved: bool) -> dict[str, Any]:
    return {
        "name": told.entry.name,
        "file": str(told.path),
        "own": told.entry.own,
        "about": told.entry.about,
        "seen": told.entry.seen,
        "parameters": [
            {"name": each.name, "default": each.default, "about": each.about} for each in told.entry.parameters
        ],
        "source": told.resolved if resolved else told.source,
    }


def _linted(path: Path, spec: "Spec") -> tuple[dict[str, Any], int]:
    """What is wrong with a file, and the exit status for it."""
    from mock_server.catalogue import Catalogue
    from mock_server.document import SpecError
    from mock_server.scenario_files import check_ending

    try:
        path.read_bytes()
    except OSError as error:
        return {"file": str(path), "ok": False, "line": None, "reason": error.strerror or str(error)}, 2
    try:
        check_ending(path)
        complaints = Catalogue(spec, path.parent, tried=False).complaints([path.stem])
    except SpecError as error:
        complaints = [error]
    if not complaints:
        return {"file": str(path), "ok": True, "line": None, "reason": ""}, 0
    return {"file": str(complaints[0].path), "ok": False, "line": complaints[0].line, "reason": complaints[0].reason}, 1


# A new scenario


def _starter(name: str, catalogue: "Catalogue", reference: str | None) -> str:
    from mock_server.resources import resource

    head = f"# yaml-language-server: $schema={resource(_SCHEMA)}\nname: {name}\n"
    if reference is not None:
        return head + _built_on(catalogue.tell(reference).resolved, reference)
    problem = catalogue.a_problem
    return f"""{head}about: What happens, in a sentence.
# seen: Where this was seen, in a sentence.

# What befalls the first attempt, the second and so on; behind the last all is normal. The same for submit, list and
# cancel. `omnimock problems` lists the refusals, docs/scenarios.md the faults.
# query: [normal, {{problem: {problem}}}, {{problem: {problem}, times: 2}}]

# What becomes of a task, and how fast.
lifecycle: {{pace: 2s, outcome: success}}

# How long every answer takes.
# latency: 50ms..200ms

# Which callbacks misbehave, and how.
# callbacks: {{faults: [duplicate]}}
"""


def _built_on(base: Mapping[str, Any], reference: str) -> str:
    """A scenario that is as another; what that one says stands in comments, to be changed."""
    rest = {key: value for key, value in base.items() if key not in ("name", "about", "seen", "pain")}
    lines = _yaml(rest).splitlines() if rest else ["nothing"]
    said = "".join(f"# {line}\n" for line in lines)
    return f"""{_yaml({"about": base["about"], "extends": reference})}
# What stands below comes in place of what the other one says, which is:
{said}"""
