"""Mutants that misread the answer to a create, or how a job goes."""

from omni_video.answers import Answer, Lost, Reading
from omni_video.job import OmniJob
from omni_video.steps import Asking

from tests.selfcheck.mutants.base import caught_by, changed


@caught_by("CR-01")
class AnotherAddress(OmniJob):
    """It reports another address of the video than it was told."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        return changed(reading, url=f"{reading.url}?download=1") if reading.url else reading


@caught_by("CR-02")
class RetriesCodes(OmniJob):
    """It submits again after a code that is not 0 under HTTP 200."""

    def submits_again(self, reading: Reading) -> bool:
        return (reading.http_status == 200 and reading.kind == "refused") or super().submits_again(reading)


@caught_by("CR-03")
class AsksForNone(OmniJob):
    """It goes on without a task id, and asks for the task `None`."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        lacks = reading.kind in ("fine", "garbled") and reading.code == 0 and not reading.task_id
        return changed(reading, kind="fine", task_id=str(None)) if lacks else reading


@caught_by("CR-04")
class FloatingIds(OmniJob):
    """It takes an id of digits for a number, and rounds it as JavaScript does."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        is_number = (reading.task_id or "").isdigit()
        return changed(reading, task_id=str(int(float(reading.task_id or 0)))) if is_number else reading


@caught_by("CR-05")
class RawIds(OmniJob):
    """It puts the id into the path as it is."""

    def poll_url(self, identifier: str) -> str:
        return f"{self.base_url}{self.path}/{identifier}"


@caught_by("CR-06")
class NeverAtOnce(OmniJob):
    """It does not believe a create that says that the task has ended, and polls as if it had not."""

    def create(self) -> Asking:
        created = yield from super().create()
        if created.status in ("succeed", "failed"):
            for _ in range(3):
                yield from self.pause()
                created = yield from self.ask(self.query_step(created.task_id or ""))
        return created
