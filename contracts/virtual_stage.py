"""The stage in virtual time: a session is a function call, hours pass in milliseconds, and each moment is exact.

An async client runs in an event loop whose time jumps. A sync client takes a clock, `client(job, clock)`, with
`monotonic()` and `sleep(seconds)`. Nothing here waits, so sessions are played one after the other.
"""

import asyncio
import contextlib
import hashlib
import inspect
import io
import logging
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from contracts.case import Case, Play
from contracts.drivers.base import Declared, Ending
from contracts.drivers.in_process import Client, crashed, ending_of, is_async
from contracts.jobs import Job
from contracts.observation import JobSeen, Session
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
from contracts.virtual_loop import Stopped
from contracts.virtual_twin import VirtualTwin
from mock_server.journal import Attempt

_HOST = "twin.test"
_STRANGER, _VIDEO_STRANGER = "http://elsewhere.test", "http://video.elsewhere.test"
_LOG_CHARACTERS_MAX = 1_000_000


class VirtualStage:
    """Plays sessions in virtual time."""

    virtual = True

    def __init__(
        self,
        client: Client,
        declared: Declared,
        *,
        profile: str | None = None,
        spec: Path | None = None,
        scenarios: Path | None = None,
        seed: int = 0,
    ) -> None:
        self.client, self.declared, self.seed = client, declared, seed
        self._settings: dict[str, Any] = {"profile": profile, "spec": spec, "scenarios": scenarios}
        self.twin = VirtualTwin(**self._settings).twin
        self._one_at_a_time = asyncio.Lock()

    async def play(self, case: Case, number: int, play: Play) -> Session:
        """Play one session; return what was seen."""
        # A loop in virtual time cannot run inside of this one.
        async with self._one_at_a_time:
            return await asyncio.to_thread(self.play_now, case, number, play)

    def play_now(self, case: Case, number: int, play: Play) -> Session:
        """Play one session, outside of any event loop."""
        digest = hashlib.sha256(f"{self.seed}/{case.id}/{number}".encode()).digest()
        with VirtualTwin(seed=int.from_bytes(digest[:6], "big"), **self._settings) as twin:
            return _Playing(self, twin, case, number, play).run()


