"""A stage: where the sessions of cases are played. On sockets in real time (`playing.py`), or in virtual time."""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from contracts.case import Case, Play
from contracts.drivers.base import Declared
from contracts.jobs import Job, Wishes
from contracts.observation import Session
from mock_server.lifecycle import Final
from mock_server.twin import Twin

# The usual request: every rule of every profile is kept.
REQUEST: Mapping[str, Any] = {
    "model_name": "kling-v3-omni",
    "prompt": "A lighthouse at dusk, waves against the rocks.",
    "mode": "pro",
    "aspect_ratio": "16:9",
    "duration": "5",
}
# So much longer than its deadline may a client take before it counts as hung: a busy machine, a slow start.
GRACE_SECONDS = 5.0
# How long the wire is watched after the last result, in poll intervals, and at most.
_QUIET_INTERVALS = 3
_QUIET_SECONDS_MAX = 2.0
_QUIET_SECONDS_MIN = 0.2
_LONG_TEXT_CHARACTERS = 1_000_000


class Stage(Protocol):
    """Plays sessions."""

    twin: Twin
    declared: Declared
    seed: int
    virtual: bool

    async def play(self, case: Case, number: int, play: Play) -> Session:
        """Play one session; return what was seen. Raise HarnessError where the client cannot be driven."""


def plays_of(case: Case) -> Iterator[tuple[int, Play]]:
    """Yield the sessions of a case: each play as often as it is to be played, numbered."""
    number = 0
    for play in case.plays:
        for _ in range(play.times):
            yield number, play
            number += 1


def tag_of(key: str) -> str:
    """Return what stands for a key where it must not be told: no part of it, because logs are searched for parts."""
    return hashlib.sha256(key.encode()).hexdigest()[:12]


def fills_of(key: str, stranger: str, video_stranger: str, play: Play | None = None) -> dict[str, str]:
    """Return what scenarios and requests of the catalogue name with `$`; the strangers are origins.

    A million characters are made only where the play names them: a search has a hundred sessions a second.
    """
    tag = tag_of(key)
    fills = {
        "elsewhere": f"{stranger}/{tag}/moved",
        "elsewhere-video": f"{video_stranger}/{tag}/video.mp4",
        "callback-elsewhere": f"{stranger}/{tag}/callback",
        "hostile-text": hostile_text(tag),
        "tag": tag,
    }
    if play is None or b"long-text" in msgspec.json.encode(
        (play.scenario, play.virtual_scenario, play.request, play.jobs)
    ):
        fills["long-text"] = long_text(tag)
    return fills


def hostile_text(tag: str) -> str:
    """Return a text that does harm in a log that takes it as it is: it commands the terminal, and forges a line."""
    return f"refused \x1b]0;{tag}\x07\x1b[2J\x1b[31m{tag}\x1b[0m\r\n{tag} level=info all is well\x00\x08"


def long_text(tag: str) -> str:
    """Return a text of a million characters."""
    return f"All work and no play, {tag}. " * (_LONG_TEXT_CHARACTERS // 36)


def jobs_of(
    case: Case, play: Play, key: str, base_url: str, fills: Mapping[str, str], wishes: Mapping[str, float]
) -> list[Job]:
    """Return the jobs of a session."""
    jobs = []
    for index, own in enumerate(play.jobs):
        request = {name: value for name, value in {**REQUEST, **play.request, **own}.items() if value is not None}
        jobs.append(
            Job(
                job=f"{case.id}-{tag_of(key)}-{index + 1}",
                base_url=base_url + ("/" if play.slash else ""),
                api_key=key,
                request=filled_in(request, fills),
                settings=msgspec.convert({**msgspec.structs.asdict(Wishes()), **wishes}, Wishes),
                callback_secret=fills.get("callback-secret"),
            )
        )
    return jobs


def limit_seconds(declared: Declared, job: Job) -> float:
    """Return after how long a client that has not ended its job has hung."""
    return declared.settings.get("deadline_seconds", job.settings.deadline_seconds) + GRACE_SECONDS


def quiet_seconds(play: Play, declared: Declared, job: Job) -> float:
    """Return how long the wire is watched when all jobs have ended."""
    if play.watched_seconds is not None:
        return play.watched_seconds
    interval = declared.settings.get("poll_interval_seconds", job.settings.poll_interval_seconds)
    return min(max(_QUIET_INTERVALS * interval, _QUIET_SECONDS_MIN), _QUIET_SECONDS_MAX)


def finals_of(twin: Twin) -> dict[str, Final | None]:
    """Return for each status of the spec whether it is a final one, and which."""
    types = twin.program.spec.task_types.values()
    return {name: status.final for each in types for name, status in each.lifecycle.statuses.items()}


def external_pointers_of(twin: Twin) -> frozenset[str]:
    """Return where in a body a client's own id of its job stands, for each type of task that has one."""
    types = twin.program.spec.task_types.values()
    return frozenset(each.external_id.partition("#")[2] for each in types if each.external_id is not None)


def scenario_source(source: Mapping[str, Any], fills: Mapping[str, str]) -> dict[str, Any]:
    """Return a scenario of the catalogue, as one defines it, with what may be filled in as its parameters."""
    known = {name: {"default": value} for name, value in fills.items()}
    return {"name": "case", **source, "parameters": {**known, **source.get("parameters", {})}}


def filled_in(value: Any, fills: Mapping[str, str]) -> Any:
    """Return a value of the catalogue with what `$name` stands for in its place."""
    if isinstance(value, str) and value.startswith("$"):
        return fills.get(value[1:], value)
    if isinstance(value, dict):
        return {key: filled_in(each, fills) for key, each in value.items()}
    if isinstance(value, list):
        return [filled_in(each, fills) for each in value]
    return value
