"""The client for the shell, as a program, with a twin as a program."""

import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from contracts.jobs import Job, Wishes
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
from tests.live.support import Client

SCRIPT = str(EXAMPLES / "shell" / "client.sh")


@pytest.fixture(autouse=True)
def tools() -> None:
    needed("sh", "curl", "jq")


def do(job: Job) -> Done:
    return do_by_exec("sh", SCRIPT, job=job)


def test_a_video_is_made(client: Client) -> None:
    done = do(job_for(client, duration=5))
    assert (done.result.outcome, done.status) == ("succeed", 0)
    assert done.result.task_id is not None
    assert done.result.url is not None
    assert done.result.task_id in done.result.url
    (create,) = creates_seen(client)
    assert create["duration"] == "5"


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


def test_a_failed_task_ends_with_the_reason_of_the_provider(client: Client) -> None:
    arm(client, "failed-with-code-zero")
    done = do(job_for(client))
    assert (done.result.outcome, done.result.reason) == ("failed", "Image pixel is invalid")
    assert done.status != 0
    assert tasks_total(client) == 1


def test_a_refused_create_is_told_and_not_sent_again(client: Client) -> None:
    done = do(job_for(client, prompt=""))
    assert (done.result.outcome, done.result.code, done.result.http_status) == ("rejected", 1201, 400)
    assert done.result.request_id is not None
    assert methods_seen(client) == ["POST"]


def test_a_server_that_is_not_there_ends_the_job_and_leaves_no_doubt_of_a_task(client: Client) -> None:
    job = msgspec.structs.replace(job_for(client), base_url="http://127.0.0.1:1", settings=Wishes(deadline_seconds=1.0))
    done = do(job)
    # Whether the next wait or the deadline comes first is a matter of chance: the waits have jitter.
    assert done.result.outcome in ("error", "timeout")
    assert done.result.task_id is None
    assert done.status == 1
    if done.result.outcome == "error":
        assert done.result.reason == "no answer (curl ended with 7)"


def test_without_jq_it_says_so(client: Client, tmp_path: Path) -> None:
    curl, shell = shutil.which("curl"), shutil.which("sh")
    assert curl is not None
    assert shell is not None
    (tmp_path / "curl").symlink_to(curl)
    ended = subprocess.run([shell, SCRIPT], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (127, "client.sh needs jq, which is not installed\n")
