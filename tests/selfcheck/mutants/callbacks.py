"""Mutants that cannot deal with callbacks."""

import json
import time
from collections.abc import Mapping
from typing import Any

from omni_video.answers import Answer, Lost, Reading, parsed, read, task
from omni_video.callbacks import Callbacks
from omni_video.job import OmniJob

from tests.selfcheck.mutants.base import caught_by

_MEMBERS = {
    "task_id",
    "task_status",
    "task_status_msg",
    "task_info",
    "task_result",
    "created_at",
    "updated_at",
    "external_task_id",
    "final_unit_deduction",
}


class Believing(Callbacks):
    """Callbacks that can tell jobs something."""

    def jobs(self) -> list[Any]:
        """Return the jobs that run."""
        return [each._job for each in self._watched]

    def believe(self, body: bytes) -> None:
        """Let the jobs take a callback for the answer to whatever they ask."""
        for job in self.jobs():
            job.read = lambda answer: read(Answer(200, {}, body))


def status_of(body: bytes) -> str:
    """Return the status that a callback tells."""
    return str(task(parsed(body) or {}).get("status", ""))


def no_such_task(answer: Answer | Lost) -> Reading:
    """Break, as a lookup does that finds nothing."""
    raise KeyError("task_id")


@caught_by("CB-01")
class EndsOnly(Callbacks):
    """It answers 500 to every callback that tells no end."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        status = super().take(headers, body)
        return status if status_of(body) in ("succeed", "failed") else 500


@caught_by("CB-02")
class NoCopies(Callbacks):
    """It refuses a callback that it has seen before."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        seen = vars(self).setdefault("seen", set())
        told = status_of(body)
        if told in seen:
            return 409
        seen.add(told)
        return super().take(headers, body)


@caught_by("CB-03")
class LastWins(Believing):
    """It believes the last callback of a while, also where that is an older one that came late."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        came = time.monotonic()
        for job in self.jobs():
            job.read = lambda answer: self.believed(body, came)
        return 200

    def believed(self, body: bytes, came: float) -> Reading:
        """Return what is believed: nothing, as long as another may come."""
        return read(Answer(200, {}, body)) if time.monotonic() > came + 0.2 else Reading("fine", status="processing")


@caught_by("CB-04")
class WaitsToBeCalled(OmniJob):
    """It asks only when it is called."""

    def poll_wait_seconds(self) -> float:
        return 86_400.0


@caught_by("CB-05")
class FirstIsLast(Believing):
    """It takes the first callback for the end."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        for job in self.jobs():
            job.is_succeeded = lambda reading: True
        return super().take(headers, body)


@caught_by("CB-06")
class UnknownYet(Believing):
    """It breaks where a callback comes before it knows the task's id."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        for job in self.jobs():
            if job.task_id is None:
                job.read = no_such_task
        return super().take(headers, body)


@caught_by("CB-07")
class Trusting(Believing):
    """It believes whoever tells it of a success."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        if status_of(body) == "succeed":
            self.believe(body)
        return super().take(headers, body)


@caught_by("CB-08")
class SignsAnew(Callbacks):
    """It checks the signature over JSON that it has written anew."""

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        return super().is_signed(headers, json.dumps(json.loads(body), separators=(",", ":")).encode())


@caught_by("CB-08")
class AnyAge(Callbacks):
    """It takes a signature of any age."""

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        lower = {name.lower(): value for name, value in headers.items()}
        now, self._wall = self._wall, lambda: float(lower.get("webhook-timestamp", 0))
        try:
            return super().is_signed(headers, body)
        finally:
            self._wall = now


@caught_by("CB-09")
class ClosedCallbacks(Callbacks):
    """It refuses a callback with a member that it does not know."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        return super().take(headers, body) if _MEMBERS.issuperset(parsed(body) or {}) else 400


@caught_by("CB-09")
class EnvelopesOnly(Callbacks):
    """It looks for the task in an envelope."""

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        return super().take(headers, body) if "data" in (parsed(body) or {}) else 500
