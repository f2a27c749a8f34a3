"""Broken workers. `twice` reports what callbacks and polls come to, `fragile` fails as a receiver, `dies` at a 503.

They are started with their name as the only argument.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping

import worker
from driving import Parts
from omni_video.answers import Answer, Lost, Reading
from omni_video.job import OmniJob


class Twice(worker.Worker):
    """It takes a callback for the result of its job, and then reports what the polls came to as well."""

    def _deliver(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        status = super()._deliver(name, headers, body)
        told = json.loads(body)
        if told.get("task_status") == "succeed":
            url = told["task_result"]["videos"][0]["url"]
            self._write({"type": "result", "job": name, "outcome": "succeed", "url": url})
        return status


class Fragile(worker.Worker):
    """Its receiver fails on a member that it does not know."""

    def _deliver(self, name: str, headers: Mapping[str, str], body: bytes) -> int:
        known = {"task_id", "task_status", "task_status_msg", "task_info", "task_result", "created_at", "updated_at"}
        if set(json.loads(body)) - known - {"final_unit_deduction", "external_task_id"}:
            return 500
        return super()._deliver(name, headers, body)


class DyingJob(OmniJob):
    """It ends the program, and with it the jobs beside it."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        if reading.http_status == 503:
            os._exit(3)
        return reading


if __name__ == "__main__":
    name = sys.argv.pop(1)
    worker.Worker = {"twice": Twice, "fragile": Fragile}.get(name, worker.Worker)  # type: ignore[misc]
    own = Parts(job=DyingJob) if name == "dies" else Parts()
    asyncio.run(worker._talk(relay=False, sync=False, parts=own))
