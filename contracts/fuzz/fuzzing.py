"""Fuzzes a client: puts the search, its stage and what is drawn together.

Hypothesis runs in threads of its own and waits there for the sessions, which are played in the event loop.
"""

import asyncio
import concurrent.futures
import itertools
import os
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

import msgspec

from contracts.fuzz.behaviour import FUZZ, Behaviour
from contracts.fuzz.draw import behaviours
from contracts.fuzz.invariants import INVARIANTS
from contracts.fuzz.outcome import Budget, Outcome
from contracts.fuzz.pools import body_pool, request_pool, validity
from contracts.fuzz.search import Over, Search
from contracts.observation import Session
from contracts.playing import LiveStage
from contracts.stage import Stage
from contracts.virtual_stage import VirtualStage
from mock_server.names import nearest

# Over sockets a session waits in real time; in virtual time only the client's steps cost anything.
QUICK = {"poll_interval_seconds": 0.02, "request_timeout_seconds": 0.3, "deadline_seconds": 2.0}
VIRTUAL = {"poll_interval_seconds": 0.4, "request_timeout_seconds": 6.0, "deadline_seconds": 24.0}
# What is drawn fits an interval of so much.
_DRAWN_INTERVAL_SECONDS = QUICK["poll_interval_seconds"]
# As many sessions side by side as a small machine carries: they wait more than they work.
WIDTH = 24
# A program that is started for each session works far more.
EXEC_WIDTH = max(2, os.cpu_count() or 2)
# More than are ever played at once.
_NUMBERS = 1_000
# How often a session is played again whose client ended while it had other jobs.
_TRIES_APART = 2


class Options(msgspec.Struct, frozen=True):
    """What is searched for, and for how long."""

    seconds: float = 60.0
    examples: int | None = None
    seed: int = 0
    invariants: Sequence[str] = ()
    corpus: Sequence[Behaviour] = ()
    # So many sessions are played side by side, over sockets.
    width: int = WIDTH


def chosen_invariants(globs: Sequence[str]) -> list[str]:
    """Return the invariants that a glob names, all where there is none; raise ValueError for a glob that fits none."""
    for glob in globs:
        if not any(fnmatchcase(name, glob) for name in INVARIANTS):
            raise ValueError(f"there is no invariant {glob!r}; {nearest(glob, INVARIANTS)}")
    return [name for name in INVARIANTS if not globs or any(fnmatchcase(name, glob) for glob in globs)]


def settings_for(stage: Stage) -> dict[str, float]:
    """Return what jobs are asked to spend: what the client declared that it spends anyway, and the rest to fit."""
    usual, declared = VIRTUAL if stage.virtual else QUICK, stage.declared.settings
    slower = declared.get("poll_interval_seconds", 0.0) / usual["poll_interval_seconds"]
    return {**{name: value * max(1.0, slower) for name, value in usual.items()}, **declared}


def search_for(
    stage: Stage, plays: Callable[[Sequence[Behaviour]], Sequence[Session]], options: Options, budget: Budget
) -> Search:
    """Return a search on a stage, ready to run."""
    program, declared = stage.twin.program, stage.declared
    strategy = behaviours(
        program.spec,
        requests=request_pool(program, declared.capabilities, options.seed),
        bodies=body_pool(program, options.seed),
        times=max(1, round(settings_for(stage)["poll_interval_seconds"] / _DRAWN_INTERVAL_SECONDS)),
        callbacks=not stage.virtual and bool({"callbacks", "callback-relay"} & declared.capabilities),
    )
    return Search(
        plays,
        strategy,
        valid=validity(program, stage.twin.catalogue),
        seed=options.seed,
        budget=budget,
        names=chosen_invariants(options.invariants),
        width=1 if stage.virtual else options.width,
    )


class _Sessions:
    """Plays sessions in the event loop for threads that wait for them."""

    def __init__(self, stage: LiveStage, budget: Budget) -> None:
        self._stage, self._budget, self._loop = stage, budget, asyncio.get_running_loop()
        self._settings = settings_for(stage)
        # Sessions that run side by side have numbers of their own, and so have their tasks.
        self._numbers = itertools.cycle(range(_NUMBERS))
        self._playing: set[concurrent.futures.Future[list[Session]]] = set()

    def play(self, behaviours: Sequence[Behaviour]) -> Sequence[Session]:
        """Return what was seen; raise Over where the time is over before that. It is called from other threads."""
        future = asyncio.run_coroutine_threadsafe(self._all(behaviours), self._loop)
        self._playing.add(future)
        try:
            if self._budget.stopped:
                raise KeyboardInterrupt
            return future.result(max(0.0, self._budget.left_seconds))
        except TimeoutError:
            if not future.cancel() and future.done():
                # Of its own making.
                raise
            raise Over from None
        except concurrent.futures.CancelledError:
            # Hypothesis takes it for what it is, and does not try again.
            raise KeyboardInterrupt from None
        finally:
            future.cancel()
            self._playing.discard(future)

    def stop(self) -> None:
        """Break off what is being played."""
        self._budget.stopped = True
        for each in list(self._playing):
            each.cancel()

    async def _all(self, behaviours: Sequence[Behaviour]) -> list[Session]:
        return list(await asyncio.gather(*map(self._one, behaviours)))

    async def _one(self, behaviour: Behaviour) -> Session:
        play = behaviour.play(self._settings)
        session = await self._stage.play(FUZZ, next(self._numbers), play)
        for _ in range(_TRIES_APART):
            if not any(each.ending.shared for each in session.jobs):
                break
            # The client ended under several jobs: whose doing it was is seen when each has a client of its own.
            self._stage.driver.separate()
            session = await self._stage.play(FUZZ, next(self._numbers), play)
        return session


async def fuzz_live(
    stage: LiveStage, options: Options, budget: Budget, progress: Callable[[Outcome], None] = lambda outcome: None
) -> Outcome:
    """Fuzz over sockets. Raise HarnessError where the client cannot be driven."""
    sessions = _Sessions(stage, budget)

    def run() -> Outcome:
        search = search_for(stage, sessions.play, options, budget)
        search.on_progress(progress)
        try:
            search.first(options.corpus)
        except KeyboardInterrupt:
            return search.outcome
        return search.run()

    searching = asyncio.ensure_future(asyncio.to_thread(run))
    try:
        return await asyncio.shield(searching)
    except asyncio.CancelledError:
        sessions.stop()
        # The threads are done in a moment; what the sessions need is taken away only then.
        await asyncio.wait({searching})
        if not searching.cancelled() and searching.exception() is None:
            progress(searching.result())
        raise


def fuzz_virtual(stage: VirtualStage, options: Options, budget: Budget) -> Outcome:
    """Fuzz in virtual time, outside of any event loop."""
    settings = settings_for(stage)

    def plays(batch: Sequence[Behaviour]) -> Sequence[Session]:
        return [stage.play_now(FUZZ, 0, each.play(settings)) for each in batch]

    search = search_for(stage, plays, options, budget)
    search.first(options.corpus)
    outcome = search.run()
    if budget.stopped:
        # A test that is interrupted has not passed.
        raise KeyboardInterrupt
    return outcome
