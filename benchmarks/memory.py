"""How much memory a live task takes, and the longest pause on the way to many: `python -m benchmarks.memory TASKS`.

The endpoint is called without a socket, set up as the server sets it up. Everything counts that a task leaves behind:
its body, plan and ids, its places in the store. A pause is the longest that one submit took: by the processor's time,
which other programs of the machine cannot lengthen, and by the wall clock beside it.
"""

import json
import os
import sys
import time
from pathlib import Path

from benchmarks.requests import read_submission
from mock_server.exchange import Incoming
from mock_server.server import settle_garbage_collector
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from mock_server.worlds import Bounds

# More than a journal keeps, so that what grows afterwards is tasks.
_WARM_UP = 2_000


def measure(tasks: int) -> dict[str, float]:
    """Submit so many tasks, and return bytes for each, and the longest pauses in milliseconds."""
    settings, submission = Settings(), read_submission()
    twin = make_twin(settings, load_program(settings), bounds=Bounds(tasks=tasks + _WARM_UP))
    incoming = Incoming("POST", submission.path.encode(), b"", submission.headers, submission.body)
    settle_garbage_collector()

    def submit() -> None:
        # The body is one of its own for each request, as it is over a socket.
        fresh = bytes(bytearray(incoming.body))
        reply = twin.endpoint.answer(Incoming("POST", incoming.path, b"", list(incoming.headers), fresh))
        assert reply.status == 200, reply

    for _ in range(_WARM_UP):
        submit()
    before, wall_ns, processor_ns = _resident_bytes(), 0, 0
    for _ in range(tasks):
        wall, processor = time.perf_counter_ns(), time.process_time_ns()
        submit()
        processor_ns = max(processor_ns, time.process_time_ns() - processor)
        wall_ns = max(wall_ns, time.perf_counter_ns() - wall)
    return {
        "bytes_per_task": (_resident_bytes() - before) / tasks,
        "pause_ms": processor_ns / 1e6,
        "wall_pause_ms": wall_ns / 1e6,
    }


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
