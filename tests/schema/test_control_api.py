"""The control API keeps its own OpenAPI file: every page is in it, and Schemathesis finds no answer that is not.

What the file cannot say, because it holds for every spec, the test puts in: which operations, problems, statuses and
failures there are, how far the journal and the clock have come, and waits that do not take long. All checks run on
every call. One failure, "schema-valid request rejected", is dropped where two filters exclude each other.
"""

from collections import Counter
from typing import Any

import openapi_spec_validator
import pytest
import schemathesis
import yaml
from hypothesis import settings
from schemathesis import HookContext, Response
from schemathesis.checks import CHECKS as CHECKS_OF_SCHEMATHESIS
from schemathesis.checks import load_all_checks
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import RejectedPositiveData

from mock_server.app import App
from mock_server.clock import MANUAL_START_MS
from mock_server.control import PAGES
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from tests.support import MINIMAL, Caller

# The last test looks at what the others drew: they stay in one process.
pytestmark = pytest.mark.xdist_group("control-api")

KEY = "sk-test-of-ours"
FILE: Any = yaml.safe_load(resource("fixtures/control-api.yaml").read_text(encoding="utf-8"))
METHODS = ("get", "post", "put", "delete", "head")
# What the journal of a fresh subject has come to.
ENTRIES = 3

Case = schemathesis.Case[Any]

bounded = settings(max_examples=50, deadline=None, database=None, derandomize=True)


def operations() -> set[tuple[str, str]]:
    return {(name.upper(), path) for path, item in FILE["paths"].items() for name in item if name in METHODS}


def test_the_file_is_sound() -> None:
    openapi_spec_validator.validate(FILE)


def test_every_page_is_in_the_file_and_every_operation_of_the_file_is_a_page() -> None:
    assert {(page.method, page.path.replace(":path}", "}")) for page in PAGES} == operations()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_a_page_takes_the_parameters_that_the_file_gives_it(page: Any) -> None:
    operation = FILE["paths"][page.path.replace(":path}", "}")][page.method.lower()]
    named = [FILE["components"]["parameters"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
             for each in operation.get("parameters", ())]  # fmt: skip
    assert sorted(each["name"] for each in named if each["in"] == "query") == sorted(page.query or ())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.method} {page.path}")
def test_a_page_is_as_open_as_the_file_says(page: Any) -> None:
    operation = FILE["paths"][page.path.replace(":path}", "}")][page.method.lower()]
    wanted = operation.get("security", FILE["security"])
    assert bool(wanted) == (page.access == "world")
    assert ("403" in operation["responses"]) == (page.access != "open" or "media" in page.path)
    assert ("401" in operation["responses"]) == (page.access == "world")


def for_this_twin(program: Program) -> Any:
    """The file, with what is so in this twin."""
    file = yaml.safe_load(resource("fixtures/control-api.yaml").read_text(encoding="utf-8"))
    task_types = program.spec.task_types
    statuses = sorted({status for each in task_types.values() for status in each.lifecycle.statuses})
    parameters, schemas = file["components"]["parameters"], file["components"]["schemas"]
    for name, names in (
        ("operation", [each.id for each in program.operations]),
        ("problem", list(program.spec.problems)),
        ("status", statuses),
    ):
        parameters[name]["schema"] = {"type": "string", "enum": names}
    for each in file["paths"]["/_mock/tasks"]["get"]["parameters"]:
        if each.get("name") in ("status", "type"):
            each["schema"]["enum"] = statuses if each["name"] == "status" else list(task_types)
    for each in file["paths"]["/_mock/journal/wait"]["get"]["parameters"]:
        if each.get("name") == "timeout":
            each["schema"] = {"type": "string", "enum": ["0s", "1ms", "2ms"]}
            del each["example"]
    schemas["Number"]["maximum"] = ENTRIES
    by, to = schemas["Advance"]["oneOf"]
    by["properties"]["by"]["pattern"] = r"^[0-9]{1,2}(\.[0-9])?(ms|s|m|h|d)$"
    to["properties"]["to_ms"]["minimum"] = MANUAL_START_MS
    failures = sorted({name for each in task_types.values() for name in each.failures})
    schemas["Finish"]["oneOf"][0]["properties"]["outcome"] = {"type": "string", "enum": ["success", *failures]}
    whole = {"name": "mine", "about": "Mine.", "query": ["normal", {"problem": "maintenance", "times": 2}]}
    schemas["ArmScenario"]["properties"]["scenario"] = {"enum": ["instant", "maintenance; on=query; nth=2", whole]}
    return file


