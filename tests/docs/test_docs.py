"""The documentation is true: what it names exists, and what exists is named."""

import importlib
import json
import re
import runpy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest

from contracts.cli import LATER
from mock_server.catalogue import Catalogue
from mock_server.checks import CHECKS
from mock_server.cli import COMMANDS, serve
from mock_server.document import Document
from mock_server.problems import REFUSALS
from mock_server.program import Program
from mock_server.reply import Replies
from mock_server.scenario_commands import scenarios
from mock_server.templates import Template
from tests.support import Caller

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = list((ROOT / "docs").glob("*.md"))
SCENARIOS = (ROOT / "docs/scenarios.md").read_text(encoding="utf-8")
EXTENSIONS = (ROOT / "docs/spec-extensions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("option", [each.opts[0] for each in serve.params if isinstance(each, click.Option)])
def test_the_readme_names_every_setting(option: str) -> None:
    assert f"`{option}`" in README


EXAMINER = [getattr(importlib.import_module(module), name) for module, name in LATER.values()]


def all_commands(commands: Iterable[click.Command]) -> Iterable[click.Command]:
    for command in commands:
        yield command
        if isinstance(command, click.Group):
            yield from all_commands(command.commands.values())


def test_the_readme_names_no_setting_that_is_not_there() -> None:
    known = {
        name
        for command in all_commands([*COMMANDS.values(), *EXAMINER])
        for each in command.params
        if isinstance(each, click.Option)
        for name in (*each.opts, *each.secondary_opts)
    }
    named = set(re.findall(r"`omnimock[^`]*?(--[a-z-]+)|`(--[a-z-]+)", README))
    assert {a or b for a, b in named} - {"--help"} <= known


def test_the_extensions_page_has_every_member_and_no_other() -> None:
    schema = json.loads((ROOT / "fixtures/schemas/spec-extensions.schema.json").read_text(encoding="utf-8"))
    members = {name for name, each in schema["$defs"].items() if "x-where" in each}
    assert set(re.findall(r"^\| \[?`(x-[a-z-]+)`", EXTENSIONS, re.MULTILINE)) == members


def test_the_extensions_page_has_every_expression(program: Program) -> None:
    for name in _expressions(program):
        assert f"`{name}`" in EXTENSIONS


@pytest.mark.parametrize("name", CHECKS)
def test_the_extensions_page_has_every_check(name: str) -> None:
    assert f"| `{name}` |" in EXTENSIONS


def test_the_extensions_page_has_every_event_with_its_default() -> None:
    for event, general in REFUSALS.items():
        (row,) = [
            line for line in EXTENSIONS.splitlines() if line.startswith("| ") and f"`{event}`" in line.split(" | ")[0]
        ]
        assert row.endswith(f"| `{general}` |" if general else "| must be listed |")


def test_the_curl_command_of_the_readme_is_accepted(caller: Caller) -> None:
    match = re.search(r"-d '(\{.*?\})'", README, re.DOTALL)
    assert match is not None
    assert caller.submit(msgspec.json.decode(match[1])).status == 200


def test_the_python_example_of_the_readme_runs() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(example, namespace)
    assert namespace["task"]["task_result"]["videos"][0]["duration"].startswith("5.")


def test_the_examples_of_the_scenarios_page_are_scenarios_or_parts_of_one(program: Program, tmp_path: Path) -> None:
    def read(text: str) -> Any:
        (tmp_path / "example.yaml").write_text(text, encoding="utf-8")
        return Document(tmp_path / "example.yaml").root

    first, *parts = re.findall(r"```yaml\n(.*?)```", SCENARIOS, re.DOTALL)
    scenario = Catalogue(program.spec).define(read(first))
    assert [scenario.scripts["query"].at(attempt) is None for attempt in range(1, 5)] == [True, False, False, True]
    assert parts
    for part in parts:
        source = read(part)
        if "about" in source and "name" in source:
            assert Catalogue(program.spec).define(source).about
        else:
            Catalogue(program.spec).define({"name": "a-part", "about": "A part of the page.", **source})


def test_the_scenarios_page_has_every_part_of_a_provider_under_load(program: Program) -> None:
    catalogue = Catalogue(program.spec)
    _, _, under_load = SCENARIOS.partition("## A provider under load")
    parts = re.findall(r"^\| `([a-z-]+)` \|", under_load.partition("\n## ")[0], re.MULTILINE)
    assert len(parts) == 8
    assert {"black-friday", *parts} <= set(catalogue.names)
    assert not {"black-friday", *parts} & set(program.spec.problems)
    for name in parts:
        assert catalogue.choose(name).about


def test_the_scenarios_page_has_every_key() -> None:
    schema = json.loads((ROOT / "fixtures/schemas/scenario.schema.json").read_text(encoding="utf-8"))
    step = schema["$defs"]["script"]["items"]["anyOf"][1]["properties"]
    for key in (*schema["properties"], *step, "values", "default", "stays", "message"):
        assert re.search(rf"\b{key}\b", SCENARIOS), key


def test_the_scenarios_page_has_every_fault_with_its_arguments() -> None:
    schema = json.loads((ROOT / "fixtures/schemas/scenario.schema.json").read_text(encoding="utf-8"))
    for name, fault in schema["$defs"]["fault"]["anyOf"][-1]["properties"].items():
        row = re.search(rf"^\| `{name}` \|.*$", SCENARIOS, re.MULTILINE)
        assert row is not None, name
        arguments = {
            key: each for one in (fault, *fault.get("anyOf", ())) for key, each in one.get("properties", {}).items()
        }
        for key, argument in arguments.items():
            for word in (key, *(each for each in argument.get("enum", ()) if isinstance(each, str))):
                assert f"`{word}`" in row[0], (name, word)


@pytest.mark.parametrize("page", ["README.md", "ARCHITECTURE.md", *sorted(f"docs/{page.name}" for page in DOCS)])
def test_links_between_pages_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("name", sorted(set(re.findall(r"[a-z_]+\.py\b", (ROOT / "ARCHITECTURE.md").read_text()))))
def test_the_architecture_names_files_that_are_there(name: str) -> None:
    examiner = ("contracts", "contracts/report", "contracts/checks", "contracts/fuzz", "contracts/drivers")
    folders = ("mock_server", "mock_server/control", ".ci", *examiner)
    assert any((ROOT / folder / name).exists() for folder in folders)


def _expressions(program: Program) -> list[str]:
    from mock_server.reply import _page_language, _problem_language, _task_language
    from mock_server.validation import _VIOLATION_LANGUAGE

    assert isinstance(program.replies["omni-video"], Replies)
    task_language = _task_language(program.spec, program.spec.task_types["omni-video"], lambda pointer: 0)
    languages = (
        task_language,
        _page_language(task_language),
        _problem_language(Template({}, task_language)),
        _VIOLATION_LANGUAGE,
    )
    return sorted({name for language in languages for name in (*language.names, *language.prefixed)})


def test_the_catalogue_page_is_made_from_the_files() -> None:
    """When it is not: python .ci/make_scenario_docs.py."""
    made = runpy.run_path(str(ROOT / ".ci/make_scenario_docs.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run python .ci/make_scenario_docs.py"


@pytest.mark.parametrize("command", sorted(scenarios.commands))
def test_the_scenarios_page_has_every_command(command: str) -> None:
    assert f"| `omnimock scenarios {command}" in SCENARIOS
