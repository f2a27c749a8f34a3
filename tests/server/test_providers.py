"""The second provider, from its spec alone: other ids, ISO times, nulls, a cancel, cursors, a filter for callbacks."""

import ast
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mock_server.clock import ManualClock
from mock_server.exchange import Incoming, Reply
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from mock_server.worlds import World

FILE = resource("fixtures/providers/replicate.yaml")
PATH = "/v1/predictions"
INPUT = {"prompt": "A lighthouse.", "duration": 5, "aspect_ratio": "1:1"}
HOOK = "http://127.0.0.1:9/done"
ISO = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(scope="module")
def replicate() -> Program:
    return load_program(Settings(spec=FILE))


@dataclass
class Caller:
    """A client of a twin of this provider, without a socket."""

    twin: Twin
    headers: list[tuple[bytes, bytes]] = field(
        default_factory=lambda: [
            (b"authorization", b"Bearer r8_x"),
            (b"host", b"twin.test"),
            (b"content-type", b"application/json"),
        ]
    )

    @property
    def world(self) -> World:
        return self.twin.worlds.open("r8_x")

    @property
    def clock(self) -> ManualClock:
        assert isinstance(self.world.clock, ManualClock)
        return self.world.clock

    def send(self, method: str, path: str, body: Any = None, *, query: str = "") -> Reply:
        raw = b"" if body is None else json.dumps(body).encode()
        return self.twin.endpoint.answer(Incoming(method, path.encode(), query.encode(), self.headers, raw))

    def created(self, **more: Any) -> dict[str, Any]:
        reply = self.send("POST", PATH, {"version": "a/b", "input": INPUT, **more})
        assert reply.status == 201, reply
        return told(reply)

    def get(self, prediction_id: str) -> dict[str, Any]:
        reply = self.send("GET", f"{PATH}/{prediction_id}")
        assert reply.status == 200, reply
        return told(reply)

    def cancel(self, prediction_id: str) -> dict[str, Any]:
        reply = self.send("POST", f"{PATH}/{prediction_id}/cancel")
        assert reply.status == 200, reply
        return told(reply)

    def move_to_step(self, prediction_id: str, step: int) -> None:
        task = self.world.store.find(prediction_id)
        assert task is not None
        self.clock.move_to(task.plan.at_ms[step])


def told(reply: Reply) -> dict[str, Any]:
    value = json.loads(reply.body)
    assert isinstance(value, dict)
    return value


def make(program: Program, **settings: Any) -> Caller:
    return Caller(make_twin(Settings(clock="manual", spec=FILE, **settings), program))


@pytest.fixture
def caller(replicate: Program) -> Caller:
    return make(replicate)


def test_a_prediction_has_an_id_of_26_characters_and_nulls_until_there_is_something(caller: Caller) -> None:
    prediction = caller.created()
    assert re.fullmatch("[a-z2-7]{26}", prediction["id"])
    assert ISO.fullmatch(prediction["created_at"])
    assert [prediction[name] for name in ("started_at", "completed_at", "output", "error")] == [None] * 4
    assert (prediction["status"], prediction["version"], prediction["input"]) == ("starting", "a/b", INPUT)
    assert prediction["urls"]["get"] == f"http://twin.test{PATH}/{prediction['id']}"


def test_it_starts_is_processed_and_succeeds_with_the_moments_of_each(caller: Caller) -> None:
    prediction_id = caller.created()["id"]
    caller.move_to_step(prediction_id, 1)
    processing = caller.get(prediction_id)
    assert (processing["status"], processing["completed_at"]) == ("processing", None)
    assert ISO.fullmatch(processing["started_at"])
    caller.move_to_step(prediction_id, 2)
    done = caller.get(prediction_id)
    assert done["status"] == "succeeded"
    assert done["output"].startswith("http://twin.test/_mock/media/")
    assert done["started_at"] == processing["started_at"] < done["completed_at"]


def test_a_failure_says_why(replicate: Program) -> None:
    caller = make(replicate, scenario="always-failed; reason=out-of-memory")
    prediction_id = caller.created()["id"]
    caller.move_to_step(prediction_id, 2)
    failed = caller.get(prediction_id)
    assert (failed["status"], failed["output"], failed["error"]) == ("failed", None, "CUDA out of memory.")


@pytest.mark.parametrize(("step", "status"), [(0, "starting"), (1, "processing")])
def test_a_cancel_ends_it_now_and_for_ever(caller: Caller, step: int, status: str) -> None:
    prediction_id = caller.created()["id"]
    caller.move_to_step(prediction_id, step)
    assert caller.get(prediction_id)["status"] == status
    canceled = caller.cancel(prediction_id)
    assert canceled["status"] == "canceled"
    assert ISO.fullmatch(canceled["completed_at"])
    assert (canceled["started_at"] is None) == (step == 0)
    caller.clock.move_to(caller.clock.now_ms() + 10**7)
    assert caller.get(prediction_id) == canceled


