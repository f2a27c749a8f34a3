"""The corpus of request bodies: each file breaks and warns of exactly what it says."""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

from mock_server.compiled import Submission
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.rules import all_rules
from mock_server.settings import Settings
from mock_server.twin import load_program
from mock_server.validation import Validation

CORPUS = resource("fixtures/requests")
VALID = sorted((CORPUS / "valid").glob("*.json"))
INVALID = sorted((CORPUS / "invalid").glob("*.json"))

# Rules that no body can break by itself, and why.
NOT_IN_THE_CORPUS = {"R15": "an external id is repeated only where a world has seen it before"}

MEMBERS = {"shows": str, "profile": str, "operation": str, "breaks": list, "warns": list}

# The operation that a body is for, where its file does not say.
OMNI = "createOmniVideo"


def submission_of(program: Program, operation: str) -> Submission:
    found = next(each.submission for each in program.operations if each.id == operation)
    assert found is not None
    return found


def submit_validation(program: Program, operation: str = OMNI) -> Validation:
    return submission_of(program, operation).validation


@functools.cache
def program_under(profile: str) -> Program:
    return load_program(Settings(profile=profile))


def validation_under(profile: str, operation: str = OMNI) -> Validation:
    return submit_validation(program_under(profile), operation)


def validation_for(entry: dict[str, Any]) -> Validation:
    return validation_under(entry["profile"], entry.get("operation", OMNI))


def read(path: Path) -> dict[str, Any]:
    entry = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(entry, dict)
    return entry


def name_of(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("path", VALID, ids=name_of)
def test_a_valid_body_breaks_nothing_and_warns_of_what_it_says(path: Path) -> None:
    entry = read(path)
    violations, warnings = validation_for(entry).check(entry["body"], None, ())
    assert [each.rule for each in violations] == []
    assert sorted(each.rule for each in warnings) == sorted(entry.get("warns", []))


@pytest.mark.parametrize("path", INVALID, ids=name_of)
def test_an_invalid_body_breaks_and_warns_of_exactly_what_it_says(path: Path) -> None:
    entry = read(path)
    violations, warnings = validation_for(entry).check(entry["body"], None, ())
    assert sorted(each.rule for each in violations) == sorted(entry["breaks"])
    assert sorted(each.rule for each in warnings) == sorted(entry.get("warns", []))


@pytest.mark.parametrize("path", [*VALID, *INVALID], ids=name_of)
def test_a_file_says_what_it_shows_in_one_sentence(path: Path) -> None:
    entry = read(path)
    assert entry.keys() - {"breaks", "warns", "operation"} == {"shows", "profile", "body"}
    assert ("breaks" in entry) == (path in INVALID)
    assert all(isinstance(entry[name], kind) for name, kind in MEMBERS.items() if name in entry)
    assert entry["shows"].endswith(".")
    assert "\n" not in entry["shows"]


def test_every_rule_of_the_spec_is_broken_by_a_file(program: Program) -> None:
    broken = {
        rule for path in [*VALID, *INVALID] for member in ("breaks", "warns") for rule in read(path).get(member, [])
    }
    missing = {rule.id for rule in all_rules(program.spec)} - broken
    assert missing == NOT_IN_THE_CORPUS.keys()


def test_every_rule_that_refuses_is_broken_alone_by_a_file(program: Program) -> None:
    alone = {entry["breaks"][0] for entry in map(read, INVALID) if len(entry["breaks"]) == 1}
    refusing = {rule.id for rule in all_rules(program.spec) if rule.severity == "refuse"}
    assert refusing - alone == NOT_IN_THE_CORPUS.keys()


def test_every_rule_has_a_near_neighbour_that_keeps_it(program: Program) -> None:
    names = [path.stem for path in VALID]
    lonely = {
        rule.id
        for rule in all_rules(program.spec)
        if not any(name.startswith(f"{rule.id}-") for name in names) and rule.severity == "refuse"
    }
    assert lonely == NOT_IN_THE_CORPUS.keys()


@pytest.mark.parametrize("operation", [OMNI, "createText2Video", "createImage2Video"])
def test_every_field_is_given_in_a_valid_and_in_an_invalid_body(program: Program, operation: str) -> None:
    fields = submit_validation(program, operation).schema["properties"].keys()
    for paths in (VALID, INVALID):
        entries = [entry for path in paths if (entry := read(path)).get("operation", OMNI) == operation]
        assert fields <= {name for entry in entries if isinstance(entry["body"], dict) for name in entry["body"]}
