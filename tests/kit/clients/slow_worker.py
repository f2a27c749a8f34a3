"""A worker with waits of seconds that nobody can change, as most clients have: the reference client, otherwise.

`--forgetful` takes a new id for each submit, so that it pays twice where a reply is lost.
"""

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "examples/python"))

import worker
from driving import Parts, settings_of
from omni_video.client import AsyncOmniVideo
from omni_video.job import OmniJob

HARD_WIRED = {"poll_interval_seconds": 2.0, "request_timeout_seconds": 30.0, "deadline_seconds": 120.0}


class Forgetful(OmniJob):
    recovers_by_query = False

    def submit_step(self) -> Any:
        self.external_id = self.new_external_id()
        self._body = self.prepared()
        return super().submit_step()


class SlowClient(AsyncOmniVideo):
    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.settings = replace(
            settings_of({"settings": HARD_WIRED}), backoff_seconds=5.0, throttled_backoff_seconds=10.0
        )


class SlowWorker(worker.Worker):
    def hello(self) -> dict[str, Any]:
        return {**super().hello(), "name": "slow", "settings": HARD_WIRED}

    def _begin(self, name: str, job: Mapping[str, Any]) -> None:
        super()._begin(name, {**job, "settings": {}})


if __name__ == "__main__":
    forgetful = "--forgetful" in sys.argv
    if forgetful:
        sys.argv.remove("--forgetful")
    worker.Worker = SlowWorker  # type: ignore[misc]
    worker.parts = lambda name: Parts(  # type: ignore[attr-defined]
        client=SlowClient, job=Forgetful if forgetful else OmniJob
    )
    worker.main()
