"""Mutants that cannot bear a bad connection."""

import dataclasses

from omni_video.answers import Answer, Lost, Reading
from omni_video.client import _FAILURES, AsyncOmniVideo, _lost
from omni_video.job import OmniJob
from omni_video.steps import Send, Tries

from tests.selfcheck.mutants.base import caught_by


@caught_by("TR-01")
class LostIsOver(OmniJob):
    """It ends with the first connection that breaks."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.kind != "lost" and super().polls_again(reading, tries)


@caught_by("TR-02")
class CutIsOver(OmniJob):
    """It ends with the first body that is cut short."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return "peer closed" not in reading.message and super().polls_again(reading, tries)


@caught_by("TR-03")
class WaitsForEver(OmniJob):
    """It waits for an answer as long as that takes."""

    def send_step(self, method: str, url: str, body: bytes | None = None) -> Send:
        return dataclasses.replace(super().send_step(method, url, body), timeout_seconds=86_400)


@caught_by("TR-04")
class PartByPart(AsyncOmniVideo):
    """Its time-out is for each part of an answer, and begins anew with each."""

    async def _send(self, step: Send) -> Answer | Lost:
        try:
            return await self._exchange(step)
        except _FAILURES as error:
            return _lost(error)


@caught_by("TR-05")
class JsonOrNothing(OmniJob):
    """It ends where an answer is no JSON."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.kind != "garbled" and super().polls_again(reading, tries)


@caught_by("TR-06")
class OneConnection(AsyncOmniVideo):
    """It has one connection, and breaks when that is closed."""

    closed = False

    async def _exchange(self, step: Send) -> Answer:
        if self.closed:
            raise BrokenPipeError("the connection is closed")
        answer = await super()._exchange(step)
        self.closed = answer.headers.get("connection", "").lower() == "close"
        return answer
