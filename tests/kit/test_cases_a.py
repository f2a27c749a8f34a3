"""The groups of keys, requests, rules, creates, forward compatibility and secrecy, as the catalogue has them."""

from typing import get_args

import pytest

from contracts.case import Basis, Case, catalogue
from contracts.checks.table import CHECKS, POOLED
from contracts.stage import REQUEST, filled_in, fills_of, plays_of, scenario_source
from contracts.virtual_twin import VirtualTwin
from mock_server.twin import Twin

GROUPS = ("auth", "request", "cross-field", "create", "forward", "security")
CASES = [each for each in catalogue() if each.group in GROUPS]
FILLS = fills_of("sk-omnimock-0123456789abcdef", "http://127.0.0.1:8", "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def twin() -> Twin:
    return VirtualTwin().twin


def test_the_cases_are_those_of_the_catalogue() -> None:
    counts = {"AUTH": 6, "REQ": 8, "XF": 7, "CR": 6, "FC": 5, "SE": 4}
    wanted = [f"{group}-{number:02}" for group, count in counts.items() for number in range(1, count + 1)]
    assert sorted(each.id for each in CASES) == sorted(wanted)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_says_all_that_a_person_needs(case: Case) -> None:
    texts = (case.title, case.requirement, case.source, case.why, case.fix, case.example)
    assert all(each.strip() for each in texts)
    assert case.requirement.endswith(".")
    assert case.basis in get_args(Basis)
    assert set(case.judges) <= set("WOLC")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_a_case_names_checks_that_there_are(case: Case) -> None:
    checks = [*case.checks, *case.observed, *(check for play in case.plays for check in play.checks)]
    assert {name for check in checks for name in check} <= set(CHECKS)
    assert {name for check in case.pooled for name in check} <= set(POOLED)
    assert all(case.checks or case.pooled or play.checks for play in case.plays)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_scenarios_of_a_case_can_be_played(case: Case, twin: Twin) -> None:
    for _, play in plays_of(case):
        twin.catalogue.define(scenario_source(play.scenario, FILLS))
        if play.virtual_scenario is not None:
            twin.catalogue.define(scenario_source(play.virtual_scenario, FILLS))


def _broken(twin: Twin, request: dict[str, object]) -> set[str]:
    validation = next(each.submission for each in twin.program.operations if each.id == "createOmniVideo")
    assert validation is not None
    body = filled_in({key: value for key, value in request.items() if value is not None}, FILLS)
    return {each.rule for each in validation.validation.check(body, None, ())[0]}


@pytest.mark.parametrize("case", [each for each in CASES if each.group == "cross-field"], ids=lambda case: case.id)
def test_a_request_across_fields_breaks_what_its_case_is_about_and_nothing_else(case: Case, twin: Twin) -> None:
    argument = case.checks[0]["kept-rule"]
    for play in case.plays:
        broken = _broken(twin, {**REQUEST, **play.request})
        assert broken, play.name
        others = {each for each in broken if each not in argument["rules"]}
        assert all(each.startswith("multi_prompt.") and argument.get("at") for each in others), (play.name, others)


@pytest.mark.parametrize(
    "case", [each for each in CASES if each.group != "cross-field" and each.id != "REQ-04"], ids=lambda case: case.id
)
def test_every_other_request_is_a_good_one(case: Case, twin: Twin) -> None:
    for play in case.plays:
        for job in play.jobs:
            assert not _broken(twin, {**REQUEST, **play.request, **job}), play.name


def test_the_members_of_a_request_are_those_of_the_spec(twin: Twin) -> None:
    known = next(check["known-members"] for case in CASES if case.id == "REQ-07" for check in case.checks)
    operation = next(each for each in twin.program.spec.operations if each.id == "createOmniVideo")
    properties = operation.body_schema["properties"]
    assert set(known["the body"]) == set(properties)
    for name, members in known.items():
        if name != "the body":
            assert set(members) == set(properties[name].get("items", properties[name])["properties"])
