"""Schemathesis against the application: every operation, every check, both ways of generating, and the links.

One thing is beyond what it can know: the checks (`x-checks`) refuse bodies that fit the schema, and an unknown task id
answers 400, as was observed at the vendor. All checks run on every call; one failure, "schema-valid request rejected",
is dropped where the journal shows that the reason was one of these.
"""

import functools
from collections import Counter
from typing import Any

import hypothesis
import jsonschema_rs
import msgspec
import pytest
import schemathesis
from hypothesis import settings
from schemathesis import HookContext, Response
from schemathesis.checks import CHECKS as CHECKS_OF_SCHEMATHESIS
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from mock_server.app import App
from mock_server.clock import ManualClock
from mock_server.document import Document
from mock_server.exchange import Exchange
from mock_server.resources import resource
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from mock_server.worlds import World
from tests.support import MINIMAL, OMNI, Caller

KEY = "sk-test"
FILE = resource("openapi.yaml")
ROOT: Any = Document(FILE).root
TEXT, IMAGE = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
# The smallest body for each submit, and the schema of its bodies as an ordinary tool has it.
SMALLEST = {OMNI: MINIMAL, TEXT: {"prompt": "A lighthouse."}, IMAGE: {"image": "https://example.com/1.png"}}
SCHEMAS = {OMNI: "OmniVideoRequest", TEXT: "Text2VideoRequest", IMAGE: "Image2VideoRequest"}
REQUESTS = {path: ROOT["components"]["schemas"][name] for path, name in SCHEMAS.items()}

CHECKS = {each["x-rule"]["id"] for request in REQUESTS.values() for each in request["x-checks"]}

Case = schemathesis.Case[Any]


