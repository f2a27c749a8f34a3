"""The example client's callbacks: what is taken, what is refused, and that none of them is believed."""

import base64
import http.client
import json
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import standardwebhooks
from omni_video import AsyncOmniVideo, Callbacks, OmniVideo, Receiver, Settings
from omni_video.job import OmniJob

from tests.examples.python_support import BASE_URL, KEY, REQUEST

SECRET = "whsec_" + base64.b64encode(b"a secret of 24 characters").decode()
OTHER = "whsec_" + base64.b64encode(b"another of 24 characters!").decode()
NOW = 1_781_080_794.0
# Far longer than anything here takes: who waits for so long was not woken.
NEVER_SECONDS = 1_000.0
BODY = b'{ "task_status" : "succeed","task_id":"42" }'


def signed(body: bytes = BODY, *, secret: str = SECRET, at: float = NOW) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    signature = standardwebhooks.Webhook(secret).sign("m-1", moment, body.decode())
    return {"Webhook-Id": "m-1", "Webhook-Timestamp": str(int(at)), "Webhook-Signature": signature}


def taken(headers: Mapping[str, str], body: bytes = BODY) -> int:
    return Callbacks(SECRET, wall=lambda: NOW).take(headers, body)


def test_the_vendors_own_vector_is_taken() -> None:
    callbacks = Callbacks("whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI=", wall=lambda: NOW)
    body = (
        b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'
    )
    headers = {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }
    assert callbacks.take(headers, body) == 200
    assert callbacks.take(headers, body + b" ") == 401


def test_one_good_signature_of_several_is_enough() -> None:
    headers = signed()
    headers["Webhook-Signature"] = f"v1a,x v1,AAAA {headers['Webhook-Signature']}"
    assert taken(headers) == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        signed(secret=OTHER),
        signed(at=NOW - 301),
        signed(at=NOW + 301),
        {**signed(), "Webhook-Timestamp": str(int(NOW) + 1)},
        {**signed(), "Webhook-Timestamp": "now"},
        {**signed(), "Webhook-Signature": ""},
        {**signed(), "Webhook-Signature": "v1,é"},
    ],
    ids=str,
)
def test_what_is_not_well_signed_is_refused(headers: dict[str, str]) -> None:
    assert taken(headers) == 401


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_refused_without_a_crash(body: bytes) -> None:
    assert Callbacks().take({}, body) == 400


@pytest.mark.parametrize(
    "document",
    [
        {"task_id": "42", "task_status": "succeed", "new_member": {}},
        {"code": 0, "message": "", "data": {"task_id": "42"}},
        {"task_id": 42},
        {"task_id": "of-the-gateway", "task_info": {"external_task_id": "job-7"}},
    ],
    ids=str,
)
def test_a_callback_wakes_the_job_that_it_is_about_in_every_form(document: Any) -> None:
    assert woken_by(document) == 1


@pytest.mark.parametrize("document", [{"task_id": "43"}, {}, {"task_status": "succeed"}, {"task_id": None}], ids=str)
def test_a_callback_about_nothing_known_is_acknowledged_and_wakes_nobody(document: Any) -> None:
    assert woken_by(document) == 0


def woken_by(document: Any) -> int:
    woken: list[None] = []
    callbacks = Callbacks()
    job = OmniJob({**REQUEST, "external_task_id": "job-7"}, base_url=BASE_URL, api_key=KEY)
    job.task_id = "42"
    with callbacks.watched(job, lambda: woken.append(None)):
        assert callbacks.take({}, json.dumps(document).encode()) == 200
    assert callbacks.take({}, json.dumps(document).encode()) == 200, "after the end as well"
    return len(woken)


def test_a_copy_of_a_callback_wakes_nobody() -> None:
    woken: list[None] = []
    callbacks = Callbacks()
    job = OmniJob({**REQUEST, "external_task_id": "job-7"}, base_url=BASE_URL, api_key=KEY)
    job.task_id = "42"
    with callbacks.watched(job, lambda: woken.append(None)):
        for status in ("processing", "processing", "succeed", "processing", "succeed"):
            assert callbacks.take({}, json.dumps({"task_id": "42", "task_status": status}).encode()) == 200
    assert len(woken) == 2


