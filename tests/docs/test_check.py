"""docs/check.md is true: its commands are accepted, its jobs parse, and its tables are those of the examiner."""

import datetime
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import click
import pytest
import yaml

from contracts.baseline import read_baseline
from contracts.case import LEVELS, case_of, catalogue
from contracts.case_commands import cases, explain
from contracts.check_command import check
from contracts.observe_command import observe
from contracts.report.model import Verdict
from contracts.verdicts import is_red
from mock_server.cli import group

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/check.md").read_text(encoding="utf-8")
PROTOCOL = (ROOT / "docs/driver-protocol.md").read_text(encoding="utf-8")
COMMANDS: dict[str, click.Command] = {"check": check, "observe": observe, "cases": cases, "explain": explain}
SHELL = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
BASELINE, GITHUB, GITLAB = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
LINES = [
    *(line for block in SHELL for line in block.splitlines()),
    *re.findall(r"^    (omnimock .*)$", PROTOCOL, re.MULTILINE),
    *re.findall(r"^\s*-(?: run:)? (omnimock .*)$", GITHUB + GITLAB, re.MULTILINE),
]


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_is_accepted(line: str) -> None:
    omnimock, name, *arguments = shlex.split(line)
    assert omnimock == "omnimock"
    command = COMMANDS[name] if name in COMMANDS else group("", {}).get_command(click.Context(click.Group()), name)
    assert command is not None
    context = command.make_context(name, arguments)
    if name in ("check", "observe"):
        assert context.params["command"]
    for each in (*context.params.get("globs", ()), context.params.get("case_id")):
        assert each is None or "*" in each or case_of(each)


def test_the_command_lines_are_found() -> None:
    assert len(LINES) >= 12


def rows(title: str) -> list[list[str]]:
    section = re.split(r"\n##+ ", TEXT.split(f" {title}\n", 1)[1])[0]
    cells = [
        [cell.strip() for cell in row.strip("|").split("|")] for row in section.splitlines() if row.startswith("|")
    ]
    return cells[2:]


def test_all_verdicts_are_told_with_what_is_red() -> None:
    told = {row[0]: row[2] for row in rows("What a case comes to")}
    assert sorted(told) == sorted(get_args(Verdict))
    for verdict, red in told.items():
        assert is_red(verdict, "must") == (red.startswith("yes") or verdict == "harness error")  # type: ignore[arg-type]
        assert is_red(verdict, "must", strict=True) or red == "no"  # type: ignore[arg-type]


def test_the_baseline_is_a_good_one(tmp_path: Path) -> None:
    path = tmp_path / "known.yaml"
    path.write_text(BASELINE)
    assert len(read_baseline(path, catalogue(), datetime.date(2026, 11, 25)).entries) == 2


def test_the_jobs_parse_and_hand_on_what_a_run_writes() -> None:
    # `on` is a word here, and true in YAML 1.1.
    github: dict[Any, Any] = yaml.safe_load(GITHUB)
    steps = github["jobs"]["check"]["steps"]
    assert steps[-1]["with"]["path"] == "contract"
    assert steps[-1]["if"] == "always()"
    (job,) = yaml.safe_load(GITLAB).values()
    assert job["artifacts"]["reports"]["junit"] == "contract/junit.xml"
    assert all("--report contract" in line for line in (steps[-2]["run"], *job["script"]))


def test_numbers_are_those_of_the_catalogue() -> None:
    assert f"cases of {len(catalogue())}." in TEXT
    assert 10 <= sum(bool(each.observed) for each in catalogue()) <= 14
    assert all(level in TEXT for level in LEVELS)


def test_the_files_of_a_report_are_told() -> None:
    from contracts.report import folder

    assert folder.__doc__ is not None
    for name in ("index.html", "summary.md", "junit.xml", "report.json"):
        assert name in folder.__doc__
        assert any(row[0] == f"`{name}`" for row in rows("Reports"))


def test_links_lead_somewhere() -> None:
    for text in (TEXT, PROTOCOL):
        for target in re.findall(r"\]\((?!#|http)([^)#]+)", text):
            assert (ROOT / "docs" / target).exists(), target
