"""The example client behind its drivers: exec and worker before a real server, and in process."""

import asyncio
import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from driving import Parts, parts, settings_of
from in_process import generate, generate_sync
from omni_video import AsyncOmniVideo, OmniVideo

from contracts.jobs import Job, Wishes, result_from
from mock_server.transport import twin_transport
from tests.examples.python_support import BASE_URL, KEY, REQUEST, FakeClock, arm
from tests.live.support import PATIENCE_SECONDS, Receiver, Server, assert_clean_end, clean_environment

FOLDER = Path(__file__).parents[2] / "examples/python"
ANY_URL = "http://127.0.0.1:1/theirs"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = Server(tmp_path_factory.mktemp("server"), "--time-scale", "500")
    yield one
    assert_clean_end(one.end())


def job(server: Server, name: str, **more: Any) -> dict[str, Any]:
    wishes = {"poll_interval_seconds": 0.05, "request_timeout_seconds": 5, "deadline_seconds": 20}
    key = f"sk-drivers-{name}-0123456789"
    return Job(name, server.base_url, key, REQUEST, Wishes(**wishes), **more).message()


def run(script: str, *arguments: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run a driver to its end, and return what it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(FOLDER / script), *arguments],
        input="".join(json.dumps(line) + "\n" for line in lines),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stderr == ""
    assert done.returncode == 0
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_server_that_cannot_show_whose_it_is_gets_no_key(tmp_path: Path) -> None:
    server = Server(tmp_path, "--tls")
    started_from = {**job(server, "j-tls"), "base_url": server.base_url.replace("http:", "https:")}
    done = subprocess.run(
        [sys.executable, str(FOLDER / "exec_once.py")],
        input=json.dumps(started_from),
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    result = json.loads(done.stdout)
    assert result["outcome"] == "error"
    assert "CERTIFICATE_VERIFY_FAILED" in result["reason"]
    assert_clean_end(server.end())


@pytest.mark.parametrize("sync", [False, True])
@pytest.mark.parametrize(
    "scenario",
    [
        {"query": [{"fault": {"drip": {"every": "20ms"}}}, {"fault": "hang"}, {"fault": "reset"}]},
        {"submit": [{"fault": {"drip": {"every": "20ms"}}}]},
        {"submit": [{"fault": "hang"}]},
    ],
    ids=json.dumps,
)
def test_over_a_socket_a_time_out_is_for_the_whole_request(server: Server, scenario: Any, sync: bool) -> None:
    name = f"slow-{sync}-{len(json.dumps(scenario))}"
    asked = job(server, name)
    asked["settings"]["request_timeout_seconds"] = 0.2
    key = {"authorization": f"Bearer {asked['api_key']}"}
    armed = server.http.put("/_mock/scenario", json={"scenario": scenario}, headers=key)
    assert armed.status_code == 200, armed.text
    settings = dataclasses.replace(settings_of(asked), backoff_seconds=0.01)
    client = {"base_url": server.base_url, "api_key": asked["api_key"], "settings": settings}
    if sync:
        with OmniVideo(**client) as threads:
            threads.generate(REQUEST)
    else:
        asyncio.run(_generate(client))
    entries = server.http.get("/_mock/journal", params={"kind": "exchange"}, headers=key).json()["entries"]
    assert [entry["request"]["method"] for entry in entries].count("POST") == 1
    assert [entry for entry in entries if entry["gave_up_after_ms"] is not None]


async def _generate(client: dict[str, Any]) -> None:
    async with AsyncOmniVideo(**client) as loops:
        await loops.generate(REQUEST)


def test_exec_reports_one_job(server: Server) -> None:
    (message,) = run("exec_once.py", lines=[job(server, "j-1")])
    result = result_from(message)
    assert result is not None
    assert (result.outcome, result.job) == ("succeed", "j-1")
    assert result.url is not None
    assert result.url.startswith(server.base_url)


@pytest.mark.parametrize("arguments", [(), ("--sync",)], ids=str)
def test_a_worker_runs_jobs_side_by_side_with_callbacks_of_its_own(server: Server, arguments: tuple[str, ...]) -> None:
    names = [f"w{len(arguments)}-{number}" for number in range(4)]
    hello, *results = run(
        "worker.py", *arguments, lines=[*({"type": "run", **job(server, name)} for name in names), {"type": "bye"}]
    )
    assert hello["type"] == "hello"
    assert hello["protocol"] == 1
    assert {"polling", "callbacks", "parallel", "local-validation"} <= set(hello["capabilities"])
    assert sorted(result["job"] for result in results) == names
    assert {result["outcome"] for result in results} == {"succeed"}
    for name in names:
        key = {"authorization": f"Bearer sk-drivers-{name}-0123456789"}
        told = server.http.get("/_mock/callbacks", headers=key).json()["callbacks"]
        assert {each["outcome"] for each in told[:1]} == {"delivered"}


def test_a_worker_leaves_at_the_end_of_its_input(server: Server) -> None:
    _, result = run("worker.py", lines=[{"type": "run", **job(server, "j-eof")}])
    assert result["outcome"] == "succeed"


def test_a_worker_has_callbacks_relayed(server: Server, receiver: Receiver) -> None:
    asked = job(server, "j-relay", callback_url=receiver.url())
    callback = {"type": "callback", "job": "j-relay", "id": "c-7", "headers": {}, "body_base64": "e30="}
    hello, *messages = run("worker.py", "--relay", lines=[{"type": "run", **asked}, callback, {"type": "bye"}])
    assert "callback-relay" in hello["capabilities"]
    assert "callbacks" not in hello["capabilities"]
    by_type = {message["type"]: message for message in messages}
    assert by_type["callback-reply"] == {"type": "callback-reply", "id": "c-7", "status": 200}
    assert by_type["result"]["outcome"] == "succeed"
    assert json.loads(receiver.wait(1)[0].body)["task_status"] == "submitted"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


def test_a_job_that_cannot_be_read_takes_no_other_with_it(server: Server) -> None:
    broken = {"type": "run", "job": "j-broken", "base_url": "nowhere", "api_key": "k", "request": {}}
    _, *results = run("worker.py", lines=[broken, {"type": "run", **job(server, "j-whole")}, {"type": "bye"}])
    outcomes = {result["job"]: result["outcome"] for result in results}
    assert outcomes == {"j-broken": "error", "j-whole": "succeed"}


def test_in_process_the_sync_client_takes_the_clock_and_the_transport() -> None:
    twin = twin_transport()
    arm(twin, "always-failed")
    clock = FakeClock(twin)
    wishes = Wishes(poll_interval_seconds=1, deadline_seconds=600)
    result = generate_sync(Job("j-1", BASE_URL, KEY, REQUEST, wishes, transport=twin), clock)
    assert (result.outcome, result.http_status, result.job) == ("failed", 200, "j-1")
    assert set(clock.slept) == {1.0}


def test_in_process_the_async_client_takes_the_transport() -> None:
    twin = twin_transport()
    arm(twin, "instant")
    wishes = Wishes(poll_interval_seconds=0.001)
    result = asyncio.run(generate(Job("j-1", BASE_URL, KEY, REQUEST, wishes, transport=twin)))
    assert result.outcome == "succeed"
    refused = asyncio.run(generate(Job("j-2", BASE_URL, KEY, {}, wishes, transport=twin)))
    assert refused.outcome == "refused"


def test_a_part_of_another_client_can_be_named() -> None:
    assert parts(None) == parts("omni_video.job:OmniJob") == Parts()
    assert parts("omni_video.client:OmniVideo").sync_client is OmniVideo
    with pytest.raises(ValueError, match="is no part of a client"):
        parts("json:JSONDecoder")


def test_the_client_knows_nothing_of_omnimock() -> None:
    for path in (FOLDER / "omni_video").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "import mock_server" not in text
        assert "from mock_server" not in text
        assert "contracts" not in text


def test_no_certificates_are_loaded_for_plain_http() -> None:
    """The reason why a process for each job is quick."""
    code = (
        "import ssl, omni_video;"
        "ssl.create_default_context = ssl.SSLContext.load_verify_locations = None;"
        f"omni_video.OmniVideo({BASE_URL!r}, 'sk-0123').close()"
    )
    subprocess.run([sys.executable, "-c", code], cwd=FOLDER, check=True, env=clean_environment(), timeout=30)
    assert httpx.__version__.startswith("0.28")
