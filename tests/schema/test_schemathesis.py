"""Schemathesis against the application: every operation, every check, both ways of generating, and the links.

One thing is beyond what it can know: the checks (`x-checks`) refuse bodies that fit the schema, and an unknown task id
answers 400, as was observed at the vendor. All checks run on every call; one failure, "schema-valid request rejected",
is dropped where the journal shows that the reason was one of these.
"""

from collections import Counter
from typing import Any

import hypothesis
import jsonschema_rs
import msgspec
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
REQUEST = ROOT["components"]["schemas"]["OmniVideoRequest"]

CHECKS = {each["x-rule"]["id"] for each in REQUEST["x-checks"]}
fits_the_whole_schema = jsonschema_rs.Draft202012Validator(REQUEST, validate_formats=True).is_valid

Case = schemathesis.Case[Any]

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

    def __init__(self) -> None:
        self.settings = Settings(clock="manual", api_keys=(KEY,))
        self.program = load_program(self.settings)
        self.schema = schema = schemathesis.openapi.from_path(FILE, config=config())
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
        if case.operation.label == f"GET {OMNI}/{{task_id}}":
            return response.status_code == 400 and told["problem"] == "task-not-found"
        if case.operation.label != f"POST {OMNI}" or told["problem"] != "invalid-value":
            return False
        rules = {each["rule"] for each in told["violations"]}
        return fits_the_whole_schema(case.body) and rules <= CHECKS

    def explanation(self, response: Response) -> dict[str, Any]:
        """What the journal has of a call: the header that names its entry may have been cut."""
        (header,) = response.headers["x-mock-explanation"]
        number = msgspec.json.decode(header)["journal"]
        (entry,) = [each for each in self.world.journal.entries if each.number == number]
        assert isinstance(entry, Exchange)
        assert entry.explanation is not None
        return entry.explanation


READING, SUBMITTING, LINKS = Subject(), Subject(), Subject()


def test_every_check_is_on() -> None:
    load_all_checks()
    names = CHECKS_OF_SCHEMATHESIS.get_all_names()
    assert {"ignored_auth", "negative_data_rejection", "positive_data_acceptance", "unsupported_method"} <= set(names)
    for subject in (READING, SUBMITTING, LINKS):
        checks = subject.schema.config.checks_config_for()
        assert [name for name in names if not checks.get_by_name(name=name).enabled] == []


@READING.schema.include(method="GET").parametrize()
@bounded
def test_queries_and_lists_conform(case: Case) -> None:
    caller = READING.start_afresh()
    # The ids that are drawn the most often.
    for external_id in ("0", "00", ""):
        caller.created({**MINIMAL, "external_task_id": external_id, "watermark_info": {"enabled": True}})
    caller.finish("0")
    case.call_and_validate()


@SUBMITTING.schema.include(method="POST").parametrize()
@settings(bounded, max_examples=250)
def test_submits_conform(case: Case) -> None:
    SUBMITTING.start_afresh()
    case.call_and_validate()


def test_it_draws_bodies_that_keep_every_rule_of_the_schema() -> None:
    """So the file can be used by generators of test data as it is."""
    cases = SUBMITTING.schema[OMNI]["POST"].as_strategy()
    drawn: list[bool] = []

    @settings(bounded, max_examples=50)
    @hypothesis.given(cases)
    def draw(case: Case) -> None:
        drawn.append(fits_the_whole_schema(case.body))

    draw()
    assert len(drawn) >= 50
    assert all(drawn)


def test_links_lead_to_tasks_that_are_there_and_all_conforms() -> None:
    machine = LINKS.schema.as_state_machine()
    story: Any = type("Story", (machine,), {"setup": lambda self: LINKS.start_afresh()})
    story.run(settings=settings(bounded, max_examples=30, stateful_step_count=6))
    assert LINKS.answers[f"POST {OMNI}", 200] > 0
    assert LINKS.answers[f"GET {OMNI}/{{task_id}}", 200] > 0
