"""docs/coverage.md is true: its commands are accepted, and its tables are those of the examiner."""

import re
import shlex
from pathlib import Path

import click
import pytest

from contracts.check_command import check
from contracts.coverage import ANSWERS, coverage_of, universe_of
from contracts.fuzz.fuzz_report import FILES
from contracts.fuzz_command import fuzz
from contracts.observe_command import observe
from contracts.report.coverage_words import summary_line
from mock_server.program import Program

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/coverage.md").read_text(encoding="utf-8")
COMMANDS: dict[str, click.Command] = {"check": check, "observe": observe, "fuzz": fuzz}
(SHELL,) = re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("line", SHELL.splitlines())
def test_each_command_line_is_accepted(line: str) -> None:
    omnimock, name, *arguments = shlex.split(line)
    assert omnimock == "omnimock"
    assert COMMANDS[name].make_context(name, arguments).params["command"]


def rows(head: str) -> list[str]:
    """The first column of the table with this head."""
    table = TEXT.split(f"| {head} |", 1)[1].split("\n\n", 1)[0]
    return [line.strip("|").split("|")[0].strip() for line in table.splitlines()[2:]]


def test_the_answers_are_told() -> None:
    assert [answer for row in rows("answer") for answer in row.split(", ")] == list(ANSWERS)


def test_the_dimensions_are_told(program: Program) -> None:
    coverage = coverage_of({}, universe_of(program))
    assert rows("dimension") == [each.name for each in coverage.dimensions]
    (line,) = re.findall(r"^(shown: .*), …$", TEXT, re.MULTILINE)
    totals = re.findall(r"of (\d+ [a-z ]+)", line)
    assert totals == re.findall(r"of (\d+ [a-z ]+)", summary_line(coverage))[: len(totals)]


def test_the_files_are_told() -> None:
    assert all(f"`{name}`" in TEXT for name in FILES)
