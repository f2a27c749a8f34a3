"""docs/driver-protocol.md is true: its values are those of the protocol, and its session is that of a real worker."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contracts.drivers.exec import VARIABLE_BYTES_MAX
from contracts.drivers.hello import declared_by
from contracts.drivers.worker import HELLO_SECONDS_MAX
from contracts.jobs import CAPABILITIES, OUTCOMES, PROTOCOL, Job, Result, result_from
from tests.live.support import PATIENCE_SECONDS, Server, assert_clean_end, clean_environment

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/driver-protocol.md").read_text(encoding="utf-8")
JOB, RESULT = (json.loads(each) for each in re.findall(r"^```json\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL))
SESSION = re.findall(r"^([»«]) (\{.*\})$", TEXT, re.MULTILINE)
KEY = "sk-protocol-0123456789"
# What the page shows of these is an example.
VARYING = ("task_id", "url", "request_id", "reason")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    one = Server(tmp_path, "--time-scale", "500")
    yield one
    assert_clean_end(one.end())


def table(title: str) -> list[str]:
    """Return the names in the first column of the table below a heading."""
    section = TEXT.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    return [name for row in rows for name in re.findall(r"`([a-z_-]+)`", row)]


def test_a_job_has_the_members_that_drivers_write() -> None:
    written = Job("j", "http://x", "k", {}).message()
    assert list(JOB) == list(written) == table("A job")
    assert list(JOB["settings"]) == list(written["settings"])


def test_a_result_is_one_and_all_outcomes_are_told() -> None:
    assert result_from(RESULT) is not None
    assert table("A result") == list(OUTCOMES)
    section = TEXT.split("\n## A result\n", 1)[1].split("\n## ", 1)[0]
    assert all(f"`{name}`" in section for name in Result.__struct_fields__)


def test_all_capabilities_are_told() -> None:
    assert sorted(table("Capabilities")) == sorted(CAPABILITIES)


def test_the_limits_are_those_of_the_drivers() -> None:
    assert f"within {HELLO_SECONDS_MAX:g} seconds" in TEXT
    assert f"{VARIABLE_BYTES_MAX // 1000} 000 bytes" in TEXT
    assert f"version {PROTOCOL}\n" in TEXT


def alike(shown: dict[str, Any], came: dict[str, Any]) -> bool:
    """Whether a message is the one that is shown: the same members, and the same values where they do not vary."""
    kinds = {name: type(value) for name, value in shown.items()}
    same = {name: value for name, value in shown.items() if name not in VARYING}
    return kinds == {name: type(value) for name, value in came.items()} and same.items() <= came.items()


def test_the_session_is_that_of_the_reference_worker(server: Server) -> None:
    command = [sys.executable, str(ROOT / "examples/python/worker.py"), "--relay"]
    with subprocess.Popen(
        command, env=clean_environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        for way, line in SESSION:
            message = json.loads(line)
            if way == "«":
                came = json.loads(worker.stdout.readline())
                assert alike(message, came), (message, came)
                continue
            here = {name: value for name, value in (("base_url", server.base_url), ("api_key", KEY)) if name in message}
            worker.stdin.write(json.dumps({**message, **here}) + "\n")
            worker.stdin.flush()
        assert worker.wait(PATIENCE_SECONDS) == 0
    assert len(SESSION) == 8


def test_the_hello_of_the_session_is_a_good_one() -> None:
    hello = json.loads(SESSION[0][1])
    assert "callback-relay" in declared_by(["worker"], hello).capabilities
