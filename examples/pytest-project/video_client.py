"""A client as a project may have one: it makes a video, and waits for it. Its tests show the plugin of omnimock."""

import asyncio
import os
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

BASE_URL = "https://api.deerapi.com"
PATH = "/kling/v1/videos/omni-video"
POLL_SECONDS = 5.0
POLLS_MAX = 120
# What is tried again, and after how long; the last failure is the caller's.
RETRIED = frozenset((429, 500, 502, 503, 504))
RETRY_SECONDS = (1.0, 2.0, 4.0)


class VideoFailed(Exception):
    """No video came of it; the text is what the provider said."""


class VideoClient:
    """Makes videos, one call each."""

    def __init__(
        self,
        api_key: str,
        base_url: str = BASE_URL,
        *,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], Any] = time.sleep,
    ) -> None:
        """Tests may bring a transport, and a way to sleep that takes no time."""
        headers = {"Authorization": f"Bearer {api_key}"}
        self._http = httpx.Client(base_url=base_url, headers=headers, transport=transport, timeout=10)
        self._sleep = sleep

    @classmethod
    def from_environment(cls) -> "VideoClient":
        """Return a client with the key and, where there is one, the base URL of the environment."""
        return cls(os.environ["DEERAPI_KEY"], os.environ.get("DEERAPI_BASE_URL", BASE_URL))

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def generate(self, prompt: str, *, callback_url: str | None = None) -> str:
        """Return the address of the video. Raise VideoFailed where there is none."""
        # A name of our own: with it a task can be found whose reply was lost, so that none is paid for twice.
        name = str(uuid.uuid4())
        self._submit(request(prompt, name, callback_url), name)
        for _ in range(POLLS_MAX):
            task = self._call("GET", f"{PATH}/{name}")
            if task["task_status"] in ("succeed", "failed"):
                return result(task)
            self._sleep(POLL_SECONDS)
        raise VideoFailed(f"nothing came within {POLLS_MAX * POLL_SECONDS:g} s")

    def _submit(self, body: dict[str, Any], name: str) -> None:
        try:
            self._call("POST", PATH, json=body)
        except httpx.TransportError:
            if self._http.get(f"{PATH}/{name}").status_code != 200:
                raise

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        for seconds in RETRY_SECONDS:
            answer = self._http.request(method, path, **more)
            if answer.status_code not in RETRIED:
                break
            self._sleep(seconds)
        return told(answer)


async def generate_async(http: httpx.AsyncClient, prompt: str) -> str:
    """Do the same with a client of httpx, without the retries."""
    name = str(uuid.uuid4())
    told(await http.post(PATH, json=request(prompt, name, None)))
    for _ in range(POLLS_MAX):
        task = told(await http.get(f"{PATH}/{name}"))
        if task["task_status"] in ("succeed", "failed"):
            return result(task)
        await asyncio.sleep(POLL_SECONDS)
    raise VideoFailed(f"nothing came within {POLLS_MAX * POLL_SECONDS:g} s")


def request(prompt: str, name: str, callback_url: str | None) -> dict[str, Any]:
    """Return the body of a submit."""
    body = {"prompt": prompt, "aspect_ratio": "16:9", "duration": "5", "external_task_id": name}
    return body if callback_url is None else {**body, "callback_url": callback_url}


def told(answer: httpx.Response) -> dict[str, Any]:
    """Return what a reply tells; raise VideoFailed for a refusal."""
    if answer.status_code != 200:
        raise VideoFailed(f"{answer.status_code}: {answer.text}")
    data: dict[str, Any] = answer.json()["data"]
    return data


def result(task: dict[str, Any]) -> str:
    """Return the address of a task's video; raise VideoFailed where it has failed."""
    if task["task_status"] == "failed":
        raise VideoFailed(task["task_status_msg"])
    return str(task["task_result"]["videos"][0]["url"])
