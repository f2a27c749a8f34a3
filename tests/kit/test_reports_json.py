"""The report as JSON, its schema, and reading it back."""

import json
import runpy
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import given, settings

from contracts.report.json_report import ReportError, parse_report, read_report, render
from contracts.report.model import Report
from mock_server.resources import resource
from tests.kit.reports import a_report, believable, failed_case, hostile, reports

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def schema() -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(json.loads(resource("fixtures/schemas/report.schema.json").read_text()))


def test_the_schema_is_the_one_that_the_values_make() -> None:
    """When it is not: python .ci/make_report_schema.py."""
    made = runpy.run_path(str(ROOT / ".ci/make_report_schema.py"))
    assert made["PAGE"].read_text(encoding="utf-8") == made["page"](), "run python .ci/make_report_schema.py"


@pytest.mark.parametrize("report", [believable(), hostile(), a_report()], ids=["believable", "hostile", "empty"])
def test_a_report_fits_the_schema_and_is_read_back_whole(
    report: Report, schema: jsonschema_rs.Draft202012Validator
) -> None:
    packed = render(report)
    schema.validate(json.loads(packed))
    assert parse_report(packed, "it") == report


@settings(max_examples=60, deadline=None)
@given(reports)
def test_any_report_is_read_back_and_written_the_same(report: Report) -> None:
    packed = render(report)
    assert render(parse_report(packed, "it")) == packed


def test_a_report_says_its_format() -> None:
    assert json.loads(render(believable()))["format"] == 1


def test_halves_of_surrogate_pairs_do_no_harm() -> None:
    report = parse_report(render(a_report(failed_case(reason="a\ud800b"))), "it")
    assert report.cases[0].reason == "a?b"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<html>", "x.json is not a report of omnimock: it is not JSON"),
        (b"\xff\xfe", "x.json is not a report of omnimock: it is not JSON"),
        (b"[" * 100_000, "x.json is not a report of omnimock: it is not JSON"),
        (b"[]", "x.json is not a report of omnimock: it has no member `format`"),
        (b'{"format": true}', "x.json is not a report of omnimock: it has no member `format`"),
        (b'{"format": 2}', "x.json is a report of format 2, and this omnimock reads format 1; read it with the"),
        (b'{"format": 1}', "x.json is not a whole report of omnimock: Object missing required field `client`"),
    ],
)
def test_what_is_no_report_is_refused_with_a_clear_word(content: bytes, said: str) -> None:
    with pytest.raises(ReportError) as caught:
        parse_report(content, "x.json")
    assert str(caught.value).startswith(said)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"none\.json cannot be read: No such file"):
        read_report(tmp_path / "none.json")
