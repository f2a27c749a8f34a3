"""What the tests of the examiner share: the clients, jobs, and whether a process lives."""

import asyncio
import contextlib
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.jobs import Job

CLIENTS = Path(__file__).parent / "clients"
# Long enough for a busy machine to start an interpreter; nobody waits so long where all is well.
PATIENCE_SECONDS = 30.0
BASE_URL = "http://127.0.0.1:9"


def client(name: str, *arguments: str) -> list[str]:
    """Return the command of a client in this folder. Without site packages it starts at once."""
    return [sys.executable, "-S", str(CLIENTS / f"{name}.py"), *arguments]


def job(name: str = "j-1", prompt: str = "A lighthouse.", **more: Any) -> Job:
    return Job(name, BASE_URL, more.pop("api_key", "sk-test-0123456789"), {"prompt": prompt, **more})


def lives(pid: int) -> bool:
    """Whether a process runs. One that has ended and was not asked after does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def living_with(variable: str) -> list[int]:
    """Return those whose environment has a variable with this value."""
    found = []
    for each in Path("/proc").glob("[1-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (each / "environ").read_bytes().split(b"\0") and lives(int(each.name)):
                found.append(int(each.name))
    return found


def memory_peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that other programs do, and nobody tells of."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not true():  # noqa: ASYNC110  There is no event to wait for.
            await asyncio.sleep(0.01)
