"""How many sessions of a search a second holds.

    python -m benchmarks.fuzz --seconds 20

Over sockets with a quick client and with the reference one, and in virtual time: one run, figures side by side. Below
each row stands how long its sessions took: over sockets a session waits for what the server was drawn to do, and a
search is as quick as it plays them side by side.
"""

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import quantiles

import click
import msgspec

from contracts.arena import Arena
from contracts.case import Case, Play
from contracts.drivers.base import Declared
from contracts.drivers.in_process import name_of
from contracts.drivers.worker import WorkerDriver
from contracts.fuzz.fuzzing import WIDTH, Options, fuzz_live, fuzz_virtual
from contracts.fuzz.outcome import Budget, Outcome
from contracts.jobs import USUAL_CAPABILITIES
from contracts.observation import Session
from contracts.playing import LiveStage
from contracts.virtual_stage import VirtualStage

_EXAMPLES = Path(__file__).parent.parent / "examples/python"
# Sessions a second: what is to be reached, where a target was set.
WORKER_MIN, VIRTUAL_MIN = 50, 200
COMMANDS: dict[str, tuple[list[str], int | None]] = {
    "worker, quick client": ([sys.executable, "-m", "benchmarks.quick_client"], WORKER_MIN),
    "worker, reference client": ([sys.executable, str(_EXAMPLES / "worker.py")], None),
}
VIRTUAL = "virtual time, reference client"


class Row(msgspec.Struct, frozen=True):
    """One search: how many sessions, how long they took, and how many of them were under way at a time."""

    name: str
    target: int | None
    sessions: int
    seconds: float
    per_second: float
    # Of the sessions: what half of them, and nine in ten, stay below, and the slowest.
    half_seconds: float
    most_seconds: float
    slowest_seconds: float
    side_by_side: float
    # The processor time of this process, with the twin in it, for each of its seconds.
    processor: float
    broken: list[str]


class _TimedLive(LiveStage):
    """A stage that notes how long its sessions took."""

    def __init__(self, *args: object, times: list[float]) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._times = times

    async def play(self, case: Case, number: int, play: Play) -> Session:
        began = time.monotonic()
        session = await super().play(case, number, play)
        self._times.append(time.monotonic() - began)
        return session


class _TimedVirtual(VirtualStage):
    """The same, in virtual time: what a session costs, not what it pretends to."""

    times: list[float]

    def play_now(self, case: Case, number: int, play: Play) -> Session:
        began = time.monotonic()
        session = super().play_now(case, number, play)
        self.times.append(time.monotonic() - began)
        return session


@click.command()
@click.option("--seconds", default=15.0, show_default=True, type=click.FloatRange(0.1, 600), help="For each row.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0), help="What behaviours are drawn from.")
@click.option("--only", "only", multiple=True, type=click.Choice([*COMMANDS, VIRTUAL]), help="These rows alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(seconds: float, seed: int, only: Sequence[str], as_json: bool) -> None:
    """Search for so long with each client, and print how much was played. It is a report: the exit status is 0."""
    options = Options(seconds=seconds, seed=seed)
    rows = []
    for name, (command, target) in COMMANDS.items():
        if name in (only or [name]):
            rows.append(_measured(name, target, partial(_live, command, options)))
    if VIRTUAL in (only or [VIRTUAL]):
        rows.append(_measured(VIRTUAL, VIRTUAL_MIN, partial(_virtual, options)))
    click.echo(json.dumps(msgspec.to_builtins(rows), indent=2) if as_json else "\n".join(map(_line, rows)))


def _measured(name: str, target: int | None, search: Callable[[list[float]], Outcome]) -> Row:
    times: list[float] = []
    processor = time.process_time()
    outcome = search(times)
    processor = time.process_time() - processor
    parts = quantiles(times, n=10) if len(times) > 1 else [*times, 0.0] * 9
    return Row(
        name=name,
        target=target,
        sessions=outcome.sessions,
        seconds=outcome.seconds,
        per_second=outcome.sessions / outcome.seconds,
        half_seconds=parts[4],
        most_seconds=parts[8],
        slowest_seconds=max(times, default=0.0),
        side_by_side=sum(times) / outcome.seconds,
        processor=processor / outcome.seconds,
        broken=sorted(outcome.found),
    )


def _live(command: Sequence[str], options: Options, times: list[float]) -> Outcome:
    async def search() -> Outcome:
        async with Arena(lanes=WIDTH) as arena, contextlib.AsyncExitStack() as stack:
            driver = WorkerDriver(command, lanes=WIDTH)
            stack.push_async_callback(driver.close)
            stage = _TimedLive(arena, driver, await driver.start(), times=times)
            return await fuzz_live(stage, options, Budget(options.seconds))

    return asyncio.run(search())


def _virtual(options: Options, times: list[float]) -> Outcome:
    sys.path.insert(0, str(_EXAMPLES))
    try:
        from in_process import generate
    finally:
        sys.path.remove(str(_EXAMPLES))
    stage = _TimedVirtual(generate, Declared(name_of(generate), USUAL_CAPABILITIES))
    stage.times = times
    return fuzz_virtual(stage, options, Budget(options.seconds))


def _line(row: Row) -> str:
    reached = "reached" if row.target is not None and row.per_second >= row.target else "NOT REACHED"
    target = f" (target ≥ {row.target}: {reached})" if row.target is not None else ""
    broken = f"; BROKEN: {', '.join(row.broken)}" if row.broken else ""
    return (
        f"{row.name}: {row.per_second:.0f} sessions/s{target}, {row.sessions} in {row.seconds:.1f} s{broken}\n"
        f"    a session takes {row.half_seconds:.3f} s, nine in ten at most {row.most_seconds:.3f} s, the slowest "
        f"{row.slowest_seconds:.2f} s; {row.side_by_side:.1f} side by side; processor {row.processor:.0%} of a core"
    )


if __name__ == "__main__":
    main()
