"""The commands `cases` and `explain`, and the scenarios that are printed to be served."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.case import catalogue
from tests.live.support import Server, assert_clean_end
from tests.server.test_cli import run

IDS = [each.id for each in catalogue()]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without settings."""
    monkeypatch.chdir(tmp_path)


def test_all_cases_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    status, out, _ = run(capsys, "cases", "--json")
    assert status == 0
    assert [each["id"] for each in json.loads(out)] == IDS
    status, out, _ = run(capsys, "cases")
    assert status == 0
    assert all(each in out for each in IDS)


def test_a_case_is_shown_as_yaml_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, as_yaml, _ = run(capsys, "cases", "RT-04")
    _, as_json, _ = run(capsys, "cases", "rt-04", "--json")
    assert yaml.safe_load(as_yaml)["id"] == json.loads(as_json)["id"] == "RT-04"


@pytest.mark.parametrize("case_id", IDS)
def test_each_case_is_explained(capsys: pytest.CaptureFixture[str], case_id: str) -> None:
    status, out, _ = run(capsys, "explain", case_id)
    assert status == 0
    headings = ["Requirement", "Source", "Why it matters", "How to fix it", "On the wire"]
    lines = out.splitlines()
    assert [each for each in lines if each in headings] == headings
    assert lines[0].startswith(f"{case_id}  ")
    assert f"omnimock check --case {case_id} -- CMD…" in lines[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["explain", "RT-4"], "error: there is no case 'RT-4'; did you mean RT-04?"),
        (["cases", "IDN-02"], "error: there is no case 'IDN-02'; did you mean IDM-02?"),
        (["explain", "RT-*"], "error: 'RT-*' names 9 cases; name one, such as RT-01"),
        (["cases", "--scenario"], "error: --scenario goes with the id of a case"),
        (["cases", "RT-01", "--into", "x"], "error: --into goes with --scenario"),
        (["cases", "RT-01", "--scenario", "--into", "taken"], "error: [Errno 17] File exists: 'taken'"),
    ],
)
def test_what_is_wrong_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, tmp_path: Path
) -> None:
    (tmp_path / "taken").touch()
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith(message)
    assert err.count("\n") == 1


def test_the_scenarios_of_all_cases_are_good_files_that_serve_loads(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "played"
    for each in catalogue():
        status, out, _ = run(capsys, "cases", each.id, "--scenario", "--into", str(folder))
        assert status == 0
        assert len(out.splitlines()) == len(each.plays)
    files = sorted(map(str, folder.iterdir()))
    assert len(files) == sum(len(each.plays) for each in catalogue())
    status, out, _ = run(capsys, "scenarios", "lint", *files)
    assert [line for line in out.splitlines() if not line.endswith(": ok")] == []
    assert status == 0
    status, out, _ = run(capsys, "scenarios", "--scenarios", str(folder), "--json")
    assert status == 0
    own = {each["name"] for each in json.loads(out) if each["own"]}
    assert own == {Path(each).stem for each in files}


def test_printed_scenarios_are_those_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "cases", "RT-01", "--scenario")
    printed: list[Any] = list(yaml.safe_load_all(out))
    assert [each["name"] for each in printed] == ["rt-01-1", "rt-01-2"]
    _, out, _ = run(capsys, "cases", "RT-01", "--scenario", "--json")
    assert json.loads(out) == printed


def test_what_the_examiner_fills_in_has_a_default(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "cases", "AUTH-06", "--scenario")
    text = "\n".join(line for line in out.splitlines() if not line.startswith("#"))
    for document in yaml.safe_load_all(text):
        assert document["parameters"]
        assert all(each["default"] for each in document["parameters"].values())


def test_a_server_plays_a_printed_scenario(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = tmp_path / "played"
    run(capsys, "cases", "SE-03", "--scenario", "--into", str(folder))
    name = min(each.stem for each in folder.iterdir())
    server = Server(tmp_path, "--scenarios", str(folder), "--scenario", name)
    key = {"authorization": "Bearer sk-by-hand-0123456789"}
    body = {"prompt": "A lighthouse.", "aspect_ratio": "16:9"}
    answer = server.http.post("/kling/v1/videos/omni-video", headers=key, json=body)
    assert_clean_end(server.end())
    assert "refused" in answer.text
