"""Plays a case: a session for each of its plays, each with a fresh key, a lane of its own, and the jobs of the play."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from contracts.arena import Arena, Lane
from contracts.case import Case, Play
from contracts.drivers.base import Declared, Driver, Ending, now
from contracts.jobs import Job, Wishes
from contracts.observation import JobSeen, Session
from contracts.sightings import role_of, told_by
from contracts.wire import Sighting, WireLog
from mock_server.exchange import Exchange
from mock_server.journal import Attempt
from mock_server.lifecycle import Final
from mock_server.worlds import World

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
# A client whose own deadline is longer is not waited for.
DEADLINE_SECONDS_MAX = 120.0
# How long the wire is watched after the last result, in poll intervals, and at most.
_QUIET_INTERVALS = 3
_QUIET_SECONDS_MAX = 2.0
_QUIET_SECONDS_MIN = 0.2
_LONG_TEXT_CHARACTERS = 1_000_000


def plays_of(case: Case) -> Iterator[tuple[int, Play]]:
    """Yield the sessions of a case: each play as often as it is to be played, numbered."""
    number = 0
    for play in case.plays:
        for _ in range(play.times):
            yield number, play
            number += 1


async def play_session(
    arena: Arena, driver: Driver, declared: Declared, case: Case, number: int, play: Play
) -> Session:
    """Play one session of a case; return what was seen. Raise HarnessError where the client cannot be driven."""
    async with arena.lane() as lane:
        key, world = arena.open_world(f"{case.id}/{number}")
        try:
            return await _Playing(arena, driver, declared, case, number, play, lane, key, world).run()
        finally:
            arena.close_world(world)


class _Playing:
    def __init__(
        self,
        arena: Arena,
        driver: Driver,
        declared: Declared,
        case: Case,
        number: int,
        play: Play,
        lane: Lane,
        key: str,
        world: World,
    ) -> None:
        self.arena, self.driver, self.declared = arena, driver, declared
        self.case, self.number, self.play = case, number, play
        self.lane, self.key, self.world = lane, key, world
        self.tag = key[-12:]
        self.began = now()

    async def run(self) -> Session:
        arena, play, world = self.arena, self.play, self.world
        wire = arena.watch(self.lane)
        posted_before = len(arena.post.posted)
        fills = self._fills()
        scenario = arena.scenario(play.scenario, fills)
        world.arm(scenario, None, anew=False)
        if scenario.callbacks.signed:
            fills["callback-secret"] = arena.twin.signing.secret
        jobs = [self._job(index, own, fills) for index, own in enumerate(play.jobs)]
        relayed = [job.callback_url for job in jobs if job.callback_url]
        try:
            endings = await asyncio.gather(*(self._run(job) for job in jobs))
            ended = now()
            await asyncio.sleep(self._quiet_seconds(jobs[0]))
        finally:
            for url in relayed:
                arena.post.forget(url)
        self._reconcile(wire)
        entries = world.journal.entries
        return Session(
            number=self.number,
            case=self.case,
            play=play,
            key=self.key,
            began=self.began,
            ended=ended,
            watched_until=now(),
            jobs=[JobSeen(job, ending, self.driver.results(job)) for job, ending in zip(jobs, endings, strict=True)],
            wire=wire,
            tasks=list(world.store.tasks()),
            attempts=[each for each in entries if isinstance(each, Attempt)],
            posted=self._posted(posted_before),
            strangers=self._strangers(),
            log=b"\n".join(ending.log for ending in endings),
            declared=self.declared,
            finals=finals_of(arena),
            fills=fills,
            profile=arena.twin.program.profile.name,
        )

    def _job(self, index: int, own: Mapping[str, Any], fills: Mapping[str, str]) -> Job:
        play = self.play
        request = {key: value for key, value in {**REQUEST, **play.request, **own}.items() if value is not None}
        base_url = self.lane.tls_base_url if play.listener == "tls" else self.lane.base_url
        job = Job(
            job=f"{self.case.id}-{self.tag}-{index + 1}",
            base_url=base_url + ("/" if play.slash else ""),
            api_key=self.key,
            request=filled_in(request, fills),
            settings=msgspec.convert({**msgspec.structs.asdict(Wishes()), **play.settings}, Wishes),
            callback_secret=fills.get("callback-secret"),
        )
        if play.callbacks and self._relays:
            token = f"{self.tag}-{index + 1}"
            url = self.arena.post.address(token, lambda headers, body: self.driver.relay(job, headers, body))
            return msgspec.structs.replace(job, callback_url=url)
        return job

    @property
    def _relays(self) -> bool:
        return "callback-relay" in self.declared.capabilities and "callbacks" not in self.declared.capabilities

    async def _run(self, job: Job) -> Ending:
        deadline = self.declared.settings.get("deadline_seconds", job.settings.deadline_seconds)
        return await self.driver.run(job, deadline + GRACE_SECONDS)

    def _quiet_seconds(self, job: Job) -> float:
        interval = self.declared.settings.get("poll_interval_seconds", job.settings.poll_interval_seconds)
        return min(max(_QUIET_INTERVALS * interval, _QUIET_SECONDS_MIN), _QUIET_SECONDS_MAX)

    def _fills(self) -> dict[str, str]:
        """What scenarios and requests of the catalogue name with `$`."""
        arena, tag = self.arena, self.tag
        return {
            "elsewhere": f"{arena.stranger.origin}/{tag}/moved",
            "elsewhere-video": f"{arena.video_stranger.origin}/{tag}/video.mp4",
            "callback-elsewhere": f"{arena.stranger.origin}/{tag}/callback",
            "long-text": "All work and no play. " * (_LONG_TEXT_CHARACTERS // 22),
            "tag": tag,
        }

    def _strangers(self) -> list[Any]:
        return [
            *self.arena.stranger.shown_below(f"/{self.tag}/"),
            *self.arena.video_stranger.shown_below(f"/{self.tag}/"),
        ]

    def _posted(self, before: int) -> list[Any]:
        urls = {each.url for each in self.world.journal.entries if isinstance(each, Attempt)}
        return [each for each in self.arena.post.posted[before:] if each.url in urls]

    def _reconcile(self, wire: WireLog) -> None:
        """Add what went past the watched protocol: few requests do, and none may be missing."""
        known = {id(each.exchange.incoming) for each in wire}
        for entry in self.world.journal.entries:
            if isinstance(entry, Exchange) and id(entry.incoming) not in known:
                moment = now() - max(0.0, time.time() - entry.real_ns / 1e9)
                role = role_of(self.arena.twin, entry.operation)
                told = told_by(self.world, entry, role)
                sighting = Sighting(entry, 0, moment, moment, role=role, told=told)
                sighting.replied = moment
                wire.add(sighting)
        wire.sightings.sort(key=lambda each: each.whole)


def finals_of(arena: Arena) -> dict[str, Final | None]:
    """Return for each status of the spec whether it is a final one, and which."""
    types = arena.twin.program.spec.task_types.values()
    return {name: status.final for each in types for name, status in each.lifecycle.statuses.items()}


def filled_in(value: Any, fills: Mapping[str, str]) -> Any:
    """Return a value of the catalogue with what `$name` stands for in its place."""
    if isinstance(value, str) and value.startswith("$"):
        return fills.get(value[1:], value)
    if isinstance(value, dict):
        return {key: filled_in(each, fills) for key, each in value.items()}
    if isinstance(value, list):
        return [filled_in(each, fills) for each in value]
    return value
