"""The servers that are measured: how each is started, pinned to its core, looked at and ended."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.load import LoadError, fetch

# A Java peer needs five; what has not answered by then is not installed.
_START_SECONDS_MAX = 30.0
_GLANCE_SECONDS = 0.001
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class NotThereError(Exception):
    """A server cannot be measured here; the message says why."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server: a name, and the command that starts it. `{port}` in it stands for the port."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def our_kinds() -> dict[str, Kind]:
    """Return the twin in both ways, and what bounds them."""
    python = (sys.executable, "-m")
    kinds = [
        Kind("bare", (*python, "benchmarks.bare_app", "{port}")),
        Kind("twin", (*python, "mock_server", "serve", "--port", "{port}")),
        Kind("plain", (*python, "benchmarks.plain_server", "{port}")),
        Kind("raw", (*python, "benchmarks.raw_server", "{port}")),
    ]
    return {each.name: each for each in kinds}


def peer_kinds(folder: Path) -> list[Kind]:
    """Return a kind for each folder in it with a `run.sh`, which takes its port from the variable PORT."""
    scripts = sorted(folder.glob("*/run.sh"))
    return [Kind(script.parent.name, ("bash", str(script)), {"PORT": "{port}"}) for script in scripts]


@dataclass(frozen=True, slots=True)
class Cores:
    """Where servers and load run; None where there are not two cores, or the system does not let choose."""

    server: int | None
    load: int | None

    @classmethod
    def choose(cls) -> "Cores":
        """Return the first core for the servers, and the last for the load."""
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        return cls(cores[0], cores[-1]) if len(cores) > 1 else cls(None, None)

    def pin(self, pid: int, core: int | None) -> None:
        """Keep a process (0 is this one) on its core, and what it starts too."""
        if core is not None:
            os.sched_setaffinity(pid, {core})


class Running:
    """A server that has answered, in a process group of its own."""

    def __init__(self, kind: Kind, cores: Cores, request: bytes) -> None:
        """Start it and wait for its first answer; raise NotThereError where none comes."""
        self.name, self.port = kind.name, _free_port()
        # Compiled modules are kept: without them it is Python's compiler that is measured.
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        mine = {name: value.format(port=self.port) for name, value in kind.environment.items()}
        started = time.perf_counter()
        self.process = subprocess.Popen(
            [part.format(port=self.port) for part in kind.command],
            env={**kept, **mine},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            cores.pin(self.process.pid, cores.server)
            self.answer = self._first_answer(request, started + _START_SECONDS_MAX)
        except BaseException:
            self.end()
            raise
        self.start_seconds = time.perf_counter() - started

    def _first_answer(self, request: bytes, until: float) -> bytes:
        while time.perf_counter() < until:
            if self.process.poll() is not None:
                raise NotThereError(f"it ended with status {self.process.returncode}: is it installed?")
            try:
                answer = fetch(self.port, request)
            except (OSError, LoadError):
                time.sleep(_GLANCE_SECONDS)
                continue
            if not answer.startswith(b"HTTP/1.1 200"):
                raise NotThereError(f"it answers a submit with {answer[:40]!r}")
            return answer
        raise NotThereError(f"it has not answered in {_START_SECONDS_MAX:g} s")

    @property
    def cpu_seconds(self) -> float:
        """How much processor time its processes have used."""
        return sum((int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND for fields in self._processes())

    def _processes(self) -> Iterator[list[str]]:
        for stat in Path("/proc").glob("[0-9]*/stat"):
            # A process may end while it is looked at.
            with contextlib.suppress(OSError):
                fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
                if int(fields[2]) == self.process.pid:
                    yield fields

    def end(self) -> None:
        """End its whole group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
