"""Mutants that try again wrongly, or not at all."""

import dataclasses

from omni_video.answers import Reading
from omni_video.job import OmniJob
from omni_video.steps import Tries

from tests.selfcheck.mutants.base import caught_by


@caught_by("RT-01")
class NoSecondTry(OmniJob):
    """It ends with the first 429."""

    def submits_again(self, reading: Reading) -> bool:
        return reading.kind != "throttled" and super().submits_again(reading)

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.kind != "throttled" and super().polls_again(reading, tries)


@caught_by("RT-02")
class EndsWith500(OmniJob):
    """It ends where a query is answered with 500."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.http_status != 500 and super().polls_again(reading, tries)


@caught_by("RT-03")
class EndsWith503(OmniJob):
    """It ends where a query is answered with 503."""

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        return reading.http_status != 503 and super().polls_again(reading, tries)


@caught_by("RT-04")
class SamePace(OmniJob):
    """It waits equally long after each failure."""

    def backoff_seconds(self, retries: int, *, base: float, throttled: bool = False) -> float:
        return super().backoff_seconds(0, base=base, throttled=throttled)


@caught_by("RT-05")
class AtOnce(OmniJob):
    """It tries again at once after the first failure."""

    def backoff_seconds(self, retries: int, *, base: float, throttled: bool = False) -> float:
        return super().backoff_seconds(retries, base=base, throttled=throttled) if retries or throttled else 0.001


@caught_by("RT-06")
class NeverTires(OmniJob):
    """It never gives up, and soon waits no longer than a moment."""

    def begin(self) -> None:
        super().begin()
        self.settings = dataclasses.replace(self.settings, polls_max=1_000_000, submits_max=1_000_000)

    def backoff_seconds(self, retries: int, *, base: float, throttled: bool = False) -> float:
        quick = min(0.11 * 1.7 ** min(retries, 10), 0.35)
        return super().backoff_seconds(retries, base=base, throttled=throttled) if throttled else quick


@caught_by("RT-07")
class Insists(OmniJob):
    """It submits again what was found to be wrong."""

    def submits_again(self, reading: Reading) -> bool:
        return reading.http_status in (400, 404, 422) or super().submits_again(reading)
