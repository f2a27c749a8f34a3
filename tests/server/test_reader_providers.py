"""Specs of other providers that cannot be used: each stops the start with its file, its line, and what to do."""

from pathlib import Path

import pytest

from mock_server.media import Library, load_library
from mock_server.resources import resource
from tests.server.test_reader import OPENAPI, SMALL, broken, load

REPLICATE = resource("fixtures/providers/replicate.yaml").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def library() -> Library:
    return load_library()


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        # A status that cannot be reached, or does not lead anywhere.
        ("processing, failed, canceled, aborted]", "processing, failed, canceled]", "statuses:", "'aborted' cannot be"),
        ("      aborted: {final", "      lost: {next: [aborted]}\n      aborted: {final", "statuses:", "'lost' cannot"),
        ("next: [succeeded, failed, canceled]", "next: [done]", "statuses:", "goes on to 'done', which is not among"),
        ("final: cancelled", "final: canceled", "canceled:", '"canceled" is not one of'),
        # A template that names a missing field, or is none.
        ("status: $task.status\n", "status: $task.state\n", "status: $task.state", "did you mean $task.status?"),
        ("$task.reached_at_iso/processing", "$task.reached_at_iso/procesing", "started_at", "did you mean processing?"),
        ("created_at: $task.created_at_iso", "created_at: $task.created_at", "created_at:", "did you mean $task.c"),
        ('next_cursor}"', 'next_curser}"', "next: ", "did you mean $page.next_cursor?"),
        ("input: $request.body#/input", "input: $request.body.input", "input: $", "comes # and a JSON pointer"),
        ("version: $request.body#/version", "version: $request.body#version", "version: $", "is not a JSON pointer"),
        ("{$when: $task.failed, $then", "{$if: $task.failed, $then", "error: ", "no construct '$if'"),
        ("{$value: $task.ended_at_iso, $else", "{$value: $task.id, $else", "completed_at", "always has a value"),
        (
            "detail: $problem.detail}",
            "detail: $problem.body}",
            "{detail: $problem.body}",
            "no expression '$problem.body'",
        ),
        ("version: $request.body#/version", "version: $request.body#/versoin", "version: $", "did you mean version?"),
        (
            "at: $request.body#/webhook_events",
            "at: $request.body#/webhok_events",
            "at: ",
            "the request has no 'webhok_",
        ),
        ("{$request.body#/webhook}", "{$request.body#/webhok}", "webhok", "did you mean webhook?"),
        ("directive: $request.body#/input", "directive: $request.body#/inputs", "directive:", "did you mean input?"),
        (
            "seconds: $request.body#/input/",
            "seconds: $request.body#/inptu/",
            "seconds:",
            "no 'inptu'; did you mean input",
        ),
        # A reply, a callback or a problem that does not fit its own schema.
        (
            "source: api",
            "source: phone",
            "list:",
            "its own schema at '/results/0/source'",
        ),
        ("[a-z2-7]{26}", "[a-z2-7]{27}", "list:", "change the template or the schema"),
        ("previous: null\n", "previous: 1\n", "list:", "does not fit its own schema at '/previous'"),
        ("body: {detail: Method not allowed.}", "body: {title: No.}", "body: {title: No.}", '"detail" is a required'),
        # Names that there are not.
        ("type: prediction, role: cancel", "type: prediction, role: stop", "x-task", '"stop" is not one of'),
        ("role: cancel", "role: query}\n      x-tusk: {a: 1", "x-tusk", "did you mean x-task?"),
        ("{problem: throttled, source", "{problem: throtled, source", "throtled", "did you mean throttled?"),
        ("otherwise: [output, completed]", "otherwise: [outputs]", "otherwise: [outputs]", "did you mean output?"),
        ("output: [succeeded]", "output: [done]", "events:", "names the status 'done'"),
        ("violation: invalid", "violations: invalid", "x-refusals", "'violations' was unexpected"),
        ("  crash: internal\n", "", "x-refusals", '"crash" is a required property'),
        (
            "    list: {cursor: cursor, size: 100",
            "    lists: {cursor: cursor, size: 100",
            "prediction:",
            "'lists' was unexp",
        ),
        ("size: 100", "size: 0", "size: 0", "is not valid under any of"),
        # What is no cancel, no id, no key and no success.
        ("canceled: {final: cancelled", "canceled: {final: failure", "statuses:", "`final: cancelled`"),
        ("{prediction_id}/cancel", "cancel", "post:", "a cancel has one slot in its path"),
        ("length: 26, source", "length: 6, source", "id:", "give it a longer `length` or `alphabet`"),
        ("alphabet: abcdefghijklmnopqrstuvwxyz234567", "alphabet: a", "id:", "too few for ids that stay apart"),
        ("scheme: bearer", "scheme: basic", "token:", "a key that the twin cannot read"),
        ('        "201":\n', '        "302":\n', "responses:", "has no 2xx status"),
        ("role: submit", "role: query", "post:", "a query has one slot"),
        ("after: 1h", "after: soon", "after: soon", "does not match"),
    ],
)
def test_a_mistake_in_the_spec_of_a_provider_stops_the_start_at_its_line(
    tmp_path: Path,
    library: Library,
    old: str,
    new: str,
    at: str,
    reason: str,
) -> None:
    assert reason in broken(tmp_path, library, REPLICATE, old, new, at).reason


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        ("  default: pass-through", "  default: passthrough", "default: passthrough", "did you mean pass-through?"),
        ("        omni-video: &wrapped\n", "        omni-vidoe: &wrapped\n", "omni-vidoe", "did you mean omni-video?"),
        (
            "        task-not-found: {status",
            "        task-unknown: {status",
            "task-unknown:",
            "names the problem 'task-",
        ),
        (
            "        omni-video: &wrapped\n          submit:",
            "        omni-video: &wrapped\n          submt:",
            "omni-video: &wr",
            "submt",
        ),
        (
            "              object: video\n",
            "              object: film\n",
            "body:",
            "does not fit its own schema at '/object'",
        ),
        ("data: *envelope", "data: null", "body:", "does not fit its own schema at '/data/data'"),
        ("submitted: SUBMITTED, pro", "submitted: sent, pro", "body:", "does not fit its own schema at '/data/status'"),
        ("processing: IN_PROGRESS, ", "", "body:", '"status" is a required property'),
        (
            "task_id: $task.id\n              object",
            "task_id: $task.ids\n              object",
            "task_id:",
            "$task.id?",
        ),
        ("message: $problem.body", "message: $problem.boddy", "otherwise:", "did you mean $problem.body?"),
        ("code: task_not_exist,", "code: 7,", "task-not-found:", "does not fit its own schema"),
        (
            'schemas/WrappedQueryReply"}\n            body',
            'schemas/Wrapped"}\n            body',
            "schema:",
            "names nothing",
        ),
        (
            "      problem-schema:\n        anyOf:",
            "      problem-shema:\n        anyOf:",
            "gateway-wrapper:",
            "problem-shema",
        ),
        (
            "      source: [deerapi-page, kling-omni-o1, comet-query]\n",
            "      otherwise: {body: {}}\n      problem-schema: {}\n",
            "",
            "has no shapes of its own",
        ),
    ],
)
def test_a_mistake_in_a_dialect_stops_the_start_at_its_line(
    tmp_path: Path,
    library: Library,
    old: str,
    new: str,
    at: str,
    reason: str,
) -> None:
    assert reason in broken(tmp_path, library, OPENAPI, old, new, at).reason


