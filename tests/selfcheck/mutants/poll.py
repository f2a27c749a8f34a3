"""Mutants that follow a task badly."""

import asyncio
import math
from typing import ClassVar

from omni_video.answers import Answer, Lost, Reading
from omni_video.client import AsyncOmniVideo
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob
from omni_video.steps import Send, Tries

from tests.selfcheck.mutants.base import caught_by


@caught_by("PL-01")
class Impatient(OmniJob):
    """It polls four times as often as it was asked to."""

    def poll_wait_seconds(self) -> float:
        return super().poll_wait_seconds() / 4


@caught_by("PL-02")
class TwoPollers(AsyncOmniVideo):
    """It has two pollers for one task."""

    async def _send(self, step: Send) -> Answer | Lost:
        if step.method == "POST":
            return await super()._send(step)
        first, _ = await asyncio.gather(super()._send(step), super()._send(step))
        return first


@caught_by("PL-03")
class Hedging(AsyncOmniVideo):
    """It asks a second time while the first answer is still to come."""

    async def _send(self, step: Send) -> Answer | Lost:
        if step.method == "POST":
            return await super()._send(step)
        first = asyncio.ensure_future(super()._send(step))
        done, _ = await asyncio.wait({first}, timeout=0.3)
        second = asyncio.ensure_future(super()._send(step) if not done else asyncio.sleep(0))
        await asyncio.wait({first, second})
        return await first


@caught_by("PL-05")
class NoDeadline(OmniJob):
    """It has no deadline."""

    def begin(self) -> None:
        self._ends_at = math.inf


@caught_by("PL-05")
class ForgetsTask(OmniJob):
    """It does not say which task it has given up on."""

    def out_of_time(self, reading: Reading) -> OmniVideoError:
        error = super().out_of_time(reading)
        error.task_id, error.reason = None, "too late"
        return error


@caught_by("PL-06")
class StopsAtGateway(OmniJob):
    """It ends with the first 502 of a gateway."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.http_status != 502 and super().polls_again(reading, tries)


@caught_by("PL-07")
class NotYetIsNever(OmniJob):
    """It ends where its task is not found at once."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.kind != "absent" and super().polls_again(reading, tries)


@caught_by("PL-08")
class OneForAll(OmniJob):
    """Its jobs share one variable for the id of their task."""

    last: ClassVar[dict[str, str]] = {}

    def poll_id(self, tries: Tries) -> str:
        if tries.failed == tries.absent == 0 and self.task_id is not None:
            self.last.setdefault(self._api_key, self.task_id)
        return self.last.get(self._api_key) or super().poll_id(tries)
