"""The catalogue: references, parameters, and a folder of the user's own."""

from pathlib import Path

import pytest

from mock_server.catalogue import Catalogue
from mock_server.document import SpecError
from mock_server.program import Program
from mock_server.reader import load_spec
from mock_server.resources import resource
from mock_server.scenario_files import ScenarioFile, parse_reference
from mock_server.scenario_form import ScenarioError


@pytest.fixture(scope="module")
def catalogue(program: Program) -> Catalogue:
    return Catalogue(program.spec)


def own(program: Program, folder: Path, **files: str) -> Catalogue:
    """The catalogue with these files of the user's."""
    for name, text in files.items():
        (folder / f"{name.replace('_', '-')}.yaml").write_text(text, encoding="utf-8")
    return Catalogue(program.spec, folder)


def test_every_scenario_can_be_chosen_by_the_name_it_is_listed_with(catalogue: Catalogue, program: Program) -> None:
    entries = catalogue.entries()
    files = sorted({each.stem for each in resource("fixtures/scenarios").glob("*.yaml")} - {"problem"})
    assert [each.name for each in entries] == [*files, *sorted(program.spec.problems)]
    for each in entries:
        assert catalogue.choose(each.name).name == each.name
        assert each.about
        assert not each.own


def test_there_is_one_scenario_for_each_problem(catalogue: Catalogue, program: Program) -> None:
    for name in program.spec.problems:
        step = catalogue.choose(f"{name}; on=query; nth=3; times=always").scripts["query"].at(4)
        assert step is not None
        assert step.problem == name


def test_each_documented_failure_can_be_asked_for(catalogue: Catalogue, program: Program) -> None:
    for task_type in program.spec.task_types.values():
        for name, failure in task_type.failures.items():
            way = catalogue.choose(f"always-failed; reason={name}").way(task_type.name, 0)
            assert way.steps[-1].message == failure.message


