"""The score: how many mutants their cases have caught, and how often a right client was accused."""

import asyncio
import concurrent.futures
import contextlib
import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec

from contracts.case import case_of, catalogue
from tests.selfcheck.clients import RIGHT_CLIENTS, RightClient, Soundness
from tests.selfcheck.mutants import MUTANTS, Mutant
from tests.selfcheck.trial import Trial, needs_sockets, try_as_workers, try_virtually

# Busy processes end by themselves, should nobody end them.
_BUSY_SECONDS_MAX = 1_800
_BUSY = f"import time\nends_at = time.monotonic() + {_BUSY_SECONDS_MAX}\nwhile time.monotonic() < ends_at: pass"

Told = Callable[[Trial | Soundness], None]


class Score(msgspec.Struct, frozen=True):
    """What came of one round."""

    trials: tuple[Trial, ...]
    clients: tuple[Soundness, ...]

    @property
    def missed(self) -> list[Trial]:
        """The mutants that their cases have not caught."""
        return [each for each in self.trials if not each.caught]

    @property
    def accused(self) -> list[Soundness]:
        """The right clients in which something wrong was found."""
        return [each for each in self.clients if each.alarms]

    @property
    def perfect(self) -> bool:
        """Whether every mutant was caught, and no right client accused."""
        return not self.missed and not self.accused

    def summary(self) -> str:
        """Return it in one line."""
        caught, alarms = len(self.trials) - len(self.missed), sum(len(each.alarms) for each in self.clients)
        share = 100 * caught / len(self.trials) if self.trials else 100.0
        examined = sum(1 for each in self.clients if not each.absent)
        found = f"mutants caught: {caught}/{len(self.trials)} ({share:.0f} %)"
        return f"{found}; false alarms: {alarms} on {examined} right clients"


def unguarded_cases() -> list[str]:
    """Return the cases that judge, and have no mutant."""
    guarded = {each.case for each in MUTANTS}
    return [each.id for each in catalogue() if each.level != "info" and each.id not in guarded]


def try_mutants(
    mutants: Sequence[Mutant] = MUTANTS,
    told: Told = lambda each: None,
    *,
    sockets: bool = False,
    every_case: bool = False,
) -> list[Trial]:
    """Try mutants by their own cases, or by all; `sockets` plays over sockets what could be played in virtual time."""
    live = [each for each in mutants if sockets or needs_sockets(case_of(each.case))]
    virtual = [each for each in mutants if each not in live]
    trials: list[Trial] = []
    for trial in _virtually(virtual, every_case=every_case):
        told(trial)
        trials.append(trial)
    if live:
        trials += asyncio.run(try_as_workers(live, told, every_case=every_case))
    order = [each.name for each in mutants]
    return sorted(trials, key=lambda each: order.index(each.mutant))


def check_clients(clients: Sequence[RightClient] = RIGHT_CLIENTS, told: Told = lambda each: None) -> list[Soundness]:
    """Examine right clients, one after the other."""
    found = []
    for each in clients:
        found.append(each.check())
        told(found[-1])
    return found


@contextlib.contextmanager
def busy(count: int) -> Iterator[None]:
    """Have so many processes that do nothing but keep the machine busy."""
    children = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(count)]
    try:
        yield
    finally:
        for each in children:
            each.kill()
        for each in children:
            each.wait()


def _virtually(mutants: Sequence[Mutant], *, every_case: bool) -> Iterator[Trial]:
    if not every_case:
        yield from map(try_virtually, mutants)
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fresh = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(cores, mp_context=fresh) as pool:
        waiting = [pool.submit(try_virtually, each, every_case=True) for each in mutants]
        yield from (each.result() for each in waiting)