def test_a_cancel_that_comes_too_late_changes_nothing(caller: Caller) -> None:
    prediction_id = caller.created()["id"]
    caller.move_to_step(prediction_id, 2)
    done = caller.get(prediction_id)
    assert caller.cancel(prediction_id) == done
    assert caller.get(prediction_id) == done


def test_a_cancel_gives_the_slot_back_and_tells_the_receiver_of_nothing_else(replicate: Program) -> None:
    caller = make(replicate, concurrency=1)
    first = caller.created(webhook=HOOK, webhook_events_filter=["start", "logs", "output", "completed"])["id"]
    assert caller.send("POST", PATH, {"version": "a", "input": {}}).status == 429
    caller.cancel(first)
    caller.created()
    booked = caller.world.outbox.take_all()
    assert [each.task.plan.steps[each.step].status for each in booked] == ["starting", "canceled"]


def test_what_is_not_there_cannot_be_cancelled(caller: Caller) -> None:
    reply = caller.send("POST", f"{PATH}/none/cancel")
    assert (reply.status, told(reply)["title"]) == (404, "Not found")


@pytest.mark.parametrize(
    ("names", "statuses"),
    [
        (None, ["succeeded"]),
        ([], []),
        (["start"], ["starting"]),
        (["completed"], ["succeeded"]),
        (["output", "completed"], ["succeeded"]),
        (["start", "logs", "completed"], ["starting", "processing", "succeeded"]),
    ],
)
def test_callbacks_come_for_what_the_client_asked_for(
    caller: Caller, names: list[str] | None, statuses: list[str]
) -> None:
    caller.created(webhook=HOOK, **({} if names is None else {"webhook_events_filter": names}))
    booked = caller.world.outbox.take_all()
    assert [each.task.plan.steps[each.step].status for each in booked] == statuses


def test_a_list_is_read_to_its_end_by_cursors_whatever_comes_meanwhile(caller: Caller) -> None:
    ids = [caller.created()["id"] for _ in range(250)]
    caller.clock.move_to(caller.clock.now_ms() + 1)
    seen, address = list[str](), ""
    for _ in range(3):
        page = told(caller.send("GET", PATH, query=address.partition("?")[2]))
        seen += [each["id"] for each in page["results"]]
        address = page["next"] or ""
        caller.created()
    assert address == ""
    assert seen == ids[::-1]


def test_a_cursor_that_no_page_gave_is_refused(caller: Caller) -> None:
    reply = caller.send("GET", PATH, query="cursor=nonsense")
    assert reply.status == 422
    assert "earlier page" in told(reply)["detail"]


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        ({"input": {}}, 422, "version is required"),
        ({"version": "a", "input": {}, "webhok": HOOK}, 422, "Unexpected field webhok"),
        ({"version": "a", "input": {}, "webhook_events_filter": ["end"]}, 422, "one of 'start'"),
        ("text", 422, "body: object"),
    ],
)
def test_a_wrong_body_is_refused_in_the_providers_shape(caller: Caller, body: Any, status: int, detail: str) -> None:
    reply = caller.send("POST", PATH, body)
    assert reply.status == status
    assert detail in told(reply)["detail"]
    assert told(caller.send("GET", PATH))["results"] == []


def test_an_unknown_field_gets_the_nearest_name_in_the_explanation(caller: Caller) -> None:
    reply = caller.send("POST", PATH, {"version": "a", "input": {}, "webhok": HOOK})
    explanation = json.loads(dict(reply.headers)[b"x-mock-explanation"])
    (violation,) = explanation["violations"]
    assert (violation["pointer"], violation["allowed"]) == ("/webhok", "no such field; did you mean webhook?")


@pytest.mark.parametrize(("header", "words"), [(None, "did not pass an"), (b"Basic abc", "did not pass a valid")])
def test_a_missing_and_a_malformed_token_are_told_apart(caller: Caller, header: bytes | None, words: str) -> None:
    caller.headers = [] if header is None else [(b"authorization", header)]
    reply = caller.send("GET", PATH)
    assert reply.status == 401
    assert words in told(reply)["detail"]


# What no Python may know


def spoken(path: Path) -> set[str]:
    """The words of names and texts in a Python file; what it says to its readers is not counted."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        *(node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose),
        *(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)),
        *(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)),
        *(node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)),
    ]
    return {word for text in texts for word in re.findall(r"[a-z0-9_-]+", str(text).lower())}


@pytest.mark.parametrize(
    "words",
    [
        """replicate prediction predictions canceled aborted webhook_events_filter completed_at started_at
        data_removed""",
        """kling deerapi omni-video omni_video text2video image2video succeed task_status task_status_msg model_name
        external_task_id final_unit_deduction task_result 1201 1303 new-api fail_reason in_progress""",
    ],
    ids=["the second provider", "the first provider"],
)
def test_no_word_of_a_provider_is_in_the_python(words: str) -> None:
    files = sorted((resource("openapi.yaml").parent / "mock_server").rglob("*.py"))
    assert len(files) > 40
    assert {f"{path.name}: {word}" for path in files for word in spoken(path) & set(words.split())} == set()