def test_two_ways_of_writing_a_reference_are_one_scenario(catalogue: Catalogue) -> None:
    first = catalogue.choose("maintenance; on=query; nth=2")
    assert catalogue.choose('maintenance;nth="2";  on=query; times=1') is first
    assert first.name == "maintenance; nth=2; on=query"
    assert catalogue.choose("maintenance; on=submit") is catalogue.choose("maintenance")


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("maintenence", "there is no scenario 'maintenence'; did you mean maintenance?"),
        ("zzz", "there are accepted-but-reply-lost, "),
        ("zzz", " more"),
        ("", "there is no scenario ''"),
        ("problem", "there is no scenario 'problem'"),
        ("maintenance; onn=query", "there is no parameter 'onn'; did you mean on?"),
        ("instant; on=query", "there is no parameter 'on'; there is none"),
        ("maintenance; on=qury", "there is no value of on 'qury'; did you mean query?"),
        ("maintenance; nth=x", 'submit/0/at: "x" came; the number of an attempt, from 1 is expected'),
        ("maintenance; times=0", "0 came; a number of attempts, from 1, or always is expected"),
        ("maintenance; nth=99999999999999999999", "the number of an attempt"),
        ("always-failed; reason=content-rsk", "did you mean content-risk?"),
        ("maintenance; nth", "after the name stands KEY=VALUE"),
        ("maintenance; =2", "after the name stands KEY=VALUE"),
        ("maintenance; nth=1; nth=2", "nth is said twice"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(catalogue: Catalogue, reference: str, reason: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        catalogue.choose(reference)
    assert reason in str(caught.value)


def test_a_reference_is_a_name_and_its_parameters() -> None:
    assert parse_reference(" rate-limited ;on=query; nth = 2") == ("rate-limited", {"on": "query", "nth": "2"})


def test_a_folder_adds_scenarios_and_takes_the_place_of_those_there_are(program: Program, tmp_path: Path) -> None:
    catalogue = own(
        program,
        tmp_path,
        slow="name: slow\nabout: Slow.\nlifecycle: {pace: 1h}\n",
        instant="name: instant\nabout: Not that quick.\nlifecycle: {pace: 1s}\n",
    )
    listed = {each.name: each for each in catalogue.entries()}
    assert listed["slow"].own
    assert listed["instant"].about == "Not that quick."
    assert not listed["realistic"].own
    assert catalogue.choose("slow").way("omni-video", 0).pace_ms[0] == (3_600_000, 3_600_000)


def test_parameters_fill_in_values_and_keys(program: Program, tmp_path: Path) -> None:
    text = """
name: mine
about: Mine.
parameters:
  where: {default: query}
  long: {default: 5s, about: How long.}
$where: [{problem: maintenance}]
lifecycle: {pace: {processing: $long}}
"""
    catalogue = own(program, tmp_path, mine=text)
    usual, other = catalogue.choose("mine"), catalogue.choose("mine; where=list; long=7s")
    assert set(usual.scripts) == {"query"}
    assert set(other.scripts) == {"list"}
    assert other.way("omni-video", 0).pace_ms[1] == (7_000, 7_000)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("name: mine\nabout: x\nqury: []\n", 3, "qury: there is no key 'qury'; did you mean query?"),
        ("name: mine\nabout: x\nquery:\n  - {problem: maintenence}\n", 4, "did you mean maintenance?"),
        ("name: other\nabout: x\n", 1, "name: is 'other', and the file is that of 'mine'"),
        ("name: mine\nabout: x\nlifecycle:\n  pace: 5\n", 4, "lifecycle/pace: 5 is not a duration: write 5s"),
        ("name: mine\nabout: x\nlifecycle: {outcome: $how}\n", 3, "there is no parameter 'how'"),
        ("name: mine\nabout: x\nfor-each: problem\n", 1, "goes with the file problem.yaml"),
        (
            "name: mine\nabout: x\nparameters: {a: {default: submit}}\nsubmit: []\n$a: []\n",
            5,
            "stands in this scenario",
        ),
        ("name: mine\nabout: x\nparameters: {a: {default: qury}}\n$a: []\n", 4, "did you mean query?"),
        ("name: [\n", 2, "is not YAML"),
        ("just text\n", 1, "is not of type"),
        ("name: mine\n", 1, '"about" is a required property'),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_line(
    program: Program, tmp_path: Path, text: str, line: int, reason: str
) -> None:
    with pytest.raises(SpecError) as caught:
        own(program, tmp_path, mine=text)
    assert str(caught.value).startswith(f"{tmp_path / 'mine.yaml'}:{line}: ")
    assert reason in str(caught.value)


def test_a_folder_that_is_not_there_is_named(program: Program, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="is not a folder"):
        Catalogue(program.spec, tmp_path / "nowhere")


def test_a_file_with_another_ending_is_not_passed_over_in_silence(program: Program, tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text("name: mine\nabout: x\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"ends in \.yaml"):
        Catalogue(program.spec, tmp_path)


def test_a_scenario_can_be_defined_without_a_file(catalogue: Catalogue) -> None:
    scenario = catalogue.define({"name": "inline", "about": "x", "query": [{"problem": "maintenance"}]})
    assert scenario.name == "inline"
    with pytest.raises(ScenarioError, match="did you mean query"):
        catalogue.define({"name": "inline", "about": "x", "qury": []})


def test_a_scenario_builds_on_another(program: Program, tmp_path: Path) -> None:
    catalogue = own(
        program,
        tmp_path,
        base="name: base\nabout: Base.\nparameters: {long: {default: 1s}}\n"
        "query: [{problem: maintenance}]\nlifecycle: {pace: $long, outcome: failure}\n",
        above="name: above\nabout: Above.\nextends: base; long=3s\nlist: [{problem: maintenance}]\n"
        "lifecycle: {outcome: success}\n",
    )
    scenario = catalogue.choose("above")
    assert (scenario.about, set(scenario.scripts)) == ("Above.", {"query", "list"})
    way = scenario.way("omni-video", 0)
    assert way.pace_ms == ((3_000, 3_000), (3_000, 3_000))
    assert way.steps[-1].final == "success"


@pytest.mark.parametrize(
    ("one", "two", "reason"),
    [
        ("name: one\nabout: x\nextends: two\n", "name: two\nabout: x\nextends: one\n", "one → two → one"),
        ("name: one\nabout: x\nextends: one\n", "name: two\nabout: x\n", "runs in a circle: one → one"),
        ("name: one\nabout: x\nextends: tow\n", "name: two\nabout: x\n", "did you mean two?"),
        ("name: one\nabout: x\nextends: two; x=1\n", "name: two\nabout: x\n", "there is no parameter 'x'"),
    ],
)
def test_a_scenario_that_builds_on_nothing_sound_is_named(
    program: Program, tmp_path: Path, one: str, two: str, reason: str
) -> None:
    with pytest.raises(SpecError) as caught:
        own(program, tmp_path, one=one, two=two)
    assert str(caught.value).startswith(f"{tmp_path / 'one.yaml'}:3: extends: ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("path", sorted(resource("fixtures/scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_file_that_comes_with_the_project_says_what_its_parameters_are(catalogue: Catalogue, path: Path) -> None:
    for each in catalogue.entries():
        assert all(parameter.about for parameter in each.parameters), each.name


def test_only_what_the_spec_can_tell_is_listed() -> None:
    catalogue = Catalogue(load_spec(resource("fixtures/providers/replicate.yaml")))
    listed = {each.name for each in catalogue.entries()}
    assert {"realistic", "instant", "always-failed", "never-finishes", "slow"} <= listed
    # Both name a problem of the first provider.
    assert not {"black-friday", "down-for-maintenance"} & listed
    for name in listed:
        assert catalogue.choose(name).name == name


@pytest.mark.parametrize("path", sorted(resource("fixtures/scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_each_of_our_own_files_is_of_the_form(path: Path) -> None:
    ScenarioFile(path)
