"""Schemathesis against the second provider: every operation, every check, and the links."""

from typing import Any

import schemathesis
from hypothesis import settings
from schemathesis import HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData
from schemathesis.specs.openapi.schemas import OpenApiSchema

from mock_server.app import App
from mock_server.resources import resource
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin

TOKEN = "r8_test"
SETTINGS = Settings(clock="manual", api_keys=(TOKEN,), spec=resource("fixtures/providers/replicate.yaml"))
PROGRAM = load_program(SETTINGS)
APP = App(make_twin(SETTINGS, PROGRAM))
bounded = settings(max_examples=60, deadline=None, database=None, derandomize=True)
Case = schemathesis.Case[Any]


def _schema() -> OpenApiSchema:
    config = schemathesis.Config.from_dict(
        {
            "auth": {"openapi": {"token": {"bearer": TOKEN}}},
            "phases": {"stateful": {"inference": {"algorithms": []}}},
        }
    )
    schema = schemathesis.openapi.from_dict(PROGRAM.openapi(), config=config)
    schema.config.update(base_url="http://testserver")
    schema.app = APP
    schema.hooks.register_hook_with_name(_keep_failure, "filter_failure")
    return schema


def _keep_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    """Ids and cursors that are well formed and not there are refused: no schema can say which are."""
    unknown = case.method.upper() == "GET" or case.operation.path.endswith("/cancel")
    return not (isinstance(failure, RejectedPositiveData) and unknown and response.status_code in (404, 422))


SCHEMA = _schema()


def start_afresh() -> None:
    twin = make_twin(SETTINGS, PROGRAM)
    APP.twin, APP.endpoint = twin, twin.endpoint


@SCHEMA.parametrize()
@bounded
def test_every_operation_conforms(case: Case) -> None:
    start_afresh()
    case.call_and_validate()


def test_links_lead_from_a_prediction_to_its_get_and_its_cancel() -> None:
    seen = set[tuple[str, int]]()
    machine = SCHEMA.as_state_machine()

    class Story(machine):  # type: ignore[misc, valid-type]
        def setup(self) -> None:
            start_afresh()

        def after_call(self, response: Response, case: Case) -> None:
            seen.add((case.operation.label, response.status_code))

    Story.run(settings=settings(bounded, max_examples=20, stateful_step_count=5))
    assert {
        ("POST /v1/predictions", 201),
        ("GET /v1/predictions/{prediction_id}", 200),
        ("POST /v1/predictions/{prediction_id}/cancel", 200),
    } <= seen
