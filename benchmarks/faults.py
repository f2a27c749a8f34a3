"""What faults cost those whom they do not befall: `python -m benchmarks.faults [--before CHECKOUT]`.

Twins are loaded in turn, as by `python -m benchmarks`: one by itself, another such, which shows the noise, one beside
2,000 connections that are idle, one beside 2,000 whose reply hangs, and one whose scenario has a fault for lists, which
the load does not ask for. The twin of an earlier commit, where its checkout is given, runs beside them.
"""

import argparse
import contextlib
import json
import resource
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.load import fetch
from benchmarks.measure import Speeds, speeds
from benchmarks.requests import OPERATIONS, Submission, read_submission
from benchmarks.servers import Cores, Kind, Running

CONNECTIONS_BESIDE = 2_000
# What these cost may not be told from noise.
RATIO_MIN = 0.97
# The connections, and what else is open.
_OPEN_FILES = CONNECTIONS_BESIDE + 500
_FOR_LISTS = "name: for-lists\nabout: A list hangs.\nlist: [{fault: hang, times: always}]\n"


def kinds(folder: Path, before: Path | None) -> list[Kind]:
    """Return the servers to be compared; `folder` has the scenario, `before` is the earlier checkout."""
    serve = (sys.executable, "-P", "-m", "mock_server", "serve", "--port", "{port}")
    here = {"PYTHONPATH": str(Path(__file__).parents[1])}
    found = [Kind(name, serve, here) for name in ("alone", "alone again", "idle", "hanging")]
    found.append(Kind("fault for lists", (*serve, "--scenarios", str(folder), "--scenario", "for-lists"), here))
    if before is not None:
        found.append(Kind("before", serve, {"PYTHONPATH": str(before.resolve())}))
    return found


@contextlib.contextmanager
def beside(server: Running, request: bytes) -> Iterator[list[socket.socket]]:
    """Keep connections to a server that send a request (perhaps none) and wait; fail where one has ended meanwhile."""
    with contextlib.ExitStack() as open_ones:
        waiting = []
        for _ in range(CONNECTIONS_BESIDE):
            one = open_ones.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            one.sendall(request)
            one.setblocking(False)
            waiting.append(one)
        yield waiting
        for one in waiting:
            with contextlib.suppress(BlockingIOError):
                raise RuntimeError(f"a connection beside the load did not wait; it got {one.recv(200)!r}")


def hanging_list(server: Running, submission: Submission) -> bytes:
    """Give another key a scenario in which lists hang, and return the request for a list."""
    story = {"name": "hanging", "about": "A list hangs.", "list": [{"fault": "hang", "times": "always"}]}
    body = json.dumps({"scenario": story}).encode()
    head = b"host: 127.0.0.1\r\nauthorization: Bearer sk-hanging\r\n"
    length = b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    answer = fetch(server.port, b"PUT /_mock/scenario HTTP/1.1\r\n" + head + length + body)
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the scenario is refused: {answer!r}")
    return b"GET %b HTTP/1.1\r\n%b\r\n" % (submission.path.encode(), head)


def measure(before: Path | None, *, rounds: int, seconds: float) -> Speeds:
    """Return how each server does."""
    cores, submission = Cores.choose(), read_submission()
    with contextlib.ExitStack() as at_the_end:
        folder = Path(at_the_end.enter_context(tempfile.TemporaryDirectory()))
        (folder / "for-lists.yaml").write_text(_FOR_LISTS, encoding="utf-8")
        servers = []
        for kind in kinds(folder, before):
            servers.append(Running(kind, cores, submission.create))
            at_the_end.callback(servers[-1].end)
        cores.pin(0, cores.load)
        by_name = {each.name: each for each in servers}
        at_the_end.enter_context(beside(by_name["idle"], b""))
        at_the_end.enter_context(beside(by_name["hanging"], hanging_list(by_name["hanging"], submission)))
        missing: dict[str, str] = {}
        found = speeds(servers, submission, rounds=rounds, seconds=seconds, missing=missing)
        if missing:
            raise RuntimeError(f"not measured: {missing}")
        return found


def as_text(found: Speeds) -> str:
    """Return a line for each server and operation, the ratio to the twin by itself first (or of it to the earlier)."""
    lines = [f"a ratio of {RATIO_MIN:g} and more is reached; by requests/s, and by processor time"]
    for operation in OPERATIONS:
        alone = found["alone", operation]
        for name in dict.fromkeys(name for name, _ in found if name != "alone"):
            other = found[name, operation]
            one, two = (alone, other) if name == "before" else (other, alone)
            what = "alone ÷ before" if name == "before" else f"{name} ÷ alone"
            by_time = two.cpu_seconds_per_1000 / (one.cpu_seconds_per_1000 or 1)
            lines.append(
                f"{operation:<7}{what:<24}{one.per_second / two.per_second:5.2f}{by_time:6.2f}"
                f"   p99 {one.p99_ms:.1f} ms, {two.p99_ms:.1f} ms"
            )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.faults", description=__doc__)
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="a checkout of an earlier commit")
    parser.add_argument("--rounds", type=int, default=9)
    # Connections that are idle are closed after 75 s: all rounds must fit.
    parser.add_argument("--seconds", type=float, default=0.4)
    chosen = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (2 * _OPEN_FILES, hard))
    sys.stdout.write(as_text(measure(chosen.before, rounds=chosen.rounds, seconds=chosen.seconds)))


if __name__ == "__main__":
    main()
