"""The commands that need no server, and how the command line says what is wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts.cli import main


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Run the command in process; return its status, output and errors."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    captured = capsys.readouterr()
    status = ended.value.code
    assert isinstance(status, int)
    return status, captured.out, captured.err


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without settings."""
    monkeypatch.chdir(tmp_path)


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    status, out, _ = run(capsys, *arguments, "--json")
    assert status == 0
    found = json.loads(out)
    assert isinstance(found, list)
    return found


def test_rules_are_listed_with_state_and_sources(capsys: pytest.CaptureFixture[str]) -> None:
    by_id = {row["id"]: row for row in rows(capsys, "rules")}
    assert by_id["R9"]["state"] == "refuse"
    assert by_id["R13"]["state"] == "warn"
    assert by_id["R12"]["state"] == "off"
    assert by_id["R9"]["sources"][0]["url"].startswith("https://kling.ai/")
    assert {f"R{number}" for number in range(1, 19)} <= set(by_id)


def test_rules_follow_the_profile(capsys: pytest.CaptureFixture[str]) -> None:
    assert {row["state"] for row in rows(capsys, "rules", "--profile", "page")} == {"off"}
    on_that_day = {row["id"]: row for row in rows(capsys, "rules", "--profile", "kling@2026-04-01")}
    assert on_that_day["R12"]["state"] == "refuse"


@pytest.mark.parametrize("command", ["rules", "problems"])
def test_a_table_says_the_same_as_the_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    # A narrow table folds its words.
    monkeypatch.delenv("COLUMNS", raising=False)
    status, out, _ = run(capsys, command)
    assert status == 0
    assert all((row.get("id") or row["name"]) in out for row in rows(capsys, command))
    assert "\x1b[" not in out


def test_problems_say_whether_a_retry_helps(capsys: pytest.CaptureFixture[str]) -> None:
    by_name = {row["name"]: row for row in rows(capsys, "problems")}
    assert by_name["concurrency-exceeded"]["retry"] == "backoff"
    assert (
        by_name["balance-exhausted"] | {"status": 429, "code": 1102, "retry": "never"} == by_name["balance-exhausted"]
    )


def test_a_good_body_is_valid(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"prompt": "A lighthouse.", "aspect_ratio": "1:1"}')
    status, out, _ = run(capsys, "validate", "body.json")
    assert (status, out) == (0, "0 violations, 0 warnings under the profile kling@2026-06-17\n")


def test_a_bad_body_shows_all_that_is_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"prompt": "A lighthouse.", "duration": "99", "sound": "on", "seed": 1}')
    status, out, _ = run(capsys, "validate", "body.json")
    assert status == 1
    for rule in ("duration.enum", "R9", "aspect-ratio-needed", "R17"):
        assert f"(rule {rule})" in out
    assert out.endswith("3 violations, 2 warnings under the profile kling@2026-06-17\n")


def test_a_body_is_checked_for_the_operation_that_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text('{"image": "https://example.com/1.png"}')
    assert run(capsys, "validate", "body.json", "--operation", "createImage2Video")[0] == 0
    assert run(capsys, "validate", "body.json", "--operation", "createText2Video")[0] == 1


def test_violations_are_there_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "body.json").write_text("{}")
    status, out, _ = run(capsys, "validate", "body.json", "--json", "--profile", "page")
    told = json.loads(out)
    assert status == 1
    assert told["profile"] == "page"
    assert [each["rule"] for each in told["violations"]] == ["required"]


@pytest.mark.parametrize("text", ["", "{", "\ud83d".encode("utf-8", "surrogatepass")])
def test_what_is_not_json_cannot_be_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, text: str | bytes
) -> None:
    (tmp_path / "body.json").write_bytes(text.encode() if isinstance(text, str) else text)
    status, out, err = run(capsys, "validate", "body.json")
    assert (status, out) == (2, "")
    assert err.startswith("error: body.json: the body is")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("validate", "nothing.json"), "nothing.json"),
        (("validate",), "Missing argument"),
        (("serv",), "No such command 'serv'"),
        (("rules", "--profil", "page"), "--profile"),
        (("rules", "--profile", "pages"), "there is no profile 'pages'; there are page, kling"),
        (("rules", "--spec", "nothing.yaml"), "nothing.yaml: No such file"),
        (("serve", "--scenario", "instnat"), "did you mean instant?"),
        (("serve", "--dialect", "gateway"), "no dialect 'gateway'; did you mean gateway-wrapper?"),
        (("validate", "--operation", "createText2Vidoe", "-"), "did you mean createText2Video?"),
    ],
)
def test_what_is_wrong_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], reason: str
) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert reason in err
    assert err.count("\n") == 1


def test_scenarios_are_listed_with_what_can_be_said_besides_the_name(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "scenarios", "--json")
    listed = {each["name"]: each for each in json.loads(out)}
    assert status == 0
    assert {"realistic", "instant", "always-failed", "never-finishes", "concurrency-exceeded"} <= set(listed)
    assert listed["maintenance"]["parameters"] == ["on=submit", "nth=1", "times=1"]
    assert "always-failed" in run(capsys, "scenarios")[1]


def test_an_unknown_variable_is_refused_with_the_nearest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMNIMOCK_PROFIEL", "page")
    status, _, err = run(capsys, "rules")
    assert status == 2
    assert "did you mean OMNIMOCK_PROFILE?" in err


def test_variables_of_the_driver_protocol_are_no_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMNIMOCK_BASE_URL", "OMNIMOCK_API_KEY", "OMNIMOCK_JOB"):
        monkeypatch.setenv(name, "x")
    assert run(capsys, "problems")[0] == 0


@pytest.mark.parametrize("arguments", [("--version",), ("--help",), ("serve", "--help")])
def test_help_is_no_error(capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]) -> None:
    status, out, err = run(capsys, *arguments)
    assert (status, err) == (0, "")
    assert "omnimock" in out


def test_without_a_command_the_commands_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys)
    assert status == 2
    assert all(command in err for command in ("serve", "rules", "problems", "validate"))
