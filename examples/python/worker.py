"""The driver `worker`: jobs come as lines on standard input, results go as lines to standard output, in any order.

    omnimock check --worker -- python examples/python/worker.py

Callbacks come to a receiver of its own, or, with `--relay`, over standard input.
"""

import argparse
import asyncio
import base64
import json
import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, unquote

from driving import Parts, ended, parts, settings_of, succeeded
from omni_video.callbacks import Callbacks
from omni_video.errors import OmniVideoError
from omni_video.steps import Video

CAPABILITIES = ("polling", "parallel", "images", "videos", "elements", "multi-shot", "local-validation")
# Of so many jobs callbacks are still acknowledged when they have ended.
_JOBS_KEPT = 1_000
_THREADS_MAX = 64


class Worker:
    """Runs jobs side by side until it is told to leave."""

    def __init__(self, write: Callable[[dict[str, Any]], None], *, relay: bool, sync: bool, parts: Parts) -> None:
        self._write, self._relay, self._parts = write, relay, parts
        self._callbacks: OrderedDict[str, Callbacks] = OrderedDict()
        self._receiver = None if relay else parts.receiver(self._received)
        self._threads = ThreadPoolExecutor(_THREADS_MAX) if sync else None
        self._running: set[asyncio.Task[None]] = set()

    def hello(self) -> dict[str, Any]:
        """Return who this is, and what it can do."""
        capabilities = [*CAPABILITIES, "callback-relay" if self._relay else "callbacks"]
        kind = "sync" if self._threads else "async"
        return {"type": "hello", "protocol": 1, "name": f"omni_video ({kind})", "capabilities": capabilities}

    def take(self, message: Mapping[str, Any]) -> bool:
        """Begin what a message asks for; return whether more may come."""
        if message.get("type") == "run":
            self._begin(str(message["job"]), message)
        elif message.get("type") == "callback":
            body = base64.b64decode(message["body_base64"])
            status = self._deliver(str(message.get("job")), message["headers"], body)
            self._write({"type": "callback-reply", "id": message["id"], "status": status})
        return message.get("type") != "bye"

    async def finish(self) -> None:
        """Wait for the jobs that run, and close."""
        while self._running:
            await asyncio.wait(self._running)
        if self._receiver is not None:
            await asyncio.to_thread(self._receiver.close)
        if self._threads is not None:
            self._threads.shutdown()

    def _begin(self, name: str, job: Mapping[str, Any]) -> None:
        """Know the job's callbacks before anything else: one may be relayed before its task has begun."""
        try:
            callbacks = self._callbacks[name] = self._parts.callbacks(job.get("callback_secret"))
        except ValueError as error:
            self._write({"type": "result", "job": name, "outcome": "error", "reason": str(error)})
            return
        while len(self._callbacks) > _JOBS_KEPT:
            self._callbacks.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._run(name, job, callbacks))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _run(self, name: str, job: Mapping[str, Any], callbacks: Callbacks) -> None:
        try:
            result = succeeded(name, await self._video(name, job, callbacks))
        except OmniVideoError as error:
            result = ended(name, error)
        except Exception as error:  # noqa: BLE001  One bad job must not take the others with it.
            result = {"job": name, "outcome": "error", "reason": type(error).__name__}
        self._write({"type": "result", **result})

    async def _video(self, name: str, job: Mapping[str, Any], callbacks: Callbacks) -> Video:
        url = job.get("callback_url")
        if url is None and self._receiver is not None:
            url = f"{self._receiver.base_url}/callbacks/{quote(name, safe='')}"
        more: dict[str, Any] = {"settings": settings_of(job), "callbacks": callbacks, "job_class": self._parts.job}
        if self._threads is not None:
            with self._parts.sync_client(job["base_url"], job["api_key"], **more) as client:
                loop = asyncio.get_running_loop()
                return await loop.run_in_executor(
                    self._threads, lambda: client.generate(job["request"], callback_url=url)
                )
        async with self._parts.client(job["base_url"], job["api_key"], **more) as client:
            return await client.generate(job["request"], callback_url=url)

    def _received(self, path: str, headers: Mapping[str, str], body: bytes) -> int:
        return self._deliver(unquote(path.rpartition("/")[2]), headers, body)

    def _deliver(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        callbacks = self._callbacks.get(name)
        return 404 if callbacks is None else callbacks.take(headers, body)


def main() -> None:
    """Talk to the examiner."""
    parser = argparse.ArgumentParser(description="Do the examiner's jobs, which come on standard input.")
    parser.add_argument("--relay", action="store_true", help="have callbacks relayed, and open no port")
    parser.add_argument("--sync", action="store_true", help="use the sync client, in threads")
    parser.add_argument("--client", metavar="MODULE:CLASS", help="a part of another client, such as its jobs")
    chosen = parser.parse_args()
    asyncio.run(_talk(relay=chosen.relay, sync=chosen.sync, parts=parts(chosen.client)))


async def _talk(*, relay: bool, sync: bool, parts: Parts) -> None:
    worker = Worker(_write, relay=relay, sync=sync, parts=parts)
    _write(worker.hello())
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    threading.Thread(
        target=_read, args=(lambda message: loop.call_soon_threadsafe(messages.put_nowait, message),), daemon=True
    ).start()
    while worker.take(await messages.get()):
        pass
    await worker.finish()


_writing = threading.Lock()


def _write(message: dict[str, Any]) -> None:
    with _writing:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def _read(give: Callable[[dict[str, Any]], object]) -> None:
    """Read lines until the examiner says bye, or closes.

    Bytes are read from the descriptor itself: a thread inside `sys.stdin` would hold its lock when the program ends.
    """
    rest = b""
    while part := os.read(sys.stdin.fileno(), 65_536):
        *lines, rest = (rest + part).split(b"\n")
        for line in filter(bytes.strip, lines):
            try:
                message = json.loads(line)
            except ValueError:
                _write({"type": "log", "text": "a line that is not JSON came, and was left out"})
                continue
            give(message)
            if message.get("type") == "bye":
                return
    give({"type": "bye"})


if __name__ == "__main__":
    main()
