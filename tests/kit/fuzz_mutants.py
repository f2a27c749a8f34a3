"""Broken clients, one for each invariant, and some that are harder to find out."""

import itertools
from collections.abc import Callable, Generator
from typing import Any

from driving import Parts
from in_process import generate
from omni_video.answers import Reading
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob
from omni_video.steps import Step, Tries, Wait

from contracts.drivers.in_process import Client
from contracts.jobs import Job, Result


def client(part: type[OmniJob]) -> Client:
    """The async client with jobs of another class."""

    async def mutant(job: Job) -> Result:
        return await generate(job, Parts(job=part))

    return mutant


class NoDeadline(OmniJob):
    """It has no deadline."""

    def left_seconds(self) -> float:
        return 1_000.0


class PaysTwice(OmniJob):
    """It takes a new id for each submit, and asks for none of them."""

    recovers_by_query = False

    def submit_step(self) -> Any:
        self.external_id = self.new_external_id()
        self._body = self.prepared()
        return super().submit_step()


class TakesUnknownForFailed(OmniJob):
    """It takes a status that it does not know for a failure."""

    def is_failed(self, reading: Reading) -> bool:
        return reading.status not in ("submitted", "processing", "succeed")


class KnowsNoFailure(OmniJob):
    """It waits on for a task that has failed."""

    def is_failed(self, reading: Reading) -> bool:
        return False


class AsksElsewhere(OmniJob):
    """It asks for its own id where no such thing is."""

    def poll_url(self, identifier: str) -> str:
        return super().poll_url(identifier).replace("/omni-video/", "/tasks/" if self.in_doubt else "/omni-video/")


class Hammers(OmniJob):
    """What goes wrong it tries again at once, and for ever."""

    def back_off(self, tries: Tries, reading: Reading, failures_max: int) -> Generator[Step, Any, None]:
        if self.left_seconds() <= 0:
            raise self.out_of_time(reading)
        yield Wait(0.005)


class TellsItsKey(OmniJob):
    """It tells what it sent when something went wrong."""

    def error(self, kind: type[OmniVideoError], reason: str, reading: Reading) -> OmniVideoError:
        return kind(f"{reason} {self._api_key}", http_status=reading.http_status, task_id=self.task_id)


class AsksOn(OmniJob):
    """It wants to be told three times that the task has ended."""

    told = 0

    def is_succeeded(self, reading: Reading) -> bool:
        self.told += super().is_succeeded(reading)
        return self.told >= 3


class MeetsTwoFaults(OmniJob):
    """Where a reply to a submit is lost, and it then cannot ask for the task, it pays again."""

    def recover(self, doubtful: Reading, tries: Tries) -> Generator[Step, Any, Reading | None]:
        if doubtful.kind != "lost":
            return (yield from super().recover(doubtful, tries))
        yield from self.back_off(tries, doubtful, self.settings.submits_max)
        reading = yield from self.ask(self.query_step(self.external_id))
        if reading.kind == "fine" and reading.task_id:
            return reading
        if reading.http_status != 503:
            raise self.given_up(reading, "the task cannot be told")
        self.external_id = self.new_external_id()
        self._body = self.prepared()
        return None


class StaysSlow(OmniJob):
    """Once something has gone wrong it polls ten times as seldom, for ever."""

    troubled = False

    def back_off(self, tries: Tries, reading: Reading, failures_max: int) -> Generator[Step, Any, None]:
        self.troubled = True
        yield from super().back_off(tries, reading, failures_max)

    def poll_wait_seconds(self) -> float:
        return super().poll_wait_seconds() * (10 if self.troubled else 1)


class TellsATimeOutTooEarly(OmniJob):
    """It gives up at half of its time."""

    def left_seconds(self) -> float:
        return super().left_seconds() - self.settings.deadline_seconds / 2


# Each with the invariant that it breaks.
MUTANTS: list[tuple[str, type[OmniJob]]] = [
    ("ends", NoDeadline),
    ("paid-once", PaysTwice),
    ("truth", TakesUnknownForFailed),
    ("truth", TellsATimeOutTooEarly),
    ("converges", KnowsNoFailure),
    ("converges", StaysSlow),
    ("fits-the-spec", AsksElsewhere),
    ("bounded", Hammers),
    ("secret", TellsItsKey),
    ("quiet-after-the-end", AsksOn),
]


def crashing() -> Client:
    """A client that never comes to a result."""

    async def crashes(job: Job) -> Result:
        raise KeyError("data")

    return crashes


def now_and_then(breaks: Callable[[int], bool]) -> Client:
    """A client that crashes in those of its sessions for whose number `breaks` is true."""
    numbers = itertools.count()

    async def crashes_sometimes(job: Job) -> Result:
        if breaks(next(numbers)):
            raise KeyError("data")
        return await generate(job)

    return crashes_sometimes