def test_two_operations_cannot_submit_the_same_tasks(tmp_path: Path, library: Library) -> None:
    second = SMALL.replace(
        "    get:\n      x-task: {type: job, role: list}", "    put:\n      x-task: {type: job, role: submit}"
    )
    assert "2 operations submit such tasks" in broken(tmp_path, library, second, "Small", "Small", "  job:").reason


def test_a_type_that_nothing_submits_is_refused(tmp_path: Path, library: Library) -> None:
    alone = SMALL.replace("role: submit", "role: list")
    assert "no operation submits such tasks" in broken(tmp_path, library, alone, "Small", "Small", "  job:").reason


def test_what_a_small_spec_leaves_out_has_a_default(tmp_path: Path, library: Library) -> None:
    begin, end = SMALL.index("x-refusals:"), len(SMALL)
    needed = ("authorization-missing", "path-unknown", "violation", "task-unknown", "crash")
    least = f"x-refusals: {{{', '.join(f'{event}: wrong' for event in needed)}}}\n"
    spec = load(tmp_path, SMALL[:begin] + least + SMALL[end:], library)
    assert set(spec.refusals.values()) == {"wrong"}
    assert {"token-expired", "scenario-unknown", "media-type-wrong"} <= spec.refusals.keys()
    assert spec.messages.keys() == {"rule", "otherwise"}
    assert [spec.task_types["job"].reply_for(role) for role in ("query", "cancel", "list")] == [
        "submit",
        "submit",
        "list",
    ]


def test_an_event_that_is_not_listed_is_answered_like_the_one_it_is_a_case_of(tmp_path: Path, library: Library) -> None:
    text = REPLICATE.replace("  method-unknown: method-not-allowed\n", "")
    refusals = load(tmp_path, text, library).refusals
    assert refusals["method-unknown"] == refusals["path-unknown"] == "not-found"
    assert refusals["token-expired"] == refusals["authorization-malformed"] == "token-invalid"
    assert refusals["media-type-wrong"] == refusals["request-malformed"] == "malformed"
    assert refusals["scenario-unknown"] == refusals["violation"] == "invalid"


def test_a_spec_without_dialects_has_one(tmp_path: Path, library: Library) -> None:
    spec = load(tmp_path, REPLICATE, library)
    assert list(spec.dialects) == [spec.default_dialect] == ["default"]


def test_a_directive_may_stand_where_the_type_says(tmp_path: Path, library: Library) -> None:
    assert load(tmp_path, REPLICATE, library).task_types["prediction"].directive == "$request.body#/input/prompt"
    without = SMALL.replace("    scenario-directive: $request.body#/text\n", "")
    assert load(tmp_path, without, library).task_types["job"].directive is None
