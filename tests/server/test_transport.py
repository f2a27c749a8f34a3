"""The twin in process: an httpx transport, sync and async, without a socket."""

import asyncio
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.exchange import Exchange, Incoming
from mock_server.journal import Attempt
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.transport import TwinTransport, twin_transport
from mock_server.twin import make_twin
from tests.support import MINIMAL, OMNI

BASE_URL = "https://api.deerapi.com"
HEADERS = {"authorization": "Bearer sk-test"}
CALLBACK = {**MINIMAL, "callback_url": "https://client.test/hook"}


def sync_client(twin: TwinTransport) -> httpx.Client:
    return httpx.Client(transport=twin, base_url=BASE_URL, headers=HEADERS)


def async_client(twin: TwinTransport) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=twin, base_url=BASE_URL, headers=HEADERS)


def created(client: httpx.Client, body: Any = MINIMAL) -> str:
    answer = client.post(OMNI, json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["data"]["task_id"])


def test_a_sync_client_needs_no_socket() -> None:
    twin = twin_transport(scenario="instant")
    client = sync_client(twin)
    task = client.get(f"{OMNI}/{created(client)}").json()["data"]
    assert task["task_status"] == "succeed"


async def test_an_async_client_needs_no_socket() -> None:
    twin = twin_transport(scenario="instant")
    async with async_client(twin) as client:
        task_id = (await client.post(OMNI, json=MINIMAL)).json()["data"]["task_id"]
        task = (await client.get(f"{OMNI}/{task_id}")).json()["data"]
    assert task["task_status"] == "succeed"


def test_the_video_of_a_result_can_be_fetched() -> None:
    client = sync_client(twin_transport(scenario="instant"))
    url = client.get(f"{OMNI}/{created(client)}").json()["data"]["task_result"]["videos"][0]["url"]
    assert url.startswith(f"{BASE_URL}/_mock/media/")
    video = client.get(url, headers={"range": "bytes=4-7"})
    assert (video.status_code, video.content) == (206, b"ftyp")


def test_each_twin_is_fresh() -> None:
    one, two = sync_client(twin_transport()), sync_client(twin_transport())
    created(one)
    assert len(one.get(OMNI).json()["data"]) == 1
    assert two.get(OMNI).json()["data"] == []


def test_time_moves_when_told() -> None:
    twin = twin_transport()
    client = sync_client(twin)
    task_id = created(client)
    fired = twin.advance("10m", key="sk-test")
    assert [each.status for each in fired] == ["processing", "succeed"]
    assert client.get(f"{OMNI}/{task_id}").json()["data"]["task_status"] == "succeed"
    with pytest.raises(ValueError, match="is not a duration"):
        twin.advance("10", key="sk-test")


def test_callbacks_of_any_address_go_to_the_receiver() -> None:
    came: list[dict[str, Any]] = []

    def receiver(request: httpx.Request) -> httpx.Response:
        came.append({"url": str(request.url), "status": httpx.Response(200, content=request.content).json()})
        return httpx.Response(200)

    twin = twin_transport(receiver=receiver, scenario="instant")
    reply = sync_client(twin).post(OMNI, json=CALLBACK)
    assert "x-mock-explanation" not in reply.headers or "will not be sent" not in reply.headers["x-mock-explanation"]
    fired = twin.advance("0s", key="sk-test")
    assert [each["status"]["task_status"] for each in came] == ["submitted", "processing", "succeed"]
    assert {each["url"] for each in came} == {"https://client.test/hook"}
    assert [each.callback.outcome for each in fired if each.callback] == ["delivered"] * 3


def test_a_receiver_may_ask_the_twin_what_became_of_the_task() -> None:
    seen: list[str] = []

    def receiver(request: httpx.Request) -> httpx.Response:
        task_id = httpx.Response(200, content=request.content).json()["task_id"]
        seen.append(client.get(f"{OMNI}/{task_id}").json()["data"]["task_status"])
        return httpx.Response(200)

    twin = twin_transport(receiver=receiver)
    client = sync_client(twin)
    created(client, CALLBACK)
    twin.advance("10m", key="sk-test")
    assert seen == ["submitted", "processing", "succeed"]


@pytest.mark.parametrize(
    ("receiver", "reason"),
    [
        (lambda request: "fine", "it returned 'fine'; an httpx.Response, a status or nothing is expected"),
        (lambda request: httpx.Response(500), "the receiver answered 500"),
        (lambda request: 1 / 0, "ZeroDivisionError"),
        (httpx.MockTransport(lambda request: httpx.Response(404)), "the receiver answered 404"),
    ],
)
def test_a_callback_that_is_not_taken_is_tried_again(receiver: Any, reason: str) -> None:
    twin = twin_transport(receiver=receiver, callback_retries_ms=(10_000,))
    created(sync_client(twin), CALLBACK)
    attempts = [each.callback for each in twin.advance("10m", key="sk-test") if each.callback]
    assert [(each.attempt, each.outcome) for each in attempts if each.status == "submitted"] == [
        (1, "failed"),
        (2, "failed"),
    ]
    assert all(reason in each.reason for each in attempts)


