"""A client, the recorder and the twin, on sockets: what is recorded plays again, and the client sees the same."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from contracts.recording.recorded import read_recording
from tests.live.support import Receiver, Server, assert_clean_end
from tests.recording.support import HEADERS, KEY, PATIENCE_SECONDS, Clock, recorder_at
from tests.support import MINIMAL, OMNI

# How often the client looks, and how fine time is for callbacks.
POLL_MS, TICK_MS = 5_000, 500

Start = Callable[..., Server]
Seen = tuple[int, str]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def start_one(*arguments: str) -> Server:
        folder = tmp_path / f"server-{len(servers)}"
        folder.mkdir()
        servers.append(Server(folder, "--clock", "manual", *arguments))
        return servers[-1]

    yield start_one
    for server in servers:
        assert_clean_end(server.end())


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


class Client:
    """A client that submits until it is accepted, then polls to the end, and tells what it saw when."""

    def __init__(
        self, base_url: str, server: Server, clock: Clock | None = None, receiver: Receiver | None = None
    ) -> None:
        self.base_url, self.server, self.clock, self.receiver = base_url, server, clock, receiver
        self.now_ms = 0
        self.seen: list[Seen] = []

    def wait(self, by_ms: int) -> None:
        for _ in range(by_ms // TICK_MS):
            self.now_ms += TICK_MS
            if self.clock is not None:
                self.clock.move(TICK_MS)
            answer = self.server.http.post("/_mock/clock/advance", json={"by": f"{TICK_MS}ms"}, headers=HEADERS)
            assert answer.status_code == 200, answer.text
            for each in self.receiver.so_far() if self.receiver is not None else ():
                self.saw(f"callback {each.json['task_status']}")

    def saw(self, what: str) -> None:
        self.seen.append((self.now_ms, what))

    def run(self, body: dict[str, Any], polls: int = 100) -> list[Seen]:
        with httpx.Client(base_url=self.base_url, headers=HEADERS, timeout=PATIENCE_SECONDS, trust_env=False) as http:
            while (data := self.ask(http, "POST", OMNI, json=body)) is None:
                self.wait(2_000)
            for _ in range(polls):
                self.wait(POLL_MS)
                told = self.ask(http, "GET", f"{OMNI}/{data['task_id']}")
                if told is not None and told["task_status"] in ("succeed", "failed"):
                    break
        return self.seen

    def ask(self, http: httpx.Client, method: str, path: str, **more: Any) -> dict[str, Any] | None:
        try:
            answer = http.request(method, path, **more)
        except httpx.TransportError:
            self.saw("lost")
            return None
        if answer.status_code == 502:
            self.saw("lost")
            return None
        if answer.status_code != 200:
            again = answer.headers.get("retry-after", "")
            self.saw(f"{answer.status_code} {answer.json()['code']} {answer.json()['message']} {again}")
            return None
        data: dict[str, Any] = answer.json()["data"]
        self.saw(" ".join(filter(None, (method, data["task_status"], data.get("task_status_msg")))))
        return data


STORIES: dict[str, dict[str, Any]] = {
    "a success": {"lifecycle": {"pace": {"submitted": "7s", "processing": "33s"}}},
    "a failure with a reason of the spec": {"lifecycle": {"pace": "12s", "outcome": "content-risk"}},
    "a failure in other words": {"lifecycle": {"pace": "12s", "outcome": {"message": "the lamp is broken"}}},
    "a failure out of the first status": {
        "lifecycle": {"pace": "12s", "way": ["submitted", "failed"], "outcome": {"message": "no"}}
    },
    "refusals with a word when to come back": {
        "submit": [{"problem": "rate-limited", "retry-after": "3s", "times": 2}, {"problem": "concurrency-exceeded"}],
        "lifecycle": {"pace": "9s"},
    },
    "polls that are refused and lost": {
        "query": ["normal", {"problem": "internal-error"}, {"fault": "reset"}, {"problem": "task-not-found"}],
        "lifecycle": {"pace": "13s"},
    },
    "a submit that is lost": {"submit": [{"fault": "close", "then": "refuse"}], "lifecycle": {"pace": "6s"}},
    "a status between two polls": {"lifecycle": {"pace": {"submitted": "11s", "processing": "2s"}}},
    "a status that nobody knows": {
        "query": ["normal", {"fault": {"unknown-status": "queued"}}],
        "lifecycle": {"pace": "11s"},
    },
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_recorded_task_plays_again(start: Start, tmp_path: Path, story: dict[str, Any]) -> None:
    upstream, folder, clock, lines = start(), tmp_path / "recordings", Clock(), list[str]()
    armed = upstream.http.put("/_mock/scenario", json={"scenario": story}, headers=HEADERS)
    assert armed.status_code == 200, armed.text
    with recorder_at(upstream.base_url, folder, lines, clock) as recorder:
        seen = Client(recorder.base_url, upstream, clock).run(MINIMAL)
    (path,) = folder.glob("task-*.yaml")
    again = start("--scenarios", str(folder), "--scenario", path.stem)
    assert Client(again.base_url, again).run(MINIMAL) == seen
    assert KEY.encode() not in b"".join(each.read_bytes() for each in folder.iterdir())


def test_callbacks_are_relayed_recorded_and_played_again(start: Start, tmp_path: Path, receiver: Receiver) -> None:
    upstream, folder, clock, lines = start(), tmp_path / "recordings", Clock(), list[str]()
    story = {
        "lifecycle": {"pace": "12s"},
        "callbacks": {"faults": [{"duplicate": {"times": 1, "after": "3s", "on": ["processing"]}}]},
    }
    assert upstream.http.put("/_mock/scenario", json={"scenario": story}, headers=HEADERS).status_code == 200
    body = {**MINIMAL, "callback_url": receiver.url("/my/own?secret=of-mine")}
    with recorder_at(upstream.base_url, folder, lines, clock, public=True) as recorder:
        seen = Client(recorder.base_url, upstream, clock, receiver).run(body)
    assert [what for _, what in seen if what.startswith("callback")] == [
        "callback submitted", "callback processing", "callback processing", "callback succeed",
    ]  # fmt: skip
    (path,) = folder.glob("task-*.json")
    callbacks = [each for each in read_recording(path).exchanges if each.kind == "callback"]
    assert [(each.reply.status if each.reply else None, each.violations) for each in callbacks] == [(200, ())] * 4
    assert b"of-mine" not in path.read_bytes()
    again = start("--scenarios", str(folder), "--scenario", path.stem)
    assert Client(again.base_url, again, receiver=receiver).run(body) == seen


def test_a_receiver_that_is_down_is_the_client_s_mistake(start: Start, tmp_path: Path, receiver: Receiver) -> None:
    upstream, folder, clock, lines = start(), tmp_path / "recordings", Clock(), list[str]()
    story = {"lifecycle": {"pace": "15s"}}
    assert upstream.http.put("/_mock/scenario", json={"scenario": story}, headers=HEADERS).status_code == 200
    url = receiver.script(200, 500).replace("http://", "http://me:pass%20word@")
    body = {**MINIMAL, "callback_url": url}
    with recorder_at(upstream.base_url, folder, lines, clock, public=True) as recorder:
        Client(recorder.base_url, upstream, clock).run(body)
    assert any(line.startswith("client: callback") and "500 came; a 2xx" in line for line in lines), lines
    assert receiver.wait(1)[0].headers["authorization"] == "Basic bWU6cGFzcyB3b3Jk"
    assert b"pass%20word" not in b"".join(each.read_bytes() for each in folder.iterdir())
    source = yaml.safe_load(next(folder.glob("task-*.yaml")).read_text(encoding="utf-8"))
    # The spec's first retry comes so long after.
    assert source["callbacks"]["retries"] == ["10s"]


def test_a_refused_connection_is_a_502_and_recorded_as_that(tmp_path: Path) -> None:
    lines: list[str] = []
    with recorder_at("http://127.0.0.1:9", tmp_path, lines, Clock()) as recorder:
        answer = httpx.post(f"{recorder.base_url}{OMNI}", json=MINIMAL, headers=HEADERS, trust_env=False)
    assert (answer.status_code, answer.json()["detail"]) == (502, "no reply came from the service: refused")
    (exchange,) = read_recording(tmp_path / "without-task.json").exchanges
    assert (exchange.lost, exchange.reply) == ("refused", None)
    assert lines[-1].startswith(f"service: POST {OMNI}: refused: ")


def test_a_certificate_that_nobody_trusts_is_a_502_and_one_that_is_trusted_is_none(
    start: Start, tmp_path: Path
) -> None:
    upstream, lines = start("--tls"), list[str]()
    assert upstream.ca_file is not None
    with recorder_at(upstream.base_url, tmp_path / "one", lines, Clock()) as recorder:
        assert httpx.get(f"{recorder.base_url}{OMNI}", headers=HEADERS, trust_env=False).status_code == 502
    assert read_recording(tmp_path / "one/without-task.json").exchanges[0].lost == "tls"
    with recorder_at(upstream.base_url, tmp_path / "two", lines, Clock(), ca_file=Path(upstream.ca_file)) as recorder:
        assert httpx.get(f"{recorder.base_url}{OMNI}", headers=HEADERS, trust_env=False).status_code == 200


def test_a_body_that_ends_early_ends_early_for_the_client_too(start: Start, tmp_path: Path) -> None:
    upstream, folder, clock, lines = start(), tmp_path / "recordings", Clock(), list[str]()
    story = {"submit": [{"fault": {"truncated-body": {"how": "short-length", "after-bytes": 20}}}]}
    assert upstream.http.put("/_mock/scenario", json={"scenario": story}, headers=HEADERS).status_code == 200
    with recorder_at(upstream.base_url, folder, lines, clock) as recorder, pytest.raises(httpx.RemoteProtocolError):
        httpx.post(f"{recorder.base_url}{OMNI}", json=MINIMAL, headers=HEADERS, trust_env=False)
    (exchange,) = read_recording(folder / "without-task.json").exchanges
    assert exchange.lost == "cut"
    assert exchange.reply is not None
    assert (exchange.reply.body.bytes, exchange.reply.body.cut) == (20, True)


def test_bytes_and_the_target_pass_as_they_are(tmp_path: Path, receiver: Receiver) -> None:
    lines: list[str] = []
    body = b'{ "prompt" :"\xc3\xa9",\n "b":1.50 }'
    with recorder_at(receiver.url("/prefix"), tmp_path, lines, Clock()) as recorder:
        client = httpx.Client(base_url=recorder.base_url, trust_env=False)
        with client:
            request = client.build_request(
                "POST", "/x", content=body, headers={"x-own": "a, b", "connection": "x-hop", "x-hop": "1"}
            )
            request.extensions["target"] = b"/a%2Fb/../c//d?q=%20+&&x"
            assert client.send(request).status_code == 200
    (came,) = receiver.wait(1)
    assert (came.path, came.body) == ("/prefix/a%2Fb/../c//d?q=%20+&&x", body)
    assert came.headers["x-own"] == "a, b"
    assert "x-hop" not in came.headers
    assert (
        json.loads((tmp_path / "without-task.json").read_text())["exchanges"][0]["request"]["path"] == "/a%2Fb/../c//d"
    )
