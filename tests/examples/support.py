"""What the tests of the example clients share: jobs for them, a world of their own, and what was seen there."""

import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contracts.jobs import Job, Result, result_from
from tests.live.support import PATIENCE_SECONDS, Client, clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
REQUEST: dict[str, Any] = {"model_name": "kling-v3-omni", "prompt": "A lighthouse.", "aspect_ratio": "16:9"}


def needed(*tools: str) -> None:
    """Skip a test where a program is missing that its client is run by."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


def job_for(client: Client, name: str = "j-1", **more: Any) -> Job:
    """Return a job of this world; `more` are members of its request, None takes one out."""
    request = {key: value for key, value in {**REQUEST, **more}.items() if value is not None}
    return Job(job=name, base_url=client.server.base_url, api_key=client.key, request=request)


@dataclass(frozen=True)
class Done:
    """What a client said at its end."""

    result: Result
    status: int
    log: str


def do_by_exec(*command: str, job: Job, environment: Mapping[str, str] | None = None) -> Done:
    """Let a client do one job by the driver `exec`."""
    ended = subprocess.run(
        command,
        input=msgspec.json.encode(job.message()).decode() + "\n",
        env=clean_environment(**(environment or {})),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert job.api_key not in ended.stdout + ended.stderr
    lines = ended.stdout.splitlines()
    assert lines, ended.stderr
    result = result_from(json.loads(lines[-1]))
    assert result is not None, lines
    return Done(result, ended.returncode, ended.stderr)


def arm(client: Client, scenario: str | dict[str, Any]) -> None:
    """Give all further tasks of this world a scenario."""
    answer = client.server.http.put("/_mock/scenario", json={"scenario": scenario}, headers=client.headers)
    assert answer.status_code == 200, answer.text


def tasks_total(client: Client) -> int:
    """Return how many tasks the ledger of this world has."""
    answer = client.server.http.get("/_mock/ledger", headers=client.headers)
    total = answer.json()["total"]["tasks"]
    assert isinstance(total, int)
    return total


def methods_seen(client: Client) -> list[str]:
    """Return the methods of the requests that came, in their order."""
    answer = client.server.http.get("/_mock/journal?kind=exchange", headers=client.headers)
    return [entry["request"]["method"] for entry in answer.json()["entries"]]


def creates_seen(client: Client) -> list[dict[str, Any]]:
    """Return the bodies of the creates that came."""
    answer = client.server.http.get("/_mock/journal?kind=exchange&method=POST", headers=client.headers)
    return [entry["request"]["body"] for entry in answer.json()["entries"]]
