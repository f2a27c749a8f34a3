"""Schemathesis against the second provider: every operation, every check, and the links."""

from contracts.schema_checks import run_schema_checks
from mock_server.resources import resource


def test_every_operation_conforms_and_links_lead_from_a_prediction_to_its_get_and_its_cancel() -> None:
    report = run_schema_checks(resource("fixtures/providers/replicate.yaml"), examples=60)
    assert (report.failures, report.errors) == ((), ())
    assert {
        ("POST /v1/predictions", 201),
        ("GET /v1/predictions/{prediction_id}", 200),
        ("POST /v1/predictions/{prediction_id}/cancel", 200),
    } <= set(report.linked)
    assert ("GET /v1/predictions", 200) in report.drawn
