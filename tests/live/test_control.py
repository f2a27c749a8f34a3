"""The control API over real sockets: waits and streams of real clients, and readers that stop."""

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.live.conftest import StartServer
from tests.live.support import (
    PATIENCE_SECONDS,
    Client,
    Receiver,
    Server,
    assert_clean_end,
    clean_environment,
    connected,
    eventually,
    read_to_end,
)
from tests.support import OMNI

# A server whose bounds are those of a test: a reader that stops is cut off at once. Arguments: the port to listen on.
SHORT_OF_PATIENCE = """
import sys
from mock_server.server import listen, run
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from mock_server.worlds import Bounds
settings = Settings(clock="manual")
twin = make_twin(settings, load_program(settings), bounds=Bounds(stalled_seconds=0.2))
listener = listen("127.0.0.1", 0)
print(listener.getsockname()[1], flush=True)
run(twin, listener, lambda: None)
"""


@contextlib.contextmanager
def impatient_server() -> Iterator[str]:
    """Run such a server; it must end cleanly."""
    process = subprocess.Popen(
        [sys.executable, "-c", SHORT_OF_PATIENCE],
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE_SECONDS)
        assert process.returncode == 0, err
        assert "Traceback" not in err, err
    finally:
        process.kill()
        process.wait()


def request(path: str, key: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {key}\r\n\r\n".encode()


def get(client: Client, page: str, **query: Any) -> httpx.Response:
    return client.server.http.get(f"/_mock/{page}", params=query, headers=client.headers)


def metric(http: httpx.Client, name: str) -> float:
    lines = http.get("/_mock/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def test_a_wait_is_answered_when_a_callback_has_come(client: Client, receiver: Receiver) -> None:
    client.created(callback_url=receiver.url())
    (received,) = receiver.wait(1)
    page = get(client, "journal/wait", kind="callback", timeout="30s").json()
    (entry,) = page["entries"]
    assert entry["task_id"] == received.json["task_id"]
    assert entry["outcome"] == "delivered"


def test_a_callback_is_sent_again_with_the_same_id(start: StartServer, key: str, receiver: Receiver) -> None:
    secret = "whsec_" + "b21uaW1vY2stdGVzdC1zZWNyZXQtMzItYnl0ZXMtbG8="
    client = Client(start("--clock", "manual", "--callback-secret", secret), key)
    client.created(callback_url=receiver.script(200, 503))
    first = receiver.wait(1)[0]
    eventually(lambda: get(client, "callbacks", outcome="delivered").json()["callbacks"], "the delivery")
    (delivery,) = get(client, "callbacks", outcome="delivered").json()["callbacks"]
    answer = client.server.http.post(f"/_mock/callbacks/{delivery['delivery']}/redeliver", headers=client.headers)
    assert (answer.json()["attempt"], answer.json()["http_status"]) == (2, 503)
    second = receiver.wait(1)[0]
    assert second.body == first.body
    assert second.headers["webhook-id"] == first.headers["webhook-id"]


def test_a_stream_brings_what_happens(client: Client) -> None:
    with client.server.http.stream("GET", "/_mock/journal/stream", headers=client.headers) as answer:
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        lines = answer.iter_lines()
        assert next(lines).startswith(":")
        task_id = client.created()
        data = next(line for line in lines if line.startswith("data: "))
        assert json.loads(data.removeprefix("data: "))["task_id"] == task_id
    eventually(lambda: metric(client.server.http, "omnimock_journal_readers") == 0, "the place of the reader that left")


def test_a_client_that_leaves_a_wait_gives_its_place_free(client: Client) -> None:
    with connected(client.server.port) as connection:
        connection.sendall(request("/_mock/journal/wait?timeout=60s", client.key))
        eventually(lambda: metric(client.server.http, "omnimock_journal_readers") == 1, "the wait")
    eventually(lambda: metric(client.server.http, "omnimock_journal_readers") == 0, "the place of the client that left")


def test_a_reader_that_never_reads_is_cut_off_and_nobody_notices(key: str) -> None:
    body = json.dumps({"prompt": "x" * 15_000}).encode()
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    with impatient_server() as base_url, httpx.Client(base_url=base_url, timeout=PATIENCE_SECONDS) as http:
        port = httpx.URL(base_url).port
        stopped = socket.socket()
        stopped.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stopped.connect(("127.0.0.1", port))
        stopped.sendall(request("/_mock/journal/stream", key))
        with http.stream("GET", "/_mock/journal/stream", headers=headers) as reader:
            lines = reader.iter_lines()
            eventually(lambda: metric(http, "omnimock_journal_readers") == 2, "both readers")
            # More than the sockets and the server buffer for it.
            for number in range(1, 401):
                assert http.post(OMNI, content=body, headers=headers).status_code == 400
                data = next(line for line in lines if line.startswith("data: "))
                assert json.loads(data.removeprefix("data: "))["number"] == number
            eventually(lambda: metric(http, "omnimock_journal_readers") == 1, "the end of the reader that stopped")
            assert http.post(OMNI, content=body, headers=headers).status_code == 400
            data = next(line for line in lines if line.startswith("data: "))
            assert json.loads(data.removeprefix("data: "))["number"] == 401
        with stopped, contextlib.suppress(ConnectionResetError):
            came = read_to_end(stopped)
            assert len(came) < 401 * 15_000


@pytest.mark.parametrize("stopped", [False, True], ids=["reads", "reads nothing"])
def test_a_server_that_is_told_to_end_ends_its_waits_and_streams(start: StartServer, key: str, stopped: bool) -> None:
    server = start("--clock", "manual")
    client = Client(server, key)
    with connected(server.port) as stream, connected(server.port) as wait:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        stream.sendall(request("/_mock/journal/stream", key))
        wait.sendall(request("/_mock/journal/wait?timeout=60s&after=0&http_status=5xx", key))
        eventually(lambda: metric(server.http, "omnimock_journal_readers") == 2, "both readers")
        for _ in range(400 if stopped else 1):
            client.submit({"prompt": "x" * 15_000})
        assert_clean_end(server.end())
        assert b"the server stops" in read_to_end(wait)
        if not stopped:
            assert b'event: end\ndata: {"reason":"the server stops"}' in read_to_end(stream)


# A suite of somebody who tests a client, as their pytest would run it side by side.
SUITE = """
import os
import urllib.request, json
import pytest

BASE_URL = os.environ["BASE_URL"]
KEY = "sk-" + os.environ["PYTEST_XDIST_WORKER"]
OMNI = "/kling/v1/videos/omni-video"


def call(method, path, body=None):
    request = urllib.request.Request(
        BASE_URL + path, method=method, data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": "Bearer " + KEY, "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


@pytest.mark.parametrize("number", range(24))
def test_a_job(number):
    call("POST", "/_mock/reset")
    assert call("GET", "/_mock/tasks")["total"] == 0
    started = call("GET", "/_mock/clock")["now_ms"]
    ids = [
        call("POST", OMNI, {"prompt": "x", "aspect_ratio": "16:9", "external_task_id": str(each)})["data"]["task_id"]
        for each in range(1 + number % 3)
    ]
    assert [task["id"] for task in call("GET", "/_mock/tasks")["tasks"]] == ids
    call("POST", "/_mock/clock/advance", {"by": "10m"})
    assert call("GET", "/_mock/clock")["now_ms"] == started + 600_000
    assert {call("GET", f"{OMNI}/{each}")["data"]["task_status"] for each in ids} == {"succeed"}
    entries = call("GET", "/_mock/journal")["entries"]
    assert [entry["number"] for entry in entries] == list(range(1, 2 * len(ids) + 1))
    assert {entry["task_id"] for entry in entries} == set(ids)
    assert call("GET", "/_mock/ledger")["total"]["tasks"] == len(ids)
"""


def test_two_workers_on_one_server_do_not_disturb_each_other(manual_server: Server, tmp_path: Path) -> None:
    (tmp_path / "test_suite.py").write_text(SUITE, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", "test_suite.py"],
        cwd=tmp_path,
        env=clean_environment(BASE_URL=manual_server.base_url),
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "24 passed" in done.stdout
