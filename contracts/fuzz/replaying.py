"""Replays a finding on a client: on what a driver drives, or on a Python callable."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from contracts.arena import Arena
from contracts.drivers.base import Declared, Driver, HarnessError
from contracts.drivers.in_process import Client, is_async, name_of
from contracts.examine import takes_clock
from contracts.fuzz.behaviour import FUZZ
from contracts.fuzz.found import HERE, Kept, check_playable
from contracts.fuzz.invariants import INVARIANTS, broken_in
from contracts.fuzz.outcome import Found
from contracts.fuzz.search import CONFIRMATIONS, DOUBTFUL_MAX
from contracts.jobs import USUAL_CAPABILITIES
from contracts.observation import Session
from contracts.playing import LiveStage
from contracts.stage import Stage
from contracts.virtual_stage import VirtualStage

# How often a finding is played, side by side.
PLAYS = 1 + CONFIRMATIONS
# The capabilities that a finding may need of a client that does not say what it can.
CAPABILITIES = USUAL_CAPABILITIES | {"callbacks"}


async def replay(stage: Stage, kept: Kept) -> Found | None:
    """Play a finding a few times; return what broke, and how often, or None where nothing did."""
    play = kept.behaviour.play(dict(kept.settings))
    return _judged(kept, await asyncio.gather(*(stage.play(FUZZ, number, play) for number in range(PLAYS))))


def replay_callable(kept: Kept, client: Client) -> Found | None:
    """Replay a finding on a callable, in virtual time. Raise ValueError where the two cannot be played."""
    if not is_async(client) and not takes_clock(client):
        raise ValueError(f"{name_of(client)} is sync and takes no clock: write it as (job, clock)")
    stage = VirtualStage(client, Declared(name_of(client), USUAL_CAPABILITIES))
    check_playable({HERE: kept}, stage.twin)
    play = kept.behaviour.play(dict(kept.settings))
    return _judged(kept, [stage.play_now(FUZZ, 0, play) for _ in range(PLAYS)])


async def replay_driver(kept: Kept, driver: Driver, where: Path | str = HERE, **arena: Any) -> Found | None:
    """Replay a finding on a driver, which is closed then; `arena` are settings of the twin's.

    Raise FoundError, which says `where` it stands, for one that cannot be played, HarnessError where the client cannot
    be driven.
    """
    async with Arena(lanes=PLAYS, **arena) as one:
        check_playable({str(where): kept}, one.twin)
        try:
            return await replay(LiveStage(one, driver, await driver.start()), kept)
        finally:
            await driver.close()


def _refused(session: Session) -> bool:
    """Whether a client said that it does not send such a request."""
    return any(each.outcome == "refused" for each in session.jobs)


def _judged(kept: Kept, sessions: Sequence[Session]) -> Found | None:
    wanted = frozenset((kept.invariant,))
    broken = [(found[0], each) for each in sessions if (found := broken_in(each, wanted))]
    # Once in five is what a busy machine does to what takes time.
    if len(broken) > (DOUBTFUL_MAX if INVARIANTS[kept.invariant].timed else 0):
        first, session = broken[0]
        return Found(first, kept.behaviour, session, broke=len(broken), played=len(sessions))
    if not any(each.wire for each in sessions) and not any(_refused(each) for each in sessions):
        printed = b"\n".join(each.log for each in sessions).decode("utf-8", "replace").split("\n")
        last = next((each for each in reversed(printed) if each.strip()), "")
        raise HarnessError(
            f"no request came in any of {len(sessions)} plays, so nothing can be told; the client's last line: "
            f"{last[:200]!r}"
        )
    return None
