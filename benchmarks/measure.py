"""The measurements: interleaved rounds over all servers, so that what disturbs one disturbs its neighbours too."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.load import CONNECTIONS, LoadError, fetch, run_load
from benchmarks.requests import OPERATIONS, Submission
from benchmarks.servers import Cores, Kind, NotThereError, Running

# So many tasks are queried in turn.
_QUERIED = 100
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Speed:
    """How one server does at one operation: medians over the rounds."""

    per_second: float
    cpu_seconds_per_1000: float
    p50_ms: float
    p99_ms: float


Speeds = dict[tuple[str, str], Speed]


def start_all(kinds: Sequence[Kind], cores: Cores, submission: Submission) -> tuple[list[Running], dict[str, str]]:
    """Start each server that can be, and say of the others why not."""
    running, missing = [], dict[str, str]()
    for kind in kinds:
        try:
            running.append(Running(kind, cores, submission.create))
        except NotThereError as error:
            missing[kind.name] = str(error)
    return running, missing


def speeds(
    servers: Sequence[Running], submission: Submission, *, rounds: int, seconds: float, missing: dict[str, str]
) -> Speeds:
    """Load each server in turn with creates and queries; one that fails is taken out, and `missing` says why."""
    seen: dict[tuple[str, str], list[Speed]] = {}
    requests: dict[str, dict[str, list[bytes]]] = {}
    left = list(servers)
    for number in range(rounds + 1):
        for server in list(left):
            try:
                if number == 0:
                    requests[server.name] = _requests(server, submission)
                for operation in OPERATIONS:
                    speed = _one_round(server, requests[server.name][operation], seconds)
                    # The first round warms up.
                    if number:
                        seen.setdefault((server.name, operation), []).append(speed)
            except (LoadError, OSError, ValueError) as error:
                left.remove(server)
                missing[server.name] = str(error)
        time.sleep(_PAUSE_SECONDS)
    return {key: _medians(each) for key, each in seen.items() if key[0] not in missing}


def _requests(server: Running, submission: Submission) -> dict[str, list[bytes]]:
    queries = [submission.query(fetch(server.port, submission.create)) for _ in range(_QUERIED)]
    return {"create": [submission.create], "fresh": submission.fresh, "query": queries}


def _one_round(server: Running, requests: list[bytes], seconds: float) -> Speed:
    used = server.cpu_seconds
    load = run_load(server.port, requests, seconds=seconds, connections=CONNECTIONS)
    used = server.cpu_seconds - used
    latencies = sorted(load.latencies)
    return Speed(
        load.per_second,
        used / load.answers * 1_000,
        latencies[len(latencies) // 2] * 1_000,
        latencies[len(latencies) * 99 // 100] * 1_000,
    )


def _medians(several: Sequence[Speed]) -> Speed:
    return Speed(
        median(each.per_second for each in several),
        median(each.cpu_seconds_per_1000 for each in several),
        median(each.p50_ms for each in several),
        median(each.p99_ms for each in several),
    )


def start_seconds(kinds: Sequence[Kind], cores: Cores, submission: Submission, *, rounds: int) -> dict[str, float]:
    """Start each server several times, in turn, and return the median time to its first answer."""
    taken: dict[str, list[float]] = {kind.name: [] for kind in kinds}
    for number in range(rounds + 1):
        for kind in kinds:
            server = Running(kind, cores, submission.create)
            server.end()
            # The first start reads everything from the disk.
            if number:
                taken[kind.name].append(server.start_seconds)
    return {name: median(several) for name, several in taken.items()}


def memory(tasks: int) -> dict[str, float]:
    """Return what `benchmarks.memory` finds, in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory", str(tasks)], capture_output=True, text=True, check=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found
