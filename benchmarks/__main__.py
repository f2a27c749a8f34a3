"""`python -m benchmarks`: measures everything in one run and prints the report."""

import argparse
import contextlib
import json
import platform
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import in_process
from benchmarks.load import CONNECTIONS
from benchmarks.measure import memory, speeds, start_all, start_seconds
from benchmarks.report import IN_PROCESS_MAX, PAUSE_MS_MAX, START_MAX, TASK_BYTES_MAX, Report
from benchmarks.requests import read_submission
from benchmarks.servers import Cores, NotThereError, our_kinds, peer_kinds


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and return 0 (2 where nothing can be measured): whether a target is reached is for the reader."""
    chosen = _parser().parse_args(arguments)
    if not Path("/proc/self/stat").exists():
        sys.stderr.write("error: the processor time and the memory of servers are read from /proc, which is Linux's\n")
        return 2
    # Asked to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    rounds = chosen.rounds or (2 if chosen.quick else 7)
    seconds = chosen.seconds or (0.3 if chosen.quick else 1.0)
    tasks = chosen.tasks or (20_000 if chosen.quick else 1_000_000)
    starts = chosen.starts or (2 if chosen.quick else 9)
    cores, submission, ours = Cores.choose(), read_submission(), our_kinds()
    report = Report(
        {
            "python": platform.python_version(),
            "rounds": rounds,
            "seconds each": seconds,
            "connections": CONNECTIONS,
            "core of the servers": cores.server,
            "core of the load": cores.load,
            "tasks": tasks,
        }
    )
    peers = peer_kinds(chosen.peers) if chosen.peers else []
    if chosen.only:
        peers = [each for each in peers if each.name in chosen.only]
    if not peers:
        report.missing["peers"] = "bring them with --peers DIR; see benchmarks/README.md"
    with contextlib.ExitStack() as at_the_end:
        servers, missing = start_all([*ours.values(), *peers], cores, submission)
        for server in servers:
            at_the_end.callback(server.end)
        report.missing |= missing
        cores.pin(0, cores.load)
        report.add_speeds(speeds(servers, submission, rounds=rounds, seconds=seconds, missing=report.missing))
    _add_start(report, cores, starts)
    _add_memory(report, tasks)
    _add_in_process(report, quick=chosen.quick)
    sys.stdout.write(report.as_text() + "\n")
    if chosen.json:
        chosen.json.write_text(json.dumps(report.as_json(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


def _add_start(report: Report, cores: Cores, rounds: int) -> None:
    kinds, submission = our_kinds(), read_submission()
    taken = start_seconds([kinds["bare"], kinds["twin"]], cores, submission, rounds=rounds)
    detail = f"{taken['twin'] * 1_000:.0f} ms, bare {taken['bare'] * 1_000:.0f} ms"
    report.at_most("start to first answer: twin ÷ bare", taken["twin"] / taken["bare"], "×", START_MAX, detail)


def _add_memory(report: Report, tasks: int) -> None:
    found = memory(tasks)
    per_task = found["bytes_per_task"]
    detail = f"{per_task / 10:.0f} MB for 100,000"
    report.at_most("memory of a live task", per_task, "bytes", TASK_BYTES_MAX, detail)
    detail = f"by the wall clock {found['wall_pause_ms']:.1f} ms"
    report.at_most(f"longest pause up to {tasks:,} live tasks", found["pause_ms"], "ms", PAUSE_MS_MAX, detail)


def _add_in_process(report: Report, *, quick: bool) -> None:
    name = "call in process: twin ÷ MockTransport"
    try:
        ours, theirs = in_process.measure(read_submission(), rounds=5 if quick else 15, calls=50 if quick else 500)
    except NotThereError as error:
        report.not_there(name, f"≤ {IN_PROCESS_MAX:g}", str(error))
    else:
        detail = f"{ours * 1e6:.0f} µs, MockTransport {theirs * 1e6:.0f} µs"
        report.at_most(name, ours / theirs, "×", IN_PROCESS_MAX, detail)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few and short rounds: under a minute, and rough")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here too, as JSON")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="a folder with one folder for each peer")
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAMES", help="these peers, by commas")
    parser.add_argument("--rounds", type=int, help="rounds of load; each lasts --seconds for each server and operation")
    parser.add_argument("--seconds", type=float, help="how long one round loads one server with one operation")
    parser.add_argument("--starts", type=int, help="how often each server is started")
    parser.add_argument("--tasks", type=int, help="how many live tasks the memory and the pause are measured with")
    return parser


if __name__ == "__main__":
    sys.exit(main())