class Subject:
    """The application, with a few things in the world of the key, and Schemathesis's view of it."""

    def __init__(self) -> None:
        # A folder of the user's without any scenario in it.
        settings = Settings(clock="manual", api_keys=(KEY,), scenarios=resource("fixtures/schemas"))
        program = load_program(settings)
        self.twin = make_twin(settings, program)
        self.schema = schema = schemathesis.openapi.from_dict(for_this_twin(program), config=config())
        schema.config.update(base_url="http://127.0.0.1")
        schema.app = App(self.twin)
        schema.hooks.register_hook_with_name(self.keep_failure, "filter_failure")
        schema.hooks.register_hook_with_name(self.after_call, "after_call")
        self.answers = Counter[tuple[str, int]]()

    def start_afresh(self) -> None:
        """One task and one refusal: what one case has left must not change the answer to another."""
        self.twin.reset(self.twin.worlds.open(KEY))
        caller = Caller(self.twin, KEY)
        caller.created({**MINIMAL, "external_task_id": "0"})
        caller.query("0")
        caller.query("unknown")

    def after_call(self, context: HookContext, case: Case, response: Response) -> None:
        self.answers[case.operation.label, response.status_code] += 1

    def keep_failure(self, context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
        return not (isinstance(failure, RejectedPositiveData) and "no entry is both" in response.json()["detail"])


def config() -> schemathesis.Config:
    return schemathesis.Config.from_dict(
        {
            "auth": {"openapi": {"bearerKey": {"bearer": KEY}}},
            # A wait whose time is over is an answer as good as any.
            "checks": {"positive_data_acceptance": {"expected-statuses": ["2xx", 401, 403, 404, 408, 409]}},
        }
    )


PAGES_OF_IT, STREAM = Subject(), Subject()
STREAM.twin.readers.stop()


def test_every_check_is_on() -> None:
    load_all_checks()
    names = CHECKS_OF_SCHEMATHESIS.get_all_names()
    for subject in (PAGES_OF_IT, STREAM):
        checks = subject.schema.config.checks_config_for()
        assert [name for name in names if not checks.get_by_name(name=name).enabled] == []


@PAGES_OF_IT.schema.exclude(operation_id="streamJournal").parametrize()
@bounded
def test_pages_conform(case: Case) -> None:
    PAGES_OF_IT.start_afresh()
    # A wait that says nothing of its time-out would take five seconds.
    if case.operation.path == "/_mock/journal/wait":
        case.query.setdefault("timeout", "1ms")
    case.call_and_validate()


# A stream has no end; that of a server that stops has one, and all else that it says is the same.
@STREAM.schema.include(operation_id="streamJournal").parametrize()
@bounded
def test_the_stream_conforms(case: Case) -> None:
    STREAM.start_afresh()
    case.call_and_validate()


def test_it_drew_what_each_page_takes_and_what_it_refuses() -> None:
    """Nothing was delivered in these worlds, and no result is there."""
    answers = PAGES_OF_IT.answers + STREAM.answers
    for method, path in operations():
        if answers.total() and "media" not in path:
            label = f"{method} {path}"
            assert answers[label, 404 if "redeliver" in path else 200], label
            if {"parameters", "requestBody"} & set(FILE["paths"][path][method.lower()]):
                assert answers[label, 422] or answers[label, 404], label