@pytest.mark.parametrize(("answer", "http_status"), [(None, 200), (204, 204), (httpx.Response(201), 201)])
def test_a_receiver_may_answer_with_a_status_or_nothing(answer: Any, http_status: int) -> None:
    twin = twin_transport(receiver=lambda request: answer)
    created(sync_client(twin), CALLBACK)
    (fired,) = twin.advance("0s", key="sk-test")
    assert fired.callback is not None
    assert (fired.callback.outcome, fired.callback.http_status) == ("delivered", http_status)


def test_without_a_receiver_nothing_is_sent_and_the_submit_says_so() -> None:
    twin = twin_transport()
    reply = sync_client(twin).post(OMNI, json=CALLBACK)
    assert "there is no receiver" in reply.headers["x-mock-explanation"]
    (fired,) = twin.advance("0s", key="sk-test")
    assert fired.callback is not None
    assert (fired.callback.outcome, fired.callback.final) == ("refused", True)


def test_a_path_may_be_a_text_and_several_values_a_list(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nabout: Mine.\nlifecycle: {pace: 0s}\n", encoding="utf-8")
    twin = twin_transport(scenarios=str(tmp_path), scenario="mine", mounts=["/team"], api_keys=["sk-test"])
    answer = sync_client(twin).post("/team/v1/videos/omni-video", json=MINIMAL)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"scenari": "instant"}, "there is no setting 'scenari'; did you mean scenario"),
        ({"api_key": ["x"]}, "did you mean api_keys?"),
        ({"port": 1}, "port is a setting of a server"),
    ],
)
def test_a_setting_that_there_is_not_is_named(setting: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        twin_transport(**setting)


def test_the_pages_of_the_control_api_answer_whatever_the_address() -> None:
    client = sync_client(twin_transport())
    created(client)
    assert client.get("/_mock/journal").json()["entries"][0]["operation"] == "createOmniVideo"


async def test_an_async_receiver_is_awaited_and_cut_off_in_time() -> None:
    async def receiver(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    twin = twin_transport(receiver=receiver, callback_timeout_ms=1, callback_retries_ms=())
    async with async_client(twin) as client:
        await client.post(OMNI, json=CALLBACK)
    fired = await twin.advance_async("0s", key="sk-test")
    assert fired[0].callback is not None
    assert fired[0].callback.reason == "no answer within 0.001 s"


async def test_an_asgi_application_may_be_the_receiver() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    twin = twin_transport(receiver=httpx.ASGITransport(application))
    async with async_client(twin) as client:
        await client.post(OMNI, json=CALLBACK)
    (fired,) = await twin.advance_async("0s", key="sk-test")
    assert fired.callback is not None
    assert fired.callback.http_status == 202


async def test_where_an_event_loop_runs_the_other_way_is_named() -> None:
    twin = twin_transport()
    with pytest.raises(RuntimeError, match="use advance_async"):
        twin.advance("1s", key="sk-test")
    with pytest.raises(RuntimeError, match="use an AsyncClient"):
        sync_client(twin).get("/_mock/health")


def test_a_clock_that_runs_by_itself_is_not_moved() -> None:
    with pytest.raises(ValueError, match="runs by itself"):
        twin_transport(clock="system").advance("1s", key="sk-test")


def test_a_setting_that_cannot_be_is_named() -> None:
    with pytest.raises(ValueError, match="did you mean instant"):
        twin_transport(scenario="instnat")


def test_the_control_api_is_there_too() -> None:
    assert sync_client(twin_transport()).get("/_mock/health").json()["status"] == "ok"


def test_the_journal_tells_what_a_client_sent() -> None:
    twin = twin_transport()
    created(sync_client(twin))
    (entry,) = twin.world("sk-test").journal.entries
    assert not isinstance(entry, Attempt)
    assert (b"accept", b"*/*") in entry.incoming.headers


@respx.mock(assert_all_called=True)
def test_a_respx_route_can_stand_on_it(respx_mock: respx.MockRouter) -> None:
    twin = twin_transport(scenario="instant")
    respx_mock.route(host="api.deerapi.com").mock(side_effect=twin.handle_request)
    with httpx.Client(base_url=BASE_URL, headers=HEADERS) as client:
        assert client.get(f"{OMNI}/{created(client)}").json()["data"]["task_status"] == "succeed"


@respx.mock
async def test_a_respx_route_serves_async_clients(respx_mock: respx.MockRouter) -> None:
    twin = twin_transport()
    respx_mock.route(host="api.deerapi.com").mock(side_effect=twin.handle_request)
    async with httpx.AsyncClient(base_url=BASE_URL, headers=HEADERS) as client:
        assert (await client.post(OMNI, json=MINIMAL)).status_code == 200


@settings(max_examples=50)
@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    path=st.sampled_from([OMNI, f"{OMNI}/a%2Fb", "/nowhere", "/v1/videos/omni-video"]),
    query=st.sampled_from(["", "pageNum=1", "pageNum=x&pageSize=2"]),
    body=st.one_of(st.just(b'{"prompt": "x", "aspect_ratio": "1:1"}'), st.binary(max_size=40)),
    key=st.sampled_from(["Bearer sk-test", "Basic x", ""]),
)
def test_an_answer_is_the_endpoint_s_own(
    program: Program, method: str, path: str, query: str, body: bytes, key: str
) -> None:
    twin = twin_transport()
    request = httpx.Request(
        method,
        f"{BASE_URL}{path}" + (f"?{query}" if query else ""),
        content=body,
        headers={"Authorization": key, "Content-Type": "application/json"},
    )
    answer = twin.handle_request(request)
    headers = [(name.lower(), value) for name, value in request.headers.raw]
    incoming = Incoming(method, path.encode(), query.encode(), headers, body, "https")
    expected = make_twin(Settings(clock="manual"), program).endpoint.answer(incoming)
    assert (answer.status_code, answer.content) == (expected.status, expected.body)
    assert set(expected.headers) <= {(name.lower(), value) for name, value in answer.headers.raw}


# Faults of the connection


def spoiling(*faults: Any, **story: Any) -> TwinTransport:
    """A twin whose lists are spoiled, each by its fault."""
    twin = twin_transport()
    steps: list[Any] = [{"fault": fault} for fault in faults] or ["normal"]
    scenario = twin.twin.catalogue.define({"name": "mine", "about": "A test.", "list": steps, **story})
    twin.world("sk-test").steering.arm(scenario, None, 0)
    return twin


def gave_up(twin: TwinTransport) -> list[int | None]:
    return [each.gave_up_after_ms for each in twin.world("sk-test").journal.entries if isinstance(each, Exchange)]


async def test_a_refusal_says_when_to_come_back() -> None:
    refused = {"problem": "maintenance", "retry-after": {"date": "3s"}, "times": 2}
    twin = spoiling(list=[refused])
    answers = [sync_client(twin).get(OMNI), await async_client(twin).get(OMNI)]
    assert [each.headers["retry-after"] for each in answers] == ["Thu, 01 Jan 2026 00:00:03 GMT"] * 2


@pytest.mark.parametrize(("when", "said"), [("after", None), ("announced", "close")])
def test_a_connection_that_closes_behind_a_reply_takes_nothing_of_it(when: str, said: str | None) -> None:
    answer = sync_client(spoiling({"close": when})).get(OMNI)
    assert (answer.json()["data"], answer.headers.get("connection")) == ([], said)


SHORT = {"truncated-body": {"how": "short-length", "after-bytes": 3}}
SPOILED: list[tuple[Any, type[Exception], str, int | None]] = [
    ({"reset": "before"}, httpx.ReadError, "Connection reset", None),
    ({"reset": "inside"}, httpx.ReadError, "Connection reset", None),
    ("close", httpx.RemoteProtocolError, "without sending a response", None),
    ("garbage", httpx.RemoteProtocolError, "illegal status line", None),
    ({"hang": "4s"}, httpx.RemoteProtocolError, "without sending a response", None),
    ({"hang": "6s"}, httpx.ReadTimeout, "timed out", 5_000),
    ({"drip": "6s"}, httpx.ReadTimeout, "timed out", 5_000),
    (
        {"truncated-body": {"how": "short-length", "after-bytes": 3}},
        httpx.RemoteProtocolError,
        "received 3 bytes",
        None,
    ),
    ({"truncated-body": {"how": "cut-chunk"}}, httpx.RemoteProtocolError, "incomplete chunked read", None),
]


@pytest.mark.parametrize(("fault", "error", "message", "after_ms"), SPOILED)
async def test_a_fault_of_the_connection_is_what_httpx_raises(
    fault: Any, error: type[Exception], message: str, after_ms: int | None
) -> None:
    """The usual time-out of httpx is 5 s; nothing here waits for it."""
    twin = spoiling(fault, fault)
    with pytest.raises(error, match=message):
        sync_client(twin).get(OMNI)
    with pytest.raises(error, match=message):
        await async_client(twin).get(OMNI)
    assert gave_up(twin) == [after_ms, after_ms]


def test_a_reply_that_is_later_than_the_client_waits_is_a_time_out() -> None:
    twin = spoiling(latency="2s")
    assert sync_client(twin).get(OMNI).status_code == 200
    with pytest.raises(httpx.ReadTimeout):
        sync_client(twin).get(OMNI, timeout=1.5)
    assert sync_client(twin).get(OMNI, timeout=None).status_code == 200
    assert gave_up(twin) == [None, 1_500, None]


def test_a_drip_that_is_no_slower_than_the_client_waits_is_a_reply() -> None:
    twin = spoiling({"drip": "4s"}, {"html-page": 502}, {"redirect": {"to": "http://other.test"}})
    client = sync_client(twin)
    assert client.get(OMNI).json()["data"] == []
    page = client.get(OMNI)
    assert (page.status_code, page.headers["content-type"]) == (502, "text/html; charset=utf-8")
    assert client.get(OMNI).headers["location"] == f"http://other.test{OMNI}"


def test_what_came_of_a_body_before_it_ended_can_be_read() -> None:
    twin = spoiling(SHORT)
    with sync_client(twin).stream("GET", OMNI) as answer:
        parts = answer.iter_raw()
        assert next(parts) == b'{"c'
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
