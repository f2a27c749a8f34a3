"""The client for Node, as a program, over both drivers, with a twin as a program."""

import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from contracts.jobs import CAPABILITIES, Job
from tests.examples.support import (
    EXAMPLES,
    Done,
    arm,
    creates_seen,
    do_by_exec,
    job_for,
    methods_seen,
    needed,
    tasks_total,
)
from tests.live.support import Client, clean_environment

FOLDER = EXAMPLES / "node"
SECRET = "whsec_" + base64.b64encode(b"a secret that is long enough").decode()


@pytest.fixture(autouse=True)
def tools() -> None:
    needed("node")


def do(job: Job, *flags: str) -> Done:
    return do_by_exec("node", str(FOLDER / "client.mjs"), *flags, job=job)


class Worker:
    """The worker, and its messages. It is expected to say what it is asked for; a silent one is ended by the caller."""

    def __init__(self, *flags: str) -> None:
        self.program = subprocess.Popen(
            ["node", str(FOLDER / "worker.mjs"), *flags],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=clean_environment(),
        )

    def tell(self, message: dict[str, Any]) -> None:
        assert self.program.stdin is not None
        self.program.stdin.write(json.dumps(message) + "\n")
        self.program.stdin.flush()

    def run(self, job: Job) -> None:
        self.tell({"type": "run", **job.message()})

    def hear(self, kind: str) -> dict[str, Any]:
        """Return the next message of this kind."""
        assert self.program.stdout is not None
        for line in self.program.stdout:
            message = json.loads(line)
            if message["type"] == kind:
                assert isinstance(message, dict)
                return message
        raise AssertionError(f"the worker left without a {kind}")


@pytest.fixture
def worker() -> Iterator[Callable[..., Worker]]:
    """Start workers; at the end each leaves by itself, when its input ends."""
    with contextlib.ExitStack() as stack:

        def start(*flags: str) -> Worker:
            one = Worker(*flags)
            stack.callback(_end, one.program)
            return one

        yield start


def _end(program: "subprocess.Popen[str]") -> None:
    assert program.stdin is not None
    assert program.stdout is not None
    program.stdin.close()
    try:
        program.wait(10)
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
    assert program.returncode == 0


def test_a_video_is_made(client: Client) -> None:
    done = do(job_for(client, duration=5, multi_shot="false", image_list=[]))
    assert (done.result.outcome, done.status, done.log) == ("succeed", 0, "")
    assert done.result.task_id is not None
    assert done.result.url is not None
    assert done.result.task_id in done.result.url
    (create,) = creates_seen(client)
    assert create.pop("external_task_id").startswith("omni-")
    assert create == {**job_for(client).request, "duration": "5", "multi_shot": False}


def test_a_callback_is_asked_for_at_a_receiver_of_its_own(client: Client) -> None:
    assert do(job_for(client), "--callbacks").result.outcome == "succeed"
    (create,) = creates_seen(client)
    assert create["callback_url"].startswith("http://127.0.0.1:")


def test_an_accepted_create_whose_reply_is_lost_leaves_one_task(client: Client) -> None:
    arm(client, {"extends": "instant", "submit": [{"fault": "reset"}]})
    assert do(job_for(client)).result.outcome == "succeed"
    assert tasks_total(client) == 1
    assert methods_seen(client)[:2] == ["POST", "GET"]


def test_a_create_that_never_was_carried_out_is_sent_again_as_the_same(client: Client) -> None:
    arm(client, {"extends": "instant", "submit": [{"problem": "maintenance"}]})
    assert do(job_for(client)).result.outcome == "succeed"
    first, second = creates_seen(client)
    assert first == second
    assert tasks_total(client) == 1


def test_a_create_without_a_task_in_its_answer_is_looked_up_and_not_sent_again(client: Client) -> None:
    arm(
        client, {"extends": "instant", "submit": [{"fault": {"wrong-shape": {"at": "/data/task_id", "as": "missing"}}}]}
    )
    assert do(job_for(client)).result.outcome == "succeed"
    assert methods_seen(client)[0:2] == ["POST", "GET"]
    assert tasks_total(client) == 1


def test_polls_that_go_wrong_are_made_again(client: Client) -> None:
    faults = ["truncated-body", {"redirect": {"to": "http://127.0.0.1:1"}}, "html-page"]
    arm(client, {"extends": "instant", "query": [{"fault": each} for each in faults]})
    assert do(job_for(client)).result.outcome == "succeed"
    assert methods_seen(client) == ["POST", "GET", "GET", "GET", "GET"]


def test_a_failed_task_ends_with_the_reason_of_the_provider(client: Client) -> None:
    arm(client, "failed-with-code-zero")
    done = do(job_for(client))
    assert (done.result.outcome, done.result.reason) == ("failed", "Image pixel is invalid")
    assert done.status == 1
    assert tasks_total(client) == 1


def test_the_shape_of_a_gateway_is_understood(client: Client) -> None:
    arm(client, {"extends": "instant", "dialect": "gateway-wrapper"})
    done = do(job_for(client))
    assert done.result.outcome == "succeed"
    assert done.result.url is not None


def test_a_refusal_is_told_with_its_request_and_without_control_characters(client: Client) -> None:
    arm(client, {"submit": [{"problem": "invalid-value", "message": f"\x1b[31m no\n{client.key} {'x' * 2000}"}]})
    done = do(job_for(client))
    assert (done.result.outcome, done.result.code, done.result.http_status) == ("rejected", 1201, 400)
    assert done.result.request_id is not None
    assert done.result.request_id in done.log
    assert done.result.reason is not None
    assert len(done.result.reason) < 600
    assert "\x1b" not in done.result.reason + done.log
    assert methods_seen(client) == ["POST"]


