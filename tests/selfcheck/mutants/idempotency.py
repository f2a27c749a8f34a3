"""Mutants that pay twice."""

import hashlib
import json
from typing import Any

from omni_video.answers import Reading
from omni_video.errors import OmniVideoError, TaskFailed
from omni_video.job import OmniJob
from omni_video.steps import Send, Steps, Tries

from tests.selfcheck.mutants.base import caught_by


class Renaming(OmniJob):
    """A job that can take another external id."""

    def take_another_id(self) -> None:
        """Submit under a new id from now on."""
        self.external_id = self.new_external_id()
        self._body = self.prepared()


@caught_by("IDM-01")
class CheaperNextTime(OmniJob):
    """It asks for less when it submits again."""

    submits = 0

    def submit_step(self) -> Send:
        self.submits += 1
        if self.submits > 1:
            self._body = self._body.replace(b'"mode":"pro"', b'"mode":"std"')
        return super().submit_step()


@caught_by("IDM-02")
class LostIsNothing(Renaming):
    """It takes a submit whose answer is lost for one that has not happened, and submits anew."""

    def may_have_created(self, reading: Reading) -> bool:
        return reading.kind != "lost" and super().may_have_created(reading)

    def submits_again(self, reading: Reading) -> bool:
        if reading.kind == "lost":
            self.take_another_id()
        return reading.kind == "lost" or super().submits_again(reading)


@caught_by("IDM-03")
class AnotherName(Renaming):
    """It takes another external id where its own is known already."""

    recovers_by_query = False

    def may_have_created(self, reading: Reading) -> bool:
        return reading.kind != "exists" and super().may_have_created(reading)

    def submits_again(self, reading: Reading) -> bool:
        if reading.kind == "exists":
            self.take_another_id()
        return reading.kind == "exists" or super().submits_again(reading)


@caught_by("IDM-04")
class TriesItsLuck(Renaming):
    """It creates a failed task once more."""

    def steps(self) -> Steps:
        try:
            return (yield from super().steps())
        except TaskFailed:
            self.external_id, self.task_id = self.new_external_id(), None
            return (yield from super().steps())


@caught_by("IDM-05")
class NamedByContent(OmniJob):
    """It makes the external id of the request, so that two equal jobs have the same."""

    def new_external_id(self) -> str:
        content: Any = json.dumps([self._request, self._api_key], sort_keys=True)
        return f"omni-{hashlib.sha256(content.encode()).hexdigest()[:32]}"


@caught_by("IDM-06")
class StartsOver(OmniJob):
    """It creates a new task where the first cannot be asked for."""

    restarts = 0

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.kind not in ("absent", "lost", "trouble") and super().polls_again(reading, tries)

    def follow(self, reading: Reading) -> Steps:
        try:
            return (yield from super().follow(reading))
        except TaskFailed:
            raise
        except OmniVideoError:
            self.restarts += 1
            if self.restarts > 3:
                raise
            self.external_id, self.task_id = self.new_external_id(), None
            return (yield from super().steps())
