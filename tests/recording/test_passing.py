"""What passes is not changed; whatever goes wrong with it is told to the client, and recorded."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.recording.addresses import replaced
from contracts.recording.forwarding import passed_on, target_of, unpacked
from contracts.recording.proxy import Message
from contracts.recording.recorded import read_recording
from tests.recording.support import HEADERS, Clock, a_run, bench
from tests.support import MINIMAL, OMNI

JSON = {"content-type": "application/json"}


class Failing(httpx.AsyncBaseTransport):
    """A service of which nothing but an error comes."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise self._error


class Keeping(httpx.AsyncBaseTransport):
    """A service that keeps the bodies that it gets, and does nothing with them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.bodies.append(await request.aread())
        return httpx.Response(500)


class Parts(httpx.AsyncByteStream):
    """A body that comes in parts, each when it is let go."""

    def __init__(self, *parts: bytes, ends: Exception | None = None) -> None:
        self.parts, self.ends, self.closed = parts, ends, False
        self.gate = asyncio.Semaphore(0)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self.parts:
            await self.gate.acquire()
            yield part
        if self.ends is not None:
            raise self.ends

    async def aclose(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    ("error", "status", "loss"),
    [
        (httpx.ConnectError("Connection refused"), 502, "refused"),
        (httpx.ConnectTimeout("too long"), 504, "timeout"),
        (httpx.ReadTimeout("too long"), 504, "timeout"),
        (httpx.ReadError("Connection reset by peer"), 502, "reset"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), 502, "closed"),
        (httpx.ProxyError("no"), 502, "failed"),
    ],
)
async def test_a_service_that_does_not_answer_is_told_and_recorded(
    tmp_path: Path, error: Exception, status: int, loss: str
) -> None:
    async with bench(tmp_path, Failing(error)) as one:
        answer = await one.http.get(f"{OMNI}/1")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["detail"] == f"no reply came from the service: {loss}"
    (exchange,) = one.recording("without-task").exchanges
    assert (exchange.lost, exchange.reply, exchange.operation) == (loss, None, "getOmniVideo")
    assert one.lines == [f"service: GET {OMNI}/1: {loss}: {exchange.why} (without-task.json #1)"]


async def test_redirects_cookies_and_packed_bodies_pass_as_they_are(tmp_path: Path) -> None:
    packed = gzip.compress(b'{"a": 1}')
    headers = [
        ("location", "https://x.test/"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("content-encoding", "gzip"),
        *JSON.items(),
    ]

    class Service(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(307, headers=headers, stream=httpx.ByteStream(packed))

    async with bench(tmp_path, Service()) as one:
        answer = await one.http.get(f"{OMNI}/1")
    assert answer.status_code == 307
    assert answer.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert answer.json() == {"a": 1}
    reply = one.recording("without-task").exchanges[0].reply
    assert reply is not None
    assert (reply.body.value, reply.header("location")) == ({"a": 1}, "https://x.test/")


async def asgi(run: Any, receive: list[Message] | Any, method: str = "GET") -> list[Message]:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": method, "path": OMNI, "raw_path": OMNI.encode(), "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in HEADERS.items()],
    }  # fmt: skip
    await run.app(scope, receive, send)
    return sent


async def test_parts_pass_as_they_come_and_the_last_one_after_it_is_written(tmp_path: Path) -> None:
    stream, seen, left = Parts(b'{"code"', b": 0", b"}"), list[tuple[bytes, bool]](), asyncio.Event()
    service = httpx.MockTransport(
        lambda request: httpx.Response(200, headers={**JSON, "content-length": "11"}, stream=stream)
    )
    run = a_run(tmp_path, [], Clock(), transport=service)

    def written() -> bool:
        return any(tmp_path.glob("*.json"))

    async def receive() -> Message:
        if not seen and not left.is_set():
            left.set()
            return {"type": "http.request", "body": b"", "more_body": False}
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body":
            seen.append((message["body"], written()))
        stream.gate.release()

    scope = {
        "type": "http",
        "method": "GET",
        "path": OMNI,
        "raw_path": OMNI.encode(),
        "query_string": b"",
        "headers": [],
    }
    stream.gate.release()
    async with asyncio.timeout(10):
        await run.app(scope, receive, send)
    assert [each for each in seen if each[0]] == [(b'{"code"', False), (b": 0", False), (b"}", True)]
    assert stream.closed


async def test_a_client_that_leaves_is_recorded_and_the_service_is_let_go(tmp_path: Path) -> None:
    stream = Parts(b"never")
    service = httpx.MockTransport(lambda request: httpx.Response(200, headers=JSON, stream=stream))
    lines: list[str] = []
    run = a_run(tmp_path, lines, Clock(), transport=service)
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        await asyncio.sleep(0)
        return messages.pop(0)

    await asgi(run, receive)
    (exchange,) = read_recording(tmp_path / "without-task.json").exchanges
    assert exchange.lost == "left"
    assert lines[0].startswith(f"client: GET {OMNI}: left: ")


async def test_a_request_that_is_too_large_is_not_passed_on(tmp_path: Path) -> None:
    service = Keeping()
    async with bench(tmp_path, service, body_bytes_max=100) as one:
        answer = await one.http.post(OMNI, content=b"x" * 101)
    assert answer.status_code == 413
    assert not service.bodies
    assert one.recording("without-task").exchanges[0].lost == "too-large"


async def test_a_reply_that_is_not_kept_whole_passes_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.recording.proxy._KEPT_BYTES_MAX", 10)
    service = httpx.MockTransport(lambda request: httpx.Response(200, headers=JSON, content=b'"' + b"x" * 50 + b'"'))
    async with bench(tmp_path, service) as one:
        answer = await one.http.get(f"{OMNI}/1")
    assert len(answer.content) == 52
    reply = one.recording("without-task").exchanges[0].reply
    assert reply is not None
    assert reply.body.cut


async def test_a_defect_of_the_recorder_holds_up_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("sk-secret")

    async with bench(tmp_path) as one:
        monkeypatch.setattr(one.run.recorder, "take", broken)
        assert (await one.submit()).status_code == 200
    assert one.lines == [
        "error: an exchange was not recorded; this is a defect of omnimock, please report it: KeyError"
    ]


async def test_a_folder_that_is_full_is_told_once_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> str:
        raise OSError(28, "No space left on device")

    async with bench(tmp_path) as one:
        monkeypatch.setattr("contracts.recording.folder.Folder.first", full)
        for _ in range(2):
            assert (await one.submit()).status_code == 200
    assert one.lines == [f"error: cannot write into {tmp_path}: No space left on device; what passes goes on"]


async def test_an_address_that_nobody_gave_out_takes_no_callback(tmp_path: Path) -> None:
    async with bench(tmp_path, public_url="http://recorder.test") as one:
        assert (await one.http.post("/_record/callbacks/nothing", json={})).status_code == 404
    assert not one.recordings()


async def test_without_a_public_address_callbacks_pass_by_which_is_said_once(tmp_path: Path) -> None:
    service = Keeping()
    async with bench(tmp_path, service) as one:
        for _ in range(2):
            await one.submit(callback_url="http://mine.test/cb")
    assert [json.loads(each)["callback_url"] for each in service.bodies] == ["http://mine.test/cb"] * 2
    assert sum("callbacks are not recorded" in line for line in one.lines) == 1


async def test_with_one_the_service_is_told_an_address_of_the_recorder_s_and_nothing_else_is_changed(
    tmp_path: Path,
) -> None:
    service = Keeping()
    body = b'{"prompt":"\\u00e9" ,"callback_url" : "http:\\/\\/mine.test\\/cb","aspect_ratio":"16:9", "n": 1.0}'
    async with bench(tmp_path, service, public_url="https://public.test/x/") as one:
        await one.http.post(OMNI, content=body, headers=JSON)
        await one.http.post(OMNI, content=b'{"prompt": "p", "callback_url": ""}', headers=JSON)
        await one.http.post(OMNI, content=b"no JSON", headers=JSON)
    before, _, behind = service.bodies[0].partition(b"https://public.test/x/_record/callbacks/")
    assert before == b'{"prompt":"\\u00e9" ,"callback_url" : "'
    assert behind.partition(b'"')[2] == b',"aspect_ratio":"16:9", "n": 1.0}'
    assert service.bodies[1:] == [b'{"prompt": "p", "callback_url": ""}', b"no JSON"]


def test_a_callback_address_is_replaced_at_its_place_alone() -> None:
    body = b'{"a": {"callback_url": "u"}, "callback_url": "u"}'
    value = json.loads(body)
    new = replaced(body, value, "$request.body#/callback_url", "v")
    assert new == b'{"a": {"callback_url": "u"}, "callback_url": "v"}'
    odd = b'{"callback_\\u0075rl": "u", "b": 1}'
    assert json.loads(replaced(odd, json.loads(odd), "$request.body#/callback_url", "v")) == {
        "callback_url": "v",
        "b": 1,
    }


def test_headers_between_neighbours_are_not_passed_on() -> None:
    headers = [
        (b"connection", b"Keep-Alive, X-Hop"),
        (b"x-hop", b"1"),
        (b"te", b"gzip"),
        (b"x", b"2"),
        (b"transfer-encoding", b"chunked"),
    ]
    assert passed_on(headers) == [(b"x", b"2")]


@pytest.mark.parametrize(
    ("accepted", "passed"),
    [("gzip, deflate", "gzip, deflate"), ("br, gzip;q=0.5,zstd", "gzip;q=0.5"), ("br", "identity"), ("*", "identity")],
)
async def test_a_reply_is_asked_for_in_a_form_that_can_be_looked_into(
    tmp_path: Path, accepted: str, passed: str
) -> None:
    service = httpx.MockTransport(lambda request: httpx.Response(200, text=request.headers["accept-encoding"]))
    async with bench(tmp_path, service) as one:
        answer = await one.http.get(OMNI, headers={"accept-encoding": accepted})
    assert answer.text == passed


def test_a_body_is_unpacked_where_that_can_be() -> None:
    assert unpacked([(b"content-encoding", b"gzip")], gzip.compress(b"a")) == b"a"
    assert unpacked([(b"content-encoding", b"br")], b"a") is None
    assert unpacked([(b"content-encoding", b"gzip")], b"no gzip") is None
    assert unpacked([(b"content-encoding", b"gzip")], gzip.compress(bytes(70 * 1024 * 1024))) is None


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("api.deerapi.com", "with http:// or https:// is needed"),
        ("ftp://x.test", "with http:// or https:// is needed"),
        ("http://", "with http:// or https:// is needed"),
        ("http://x.test:99999", "Port out of range"),
        ("https://me:secret@x.test", "take the user information out"),
        ("https://x.test/?token=secret", "an address without a query"),
    ],
)
def test_an_address_that_is_none_is_refused_without_its_secrets(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        target_of(url, "--upstream")
    assert "secret" not in str(caught.value)


def test_a_path_in_front_belongs_to_every_address() -> None:
    assert target_of("https://x.test:8443/a/b/", "--upstream").prefix == b"/a/b"


async def test_the_smallest_submit_passes(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        answer = await one.http.post(OMNI, json=MINIMAL)
    assert (answer.status_code, one.lines) == (200, [])