def test_no_money_is_not_waited_for(client: Client) -> None:
    arm(client, "no-money-as-429")
    done = do(job_for(client))
    assert (done.result.outcome, done.result.code) == ("rejected", 1102)
    assert methods_seen(client) == ["POST"]


def test_a_retry_after_beyond_the_deadline_is_not_waited_for(client: Client) -> None:
    rate = {"requests": 1, "per": "60s", "on": ["query"], "retry-after": "seconds"}
    arm(client, {"lifecycle": {"outcome": "never"}, "capacity": {"rate": rate}})
    done = do(job_for(client))
    assert (done.result.outcome, done.result.http_status) == ("error", 429)
    assert done.result.task_id is not None
    assert methods_seen(client) == ["POST", "GET", "GET"]


@pytest.mark.parametrize(
    ("request_part", "reason"),
    [
        ({"multi_shot": True, "prompt": "Two shots."}, "shot_type"),
        (
            {
                "multi_shot": True,
                "shot_type": "customize",
                "multi_prompt": [{"index": 1, "prompt": "A", "duration": 4}],
            },
            "add up",
        ),
        ({"image_list": [{"image_url": "https://example.com/a.png", "type": "end_frame"}]}, "first_frame"),
        (
            {
                "image_list": [{"image_url": "https://example.com/a.png", "type": "first_frame"}],
                "video_list": [{"video_url": "https://example.com/a.mp4"}],
            },
            "video to edit",
        ),
        ({"sound": "on", "video_list": [{"video_url": "https://example.com/a.mp4"}]}, "sound"),
        ({"image_list": [{"image_url": "https://example.com/a.png"}] * 8}, "at most 7"),
        ({"image_list": ["data:image/png;base64,QUJD"]}, "data:"),
        ({"enable_audio": True}, "enable_audio"),
        ({"prompt": None}, "prompt"),
    ],
)
def test_what_is_known_to_be_wrong_is_not_sent(client: Client, request_part: dict[str, Any], reason: str) -> None:
    done = do(job_for(client, **request_part))
    assert done.result.outcome == "refused"
    assert done.result.reason is not None
    assert reason in done.result.reason
    assert methods_seen(client) == []


def test_a_long_element_id_keeps_its_digits(client: Client) -> None:
    assert do(job_for(client, element_list=[{"element_id": 310096591358267899}])).result.outcome == "succeed"
    (create,) = creates_seen(client)
    assert create["element_list"] == [{"element_id": "310096591358267899"}]


def test_a_worker_does_two_jobs_at_a_time(client: Client, worker: Callable[..., Worker]) -> None:
    arm(client, {"extends": "instant", "query": [{"problem": "maintenance"}]})
    one = worker()
    hello = one.hear("hello")
    assert hello["protocol"] == 1
    assert {"polling", "callbacks", "parallel", "local-validation"} <= set(hello["capabilities"]) <= set(CAPABILITIES)
    one.run(job_for(client, "j-1"))
    one.run(job_for(client, "j-2"))
    results = {each["job"]: each for each in (one.hear("result"), one.hear("result"))}
    assert {each["outcome"] for each in results.values()} == {"succeed"}
    assert results["j-1"]["task_id"] != results["j-2"]["task_id"]
    first, second = creates_seen(client)
    assert first["external_task_id"] != second["external_task_id"]
    # Both were sent before either was at its end.
    assert methods_seen(client)[:2] == ["POST", "POST"]


def test_a_worker_believes_no_callback_that_is_badly_signed_and_polls_after_a_good_one(
    client: Client, worker: Callable[..., Worker]
) -> None:
    one = worker("--relay")
    assert "callback-relay" in one.hear("hello")["capabilities"]
    job = job_for(client)
    # Long enough that only the callback can make it poll.
    slow = {"poll_interval_seconds": 25.0, "request_timeout_seconds": 5.0, "deadline_seconds": 28.0}
    one.tell(
        {
            "type": "run",
            **job.message(),
            "settings": slow,
            "callback_url": "http://127.0.0.1:9/relayed",
            "callback_secret": SECRET,
        }
    )
    body = b'{"task_id": "1",  "task_status": "succeed"}'
    good = _signed(body)
    for callback, (headers, sent) in {"c-1": (good, body + b" "), "c-2": ({}, body), "c-3": (good, body)}.items():
        told = base64.b64encode(sent).decode()
        one.tell({"type": "callback", "job": job.job, "id": callback, "headers": headers, "body_base64": told})
    replies = [one.hear("callback-reply") for _ in range(3)]
    assert [(each["id"], each["status"]) for each in replies] == [("c-1", 401), ("c-2", 401), ("c-3", 200)]
    assert one.hear("result")["outcome"] == "succeed"
    (create,) = creates_seen(client)
    assert create["callback_url"] == "http://127.0.0.1:9/relayed"


def _signed(body: bytes) -> dict[str, str]:
    now = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.new(key, f"c-3.{now}.".encode() + body, hashlib.sha256).digest()
    signatures = f"v1,{base64.b64encode(b'another').decode()} v1,{base64.b64encode(digest).decode()}"
    return {"Webhook-Id": "c-3", "Webhook-Timestamp": now, "Webhook-Signature": signatures}
