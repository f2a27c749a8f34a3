"""The values of a job: how it is to be done, what it asks a runner to do, and what it comes to."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from omni_video.answers import Reading


@dataclass(frozen=True)
class Settings:
    """How a job spends its time, in seconds, and how often it tries."""

    poll_interval_seconds: float = 5.0
    # For one HTTP request, from its first byte to the last one of the answer.
    request_timeout_seconds: float = 30.0
    # For a job. 15 seconds of video take up to 5 minutes, and a queue may come before.
    deadline_seconds: float = 900.0
    # How often in a row something may go wrong before the job ends. A task that is paid for is worth more patience.
    submits_max: int = 6
    polls_max: int = 10
    # A slot at the provider may stay taken for minutes.
    throttles_max: int = 30
    # The provider may not find at once what it has just created.
    absences_max: int = 4
    # A success whose videos are missing is asked about so often.
    empty_successes_max: int = 3
    backoff_seconds: float = 0.4
    throttled_backoff_seconds: float = 2.0
    backoff_seconds_max: float = 60.0
    throttled_seconds_max: float = 15.0
    answer_bytes_max: int = 4_194_304


@dataclass(frozen=True)
class Video:
    """What a job came to."""

    task_id: str
    url: str
    request_id: str | None = None


@dataclass(frozen=True)
class Send:
    """Send this request, and say what came: an `Answer`, or `Lost`. No redirect is followed."""

    method: str
    url: str
    timeout_seconds: float
    body: bytes | None = None
    # The key is in here, so they are in no representation.
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Wait:
    """Wait so long; where `wakes`, until a callback comes."""

    seconds: float
    wakes: bool = False


@dataclass
class Tries:
    """What has gone wrong in a row."""

    failed: int = 0
    throttled: int = 0
    absent: int = 0
    # Whether a wait was cut short by the deadline, so that what followed was the last try.
    last: bool = False


Step = Send | Wait
Steps = Generator[Step, Any, Video]
Asking = Generator[Step, Any, Reading]
