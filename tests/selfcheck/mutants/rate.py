"""Mutants that do not come back when they are told to."""

from omni_video.answers import Answer, Lost, Reading
from omni_video.job import OmniJob

from tests.selfcheck.mutants.base import caught_by, changed


def told(reading: Reading) -> str:
    """Return what Retry-After says."""
    return reading.headers.get("retry-after", "").strip()


@caught_by("RL-01")
class Milliseconds(OmniJob):
    """It takes the seconds of a 429's Retry-After for milliseconds."""

    def asked_seconds(self, reading: Reading) -> float | None:
        seconds = super().asked_seconds(reading)
        in_digits = told(reading).isdigit() and reading.http_status == 429
        return seconds / 1_000 if seconds is not None and in_digits else seconds


@caught_by("RL-02")
class NoDates(OmniJob):
    """It does not understand a Retry-After that is a date."""

    def asked_seconds(self, reading: Reading) -> float | None:
        return super().asked_seconds(reading) if told(reading).isdigit() else None


@caught_by("RL-03")
class Obedient(OmniJob):
    """It comes back at once where Retry-After is 0, negative or past."""

    def retry_wait_seconds(self, reading: Reading, retries: int) -> float:
        useless = told(reading) and self.asked_seconds(reading) is None
        return 0.0 if useless else super().retry_wait_seconds(reading, retries)


@caught_by("RL-04")
class Deaf(OmniJob):
    """It takes no notice of a Retry-After that is beyond an hour."""

    def asked_seconds(self, reading: Reading) -> float | None:
        seconds = super().asked_seconds(reading)
        return seconds if seconds is None or seconds < 3_600 else None


@caught_by("RL-05")
class Drumming(OmniJob):
    """It asks for a slot twice a second."""

    def backoff_seconds(self, retries: int, *, base: float, throttled: bool = False) -> float:
        return 0.5 if throttled else super().backoff_seconds(retries, base=base)


@caught_by("RL-06")
class AllAreAlike(OmniJob):
    """It takes every 429 for one that passes."""

    def read(self, answer: Answer | Lost) -> Reading:
        reading = super().read(answer)
        return changed(reading, kind="throttled") if reading.http_status == 429 else reading


@caught_by("RL-07")
class HeedsWith429(OmniJob):
    """It heeds Retry-After with 429 alone."""

    def asked_seconds(self, reading: Reading) -> float | None:
        return super().asked_seconds(reading) if reading.http_status == 429 else None
