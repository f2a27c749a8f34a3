"""The command `check`: its exit statuses, what it refuses before a run, and that it ends in order."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.kit.support import PATIENCE_SECONDS, client, lives, living_with
from tests.live.support import clean_environment, eventually
from tests.server.test_cli import run

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples/python"
RIGHT = [sys.executable, str(EXAMPLES / "exec_once.py")]
WRONG = client("exec_client", "only-status", "0")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without settings, and without a proxy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name == "GITHUB_STEP_SUMMARY":
            monkeypatch.delenv(name)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Run the command, and return the one line with which it refuses."""
    status, out, err = run(capsys, "check", *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err.removeprefix("error: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no command came: write it after --, such as `-- node my-client.mjs`"),
        (["--", "no-such-command"], "cannot start no-such-command: there is no such command on the PATH"),
        (["--", "./no-such-file"], "cannot start ./no-such-file: there is no such file"),
        (["--", "folder"], "cannot start folder: it is a folder"),
        (["--", "./plain"], "cannot start ./plain: the file is not executable; make it so"),
        (["--worker", "--", "no-such-command"], "cannot start no-such-command: there is no such command"),
        (["--case", "RT-4", "--", "true"], "there is no case 'RT-4'; did you mean RT-04?"),
        (["--case", "RT-*", "--case", "ZZ-*", "--", "true"], "there is no case 'ZZ-*'; "),
        (["--case", "RT-09", "--level", "must", "--", "true"], "none of these cases is of the level must or above"),
        (["--capability", "poling", "--", "true"], "--capability poling: there is no such capability; did you mean"),
        (["--capability", "callback-relay", "--", "true"], "--capability callback-relay: callbacks are relayed to"),
        (["--client-setting", "poll=1", "--", "true"], "--client-setting 'poll=1': there is no setting 'poll'; there"),
        (["--client-setting", "deadline_seconds", "--", "true"], "--client-setting 'deadline_seconds': a number of"),
        (["--client-setting", "deadline_seconds=0", "--", "true"], "--client-setting 'deadline_seconds=0': a number"),
        (["--client-setting", "deadline_seconds=nan", "--", "true"], "--client-setting 'deadline_seconds=nan': a"),
        (["--env", "KLING", "--", "true"], "--env 'KLING': NAME=VALUE is expected, such as KLING_API_BASE={base_url}"),
        (["--env", "=x", "--", "true"], "--env '=x': NAME=VALUE is expected"),
        (["--worker", "--env", "K={base_url}", "--", "true"], "--env K={base_url}: a worker is told address and key"),
        (["--baseline", "none.yaml", "--", "true"], "baseline none.yaml: No such file or directory"),
        (["--baseline", "stale.yaml", "--", "true"], "baseline stale.yaml: RT-06: expired on 2020-01-01; mend it"),
        (["--baseline-update", "--", "true"], "--baseline-update goes with --baseline FILE, which it writes"),
        (["--baseline", "no/such.yaml", "--baseline-update", "--", "true"], "baseline no/such.yaml: cannot be written"),
        (["--report", "plain/reports", "--", "true"], "reports cannot be written into plain/reports"),
        (["--profile", "klng", "--", "true"], "there is no profile 'klng'"),
        (["--spec", "none.yaml", "--", "true"], "none.yaml"),
        (["--scenarios", "none", "--", "true"], "none"),
        (["--worker", "--", *client("worker_client", "leave")], "gave no hello: it ended before it said anything"),
        (["--worker", "--", *client("worker_client", 'with={"protocol": 2}')], "names protocol 2; this examiner"),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, list) else "",
)
def test_what_cannot_be_run_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").touch()
    (tmp_path / "stale.yaml").write_text("- {case: RT-06, reason: slow, expires: 2020-01-01}")
    before = sorted(tmp_path.rglob("*"))
    assert message in refused(capsys, *arguments)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--jobs", "65"], ["--level", "most"], ["--port", "70000"]])
def test_options_out_of_range_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    status, _, err = run(capsys, "check", *arguments, "--", "true")
    assert status == 2
    assert "Invalid value" in err


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        message = refused(capsys, "--port", str(port), "--", "true")
    assert message == f"cannot listen on port {port}: Address already in use; leave --port out for a free one"


def test_a_client_that_is_right_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--case", "CR-01", "--case", "auth-01", "--jobs", "1", "--coverage"]
    status, out, err = run(capsys, "check", *options, "--", *RIGHT)
    assert (status, err) == (0, "")
    told = " ".join(out.split())
    assert "shown: 2 of 9 operations, 1 of 10 answers, 0 of 31 problems, " in told
    assert "operation answer callback faults submitted" in told
    assert "CR-01 passed" in out
    assert "AUTH-01 passed" in out
    assert "RT-01" not in out


