"""docs/fuzz.md is true: its commands are accepted, its finding is read, its test runs, its table is the invariants'."""

import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from contracts import fuzz_client
from contracts.fuzz.found import read_kept
from contracts.fuzz.fuzzing import QUICK, chosen_invariants
from contracts.fuzz.invariants import INVARIANTS, violation_of
from contracts.fuzz.replaying import replay_callable
from contracts.fuzz_command import fuzz
from contracts.replay_command import replay
from tests.kit.fuzz_mutants import MeetsTwoFaults, client

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/fuzz.md").read_text(encoding="utf-8")
COMMANDS: dict[str, click.Command] = {"fuzz": fuzz, "replay": replay}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


LINES = [line for block in blocks("sh") for line in block.splitlines()]


@pytest.mark.parametrize("line", LINES)
def test_each_command_line_is_accepted(line: str) -> None:
    omnimock, name, *arguments = shlex.split(line)
    assert omnimock == "omnimock"
    context = COMMANDS[name].make_context(name, arguments)
    assert context.params["command"]
    assert chosen_invariants(context.params.get("invariants", ()))


def test_the_table_is_that_of_the_invariants() -> None:
    rows = re.findall(r"^\| `([\w-]+)` \| (.*) \|$", TEXT, re.MULTILINE)
    assert rows == [(name, each.rule) for name, each in INVARIANTS.items()]


def test_the_exception_type_is_what_is_raised() -> None:
    assert '`contracts.fuzz.invariants.violation_of("paid-once")`' in TEXT
    with pytest.raises(violation_of("paid-once"), match="2 tasks were created"):
        fuzz_client(client(MeetsTwoFaults), invariants=["paid-once"], examples=500, seed=1)


def test_the_finding_is_one(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text(blocks("yaml")[0])
    kept = read_kept(path)
    assert kept.settings == QUICK
    found = replay_callable(kept, client(MeetsTwoFaults))
    assert found is not None
    assert found.broken.seen == kept.seen


def test_the_test_passes() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    names["test_my_client_survives_any_server"]()
