"""The command `observe`: whose exit status it ends with, what it passes on, and what it judges."""

import json
import socket
from pathlib import Path

import pytest

from tests.kit.support import client, lives
from tests.server.test_cli import run


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")


def observe(capsys: pytest.CaptureFixture[str], *acts: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
    return run(capsys, "observe", *options, "--", *client("observed", *acts))


@pytest.mark.parametrize(
    ("acts", "status"),
    [
        (["create"], 0),
        (["create", "exit=3"], 3),
        (["create", "kill=9"], 128 + 9),
        (["create-badly"], 1),
        # What came over the wire weighs more.
        (["create-badly", "exit=3"], 1),
        # A command that failed before it said anything to the twin has its own status.
        (["exit=5"], 5),
    ],
    ids=str,
)
def test_the_exit_status_is_the_commands_own_unless_the_wire_is_wrong(
    capsys: pytest.CaptureFixture[str], acts: list[str], status: int
) -> None:
    assert observe(capsys, *acts)[0] == status


def test_a_command_that_says_nothing_to_the_twin_has_not_passed(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = observe(capsys, "say=all tests passed")
    assert status == 2
    assert err.startswith("error: no request came, so nothing was judged: the command must use the address in")
    assert err.count("\n") == 1


def test_output_is_passed_on(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, err = observe(capsys, "say=dots …", "complain=a warning", "create")
    assert "dots …\n" in out
    assert err == "a warning\n"


def test_the_report_names_what_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, _ = observe(capsys, "create-badly", options=("--report", "reports", "--coverage"))
    assert status == 1
    assert "AUTH-01" in out
    report = json.loads((tmp_path / "reports/report.json").read_text())
    assert {each["id"] for each in report["cases"] if each["red"]} == {"AUTH-01"}
    assert report["client"]["driver"] == "observe"
    assert report["coverage"]["exchanges"] == len(report["cases"][0]["sessions"][0]["wire"])
    assert report["coverage"]["dimensions"][0]["shown"] == {"createOmniVideo": 1}
    told = " ".join(out.split())
    assert "shown: 1 of 9 operations, " in told
    assert "operation answer callback faults" in told


def test_a_key_in_the_output_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = observe(capsys, "create", "say-the-key")
    assert status == 1
    assert "SE-01" in out


def test_only_some_cases_are_judged(capsys: pytest.CaptureFixture[str]) -> None:
    assert observe(capsys, "create-badly", options=("--case", "REQ-*"))[0] == 0


def test_variables_are_filled_in(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--env", "KLING={base_url}/v1", "--env", "OTHER=as it is")
    _, out, _ = observe(capsys, "environment=KLING", "environment=OTHER", "create", options=options)
    assert "KLING=http://127.0.0.1:" in out
    assert "OTHER=as it is" in out


def test_what_a_command_leaves_behind_is_ended_and_not_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = observe(capsys, "create", "leave-a-child")
    assert status == 0
    pid = int(out.split("child ")[1].split()[0])
    assert not lives(pid)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no command came"),
        (["--", "no-such-command"], "cannot start no-such-command: there is no such command on the PATH"),
        (["--case", "AUTH-1", "--", "true"], "there is no case 'AUTH-1'; did you mean AUTH-01?"),
        (["--case", "RT-01", "--", "true"], "none of these cases can be judged by what is only observed"),
        (["--env", "KLING", "--", "true"], "--env 'KLING': NAME=VALUE is expected"),
        (["--client-setting", "deadline_second=5", "--", "true"], "there is no setting 'deadline_second'; did you"),
        (["--scenario", "no-such", "--", "true"], "no-such"),
        (["--time-scale", "0", "--", "true"], "time"),
        (["--report", "plain/r", "--", "true"], "reports cannot be written into plain/r"),
    ],
    ids=lambda each: " ".join(each)[:60] if isinstance(each, list) else "",
)
def test_what_cannot_be_run_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "plain").touch()
    status, out, err = run(capsys, "observe", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run(capsys, "observe", "--port", str(port), "--", "true")
    assert status == 2
    assert err == f"error: cannot listen on port {port}: Address already in use; leave --port out for a free one\n"
