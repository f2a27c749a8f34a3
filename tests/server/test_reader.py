"""Specs that cannot be used: each stops the start with its file, its line and the reason."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from mock_server.document import SpecError
from mock_server.media import Library, load_library
from mock_server.program import Program
from mock_server.reader import load_spec
from mock_server.resources import resource
from mock_server.rules import choose_profile
from mock_server.spec import Spec

OPENAPI = resource("openapi.yaml").read_text(encoding="utf-8")

# A whole provider in few lines.
SMALL = """
openapi: 3.1.0
info: {title: Small, version: "1"}
paths:
  /jobs:
    post:
      operationId: create
      x-task: {type: job, role: submit}
      requestBody:
        content:
          application/json:
            schema: {$ref: "#/components/schemas/Job"}
            examples: {first: {value: {text: Hello, hook: "http://127.0.0.1/"}}}
      responses:
        "200": {description: ok, content: {application/json: {schema: {type: object, required: [id]}}}}
        "400": {$ref: "#/components/responses/Problem"}
      callbacks:
        done:
          "{$request.body#/hook}":
            post:
              x-delivery:
                send:
                  statuses: [waiting, done]
                  filter: {at: $request.body#/events, events: {start: [waiting], end: [done]}, otherwise: [end]}
                timeout: {after: 5s}
                retries: {after: [10s]}
                body: {id: $task.id}
              requestBody: {content: {application/json: {schema: {type: object}}}}
              responses: {"200": {description: ok}}
    get:
      x-task: {type: job, role: list}
      parameters: [{name: page, in: query, schema: {type: integer, minimum: 1, default: 1}}]
      responses: {"200": {description: ok, content: {application/json: {schema: {type: array}}}}}
  /jobs/{id}/stop:
    post:
      x-task: {type: job, role: cancel}
      parameters: [{name: id, in: path, required: true, schema: {type: string}}]
      responses: {"200": {description: ok, content: {application/json: {schema: {type: object, required: [id]}}}}}
components:
  securitySchemes: {key: {type: http, scheme: bearer, x-auth: {world-claim: iss}}}
  responses:
    Problem: {description: no, content: {application/json: {schema: {type: object, required: [error]}}}}
  schemas:
    Job:
      type: object
      required: [text]
      properties: {text: {type: string, x-source: page}, hook: {type: string}, events: {type: array}}
      allOf: [{x-rule: {id: R1, source: page, message: no bad}, properties: {text: {not: {const: bad}}}}]
x-sources: {page: {confidence: observed, title: A page}}
x-task-types:
  job:
    id: {format: text, prefix: job_, length: 20}
    statuses:
      waiting: {next: [done, failed, stopped]}
      done: {final: success}
      failed: {final: failure}
      stopped: {final: cancelled}
    cancel: {finished: wrong}
    scenario-directive: $request.body#/text
    pace: {waiting: {for: 1s..2s}}
    failures: {broken: {message: It broke, source: page}}
    concurrency: {per: $request.body#/text, problem: wrong}
    replies: {submit: {id: $task.id, text: $request.body#/text}, list: {$each: $tasks, $item: $task.id}}
    list: {page: page, size: size}
x-dialects:
  default: plain
  dialects:
    plain: {about: As it is.}
    other:
      about: Another one.
      replies:
        job: {submit: {schema: {type: object}, body: {s: {$match: $task.status, $cases: {waiting: W}, $else: D}}}}
      callbacks: {job: {schema: {type: object}, body: {at: {$value: $task.ended_at_iso, $else: null}}}}
      problem-schema: {type: object}
      problems: {wrong: {status: 422, body: {text: $problem.body}}}
      otherwise: {body: {}}
x-problems: {wrong: {status: 400, retry: never, about: It is wrong, source: page, body: {error: $problem.detail}}}
x-refusals:
  {authorization-missing: wrong, authorization-malformed: wrong, authorization-unknown: wrong,
   token-not-yet-valid: wrong, token-expired: wrong, path-unknown: wrong, method-unknown: wrong,
   request-malformed: wrong, headers-too-large: wrong, body-too-large: wrong, body-not-json: wrong,
   media-type-wrong: wrong, violation: wrong, task-unknown: wrong, crash: wrong,
   messages: {rule: "{$violation.message}", otherwise: bad}}
""".lstrip()


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


def load(folder: Path, text: str, library: Library) -> Spec:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    spec = load_spec(path)
    Program(spec, choose_profile(spec, None), library)
    return spec


def broken(folder: Path, library: Library, text: str, old: str, new: str, at: str) -> SpecError:
    """Replace `old` by `new`, and return the error, which is in the first line with `at` in it."""
    assert old in text
    text = text.replace(old, new, 1)
    with pytest.raises(SpecError) as caught:
        load(folder, text, library)
    error = caught.value
    assert error.path == folder / "spec.yaml"
    lines = text.splitlines()
    assert error.line is not None
    assert at in lines[error.line - 1], (error.line, lines[error.line - 1], error.reason)
    return error


def test_the_projects_own_spec_is_used_as_it_is(tmp_path: Path, library: Library) -> None:
    spec = load(tmp_path, OPENAPI, library)
    assert {(each.method, each.role) for each in spec.operations} == {
        ("POST", "submit"),
        ("GET", "list"),
        ("GET", "query"),
    }


def test_a_small_spec_says_everything(tmp_path: Path, library: Library) -> None:
    spec = load(tmp_path, SMALL, library)
    task_type = spec.task_types["job"]
    assert task_type.pace_ms == {"waiting": (1_000, 2_000)}
    assert task_type.lifecycle.success == ("waiting", "done")
    assert (spec.mounts, spec.auth.world_claim, spec.default_profile) == (("",), "iss", "all")
    (delivery,) = [each.delivery for each in spec.operations if each.delivery]
    assert (delivery.statuses, delivery.timeout_ms, delivery.retries_ms) == (("waiting", "done"), 5_000, (10_000,))
    assert delivery.signed is False


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("openapi: 3.1.0", "openapi: 3.0.3", "# Everything", "is not an OpenAPI 3.1 file"),
        ("openapi: 3.1.0", "openapi: 3.10.0", "# Everything", "is not an OpenAPI 3.1 file"),
        ("openapi: 3.1.0", "swagger: '2.0'", "# Everything", "is not an OpenAPI 3.1 file"),
        ("x-mounts:", "info: {}\nx-mounts:", "info: {}", "the key 'info' stands here a second time"),
        ("x-mounts:", "x-mount:", "x-mount:", "did you mean x-mounts?"),
        ("{$violation.came} already", "{$violation.camee} already", "", "did you mean $violation.came?"),
        ("x-held-rules:", "x-held-rule:", "x-held-rule:", "did you mean x-held-rules?"),
        (
            "source: kling-pricing",
            "source: kling-prices",
            "kling-prices",
            "'kling-prices'; did you mean kling-pricing?",
        ),
        ("x-source: {type: deerapi-page, maxItems: kling-omni-v3}", "x-source: {type: nobody}", "nobody", "'nobody'"),
        ("violation: invalid-value", "violation: invalid-valve", "invalid-valve", "names the problem 'invalid-valve'"),
        ("  crash: internal-error\n", "", "x-refusals:", '"crash" is a required property'),
        ("problem: concurrency-exceeded", "problem: too-many", "too-many", "names the problem 'too-many'"),
        ("{type: omni-video, role: submit}", "{type: omni, role: submit}", "type: omni,", "names the task type 'omni'"),
        ("      x-task: {type: omni-video, role: query}\n", "", "get:", "has no `x-task`"),
        ("next: [processing, failed]", "next: [procesing, failed]", "statuses:", "goes on to 'procesing'"),
        ("next: [processing, failed]", "next: [failed, processing]", "statuses:", "not in a success"),
        ("next: [succeed, failed]", "next: [submitted, succeed, failed]", "statuses:", "runs in a circle"),
        ("      submitted: {for: 2s..10s,", "      waiting: {for: 2s..10s,", "waiting:", "names the status 'waiting'"),
        (
            "      processing: {for: 30s..250s, source: [kling-live, apiyi-timing], confidence: observed}\n",
            "",
            "pace:",
            "how long a task stays 'processing'",
        ),
        ("2s..10s", "2s-10s", "2s-10s", "2s-10s"),
        ("30s..250s", "250s..30s", "250s..30s", "runs backwards"),
        ("expires: &expires {after: 30d", "expires: &expires {after: 40000d", "40000d", "more than a hundred years"),
        ("timeout: {after: 5s", "timeout: {after: 40000d", "40000d", "more than a hundred years"),
        ("pace: {submitted: 0.4s", "pace: {sent: 0.4s", "sent: 0.4s", "names the status 'sent'"),
        ("external-id: $request.body#/external_task_id", "external-id: $task.id", "external-id:", "$task.id"),
        ("seconds: $request.body#/duration", "seconds: $request.body#duration", "seconds:", "duration"),
        (
            "send: {statuses: [submitted,",
            "send: {statuses: [sent,",
            "send:",
            "the status 'sent'; there are submitted",
        ),
        (
            "task_id: $task.id\n                  task_status",
            "task_id: $task.idd\n                  task_status",
            "$task.idd",
            "did you mean $task.id?",
        ),
        (
            "created_at: $task.created_at_ms",
            "created_at: $task.created_at",
            "$task.created_at",
            "did you mean $task.created_at_",
        ),
        (
            '{code: 1200, message: "{$problem.detail}"',
            '{code: 1200, message: "{$problem.details}"',
            "$problem.details",
            "did you mean $problem.detail?",
        ),
        ('rule: "{$violation.message}"', 'rule: "{$violation.massage}"', "massage", "did you mean $violation.message?"),
        ("$each: $tasks", "$each: $task", "$each: $task,", "did you mean $tasks?"),
        ("data: {$each: $tasks, $item: *task}", "data: *task", "", "$task.id"),
        (
            "{code: 1000, message: Authentication failed,",
            "{code: 0, message: Authentication failed,",
            "body: {code: 0",
            "does not fit its own schema",
        ),
        (
            "          task_id: $task.id\n          task_status: $task.status\n          task_info",
            "          task_id: 7\n          task_status: $task.status\n          task_info",
            "",
            "does not fit its own schema",
        ),
        ('aspect_ratio: "16:9"\n', 'aspect_ratio: "4:3"\n', "page:", "does not keep rule aspect_ratio.enum"),
        (
            '{index: 1, prompt: A harbour at dawn., duration: "3"}',
            '{index: 1, prompt: A harbour at dawn., duration: "4"}',
            "multi-shot:",
            "does not keep rule shots-sum",
        ),
        (
            "image_url: https://example.com/crown.png",
            'image_url: "data:image/png;base64,AA"',
            "video-edit:",
            "does not keep rule R14",
        ),
        ("x-rule: {id: R2,", "x-rule: {id: R1,", "id: R1, at: /image_list, models", "a second rule with the id 'R1'"),
        ("check: sum-equals", "check: sum-equal", "x-checks:", "no check 'sum-equal'"),
        ("{parts: /multi_prompt/*/duration,", "{", "x-checks:", "`with` does not suit the check"),
        (
            'schema: {$ref: "#/components/schemas/QueryReply"}',
            'schema: {$ref: "#/components/schemas/QueryReplay"}',
            '"200"',
            "'#/components/schemas/QueryReplay' names nothing",
        ),
        (
            'task_status: {$ref: "#/components/schemas/TaskStatus"}',
            'task_status: {$ref: "other.yaml#/TaskStatus"}',
            '"200"',
            "'other.yaml#/TaskStatus' names nothing",
        ),
        (
            'items: {$ref: "#/components/schemas/Video"}',
            'items: {$ref: "#/components/schemas/TaskResult"}',
            '"200"',
            "runs in a circle",
        ),
        ("prefixes: [/kling,", "prefixes: [/klang, /kling,", "x-mounts:", "does not start with /klang"),
        ("default: kling\n", "default: king\n", "default: king", "names the profile 'king'"),
    ],
)
def test_a_mistake_in_the_spec_stops_the_start_at_its_line(
    tmp_path: Path, library: Library, old: str, new: str, at: str, reason: str
) -> None:
    assert reason in broken(tmp_path, library, OPENAPI, old, new, at).reason


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("type: integer, minimum: 1", "type: interger, minimum: 1", "interger", "interger"),
        ("schema: {type: object, required: [id]}", "schema: {type: objekt}", "", "objekt"),
        ("required: [text]", "required: text", "Job", "is not a JSON Schema"),
        ("in: query, schema:", "in: query, scheme:", "parameters", ""),
        ("{$request.body#/hook}", "{$request.query.hook}", "query.hook", "the address of a callback is"),
        (
            "            post:\n              x-delivery:",
            "            put:\n              x-delivery:",
            "put:",
            "is not a POST",
        ),
        ("{type: job, role: list}", "{type: job, role: query}", "get:", "a query has one slot in its path"),
        ("role: list}", "role: query}\n      x-source: nobody", "x-source: nobody", "names the source 'nobody'"),
        ("list: {$each: $tasks, $item: $task.id}", "query: {id: $task.id}", "replies:", "for the role 'list'"),
        (
            "statuses: [waiting, done]",
            "statuses: [done, over]",
            "statuses:",
            "the status 'over'; there are waiting",
        ),
        (
            "            post:\n              x-delivery:",
            "            post:\n              x-deliver:",
            "x-deliver:",
            "did you mean",
        ),
        ("x-delivery:", "x-delivery: *nowhere", "x-delivery", "is not YAML"),
    ],
)
def test_a_mistake_in_a_small_spec_stops_the_start_at_its_line(
    tmp_path: Path, library: Library, old: str, new: str, at: str, reason: str
) -> None:
    assert reason in broken(tmp_path, library, SMALL, old, new, at).reason


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    for key, member in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield (*path, key)
        yield from places(member, (*path, key))


TREE = yaml.safe_load(SMALL)
PLACES = list(places(TREE))
GONE = object()
INSTEAD = [GONE, None, True, 7, "", "text", "$task.id", "/a", [], ["text"], [7], {}, {"a": 7}, {"$ref": "#/info"}]


def spoiled(place: tuple[str | int, ...], instead: Any) -> str:
    tree = copy.deepcopy(TREE)
    around = tree
    for part in place[:-1]:
        around = around[part]
    if instead is GONE:
        del around[place[-1]]
    else:
        around[place[-1]] = instead
    return json.dumps(tree, indent=1)


@settings(
    deadline=None,
    max_examples=300,
    phases=[Phase.generate],  # A place and what stands there are as small as they get.
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # Each run overwrites the file.
)
@given(place=st.sampled_from(PLACES), instead=st.sampled_from(INSTEAD))
def test_whatever_one_part_of_a_spec_is_replaced_by_the_spec_is_used_or_refused(
    tmp_path: Path, library: Library, place: tuple[str | int, ...], instead: Any
) -> None:
    said = ""
    try:
        load(tmp_path, spoiled(place, instead), library)
    except SpecError as error:
        said = str(error)
    assert not said or said.startswith(str(tmp_path / "spec.yaml"))
    assert "\n" not in said


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        (("paths", "/jobs", "post", "requestBody"), "has no application/json requestBody to submit"),
        (("paths", "/jobs", "post", "x-task"), "has no `x-task`"),
        (
            ("paths", "/jobs", "post", "callbacks", "done", "{$request.body#/hook}", "post", "x-delivery"),
            "no `x-delivery`",
        ),
        (("x-task-types", "job", "pace", "waiting"), "how long a task stays 'waiting'"),
        (("x-sources", "page"), "names the source 'page'"),
    ],
)
def test_what_a_part_of_a_spec_cannot_do_without_is_asked_for(
    tmp_path: Path, library: Library, place: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(SpecError, match=reason):
        load(tmp_path, spoiled(place, GONE), library)


@pytest.mark.parametrize(
    "place", [("components", "securitySchemes"), ("components", "securitySchemes", "key", "x-auth", "world-claim")]
)
def test_without_a_claim_no_jwt_names_a_world(tmp_path: Path, library: Library, place: tuple[str, ...]) -> None:
    assert load(tmp_path, spoiled(place, GONE), library).auth.world_claim is None


def test_a_query_without_a_slot_is_refused(tmp_path: Path, library: Library) -> None:
    text = SMALL.replace("role: list}", "role: query}").replace("list: {$each: $tasks, $item:", "query: {id:")
    with pytest.raises(SpecError, match="one slot in its path"):
        load(tmp_path, text, library)


def test_a_spec_without_an_operation_is_refused(tmp_path: Path, library: Library) -> None:
    with pytest.raises(SpecError, match="no operation submits such tasks"):
        load(tmp_path, spoiled(("paths", "/jobs"), {}), library)


@pytest.mark.parametrize("text", ["", "- a", "text", "7"])
def test_a_file_that_holds_no_spec_is_refused(tmp_path: Path, library: Library, text: str) -> None:
    with pytest.raises(SpecError, match=r"is not an OpenAPI 3\.1 file"):
        load(tmp_path, text, library)


@pytest.mark.parametrize("part", ["paths", "x-task-types", "x-problems", "x-refusals"])
def test_a_part_that_every_spec_needs_is_asked_for(tmp_path: Path, library: Library, part: str) -> None:
    with pytest.raises(SpecError, match=f"has no `{part}`"):
        load(tmp_path, spoiled((part,), GONE), library)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        load_spec(tmp_path / "spec.yaml")


@pytest.mark.parametrize(
    ("place", "shared"),
    [
        (("paths", "/jobs", "get", "parameters", 0), "parameters"),
        (("paths", "/jobs", "post", "requestBody"), "requestBodies"),
    ],
)
def test_a_part_may_be_a_reference_to_a_shared_component(
    tmp_path: Path, library: Library, place: tuple[str | int, ...], shared: str
) -> None:
    """An ordinary tool reads such a spec the same way, so the twin does too."""
    plain = load(tmp_path, SMALL, library)
    tree = copy.deepcopy(TREE)
    around = tree
    for part in place[:-1]:
        around = around[part]
    tree["components"][shared] = {"it": around[place[-1]]}
    around[place[-1]] = {"$ref": f"#/components/{shared}/it"}
    spec = load(tmp_path, json.dumps(tree), library)
    for mine, others in zip(spec.operations, plain.operations, strict=True):
        assert (mine.query_parameters, mine.body_schema) == (others.query_parameters, others.body_schema)
