"""Mutants that do not know an end when they see it."""

import dataclasses

from omni_video.answers import Reading
from omni_video.errors import TaskFailed
from omni_video.job import OmniJob
from omni_video.steps import Asking, Steps, Video

from tests.selfcheck.mutants.base import caught_by


class LookingBack(OmniJob):
    """A job that can go on polling when all is over."""

    def look_back(self) -> Asking:
        """Poll three times more."""
        reading = Reading("lost")
        for _ in range(3):
            yield from self.pause()
            reading = yield from self.ask(self.query_step(self.task_id or ""))
        return reading


@caught_by("TM-01")
class PollsTheDone(LookingBack):
    """It polls on after the task has succeeded."""

    def follow(self, reading: Reading) -> Steps:
        video: Video = yield from super().follow(reading)
        yield from self.look_back()
        return video


@caught_by("TM-02")
class PollsTheFailed(LookingBack):
    """It polls on after the task has failed."""

    def follow(self, reading: Reading) -> Steps:
        try:
            return (yield from super().follow(reading))
        except TaskFailed:
            yield from self.look_back()
            raise


@caught_by("TM-03")
class EnvelopeSaysWhy(OmniJob):
    """It tells the message of the envelope, SUCCEED, for the reason of a failure."""

    def failure_reason(self, reading: Reading) -> str:
        return reading.message


@caught_by("TM-04")
class WaitsForVideos(OmniJob):
    """It polls on and on after a success without videos."""

    def begin(self) -> None:
        super().begin()
        self.settings = dataclasses.replace(self.settings, empty_successes_max=1_000_000)


@caught_by("TM-05")
class OneDialect(OmniJob):
    """It knows the vendor's own status alone, and polls on where a gateway says SUCCESS."""

    def is_succeeded(self, reading: Reading) -> bool:
        return reading.status == "succeed"
