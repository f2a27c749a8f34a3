"""docs/record.md is true: its commands are accepted, its options and losses are all there are, its examples read."""

import json
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import click
import msgspec
import pytest
import yaml

from contracts.record_command import record
from contracts.recording.recorded import Exchange, Loss, Recording, TaskTold
from contracts.recording.retelling import retold
from mock_server.catalogue import Catalogue
from mock_server.cli import serve
from mock_server.program import Program
from tests.recording.support import bench
from tests.support import MINIMAL, OMNI

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/record.md").read_text(encoding="utf-8")
(YAML,) = re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
(JSON,) = re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS: dict[str, click.Command] = {"record": record, "serve": serve}
LINES = [
    line for block in re.findall(r"^```sh\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL) for line in block.splitlines()
]
OPTIONS = {
    name
    for command in (record, *record.commands.values())
    for each in command.params
    if isinstance(each, click.Option)
    for name in each.opts
}


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_is_accepted(line: str) -> None:
    omnimock, name, *arguments = shlex.split(line)
    assert omnimock == "omnimock"
    assert COMMANDS[name].make_context(name, arguments)


def test_the_page_names_every_option_and_no_other() -> None:
    table = TEXT.partition("| option | says |")[2].partition("\n\n")[0]
    assert set(re.findall(r"`(--[a-z-]+)`", table)) == OPTIONS


def test_the_page_has_every_way_in_which_a_reply_may_be_lost() -> None:
    table = TEXT.partition("| what happens |")[2].partition("\n\n")[0]
    assert set(
        re.findall(r"`([a-z-]+)`", "".join(row.split("|")[3] for row in table.splitlines() if row.count("|") > 3))
    ) - {"lost"} == set(get_args(Loss)) - {""}


def test_the_scenario_is_one(program: Program) -> None:
    assert Catalogue(program.spec).define(yaml.safe_load(YAML)).about


def test_the_recording_has_the_names_that_a_recording_has() -> None:
    shown: dict[str, Any] = json.loads(JSON)
    assert set(shown) <= set(Recording.__struct_fields__)
    assert set(shown["task"]) <= set(TaskTold.__struct_fields__)
    (exchange,) = shown["exchanges"]
    assert set(exchange) <= set(Exchange.__struct_fields__)
    assert msgspec.convert(exchange, Exchange).role == "submit"


async def test_the_line_is_what_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.http.post(OMNI, json={**MINIMAL, "duration": "99"})
    assert one.lines[0] in TEXT


async def test_a_recorded_task_is_what_the_page_says(tmp_path: Path, program: Program) -> None:
    async with bench(tmp_path) as one:
        task_id = await one.created()
        while await one.status(task_id) != "succeed":
            await one.wait("10s")
    source = one.scenario()
    assert set(source) == {"name", "about", "seen", "lifecycle"}
    assert set(source["lifecycle"]["pace"]) == {"submitted", "processing"}
    assert retold(one.recording(), program.spec, source["name"]) == source
    assert source["about"].startswith(f"What happened to the task {task_id}: processing after ")