class _Playing:
    def __init__(self, stage: VirtualStage, twin: VirtualTwin, case: Case, number: int, play: Play) -> None:
        self.stage, self.twin, self.case, self.number, self.play = stage, twin, case, number, play
        self.key = f"sk-omnimock-{secrets.token_hex(16)}"
        self.clock = twin.clock
        self.strangers: list[Shown] = []

    def run(self) -> Session:
        play, declared, key = self.play, self.stage.declared, self.key
        world = self.twin.world(key)
        fills = fills_of(key, _STRANGER, _VIDEO_STRANGER, play)
        scenario = self.twin.twin.catalogue.define(scenario_source(play.virtual_scenario or play.scenario, fills))
        world.arm(scenario, None, anew=False)
        wishes = play.settings if play.virtual_settings is None else play.virtual_settings
        jobs = jobs_of(self.case, play, key, f"http://{_HOST}", fills, wishes)
        jobs = [msgspec.structs.replace(each, transport=_Origins(self.twin, self.strangers)) for each in jobs]
        log = io.StringIO()
        with _captured(log):
            endings, ended = self._endings(jobs)
        entries = world.journal.entries
        return Session(
            number=self.number,
            case=self.case,
            play=play,
            key=key,
            began=0.0,
            ended=ended,
            watched_until=self.clock.monotonic(),
            jobs=[JobSeen(job, ending) for job, ending in zip(jobs, endings, strict=True)],
            # A request whose key is missing or wrong is the client's as well: nobody else is here.
            wire=self.twin.whole_log(),
            tasks=list(world.store.tasks()),
            attempts=[each for each in entries if isinstance(each, Attempt)],
            posted=[],
            strangers=[each for each in self.strangers if f"/{tag_of(key)}/" in each.target],
            log=log.getvalue()[-_LOG_CHARACTERS_MAX:].encode("utf-8", "replace")
            + b"\n".join(each.log for each in endings),
            declared=declared,
            finals=finals_of(self.twin.twin),
            external_pointers=external_pointers_of(self.twin.twin),
            fills=fills,
            profile=self.twin.twin.program.profile.name,
            virtual=True,
        )

    def _endings(self, jobs: list[Job]) -> tuple[list[Ending], float]:
        if is_async(self.stage.client):
            return self._run_async(jobs)
        # One after the other: a sync client has the time for itself.
        endings = [self._run_sync(job) for job in jobs]
        ended = self.clock.monotonic()
        with contextlib.suppress(Stopped):
            self.clock.sleep(quiet_seconds(self.play, self.stage.declared, jobs[0]))
        return endings, ended

    def _run_async(self, jobs: list[Job]) -> tuple[list[Ending], float]:
        moments: dict[str, tuple[float, Any]] = {}
        ended = 0.0

        async def one(job: Job) -> None:
            try:
                answer = self.stage.client(job)
                assert inspect.isawaitable(answer)
                came: tuple[str, Any] = ("returned", await answer)
            except Exception as error:  # noqa: BLE001  Whatever it raises is its end, and is told.
                came = ("raised", error)
            moments[job.job] = (self.clock.monotonic(), came)

        async def all_of_them() -> None:
            nonlocal ended
            await asyncio.gather(*(one(job) for job in jobs))
            ended = self.clock.monotonic()
            # What it does when it has answered is seen too.
            await asyncio.sleep(quiet_seconds(self.play, self.stage.declared, jobs[0]))

        limit = max(limit_seconds(self.stage.declared, job) for job in jobs)
        stopped: Stopped | None = None
        try:
            self.twin.run(all_of_them(), limit_seconds=limit)
        except Stopped as error:
            stopped = error
        return [self._ending(job, moments.get(job.job), stopped) for job in jobs], ended or self.clock.monotonic()

    def _run_sync(self, job: Job) -> Ending:
        began = self.clock.monotonic()
        self.clock.limit(limit_seconds(self.stage.declared, job))
        try:
            answer = self.stage.client(job, self.clock)
        except Stopped as error:
            return Ending("hung", began, self.clock.monotonic(), detail=str(error))
        except Exception as error:  # noqa: BLE001  The same.
            return crashed(error, began, self.clock.monotonic())
        return ending_of(answer, job, began, self.clock.monotonic())

    def _ending(self, job: Job, came: tuple[float, Any] | None, stopped: Stopped | None) -> Ending:
        if came is None:
            detail = str(stopped) if stopped is not None else "it never came to an end"
            return Ending("hung", 0.0, self.clock.monotonic(), detail=detail)
        at, (how, what) = came
        return crashed(what, 0.0, at) if how == "raised" else ending_of(what, job, 0.0, at)


class _Origins(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries requests for the twin to it; those for other origins are kept as what strangers were shown."""

    def __init__(self, twin: VirtualTwin, shown: list[Shown]) -> None:
        self._twin, self._shown = twin, shown

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of a sync client."""
        if request.url.host == _HOST:
            return self._twin.transport.handle_request(request)
        request.read()
        return self._show(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request of an async client."""
        if request.url.host == _HOST:
            return await self._twin.transport.handle_async_request(request)
        await request.aread()
        return self._show(request)

    def _show(self, request: httpx.Request) -> httpx.Response:
        lines = [request.method.encode() + b" " + request.url.raw_path + b" HTTP/1.1"]
        lines += [name + b": " + value for name, value in request.headers.raw]
        self._shown.append(Shown(self._twin.clock.monotonic(), b"\r\n".join(lines) + b"\r\n\r\n"))
        return httpx.Response(404, json={}, request=request)


@contextlib.contextmanager
def _captured(log: io.StringIO) -> Iterator[None]:
    """Keep what the client prints and logs."""
    kept = logging.StreamHandler(log)
    root = logging.getLogger()
    root.addHandler(kept)
    try:
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            yield
    finally:
        root.removeHandler(kept)
