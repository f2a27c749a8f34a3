"""The check of a provider finds each drift of a twin, by the finding that is meant for it; a twin that keeps its spec
is clean. The twins are real ones, on sockets."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from contracts.provider_check import Plan, Verification, verify_provider
from mock_server.resources import resource
from tests.kit.drifting import Drift, Drifting, Exchange, drifting

pytest.importorskip("schemathesis")

KEYS = [f"sk-verify-{number:020}" for number in range(60)]
REPLICATE = resource("fixtures/providers/replicate.yaml")
OMNI = "/kling/v1/videos/omni-video"
_keys = itertools.cycle(KEYS)


@pytest.fixture(scope="module")
def kling() -> Iterator[Drifting]:
    with drifting(api_keys=tuple(KEYS)) as one:
        yield one


@pytest.fixture(scope="module")
def replicate() -> Iterator[Drifting]:
    with drifting(api_keys=tuple(KEYS), spec=REPLICATE) as one:
        yield one


def verified(drifter: Drifting, drift: Drift = lambda exchange: exchange, **more: Any) -> Verification:
    drifter.drift = drift
    drifter.seen.clear()
    try:
        return verify_provider(
            Plan(url=drifter.base_url, **{"tasks_max": 4, "examples": 3, "seconds_max": 30, **more}), next(_keys)
        )
    finally:
        drifter.drift = lambda exchange: exchange


# Drifts: what each changes in a reply of the twin.


def of_task(change: Callable[[dict[str, Any]], None]) -> Drift:
    """Change the task in every reply to a query or a submit."""

    def drift(exchange: Exchange) -> Exchange:
        if exchange.accepted and "/_mock" not in exchange.path and isinstance(exchange.value["data"], dict):
            value = exchange.value
            change(value["data"])
            return exchange.answered(exchange.status, value)
        return exchange

    return drift


def of_envelope(change: Callable[[dict[str, Any]], None], *, refusals: bool) -> Drift:
    def drift(exchange: Exchange) -> Exchange:
        if exchange.status and "/_mock" not in exchange.path and (exchange.status >= 400) is refusals:
            value = exchange.value
            change(value)
            return exchange.answered(exchange.status, value)
        return exchange

    return drift


def code_is_text(value: dict[str, Any]) -> None:
    value["code"] = str(value["code"])


def without_request_id(value: dict[str, Any]) -> None:
    del value["request_id"]


def unknown_task_is_found(exchange: Exchange) -> Exchange:
    if exchange.status == 400 and "not found" in exchange.value["message"]:
        task: dict[str, Any] = {
            "task_id": exchange.path.rpartition("/")[2],
            "task_status": "processing",
            "task_info": {},
        }
        task |= {"task_result": {}, "created_at": 1_790_000_000_000, "updated_at": 1_790_000_000_000}
        return exchange.answered(200, {"code": 0, "message": "SUCCEED", "request_id": "1", "data": task})
    return exchange


def unknown_task_is_404(exchange: Exchange) -> Exchange:
    return replace(exchange, status=404) if exchange.status == 400 and b"not found" in exchange.body else exchange


def succeeded(task: dict[str, Any]) -> None:
    if task["task_status"] == "succeed":
        task["task_status"] = "succeeded"


def seconds(task: dict[str, Any]) -> None:
    task["created_at"] //= 1_000
    task["updated_at"] //= 1_000


def number_as_id(task: dict[str, Any]) -> None:
    task["task_id"] = int(task["task_id"])


def number_as_duration(task: dict[str, Any]) -> None:
    for video in task.get("task_result", {}).get("videos", ()):
        video["duration"] = float(video["duration"])


def text_plain(exchange: Exchange) -> Exchange:
    if exchange.accepted and exchange.method == "GET" and "/_mock" not in exchange.path:
        return replace(exchange, headers={**exchange.headers, "content-type": "text/plain"})
    return exchange


def blind_to_external_ids(exchange: Exchange) -> Exchange:
    if exchange.status == 200 and exchange.method == "GET" and "/omnimock-" in exchange.path:
        return exchange.answered(400, {"code": 1201, "message": "Task not found by id/external id", "request_id": "1"})
    return exchange


def ignoring_external_ids() -> Drift:
    """A service that takes an external id any number of times."""
    numbers = itertools.count()

    def drift(exchange: Exchange) -> Exchange:
        if exchange.status == 0 and b"external_task_id" in exchange.request_body and exchange.method == "POST":
            with_number = json.loads(exchange.request_body)
            if isinstance(with_number, dict) and isinstance(with_number.get("external_task_id"), str):
                with_number["external_task_id"] += f"-{next(numbers)}"
                return replace(exchange, request_body=json.dumps(with_number).encode())
        return exchange

    return drift


def without_allow(exchange: Exchange) -> Exchange:
    return replace(exchange, headers={name: value for name, value in exchange.headers.items() if name != "allow"})


def oldest_first(exchange: Exchange) -> Exchange:
    if exchange.accepted and "/_mock" not in exchange.path and isinstance(exchange.value.get("data"), list):
        value = exchange.value
        value["data"].reverse()
        return exchange.answered(200, value)
    return exchange


def going_back() -> Drift:
    """A task that is processing is told as submitted again, once."""
    told = set[str]()

    def change(task: dict[str, Any]) -> None:
        if task["task_status"] == "processing":
            if task["task_id"] in told:
                task["task_status"] = "submitted"
            told.add(task["task_id"])

    return of_task(change)


def without_results(exchange: Exchange) -> Exchange:
    return replace(exchange, status=404) if exchange.path.startswith("/_mock/media") and exchange.status else exchange


def refusing_nothing(exchange: Exchange) -> Exchange:
    """What is wrong with a body is not looked at: a right one stands for it."""
    if exchange.status == 0 and exchange.method == "POST" and exchange.path.startswith("/kling"):
        right = {OMNI: {"prompt": "A", "aspect_ratio": "16:9"}}.get(exchange.path, {"prompt": "A", "image": "QQ=="})
        headers = {**exchange.request_headers, "content-type": "application/json"}
        return replace(exchange, request_body=json.dumps(right).encode(), request_headers=headers)
    return exchange


def with_key(key: str) -> Drift:
    """A service that takes any key for a good one; without one it refuses."""

    def drift(exchange: Exchange) -> Exchange:
        if exchange.status == 0 and "authorization" in exchange.request_headers:
            headers = {**exchange.request_headers, "authorization": f"Bearer {key}"}
            return replace(exchange, request_headers=headers)
        return exchange

    return drift


def without_key(exchange: Exchange) -> Exchange:
    if exchange.status == 0 and "authorization" not in exchange.request_headers:
        return replace(exchange, request_headers={**exchange.request_headers, "authorization": f"Bearer {KEYS[0]}"})
    return exchange


def progress(task: dict[str, Any]) -> None:
    task["progress_percent"] = 10


def failing_on_malformed_json(exchange: Exchange) -> Exchange:
    return (
        exchange.answered(500, exchange.value)
        if exchange.status == 400 and b"cut" in exchange.request_body
        else exchange
    )


def ageing_backwards() -> Drift:
    numbers = itertools.count()

    def change(task: dict[str, Any]) -> None:
        task["updated_at"] -= next(numbers) * 1_000_000

    return of_task(change)


def other_code(exchange: Exchange) -> Exchange:
    if exchange.status == 401:
        return exchange.answered(401, {**exchange.value, "code": 1099})
    return exchange


def page_of_any_size(exchange: Exchange) -> Exchange:
    return replace(exchange, query="") if exchange.status == 0 and "pageSize=1" in exchange.query else exchange


def without_the_list(exchange: Exchange) -> Exchange:
    if exchange.accepted and "/_mock" not in exchange.path and isinstance(exchange.value.get("data"), list):
        return exchange.answered(200, {**exchange.value, "data": []})
    return exchange


def teapot(exchange: Exchange) -> Exchange:
    return replace(exchange, status=302) if exchange.status == 200 and exchange.method == "GET" else exchange


DRIFTS: dict[str, tuple[Callable[[], Drift], tuple[str, str, str]]] = {
    "code as text in replies": (
        lambda: of_envelope(code_is_text, refusals=False),
        ("reply-schema", "service", "/code"),
    ),
    "code as text in refusals": (
        lambda: of_envelope(code_is_text, refusals=True),
        ("refusal-body", "service", "/code"),
    ),
    "no request_id in replies": (
        lambda: of_envelope(without_request_id, refusals=False),
        ("reply-schema", "service", "request_id"),
    ),
    "no request_id in refusals": (
        lambda: of_envelope(without_request_id, refusals=True),
        ("refusal-schema", "service", "a refusal does not fit"),
    ),
    "200 for an unknown task": (lambda: unknown_task_is_found, ("not-refused", "mock", "not there")),
    "404 for an unknown task": (lambda: unknown_task_is_404, ("refusal-status", "mock", "404")),
    "status succeeded": (lambda: of_task(succeeded), ("status-unknown", "silent", "succeeded")),
    "times in seconds": (lambda: of_task(seconds), ("time-unit", "service", "created_at")),
    "task id as a number": (lambda: of_task(number_as_id), ("reply-schema", "service", "/task_id")),
    "duration as a number": (lambda: of_task(number_as_duration), ("reply-schema", "service", "/duration")),
    "replies as text/plain": (lambda: text_plain, ("content-type", "service", "text/plain")),
    "external id is no name": (lambda: blind_to_external_ids, ("external-id-lookup", "service", "external id")),
    "external id twice": (ignoring_external_ids, ("external-id-twice", "mock", "second time")),
    "405 without Allow": (lambda: without_allow, ("allow-missing", "service", "Allow")),
    "oldest first": (lambda: oldest_first, ("list-order", "mock", "first")),
    "from processing back to submitted": (going_back, ("status-move", "service", "from processing to submitted")),
    "result is gone": (lambda: without_results, ("result-unreachable", "service", "result")),
    "any body is taken": (lambda: refusing_nothing, ("not-refused", "service", "is accepted")),
    "no key is needed": (lambda: without_key, ("not-refused", "service", "without a key")),
    "a member that nobody knows": (lambda: of_task(progress), ("reply-member", "silent", "progress_percent")),
    "malformed JSON breaks it": (lambda: failing_on_malformed_json, ("server-error", "service", "fails")),
    "updated_at goes back": (ageing_backwards, ("time-backwards", "service", "goes back")),
    "another code for bad keys": (lambda: other_code, ("refusal-body", "service", "1099")),
    "a list without the task": (lambda: without_the_list, ("list-lacks", "service", "not listed")),
    "a redirect": (lambda: teapot, ("status-undocumented", "silent", "302")),
}


@pytest.mark.parametrize("name", DRIFTS)
def test_each_drift_is_found_by_the_finding_meant_for_it(name: str, kling: Drifting) -> None:
    make, expected = DRIFTS[name]
    verification = verified(kling, make())
    code, mover, part = expected
    fitting = [
        each for each in verification.findings if (each.code, each.mover) == (code, mover) and part in each.title
    ]
    assert fitting, [(each.code, each.mover, each.title) for each in verification.findings]
    assert verification.status == 1
    assert verification.tasks_created <= 4
    finding = fitting[0]
    assert finding.sent.startswith("curl ")
    assert finding.fact.line > 0
    assert finding.came


def test_a_twin_that_does_not_drift_is_clean(kling: Drifting) -> None:
    verification = verified(kling, tasks_max=8)
    assert verification.findings == ()
    assert verification.status == 0
    assert {"poll", "result", "external-id", "callback", "external-id-twice", "list", "generated"} <= set(
        verification.done
    )


# The second provider


def prediction(change: Callable[[dict[str, Any]], None]) -> Drift:
    def drift(exchange: Exchange) -> Exchange:
        if exchange.accepted and "/_mock" not in exchange.path and "id" in exchange.value:
            value = exchange.value
            change(value)
            return exchange.answered(exchange.status, value)
        return exchange

    return drift


def unknown_prediction_is_found(exchange: Exchange) -> Exchange:
    if exchange.status == 404 and exchange.method == "GET":
        return exchange.answered(200, {"id": exchange.path.rpartition("/")[2]})
    return exchange


def running(value: dict[str, Any]) -> None:
    value["status"] = {"processing": "running"}.get(value["status"], value["status"])


def numbers_as_times(value: dict[str, Any]) -> None:
    value["created_at"] = 1_790_000_000


OTHER_DRIFTS: dict[str, tuple[Drift, tuple[str, str, str]]] = {
    "another status": (prediction(running), ("status-unknown", "silent", "running")),
    "times as numbers": (prediction(numbers_as_times), ("reply-schema", "service", "/created_at")),
    "an unknown prediction is found": (unknown_prediction_is_found, ("not-refused", "mock", "not there")),
    "no credentials": (without_key, ("not-refused", "mock", "without a key")),
}


@pytest.mark.parametrize("name", OTHER_DRIFTS)
def test_drifts_of_another_provider_are_found_as_well(name: str, replicate: Drifting) -> None:
    drift, (code, mover, part) = OTHER_DRIFTS[name]
    verification = verified(replicate, drift, spec=REPLICATE)
    told = [(each.code, each.mover, each.title) for each in verification.findings]
    assert [each for each in told if each[:2] == (code, mover) and part in each[2]], told


def test_another_provider_that_does_not_drift_is_clean(replicate: Drifting) -> None:
    verification = verified(replicate, spec=REPLICATE, tasks_max=5)
    assert verification.findings == ()
    assert {"poll", "result", "callback", "cancel", "list"} <= set(verification.done)


# The budget


def created(drifter: Drifting) -> int:
    """How many submits the twin has accepted, whatever the check says."""
    return sum(each.accepted and each.method == "POST" and not each.path.endswith("/cancel") for each in drifter.seen)


@pytest.mark.parametrize("tasks_max", [0, 1, 2, 3, 7])
def test_no_more_tasks_are_created_than_allowed(tasks_max: int, kling: Drifting) -> None:
    verification = verified(kling, tasks_max=tasks_max)
    assert verification.findings == ()
    assert created(kling) == verification.tasks_created <= tasks_max


@pytest.mark.parametrize("tasks_max", [0, 1, 2, 3])
def test_what_is_accepted_by_mistake_counts_and_ends_such_probes(tasks_max: int, kling: Drifting) -> None:
    verification = verified(kling, refusing_nothing, tasks_max=tasks_max)
    # Without a budget the first mistake of the service cannot be helped; it is the last.
    assert created(kling) == verification.tasks_created <= max(tasks_max, 1)
    assert [each for each in verification.findings if each.code == "not-refused"]
    assert any("was accepted" in each for each in verification.not_exercised)


def test_without_a_budget_only_refusals_and_reads_are_sent(kling: Drifting) -> None:
    verified(kling, tasks_max=0)
    assert [each.path for each in kling.seen if each.method == "POST" and each.accepted] == []
    assert {each.method for each in kling.seen} <= {"GET", "POST", "PATCH"}


def test_requests_and_time_are_bounded(kling: Drifting) -> None:
    few = verified(kling, requests_max=20)
    assert len(kling.seen) == few.requests == 20
    assert any("--requests 20" in each for each in few.not_exercised)
    assert any("--for" in each for each in verified(kling, seconds_max=0.3).not_exercised)


# The key


def test_the_key_is_told_nowhere(kling: Drifting) -> None:
    from contracts.provider_check.report import text_of

    def echo(exchange: Exchange) -> Exchange:
        if exchange.status:
            said = exchange.request_headers.get("authorization", "")
            return exchange.answered(exchange.status, {"said": said, "in url": said.replace("-", "%2D")})
        return exchange

    verification = verified(kling, echo)
    told = text_of(verification) + json.dumps(verification.as_json())
    assert "sk-verify" not in told
    assert "sk%2Dverify" not in told
    assert "[key]" in told


@pytest.mark.parametrize(("drift", "status"), [(without_allow, 1), (lambda exchange: exchange, 2)])
def test_an_interrupt_keeps_what_was_found(
    drift: Drift, status: int, kling: Drifting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("contracts.provider_check.check.Generated.run", interrupt)
    verification = verified(kling, drift)
    assert verification.status == status
    assert {each.code for each in verification.findings} <= {"allow-missing"}
    assert "all that would have come after: interrupted" in verification.not_exercised
