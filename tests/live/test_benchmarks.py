"""The benchmarks run, and report everything that they promise. How fast anything is, is not tested."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.load import is_whole
from benchmarks.report import Report
from tests.live.support import PATIENCE_SECONDS, clean_environment

ROOT = Path(__file__).parents[2]
# As few rounds as there can be.
SMALLEST = ("--quick", "--rounds", "1", "--seconds", "0.05", "--starts", "1", "--tasks", "200")


def run_benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *SMALLEST, *arguments],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a small run prints, and its report, with a peer that does not start."""
    folder = tmp_path_factory.mktemp("benchmarks")
    broken = folder / "peers" / "broken"
    broken.mkdir(parents=True)
    (broken / "run.sh").write_text("exit 7\n")
    done = run_benchmarks("--json", str(folder / "report.json"), "--peers", str(folder / "peers"))
    assert done.returncode == 0, done.stderr
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert isinstance(report, dict)
    return done.stdout, report


FINDINGS = {
    "create: twin ÷ bare": "≥ 1",
    "query: twin ÷ bare": "≥ 1.8",
    "fresh: twin ÷ bare": "≥ 1",
    "create: twin through plain ASGI ÷ bare": "≥ 0.5",
    "fresh: twin through plain ASGI ÷ bare": "≥ 0.5",
    "query: twin through plain ASGI ÷ bare": "≥ 0.8",
    "start to first answer: twin ÷ bare": "≤ 1.5",
    "memory of a live task": "≤ 1200",
    "longest pause up to 200 live tasks": "≤ 50",
    "call in process: twin ÷ MockTransport": "≤ 1.3",
}


def test_everything_that_has_a_target_is_reported_beside_it(run: tuple[str, dict[str, Any]]) -> None:
    _, report = run
    assert {each["name"]: each["target"] for each in report["findings"]} == FINDINGS


def test_every_server_is_measured_at_every_operation(run: tuple[str, dict[str, Any]]) -> None:
    _, report = run
    assert {(each["server"], each["operation"]) for each in report["speeds"]} == {
        (server, operation) for server in ("bare", "twin", "plain", "raw") for operation in ("create", "fresh", "query")
    }
    assert all(each["per_second"] > 0 for each in report["speeds"])


def test_what_is_printed_has_every_finding(run: tuple[str, dict[str, Any]]) -> None:
    printed, report = run
    assert all(each["name"] in printed for each in report["findings"])


def test_a_peer_that_does_not_start_is_reported_with_the_reason(run: tuple[str, dict[str, Any]]) -> None:
    printed, report = run
    assert report["missing"] == {"broken": "it ended with status 7: is it installed?"}
    assert "not there: broken: it ended with status 7" in printed


@pytest.mark.parametrize(
    ("came", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nx: y\r\n\r\nok", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
    ],
)
def test_the_load_knows_where_an_answer_ends(came: bytes, whole: bool) -> None:
    assert is_whole(came) is whole


def test_a_value_that_misses_its_target_is_said_to() -> None:
    report = Report({})
    report.at_least("speed", 0.9, "×", 1.0)
    report.at_most("memory", 2_000, "bytes", 1_200)
    assert [each.reached for each in report.findings] == [False, False]
    assert report.as_text().count("NOT REACHED") == 2


def test_a_search_is_measured_with_each_client() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.fuzz", "--seconds", "0.1", "--json"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [(each["name"], each["target"]) for each in rows] == [
        ("worker, quick client", 50),
        ("worker, reference client", None),
        ("virtual time, reference client", 200),
    ]
    assert all(each["sessions"] and not each["broken"] for each in rows)
