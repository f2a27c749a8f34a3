"""A driver whose client has a fast clock: it lives N seconds in each of ours, and waits of seconds pass in a moment.

    ours      a job asks for a poll each 0.02 s  ──× N──▶  2 s      the client's, N = 100
              a poll each 0.02 s                 ◀──÷ N──  2 s      that it declares

Seconds are translated at this border, and nowhere else: sessions, invariants and limits go on in ours.

The client's calendar runs away from ours as well: after a minute at N = 100 it is more than an hour and a half ahead.
So it would have to refuse a signed callback as stale, and be right; therefore no callbacks are told here at all.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from contracts.drivers.base import Declared, Driver, Ending, HarnessError
from contracts.drivers.leaves import Leaves
from contracts.drivers.preload import check_preloads, find_library, left_over, warps
from contracts.jobs import WISHES, Job

# What a client needs its own clock for: a signature is of a moment.
WITHOUT = frozenset(("callbacks", "callback-relay"))
# The variable by which our programs under the library are found.
_MARK = "OMNIMOCK_WARP"
# How often is looked whether a client has the library, before it was seen to have it and afterwards: another may not.
_LOOK_SECONDS, _LOOK_AGAIN_SECONDS = 0.02, 0.25


class Warp(msgspec.Struct, frozen=True):
    """How fast the client's clock runs, and what the client has to be started with.

    `threads` says whether waits of threads that have a time limit are fast, too. Where they are not, they never end.
    """

    factor: float
    library: str
    variables: Mapping[str, str]
    threads: bool = True

    @property
    def notices(self) -> list[str]:
        """What the user has to know."""
        told = ["no callbacks are told under --warp: a fast calendar takes each signature for a stale one"]
        if not self.threads:
            told.append(
                f"under {self.library} a thread that waits with a time limit waits for ever "
                "(Python's threading.Event().wait(5), say; not asyncio, sleep or sockets): a newer libfaketime may not"
            )
        return told


def warp_of(factor: float, command: Sequence[str], environment: Mapping[str, str]) -> Warp:
    """Return a warp for a command, tried out; `environment` is what the client would have without it.

    Raise HarnessError where the clock of this command cannot be made fast.
    """
    library = find_library(environment)
    check_preloads(command, library)
    variables = variables_of(factor, str(library), environment)
    return Warp(factor, str(library), variables, warps(library, factor, variables))


def variables_of(factor: float, library: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that make a clock fast; what is loaded already stays so."""
    loaded = environment.get("LD_PRELOAD", "")
    return {
        "LD_PRELOAD": f"{library}:{loaded}" if loaded else library,
        "FAKETIME": f"+0 x{factor:g}",
        # All that a client starts has the client's time, not one that begins anew: a shell asks `date`.
        "FAKETIME_DONT_RESET": "1",
        # Dates of files are true: a cache that is told by them would be stale each time.
        "NO_FAKE_STAT": "1",
        _MARK: secrets.token_hex(8),
    }


class WarpedDriver:
    """Drives a client that lives fast, through the driver of its kind, which was given the variables of the warp."""

    def __init__(self, driver: Driver, warp: Warp) -> None:
        self.kind = driver.kind
        self._driver, self._warp = driver, warp
        self._left_before = left_over()
        self._leaves = Leaves(Path(warp.library), f"{_MARK}={warp.variables[_MARK]}")
        self._looking: asyncio.Future[None] | None = None

    async def start(self) -> Declared:
        """Begin; raise HarnessError where the client cannot be driven, or runs without the library."""
        declared = await self._driver.start()
        if self.kind == "worker":
            await self._see()
        return translated(declared, self._warp.factor)

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Ask a job of the client in its own seconds; the limit is in ours."""
        asked = for_client(job, self._warp.factor)
        looking = self._looking = self._looking or asyncio.ensure_future(self._look())
        running = asyncio.ensure_future(self._driver.run(asked, limit_seconds))
        either: set[asyncio.Future[Any]] = {running, looking}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if looking.done():
                looking.result()
                raise self._untouched()
            ending = await running
            # It was too short for more than a doubt.
            if self._leaves.doubtful and not self._leaves.sure:
                raise self._untouched()
            return ending
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand a callback to the client."""
        return await self._driver.relay(job, headers, body)

    def separate(self) -> None:
        """Let jobs that run at once no longer share a process."""
        self._driver.separate()

    def results(self, job: Job) -> int:
        """Return how many results came for a job until now."""
        return self._driver.results(job)

    def printed(self, job: Job) -> bytes:
        """Return what the client printed since a job ended, and forget the job."""
        return self._driver.printed(job)

    async def close(self) -> None:
        """End whatever is left of the client, and take away what the library left of it."""
        await self._driver.close()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        for path in left_over() - self._left_before:
            with contextlib.suppress(OSError):
                path.unlink()

    async def _see(self) -> None:
        """Wait until the client is seen to have the library; raise HarnessError where it lacks it."""
        while not (has := self._leaves.look()):
            if has is False:
                raise self._untouched()
            if not self._leaves.any:
                # It has ended, and there is nothing to see.
                return
            await asyncio.sleep(_LOOK_SECONDS)

    async def _look(self) -> None:
        """Go on until a client is seen that lacks the library.

        What starts a client may have it, and leave it out in the client: so what was seen first is not enough.
        """
        while self._leaves.look() is not False:  # noqa: ASYNC110  Of other programs there is no event.
            await asyncio.sleep(_LOOK_AGAIN_SECONDS if self._leaves.sure else _LOOK_SECONDS)

    def _untouched(self) -> HarnessError:
        return HarnessError(
            f"the client runs without {self._warp.library}, so that its clock is the true one: LD_PRELOAD had no "
            "effect on it, or was taken away by what starts it; leave --warp out"
        )


def for_client(job: Job, factor: float) -> Job:
    """Return a job whose wishes are in the client's seconds."""
    wishes = {name: getattr(job.settings, name) * factor for name in WISHES}
    return msgspec.structs.replace(job, settings=msgspec.structs.replace(job.settings, **wishes))


def translated(declared: Declared, factor: float) -> Declared:
    """Return what a client declares, its settings in our seconds, without what it cannot be asked under a warp."""
    return msgspec.structs.replace(
        declared,
        capabilities=declared.capabilities - WITHOUT,
        settings={name: value / factor for name, value in declared.settings.items()},
    )
