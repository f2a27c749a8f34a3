"""A hundred thousand callbacks due within a minute: `python -m benchmarks.deliveries`, which takes about that long.

The twin runs by the system clock, and signs. Tasks are submitted as fast as they are taken, each with three callbacks:
one at once, one after 8 to 12 s, and one after 16 to 24 s. A receiver in a process of its own counts each delivery by
its id. Meanwhile one client asks for a task every few milliseconds, and tells how long it waits.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.load import LoadError, fetch, is_whole, run_load
from mock_server.reader import load_spec
from mock_server.resources import resource
from mock_server.spec import Operation

_KEY = "sk-benchmark"
_SECRET = "whsec_" + "QSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcyAuLi4="
_SCENARIO = """\
name: minute
about: Three callbacks of each task are due within a minute.
lifecycle: {{pace: {pace}}}
"""
_CALLBACKS_PER_TASK = 3
# So the callbacks of the last task are due before the minute is over.
_SUBMIT_SECONDS_MAX = 35.0
# When it has not ended by then, what is missing is reported.
_SECONDS_MAX = 120.0
_START_SECONDS_MAX = 30.0
_PAUSE_SECONDS = 0.005


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a report as JSON, and return 0 where each delivery came exactly once."""
    chosen = _parser().parse_args(arguments)
    # Asked to end, it ends what it has started.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))
    with contextlib.ExitStack() as at_the_end:
        folder = Path(at_the_end.enter_context(tempfile.TemporaryDirectory()))
        (folder / "minute.yaml").write_text(_SCENARIO.format(pace=chosen.pace), encoding="utf-8")
        receiver_port, twin_port = _free_port(), _free_port()
        receiver = at_the_end.enter_context(_running("benchmarks.receiver", str(receiver_port)))
        twin = at_the_end.enter_context(
            _running(
                *("mock_server", "serve", "--port", str(twin_port), "--callback-secret", _SECRET),
                *("--scenarios", str(folder), "--scenario", "minute"),
            )
        )
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) > 1:
            os.sched_setaffinity(twin.pid, {cores[0]})
            for pid in (receiver.pid, 0):
                os.sched_setaffinity(pid, {cores[-1]})
        _wait_for(receiver_port)
        _wait_for(twin_port)
        report = _measure(twin, twin_port, receiver_port, chosen.deliveries // _CALLBACKS_PER_TASK + 1)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if report["missing"] == report["too often"] == 0 else 1


def _measure(twin: "subprocess.Popen[bytes]", port: int, receiver_port: int, tasks: int) -> dict[str, Any]:
    submit = _submit(f"http://127.0.0.1:{receiver_port}/callback")
    # What is loaded with the first callbacks is not memory of a task.
    run_load(port, [submit], seconds=_SUBMIT_SECONDS_MAX, answers_max=100)
    time.sleep(1)
    before, started_at, processor = _memory(twin.pid, "VmRSS"), time.time(), _processor_seconds(twin.pid)
    submits = run_load(port, [submit], seconds=_SUBMIT_SECONDS_MAX, answers_max=tasks)
    live = _memory(twin.pid, "VmRSS")
    submitted = _count(port, "omnimock_tasks_submitted_total")
    waits = _ask_until_all_came(port, receiver_port, submitted * _CALLBACKS_PER_TASK)
    counts = _counts(receiver_port)
    expected = submitted * _CALLBACKS_PER_TASK
    seconds = counts["last_at"] - started_at
    return {
        "deliveries expected": expected,
        "different that came": counts["different"],
        "delivered, as the twin counts": _count(port, 'omnimock_callback_deliveries_total{outcome="delivered"}'),
        "missing": expected - counts["different"],
        "too often": counts["received"] - counts["different"],
        "seconds from the first submit to the last callback": round(seconds, 1),
        "deliveries in a second, over all": round(expected / seconds),
        "processor microseconds for each delivery, its share of a submit and of queries included": round(
            (_processor_seconds(twin.pid) - processor) / expected * 1e6
        ),
        "tasks": submitted,
        "submits in a second": round(submits.per_second),
        "a submit, ms": _spread(submits.latencies),
        "a query meanwhile, ms": _spread(waits),
        "queries": len(waits),
        "bytes for a live task with two callbacks to come": round((live - before) / max(1, len(submits.latencies))),
        "most memory, MB": round(_memory(twin.pid, "VmHWM") / 1e6),
    }


def _ask_until_all_came(port: int, receiver_port: int, expected: int) -> list[float]:
    """Ask for one task, over and over, until every callback has come; return how long each answer took."""
    request = _request("GET", f"{_operation().path}/{_task_id(port)}")
    waits: list[float] = []
    ends_at = look_at = time.monotonic() + _SECONDS_MAX
    look_at -= _SECONDS_MAX
    with socket.create_connection(("127.0.0.1", port), timeout=_START_SECONDS_MAX) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (now := time.monotonic()) < ends_at:
            if now >= look_at:
                if _counts(receiver_port)["received"] >= expected:
                    break
                look_at = now + 0.5
            asked_at = time.perf_counter()
            connection.sendall(request)
            came = b""
            while not is_whole(came):
                came += connection.recv(65_536)
            waits.append(time.perf_counter() - asked_at)
            time.sleep(_PAUSE_SECONDS)
    # One that comes twice may still be on its way.
    time.sleep(1)
    return waits


# What is asked


def _operation() -> Operation:
    spec = load_spec(resource("openapi.yaml"))
    return next(each for each in spec.operations if each.role == "submit" and each.delivery is not None)


def _submit(url: str) -> bytes:
    """The example that the spec shows first, with this address, and without an id of the client's: it comes once."""
    operation = _operation()
    assert operation.delivery is not None
    body = {name: value for name, value in next(iter(operation.examples.values())).items() if "external" not in name}
    body[operation.delivery.url.rpartition("/")[2]] = url
    return _request("POST", operation.path, json.dumps(body).encode())


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {_KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _task_id(port: int) -> str:
    answer = json.loads(fetch(port, _request("GET", "/_mock/tasks?limit=1")).partition(b"\r\n\r\n")[2])
    return str(answer["tasks"][0]["id"])


def _count(port: int, name: str) -> int:
    page = fetch(port, _request("GET", "/_mock/metrics")).decode()
    return sum(int(float(line.rpartition(" ")[2])) for line in page.splitlines() if line.startswith(name))


def _counts(port: int) -> dict[str, Any]:
    counts: dict[str, Any] = json.loads(fetch(port, _request("GET", "/")).partition(b"\r\n\r\n")[2])
    return counts


# What is looked at


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    return {
        name: round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1_000, 2)
        for name, share in (("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("longest", 1.0))
    }


def _memory(pid: int, name: str) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1_024


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# What is started


@contextlib.contextmanager
def _running(module: str, *arguments: str) -> "Iterator[subprocess.Popen[bytes]]":
    process = subprocess.Popen([sys.executable, "-m", module, *arguments], stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(port: int) -> None:
    until = time.monotonic() + _START_SECONDS_MAX
    while time.monotonic() < until:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        time.sleep(0.01)
    raise LoadError(f"nobody answered at port {port} in {_START_SECONDS_MAX:g} s")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deliveries", description=__doc__)
    parser.add_argument("--deliveries", type=int, default=100_000, help="how many callbacks, about")
    parser.add_argument("--pace", default="8s..12s", help="how long a task stays on each status")
    return parser


if __name__ == "__main__":
    sys.exit(main())
