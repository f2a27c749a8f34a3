"""The commands `omnimock scenarios …`: catalogue, show, lint, new, schema."""

import json
from pathlib import Path
from typing import Any

import pytest

from mock_server.catalogue import Catalogue
from mock_server.document import Document
from mock_server.program import Program
from mock_server.resources import resource
from tests.server.test_cli import elsewhere, rows, run

__all__ = ["elsewhere"]

Capture = pytest.CaptureFixture[str]

STRAY = """openapi: 3.1.0
"""


def write(folder: Path, name: str, more: str = "") -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nabout: Of the user.\n{more}\n", encoding="utf-8")
    return path


def shown(capsys: Capture, *arguments: str) -> str:
    status, out, err = run(capsys, "scenarios", "show", *arguments)
    assert (status, err) == (0, "")
    return out


def complaint(capsys: Capture, *arguments: str) -> str:
    """What the one line says that a command ends with."""
    status, out, err = run(capsys, "scenarios", *arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    return err


def test_the_catalogue_says_where_a_scenario_was_seen(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    # A narrow table folds its words.
    monkeypatch.delenv("COLUMNS", raising=False)
    by_name = {row["name"]: row for row in rows(capsys, "scenarios")}
    assert by_name["accepted-but-reply-lost"]["seen"].endswith("https://github.com/ArcReel/ArcReel/pull/793")
    assert by_name["unknown-right-after-create"]["parameters"] == ["times=2"]
    assert "accepted-but-reply-lost" in run(capsys, "scenarios")[1]


def test_a_scenario_is_shown_as_its_file_is(capsys: Capture) -> None:
    path = resource("fixtures/scenarios/never-finishes.yaml")
    assert shown(capsys, "never-finishes") == f"# {path}\n{path.read_text(encoding='utf-8')}"


def test_what_a_scenario_comes_to_is_a_scenario(capsys: Capture, program: Program, tmp_path: Path) -> None:
    """All that come with omnimock: what is shown can stand in a file of its own, and means the same."""
    catalogue = Catalogue(program.spec)
    path = tmp_path / "shown.yaml"
    for name in catalogue.names:
        path.write_text(shown(capsys, name, "--resolved"), encoding="utf-8")
        source = Document(path).root
        assert source == catalogue.tell(name).resolved
        assert catalogue.define(source).name == name


def test_parameters_that_are_said_are_filled_in(capsys: Capture, tmp_path: Path) -> None:
    write(tmp_path, "slow", "extends: maintenance; on=query\nlifecycle: {pace: 1h}")
    out = shown(capsys, "slow", "--resolved", "--scenarios", str(tmp_path))
    assert "query:\n- {problem: maintenance, at: 1, times: 1}\nlifecycle: {pace: 1h}\n" in out
    assert "extends" not in out
    assert "at: 3" in shown(capsys, "maintenance; nth=3")


def test_as_json_it_says_where_it_is_from(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path, "slow", "parameters: {long: {default: 1h, about: How long.}}\nlifecycle: {pace: $long}")
    told: dict[str, Any] = json.loads(shown(capsys, "slow", "--scenarios", str(tmp_path), "--json"))
    assert (told["file"], told["own"]) == (str(path), True)
    assert told["parameters"] == [{"name": "long", "default": "1h", "about": "How long."}]
    assert told["source"]["lifecycle"] == {"pace": "$long"}
    told = json.loads(shown(capsys, "slow; long=2h", "--scenarios", str(tmp_path), "--json"))
    assert told["source"] == {"name": "slow", "about": "Of the user.", "lifecycle": {"pace": "2h"}}


def test_options_may_stand_before_the_command(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMNIMOCK_SCENARIOS", str(tmp_path / "nowhere"))
    write(tmp_path, "slow")
    status, out, _ = run(capsys, "scenarios", "--scenarios", str(tmp_path), "--json", "show", "slow")
    assert (status, json.loads(out)["name"]) == (0, "slow")


def test_the_project_says_where_the_scenarios_are(capsys: Capture, tmp_path: Path) -> None:
    write(tmp_path, "slow")
    (tmp_path / "pyproject.toml").write_text('[tool.omnimock]\nscenarios = "."\n', encoding="utf-8")
    assert shown(capsys, "slow").startswith("# slow.yaml\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["show", "maintenence"], "there is no scenario 'maintenence'; did you mean maintenance?"),
        (["show", "maintenance; onn=query"], "there is no parameter 'onn'; did you mean on?"),
        (["show", "maintenance; nth=x"], "the number of an attempt"),
        (["shwo"], "there is no command 'shwo'; did you mean show?"),
        (["instant"], "a scenario is shown by `scenarios show NAME`"),
        (["show"], "Missing argument"),
        (["lint"], "Missing argument"),
        (["new", "Slow"], "a name of small letters, digits and - is expected"),
        (["new", "problem"], "take another name"),
        (["new", "slow", "--from", "instnat"], "did you mean instant?"),
        (["new", "slow", "--dir", "nowhere"], "nowhere/slow.yaml: No such file or directory"),
        (["show", "instant", "--spec", "nowhere.yaml"], "nowhere.yaml: No such file or directory"),
    ],
)
def test_what_cannot_be_is_told_in_one_line(capsys: Capture, arguments: list[str], reason: str) -> None:
    assert reason in complaint(capsys, *arguments)


def test_files_are_linted_whole(capsys: Capture, tmp_path: Path) -> None:
    good = write(tmp_path, "good", "extends: base; nth=2")
    base = write(tmp_path, "base", "parameters: {nth: {default: 1}}\nlist: [{problem: maintenance, at: $nth}]")
    bad = write(tmp_path, "bad", "list: [{problem: mantenance}]")
    no_yaml = tmp_path / "text.yaml"
    no_yaml.write_text("a: [", encoding="utf-8")
    # Others beside them do not matter.
    (tmp_path / "compose.yml").write_text(STRAY, encoding="utf-8")
    status, out, _ = run(capsys, "scenarios", "lint", str(good), str(base))
    assert (status, out) == (0, f"{good}: ok\n{base}: ok\n")
    status, out, _ = run(capsys, "scenarios", "lint", *map(str, (good, bad, no_yaml)))
    assert status == 1
    assert out.splitlines()[:2] == [
        f"{good}: ok",
        f"{bad}:3: list/0/problem: there is no problem 'mantenance'; did you mean maintenance?",
    ]
    assert out.splitlines()[2].startswith(f"{no_yaml}:2: is not YAML")


def test_each_value_that_a_parameter_lists_is_tried(capsys: Capture, tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "lossy",
        "parameters: {on: {default: submit, values: [submit, query]}}\n$on: [{problem: maintenance, then: store}]",
    )
    status, out, _ = run(capsys, "scenarios", "lint", str(path))
    assert status == 1
    assert out.startswith(f"{path}:3: parameters/on/values: with on=query: ")
    assert "is about submits" in out


def test_a_file_that_cannot_be_read_is_another_matter(capsys: Capture, tmp_path: Path) -> None:
    bad = write(tmp_path, "bad", "lsit: []")
    status, out, _ = run(capsys, "scenarios", "lint", "nowhere.yaml", str(bad), str(tmp_path), "--json")
    told = json.loads(out)
    assert status == 2
    assert [(row["ok"], row["line"]) for row in told] == [(False, None), (False, 3), (False, None)]
    assert told[0] == {"file": "nowhere.yaml", "ok": False, "line": None, "reason": "No such file or directory"}


def test_a_file_with_another_ending_is_no_scenario(capsys: Capture, tmp_path: Path) -> None:
    path = write(tmp_path, "slow").rename(tmp_path / "slow.yml")
    status, out, _ = run(capsys, "scenarios", "lint", str(path))
    assert (status, out) == (1, f"{path}: is not read: the name of a scenario's file ends in .yaml\n")


def test_what_comes_with_omnimock_is_good(capsys: Capture) -> None:
    paths = sorted(map(str, resource("fixtures/scenarios").glob("*.yaml")))
    assert run(capsys, "scenarios", "lint", *paths)[:2] == (0, "".join(f"{path}: ok\n" for path in paths))


@pytest.mark.parametrize("reference", [None, "instant", "realistic", "maintenance; on=query", "polls-fail-for-a-while"])
def test_what_is_begun_is_good_and_never_written_over(capsys: Capture, tmp_path: Path, reference: str | None) -> None:
    begun = ["scenarios", "new", "mine-alone", "--dir", str(tmp_path), *(("--from", reference) if reference else ())]
    status, out, _ = run(capsys, *begun)
    path = tmp_path / "mine-alone.yaml"
    assert (status, out) == (0, f"{path} is written; serve it with --scenarios {tmp_path} --scenario mine-alone.\n")
    assert run(capsys, "scenarios", "lint", str(path))[0] == 0
    text = path.read_text(encoding="utf-8")
    schema = resource("fixtures/schemas/scenario.schema.json")
    assert text.startswith(f"# yaml-language-server: $schema={schema}\nname: mine-alone\n")
    assert f"{path} is there already, and stays as it is" in complaint(capsys, *begun[1:])
    assert path.read_text(encoding="utf-8") == text


def test_what_the_starter_offers_is_good_too(capsys: Capture, tmp_path: Path, program: Program) -> None:
    run(capsys, "scenarios", "new", "mine-alone", "--dir", str(tmp_path))
    path = tmp_path / "mine-alone.yaml"
    text = path.read_text(encoding="utf-8")
    for key in ("seen", "query", "latency", "callbacks"):
        assert f"\n# {key}: " in text
        text = text.replace(f"\n# {key}: ", f"\n{key}: ")
    path.write_text(text, encoding="utf-8")
    assert Catalogue(program.spec, tmp_path).choose("mine-alone").seen


def test_one_that_takes_the_place_of_another_says_so(capsys: Capture) -> None:
    assert "It takes the place of the one that is called so." in run(capsys, "scenarios", "new", "instant")[1]


def test_the_schema_is_printed_or_where_it_is(capsys: Capture) -> None:
    path = resource("fixtures/schemas/scenario.schema.json")
    assert json.loads(run(capsys, "scenarios", "schema")[1]) == json.loads(path.read_text(encoding="utf-8"))
    assert run(capsys, "scenarios", "schema", "--path")[1] == f"{path}\n"