@functools.cache
def whole_schema(path: str) -> jsonschema_rs.Draft202012Validator:
    schema = {**REQUESTS[path], "components": ROOT["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def fits_the_whole_schema(path: str, body: Any) -> bool:
    return whole_schema(path).is_valid(body)


# Derandomized, so that a run is the same everywhere; the search for new bodies is for the tests of the rules.
bounded = settings(max_examples=100, deadline=None, database=None, derandomize=True)


def config() -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {
            "auth": {"openapi": {"bearerKey": {"bearer": KEY}}},
            # The spec's own links alone: with those it infers, each story would start with an empty list of tasks.
            "phases": {"stateful": {"inference": {"algorithms": []}}},
        }
    )


class Subject:
    """The application with a closed list of keys, and Schemathesis's view of it."""

    def __init__(self, dialect: str | None = None) -> None:
        self.settings = Settings(clock="manual", api_keys=(KEY,), dialect=dialect)
        self.program = load_program(self.settings)
        self.schema = schema = schemathesis.openapi.from_dict(self.program.openapi(), config=config())
        self.answers = Counter[tuple[str, int]]()
        self.app = App(make_twin(self.settings, self.program))
        schema.config.update(base_url="http://testserver")
        schema.app = self.app
        schema.hooks.register_hook_with_name(self.keep_failure, "filter_failure")
        schema.hooks.register_hook_with_name(self.after_call, "after_call")

    def start_afresh(self) -> Caller:
        """Forget all tasks: what one case has left must not change the answer to another."""
        twin = make_twin(self.settings, self.program)
        self.app.twin, self.app.endpoint = twin, twin.endpoint
        return Caller(twin, KEY)

    @property
    def world(self) -> World:
        return self.app.twin.worlds.open(KEY)

    def after_call(self, context: HookContext, case: Case, response: Response) -> None:
        """Let tasks move on, so that their later answers are seen as well."""
        self.answers[case.operation.label, response.status_code] += 1
        clock = self.world.clock
        assert isinstance(clock, ManualClock)
        clock.move_to(clock.now_ms() + 20_000)

    def keep_failure(
        self,
        context: HookContext,
        failure: Failure,
        case: Case,
        response: Response,
    ) -> bool:
        return not (isinstance(failure, RejectedPositiveData) and self.was_right_to_refuse(case, response))

    def was_right_to_refuse(self, case: Case, response: Response) -> bool:
        told = self.explanation(response)
        if case.operation.path.endswith("/{task_id}"):
            return response.status_code == 400 and told["problem"] == "task-not-found"
        if case.operation.method.upper() != "POST" or told["problem"] != "invalid-value":
            return False
        rules = {each["rule"] for each in told["violations"]}
        return fits_the_whole_schema(case.operation.path, case.body) and rules <= CHECKS

    def explanation(self, response: Response) -> dict[str, Any]:
        """What the journal has of a call: the header that names its entry may have been cut."""
        (header,) = response.headers["x-mock-explanation"]
        number = msgspec.json.decode(header)["journal"]
        (entry,) = [each for each in self.world.journal.entries if each.number == number]
        assert isinstance(entry, Exchange)
        assert entry.explanation is not None
        return entry.explanation


READING, SUBMITTING, LINKS = Subject(), Subject(), Subject()
WRAPPED = Subject("gateway-wrapper")


def test_every_check_is_on() -> None:
    load_all_checks()
    names = CHECKS_OF_SCHEMATHESIS.get_all_names()
    assert {"ignored_auth", "negative_data_rejection", "positive_data_acceptance", "unsupported_method"} <= set(names)
    for subject in (READING, SUBMITTING, LINKS, WRAPPED):
        checks = subject.schema.config.checks_config_for()
        assert [name for name in names if not checks.get_by_name(name=name).enabled] == []


def with_tasks(subject: Subject, case: Case) -> None:
    """Let there be tasks of the type that is asked for, with the ids that are drawn the most often."""
    caller = subject.start_afresh()
    path = case.operation.path.removesuffix("/{task_id}")
    for external_id in ("0", "00", ""):
        body = {**SMALLEST[path], "external_task_id": external_id, "watermark_info": {"enabled": True}}
        assert caller.submit(body, path).status == 200
    caller.finish("0")


@READING.schema.include(method="GET").parametrize()
@bounded
def test_queries_and_lists_conform(case: Case) -> None:
    with_tasks(READING, case)
    case.call_and_validate()


@WRAPPED.schema.include(method="GET").parametrize()
@settings(bounded, max_examples=40)
def test_queries_and_lists_conform_in_a_gateways_dialect(case: Case) -> None:
    with_tasks(WRAPPED, case)
    case.call_and_validate()


@WRAPPED.schema.include(method="POST").parametrize()
@settings(bounded, max_examples=60)
def test_submits_conform_in_a_gateways_dialect(case: Case) -> None:
    WRAPPED.start_afresh()
    case.call_and_validate()


@SUBMITTING.schema.include(method="POST").parametrize()
@settings(bounded, max_examples=150)
def test_submits_conform(case: Case) -> None:
    SUBMITTING.start_afresh()
    case.call_and_validate()


@pytest.mark.parametrize("path", REQUESTS)
def test_it_draws_bodies_that_keep_every_rule_of_the_schema(path: str) -> None:
    """So the file can be used by generators of test data as it is."""
    cases = SUBMITTING.schema[path]["POST"].as_strategy()
    drawn: list[bool] = []

    @settings(bounded, max_examples=50)
    @hypothesis.given(cases)
    def draw(case: Case) -> None:
        drawn.append(fits_the_whole_schema(path, case.body))

    draw()
    assert len(drawn) >= 50
    assert all(drawn)


def test_links_lead_to_tasks_that_are_there_and_all_conforms() -> None:
    machine = LINKS.schema.as_state_machine()
    story: Any = type("Story", (machine,), {"setup": lambda self: LINKS.start_afresh()})
    story.run(settings=settings(bounded, max_examples=30, stateful_step_count=6))
    for path in REQUESTS:
        assert LINKS.answers[f"POST {path}", 200] > 0
        assert LINKS.answers[f"GET {path}/{{task_id}}", 200] > 0
