"""`omnimock cases` and `omnimock explain`: what clients are examined for, and why."""

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mock_server.options import json_option, one_line_errors, print_rows

if TYPE_CHECKING:
    from contracts.case import Case

_WIDTH = 100


@click.command()
@click.argument("case_id", metavar="[ID]", required=False)
@click.option("--scenario", "as_scenario", is_flag=True, help="Print the scenarios of the case.")
@click.option(
    "--into",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="With --scenario: write a file for each, to be served by `omnimock serve --scenarios DIR`.",
)
@json_option
def cases(case_id: str | None, as_scenario: bool, folder: Path | None, as_json: bool) -> None:
    """List the cases, or show one: its plays and checks. With --scenario, what the twin does in it."""
    with one_line_errors():
        from contracts.case import case_of, catalogue

        if as_scenario and case_id is None:
            raise ValueError("--scenario goes with the id of a case, such as `omnimock cases IDM-02 --scenario`")
        if folder is not None and not as_scenario:
            raise ValueError("--into goes with --scenario, such as `omnimock cases IDM-02 --scenario --into DIR`")
        if case_id is not None:
            one = case_of(case_id)
            click.echo(_scenarios(one, folder, as_json) if as_scenario else _shown(one, as_json=as_json), nl=False)
            return
        rows = [
            {
                "id": each.id,
                "title": each.title,
                "level": each.level,
                "basis": each.label,
                "needs": list(each.needs),
                "requirement": each.requirement,
            }
            for each in catalogue()
        ]
        print_rows(f"{len(rows)} cases", rows, ("id", "level", "title", "requirement", "needs"), as_json)


@click.command()
@click.argument("case_id", metavar="ID")
def explain(case_id: str) -> None:
    """Say what a case is about: the requirement, its source, why it matters, how to fix it, and how it looks."""
    with one_line_errors():
        from contracts.case import case_of

        case = case_of(case_id)
    bold = sys.stdout.isatty()

    def heading(text: str) -> str:
        return click.style(text, bold=True) if bold else text

    click.echo(heading(f"{case.id}  {case.title}") + f"  ({case.label})")
    for title, text in (
        ("Requirement", case.requirement),
        ("Source", case.source),
        ("Why it matters", case.why),
        ("How to fix it", case.fix),
    ):
        click.echo("\n" + heading(title) + "\n" + textwrap.fill(" ".join(text.split()), _WIDTH))
    click.echo("\n" + heading("On the wire") + "\n" + case.example.rstrip())
    needs = f" It needs a client that declares {' and '.join(case.needs)}." if case.needs else ""
    click.echo(f"\nTry it: omnimock check --case {case.id} -- CMD…{needs}")


def _scenarios(case: "Case", folder: Path | None, as_json: bool) -> str:
    """Return the scenarios of a case, or where they were written."""
    import json

    from contracts.scenario_files import documents_of, scenario_text

    documents = documents_of(case)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        paths = [folder / f"{each['name']}.yaml" for each in documents]
        for path, each in zip(paths, documents, strict=True):
            path.write_text(scenario_text(each), encoding="utf-8")
        return json.dumps([str(each) for each in paths]) + "\n" if as_json else "".join(f"{each}\n" for each in paths)
    if as_json:
        return json.dumps(documents, indent=2, ensure_ascii=False) + "\n"
    return "---\n".join(f"# {each['name']}.yaml\n{scenario_text(each)}" for each in documents)


def _shown(case: "Case", *, as_json: bool) -> str:
    import msgspec
    import yaml

    value = msgspec.to_builtins(case)
    if as_json:
        return msgspec.json.format(msgspec.json.encode(value)).decode() + "\n"
    shown = {key: each for key, each in value.items() if each not in ("", [], None, {}) and key != "group_title"}
    return str(yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=_WIDTH))
