"""Schemathesis against the application: every operation, every check, both ways of generating, and the links.

The loop itself is a feature of the product (`omnimock selftest`); what is dropped of its failures is said there.
"""

from typing import Any

import hypothesis
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import settings
from schemathesis.checks import CHECKS as CHECKS_OF_SCHEMATHESIS
from schemathesis.checks import load_all_checks

from contracts.schema_checks import SchemaReport, Subject, run_schema_checks
from mock_server.document import Document
from mock_server.resources import resource
from tests.support import OMNI

FILE = resource("openapi.yaml")
ROOT: Any = Document(FILE).root
TEXT, IMAGE = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
SCHEMAS = {OMNI: "OmniVideoRequest", TEXT: "Text2VideoRequest", IMAGE: "Image2VideoRequest"}

Case = schemathesis.Case[Any]


@pytest.fixture(scope="module")
def report() -> SchemaReport:
    """One run for all that is asked about it."""
    return run_schema_checks(examples=100)


def test_every_check_is_on() -> None:
    load_all_checks()
    names = CHECKS_OF_SCHEMATHESIS.get_all_names()
    assert {"ignored_auth", "negative_data_rejection", "positive_data_acceptance", "unsupported_method"} <= set(names)
    checks = Subject().schema.config.checks_config_for()
    assert [name for name in names if not checks.get_by_name(name=name).enabled] == []


def test_every_operation_conforms(report: SchemaReport) -> None:
    assert (report.failures, report.errors) == ((), ())


@pytest.mark.parametrize("path", SCHEMAS)
def test_every_operation_was_called_and_answered_both_ways(path: str, report: SchemaReport) -> None:
    for label in (f"POST {path}", f"GET {path}", f"GET {path}/{{task_id}}"):
        statuses = {status for name, status in report.drawn if name == label}
        assert {200, 400, 401} <= statuses, label
    assert report.drawn[f"POST {path}", 200] >= 50


@pytest.mark.parametrize("path", SCHEMAS)
def test_links_lead_to_tasks_that_are_there(path: str, report: SchemaReport) -> None:
    assert report.linked[f"POST {path}", 200] > 0
    assert report.linked[f"GET {path}/{{task_id}}", 200] > 0


def test_all_conforms_in_a_gateways_dialect() -> None:
    report = run_schema_checks(dialect="gateway-wrapper", examples=50)
    assert (report.failures, report.errors) == ((), ())
    assert report.drawn[f"GET {OMNI}/{{task_id}}", 200] > 0


@pytest.mark.parametrize("path", SCHEMAS)
def test_it_draws_bodies_that_keep_every_rule_of_the_schema(path: str) -> None:
    """So the file can be used by generators of test data as it is."""
    schema = {**ROOT["components"]["schemas"][SCHEMAS[path]], "components": ROOT["components"]}
    fits = jsonschema_rs.Draft202012Validator(schema, validate_formats=True).is_valid
    cases = Subject().schema[path]["POST"].as_strategy()
    drawn: list[bool] = []

    @settings(max_examples=50, deadline=None, database=None, derandomize=True)
    @hypothesis.given(cases)
    def draw(case: Case) -> None:
        drawn.append(fits(case.body))

    draw()
    assert len(drawn) >= 50
    assert all(drawn)