def test_a_secret_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="whsec_"):
        Callbacks("whsec_???")


class Provider:
    """A task that is done after so many polls; each poll is told to a callback sender that lies."""

    def __init__(self, callbacks: Callbacks, polls: int) -> None:
        self.callbacks, self.polls_left, self.polls = callbacks, polls, 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            # Early: the reply to the submit has not come yet.
            external_id = json.loads(request.content)["external_task_id"]
            self.tell("submitted", external_id=external_id)
            return self.says("submitted")
        self.polls += 1
        self.polls_left -= 1
        for _ in range(3):
            self.tell("succeed", url="http://attacker.invalid/video.mp4")
            self.tell(f"made-up-{self.polls}")
        return self.says("processing" if self.polls_left else "succeed", url="http://videos.test/42.mp4")

    def tell(self, status: str, *, external_id: str = "", url: str = "") -> None:
        info = {"external_task_id": external_id}
        body = {"task_id": "42", "task_status": status, "task_info": info, "task_result": {"videos": [{"url": url}]}}
        assert self.callbacks.take({}, json.dumps(body).encode()) == 200

    def says(self, status: str, *, url: str = "") -> httpx.Response:
        videos = [{"url": url}] if status == "succeed" else []
        task = {"task_id": "42", "task_status": status, "task_result": {"videos": videos}}
        return httpx.Response(200, json={"code": 0, "message": "SUCCEED", "data": task})


WAITING = Settings(poll_interval_seconds=NEVER_SECONDS, deadline_seconds=2 * NEVER_SECONDS)


def test_callbacks_wake_the_sync_client_and_are_not_believed() -> None:
    callbacks = Callbacks()
    provider = Provider(callbacks, polls=3)
    transport = httpx.MockTransport(provider)
    with OmniVideo(BASE_URL, KEY, transport=transport, settings=WAITING, callbacks=callbacks) as client:
        assert client.generate(REQUEST).url == "http://videos.test/42.mp4"
    assert provider.polls == 3


async def test_callbacks_wake_the_async_client_and_are_not_believed() -> None:
    callbacks = Callbacks()
    provider = Provider(callbacks, polls=3)
    transport = httpx.MockTransport(provider)
    async with AsyncOmniVideo(BASE_URL, KEY, transport=transport, settings=WAITING, callbacks=callbacks) as client:
        assert (await client.generate(REQUEST)).url == "http://videos.test/42.mp4"
    assert provider.polls == 3


def test_a_stranger_cannot_make_the_client_poll_for_ever() -> None:
    woken: list[None] = []
    callbacks = Callbacks()
    job = OmniJob({**REQUEST, "external_task_id": "job-7"}, base_url=BASE_URL, api_key=KEY)
    job.task_id = "42"
    with callbacks.watched(job, lambda: woken.append(None)):
        for number in range(1_000):
            document = {"task_id": "42", "task_status": f"made-up-{number}"}
            assert callbacks.take({}, json.dumps(document).encode()) == 200
    assert len(woken) == 10


def test_a_receiver_hands_on_what_comes_byte_by_byte() -> None:
    came: list[tuple[str, str | None, bytes]] = []

    def take(path: str, headers: Mapping[str, str], body: bytes) -> int:
        came.append((path, headers.get("webhook-id"), body))
        return 202

    with Receiver(take) as receiver:
        answer = httpx.post(f"{receiver.base_url}/j-1", content=BODY, headers={"webhook-id": "m"}, trust_env=False)
    assert answer.status_code == 202
    assert came == [("/j-1", "m", BODY)]


def test_a_receiver_takes_nothing_without_an_end() -> None:
    with Receiver(lambda path, headers, body: 200) as receiver:
        port = int(receiver.base_url.rpartition(":")[2])
        for headers, status in (({"content-length": "99999999999"}, 413), ({"content-length": "x"}, 411)):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("POST", "/", headers=headers)
            assert connection.getresponse().status == status
            connection.close()
        with socket.create_connection(("127.0.0.1", port), timeout=10) as cut:
            cut.sendall(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc")
            cut.shutdown(socket.SHUT_WR)
            assert cut.recv(64).startswith(b"HTTP/1.0 400")