def test_a_client_that_is_wrong_ends_with_1_and_writes_its_reports(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    status, out, err = run(capsys, "check", "--case", "CR-01", "--report", "reports", "--seed", "7", "--", *WRONG)
    assert (status, err) == (1, "")
    assert "CR-01 failed" in out
    report = json.loads((tmp_path / "reports/report.json").read_text())
    assert report["status"] == 1
    (case,) = report["cases"]
    assert (case["verdict"], case["red"]) == ("failed", True)
    assert case["replay"] == f"omnimock check --seed=7 --case CR-01 -- {' '.join(WRONG)}"
    # It asked for nothing, so it was shown nothing.
    assert [each["shown"] for each in report["coverage"]["dimensions"]] == [{}] * 7
    assert "operation answer" not in " ".join(out.split())
    assert {each.name for each in (tmp_path / "reports").iterdir()} >= {"junit.xml", "summary.md", "index.html"}


def test_a_should_that_fails_is_a_warning_and_red_where_strict_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    options = ["check", "--case", "REQ-05", "--level", "should"]
    command = client("exec_client", "post-with-null")
    status, out, _ = run(capsys, *options, "--", *command)
    assert status == 0
    assert "REQ-05 warned" in out
    status, out, _ = run(capsys, *options, "--strict", "--", *command)
    assert status == 1
    assert "REQ-05 warned" in out


def test_a_known_failure_is_not_red_and_a_run_brings_the_file_up_to_date(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    known = ["check", "--case", "CR-01", "--baseline", "known.yaml"]
    status, _, _ = run(capsys, *known, "--baseline-update", "--", *WRONG)
    assert status == 1
    (entry,) = yaml.safe_load((tmp_path / "known.yaml").read_text())
    assert entry["case"] == "CR-01"
    status, out, _ = run(capsys, *known, "--", *WRONG)
    assert status == 0
    assert "CR-01 known failing" in out
    status, out, _ = run(capsys, *known, "--", *RIGHT)
    assert status == 1
    assert "CR-01 unexpectedly passing" in out
    status, _, _ = run(capsys, *known, "--baseline-update", "--", *RIGHT)
    assert yaml.safe_load((tmp_path / "known.yaml").read_text()) == []
    assert [each.name for each in tmp_path.iterdir()] == ["known.yaml"]


def test_a_capability_that_is_not_declared_is_not_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", "--case", "CB-01", "--", *WRONG)
    assert status == 0
    assert "CB-01 unsupported: the client does not declare callbacks" in out


def test_one_worker_takes_the_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    command = [sys.executable, str(EXAMPLES / "worker.py")]
    status, out, _ = run(capsys, "check", "--worker", "--case", "CR-01", "--case", "CB-01", "--", *command)
    assert status == 0
    assert "CB-01 passed" in out


def test_a_worker_that_dies_fails_the_case_and_is_no_harness_error(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", "--worker", "--case", "CR-01", "--", *client("worker_client", "hello", "die"))
    assert status == 1
    assert "it ended with status 7 while the job was running" in " ".join(out.split())


def test_a_worker_that_cannot_be_started_again_fails_the_case(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    once = client("worker_client", f"once={tmp_path / 'mark'}", "die")
    status, _, err = run(capsys, "check", "--worker", "--case", "CR-01", "--case", "CR-02", "--", *once)
    assert (status, err) == (1, "")


@pytest.fixture
def token() -> str:
    """What tells the processes of a test from all others."""
    return f"TOKEN={secrets.token_hex(8)}"


@pytest.fixture
def start(tmp_path: Path, token: str) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start the command in a process of its own, in an empty folder."""
    started: list[subprocess.Popen[str]] = []

    def one(*arguments: str) -> "subprocess.Popen[str]":
        environment = clean_environment(TOKEN=token.removeprefix("TOKEN="), PYTHONPATH=str(ROOT))
        command = [sys.executable, "-m", "contracts", *arguments]
        started.append(
            subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
        )
        return started[-1]

    yield one
    for each in started:
        each.kill()
        each.communicate()
    for pid in living_with(token):
        os.kill(pid, signal.SIGKILL)


HANGING = client("exec_client", "hang-with-a-child", "session")


@pytest.mark.parametrize(
    ("arguments", "count", "number", "message"),
    [
        (["check", "--report", "reports", "--", *HANGING], 3, signal.SIGINT, "the client was ended, and nothing was w"),
        (
            ["check", "--report", "reports", "--", *HANGING],
            3,
            signal.SIGTERM,
            "the client was ended, and nothing was w",
        ),
        (["check", "--report", "reports", "--", *HANGING], 3, signal.SIGHUP, "the client was ended, and nothing was w"),
        (["check", "--worker", "--", *client("worker_client", "stays", "wait")], 3, signal.SIGINT, "the client was e"),
        (["check", "--worker", "--", *client("worker_client", "nothing")], 2, signal.SIGINT, "the client was ended"),
        (["observe", "--", *client("observed", "hang")], 2, signal.SIGINT, "the command was ended, and nothing was j"),
    ],
    ids=lambda each: " ".join(map(str, each))[:24] if isinstance(each, list) else str(each)[:12],
)
def test_a_signal_ends_the_client_and_all_it_started(
    start: Callable[..., "subprocess.Popen[str]"],
    token: str,
    tmp_path: Path,
    arguments: list[str],
    count: int,
    number: signal.Signals,
    message: str,
) -> None:
    name, *rest = arguments
    # One case at a time: the examiner, its client, and the client's child.
    examiner = start(name, *(["--case", "CR-01"] if name == "check" else []), *rest)
    eventually(lambda: len(living_with(token)) == count, "a client that hangs")
    started = living_with(token)
    examiner.send_signal(number)
    _, err = examiner.communicate(timeout=PATIENCE_SECONDS)
    assert examiner.returncode == 2
    assert err.startswith(f"error: interrupted: {message}")
    assert err.count("\n") == 1
    assert not any(lives(each) for each in started)
    assert not list(tmp_path.iterdir())
