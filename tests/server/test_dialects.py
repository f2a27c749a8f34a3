"""The same tasks in another wire shape: what a gateway makes of the answers, and how a client sees it."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import pytest

from mock_server.dialects import choose_dialect
from mock_server.program import Program
from mock_server.reply import ProblemScene, Scene
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from tests.server.test_reader import SMALL
from tests.support import MINIMAL, OMNI, Caller, explanation

TEXT, IMAGE = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
BODIES = {OMNI: MINIMAL, TEXT: {"prompt": "A lighthouse."}, IMAGE: {"image": "https://example.com/1.png"}}

SCENE = ProblemScene("what is wrong", "00000000-0000-4000-8000-000000000000")


@pytest.fixture(scope="module")
def wrapped() -> Program:
    return load_program(Settings(dialect="gateway-wrapper"))


@pytest.fixture
def gateway(wrapped: Program) -> Caller:
    return Caller(make_twin(Settings(clock="manual"), wrapped))


def told(reply: Any) -> dict[str, Any]:
    value = json.loads(reply.body)
    assert isinstance(value, dict)
    return value


@pytest.mark.parametrize("path", BODIES)
def test_a_wrapped_task_has_another_word_for_each_status(gateway: Caller, path: str) -> None:
    submitted = told(gateway.submit(BODIES[path], path))
    assert (submitted["object"], submitted["status"], submitted["id"]) == ("video", "queued", submitted["task_id"])
    task = gateway.world.store.find(submitted["id"])
    assert task is not None
    seen = []
    for at_ms in task.plan.at_ms:
        gateway.clock.move_to(at_ms)
        reply = told(gateway.send("GET", f"{path}/{task.id}"))
        data = reply["data"]
        assert reply["code"] == "success"
        seen.append((data["status"], data["progress"], data["start_time"] > 0, data["finish_time"] > 0))
    assert seen == [
        ("SUBMITTED", "10%", False, False),
        ("IN_PROGRESS", "30%", True, False),
        ("SUCCESS", "100%", True, True),
    ]


def test_the_vendors_whole_reply_is_nested_in_it(gateway: Caller, make: Callable[..., Twin]) -> None:
    plain = Caller(make())
    task_id = plain.created()
    assert told(gateway.submit())["id"] == task_id
    for caller in (plain, gateway):
        caller.finish(task_id)
    assert told(gateway.query(task_id))["data"]["data"] == told(plain.query(task_id))


def test_on_success_the_address_of_the_video_stands_in_the_reason_for_failure(gateway: Caller) -> None:
    task_id = told(gateway.submit())["id"]
    gateway.finish(task_id)
    data = told(gateway.query(task_id))["data"]
    (video,) = data["data"]["data"]["task_result"]["videos"]
    assert data["fail_reason"] == data["result_url"] == video["url"]


def test_a_failure_is_told_inside_and_outside(wrapped: Program) -> None:
    gateway = Caller(make_twin(Settings(clock="manual", scenario="always-failed; reason=content-risk"), wrapped))
    task_id = told(gateway.submit())["id"]
    gateway.finish(task_id)
    data = told(gateway.query(task_id))["data"]
    assert (data["status"], data["fail_reason"]) == ("FAILURE", "Failure to pass the risk control system")
    assert data["data"]["data"]["task_status_msg"] == data["fail_reason"]
    assert "result_url" not in data


def test_what_it_does_not_say_is_said_as_in_the_default(gateway: Caller) -> None:
    task_id = told(gateway.submit({**MINIMAL, "callback_url": "http://127.0.0.1:9/"}))["id"]
    assert [task["task_id"] for task in gateway.listed()] == [task_id]
    callbacks = gateway.twin.program.replies["omni-video"].callbacks
    assert callbacks["gateway-wrapper"] is callbacks["pass-through"]


def test_a_refusal_of_the_vendor_comes_as_a_text_with_the_vendors_status(gateway: Caller) -> None:
    reply = gateway.submit({**MINIMAL, "sound": "on"})
    assert reply.status == 400
    body = told(reply)
    assert body.keys() == {"code", "message", "data"}
    assert (body["code"], body["data"]) == ("fail_to_fetch_task", None)
    assert json.loads(body["message"])["code"] == 1201
    assert explanation(reply)["problem"] == "invalid-value"


def test_each_problem_that_the_gateway_words_itself_has_its_own_code(wrapped: Program) -> None:
    gateway = Caller(make_twin(Settings(clock="manual", concurrency=1), wrapped))
    gateway.submit()
    busy = gateway.submit()
    assert (busy.status, told(busy)["code"]) == (429, "fail_to_fetch_task")
    assert re.search("[\u4e00-\u9fff]", told(busy)["message"])
    unknown = gateway.query("1")
    assert (unknown.status, told(unknown)["code"]) == (400, "task_not_exist")
    assert told(gateway.send("POST", OMNI, b"{"))["code"] == "invalid_request"
    keyless = gateway.send("GET", OMNI, headers=[])
    assert (keyless.status, told(keyless)["error"]["type"]) == (401, "new_api_error")


def test_every_problem_in_every_dialect_is_one_of_its_spec(program: Program) -> None:
    for dialect in program.spec.dialects:
        assert program.problems[dialect].keys() == program.spec.problems.keys()


def test_the_default_dialect_is_spoken_where_none_is_named(program: Program) -> None:
    assert program.dialect == program.spec.default_dialect == "pass-through"
    assert program.openapi() is program.spec.document.root
    assert load_program(Settings(dialect="pass-through")).dialect == "pass-through"


def test_a_dialect_that_there_is_not_gets_the_nearest_name(program: Program) -> None:
    with pytest.raises(ValueError, match="did you mean gateway-wrapper"):
        choose_dialect(program.spec, "gateway-wraper")
    with pytest.raises(ValueError, match="there are pass-through, gateway-wrapper"):
        load_program(Settings(dialect="x"))


def test_the_served_document_is_sound_and_has_the_dialects_schemas(wrapped: Program, program: Program) -> None:
    document = wrapped.openapi()
    openapi_spec_validator.validate(json.loads(json.dumps(document)))
    for compiled in wrapped.operations:
        operation = compiled.operation
        responses = document["paths"][operation.path][operation.method.lower()]["responses"]
        schemas = {status: each["content"]["application/json"]["schema"] for status, each in responses.items()}
        assert ("Wrapped" in schemas["200"]["$ref"]) == (operation.role != "list")
        validator = jsonschema_rs.validator_for({**schemas["4XX"], "components": document["components"]})
        for problem, template in wrapped.problems["gateway-wrapper"].values():
            assert problem.status >= 400
            assert validator.is_valid(json.loads(template.render(SCENE)))
    assert program.openapi()["paths"] != document["paths"]
    assert program.spec.document.root == wrapped.spec.document.root


def test_a_callback_has_the_dialects_shape_where_it_has_one(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SMALL, encoding="utf-8")
    for dialect, body in (("plain", {"id"}), ("other", {"at"})):
        program = load_program(Settings(spec=path, dialect=dialect))
        twin = make_twin(Settings(clock="manual"), program)
        hook = {"text": "Hello", "hook": "http://127.0.0.1:9/", "events": ["start"]}
        reply = Caller(twin).submit(hook, "/jobs")
        assert told(reply).keys() == ({"id", "text"} if dialect == "plain" else {"s"})
        (delivery,) = Caller(twin).world.outbox.take_all()
        scene = Scene(delivery.task, delivery.step, "tag")
        assert json.loads(program.replies["job"].callbacks[dialect].render(scene)).keys() == body
        operation = program.openapi()["paths"]["/jobs"]["post"]
        (callback,) = operation["callbacks"]["done"].values()
        assert callback["post"]["requestBody"]["content"]["application/json"]["schema"] == {"type": "object"}


def test_what_is_answered_like_a_submit_is_so_in_a_dialect_too(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(SMALL, encoding="utf-8")
    caller = Caller(make_twin(Settings(clock="manual"), load_program(Settings(spec=path, dialect="other"))))
    assert told(caller.submit({"text": "Hello"}, "/jobs")) == {"s": "W"}
    (task,) = caller.world.store.tasks()
    assert told(caller.send("POST", f"/jobs/{task.id}/stop")) == {"s": "D"}
    late = caller.send("POST", f"/jobs/{task.id}/stop")
    assert late.status == 422
    assert json.loads(told(late)["text"]).keys() == {"error"}
