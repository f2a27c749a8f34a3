"""The stage on sockets: a session has a fresh key, a lane of its own, and a driver that takes its jobs along."""

import asyncio
import time
from collections.abc import Mapping

import msgspec

from contracts.arena import Arena, Lane
from contracts.case import Case, Play
from contracts.drivers.base import Declared, Driver, Ending, now
from contracts.jobs import Job
from contracts.observation import JobSeen, Session
from contracts.relay import Posted
from contracts.sightings import role_of, told_by
from contracts.stage import (
    external_pointers_of,
    fills_of,
    finals_of,
    jobs_of,
    limit_seconds,
    quiet_seconds,
    scenario_source,
    tag_of,
)
from contracts.strangers import Shown
from contracts.wire import Sighting, WireLog
from mock_server.exchange import Exchange
from mock_server.journal import Attempt
from mock_server.worlds import World


class LiveStage:
    """Plays sessions over sockets."""

    virtual = False

    def __init__(self, arena: Arena, driver: Driver, declared: Declared) -> None:
        self.arena, self.driver, self.declared = arena, driver, declared
        self.twin, self.seed = arena.twin, arena.seed

    async def play(self, case: Case, number: int, play: Play) -> Session:
        """Play one session; return what was seen. Raise HarnessError where the client cannot be driven."""
        async with self.arena.lane() as lane:
            key, world = self.arena.open_world(f"{case.id}/{number}")
            try:
                return await _Playing(self, case, number, play, lane, key, world).run()
            finally:
                self.arena.close_world(world)


class _Playing:
    def __init__(
        self, stage: LiveStage, case: Case, number: int, play: Play, lane: Lane, key: str, world: World
    ) -> None:
        self.arena, self.driver, self.declared = stage.arena, stage.driver, stage.declared
        self.case, self.number, self.play = case, number, play
        self.lane, self.key, self.world = lane, key, world
        self.tag = tag_of(key)
        self.began = now()

    async def run(self) -> Session:
        arena, play, world = self.arena, self.play, self.world
        wire = arena.watch(self.lane)
        accepted_before = self.lane.tls_listener.accepted
        posted_before = arena.post.count
        fills = fills_of(self.key, arena.stranger.origin, arena.video_stranger.origin, play)
        scenario = arena.twin.catalogue.define(scenario_source(play.scenario, fills))
        world.arm(scenario, None, anew=False)
        if scenario.callbacks.signed:
            fills["callback-secret"] = arena.twin.signing.secret
        jobs = self._jobs(fills)
        try:
            endings = await asyncio.gather(*(self._run(job) for job in jobs))
            ended = now()
            await asyncio.sleep(quiet_seconds(play, self.declared, jobs[0]))
        finally:
            for job in jobs:
                arena.post.forget(job.callback_url)
        self._reconcile(wire)
        entries = world.journal.entries
        seen = [JobSeen(job, ending, self.driver.results(job)) for job, ending in zip(jobs, endings, strict=True)]
        return Session(
            number=self.number,
            case=self.case,
            play=play,
            key=self.key,
            began=self.began,
            ended=ended,
            watched_until=now(),
            jobs=seen,
            wire=wire,
            tasks=list(world.store.tasks()),
            attempts=[each for each in entries if isinstance(each, Attempt)],
            posted=self._posted(posted_before),
            strangers=self._strangers(),
            log=b"\n".join(part for each in seen for part in (each.ending.log, self.driver.printed(each.job))),
            declared=self.declared,
            finals=finals_of(arena.twin),
            external_pointers=external_pointers_of(arena.twin),
            fills=fills,
            profile=arena.twin.program.profile.name,
            tls_connections=self.lane.tls_listener.accepted - accepted_before,
        )

    def _jobs(self, fills: Mapping[str, str]) -> list[Job]:
        play = self.play
        base_url = self.lane.tls_base_url if play.listener == "tls" else self.lane.base_url
        jobs = jobs_of(self.case, play, self.key, base_url, fills, play.settings)
        if not play.callbacks or not self._relays:
            return jobs
        return [self._relayed(job) for job in jobs]

    def _relayed(self, job: Job) -> Job:
        async def relay(headers: Mapping[str, str], body: bytes) -> int:
            return await self.driver.relay(job, headers, body)

        return msgspec.structs.replace(job, callback_url=self.arena.post.address(job.job, relay))

    @property
    def _relays(self) -> bool:
        """Whether callbacks have to be relayed: a client that has a receiver of its own is called there."""
        return "callback-relay" in self.declared.capabilities and "callbacks" not in self.declared.capabilities

    async def _run(self, job: Job) -> Ending:
        return await self.driver.run(job, limit_seconds(self.declared, job))

    def _strangers(self) -> list[Shown]:
        below = f"/{self.tag}/"
        return [*self.arena.stranger.shown_below(below), *self.arena.video_stranger.shown_below(below)]

    def _posted(self, before: int) -> list[Posted]:
        urls = {each.url for each in self.world.journal.entries if isinstance(each, Attempt)}
        return [each for each in self.arena.post.since(before) if each.url in urls]

    def _reconcile(self, wire: WireLog) -> None:
        """Add what went past the watched protocol: few requests do, and none may be missing.

        Take out what comes late from a session that had this lane before.
        """
        keys, own = self.arena.keys, self.key
        wire.sightings = [
            each
            for each in wire
            if not any(word in keys and word != own for value in each.header("authorization") for word in value.split())
        ]
        known = {id(each.exchange.incoming) for each in wire}
        for entry in self.world.journal.entries:
            if isinstance(entry, Exchange) and id(entry.incoming) not in known and not entry.cut:
                moment = now() - max(0.0, time.time() - entry.real_ns / 1e9)
                role = role_of(self.arena.twin, entry.operation)
                told = told_by(self.world, entry, role)
                sighting = Sighting(entry, 0, moment, moment, role=role, told=told)
                sighting.replied = moment
                wire.add(sighting)
        wire.sightings.sort(key=lambda each: each.whole)
