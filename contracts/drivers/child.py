"""A child of ours: a command in a session of its own, so that it ends with all that it has started.

What a child starts may leave its session. On Linux it is found all the same, by a mark in its environment.
"""

import asyncio
import contextlib
import os
import secrets
import shlex
import shutil
import signal
from asyncio.subprocess import PIPE, SubprocessStreamProtocol
from collections.abc import Mapping, Sequence
from pathlib import Path

from contracts.drivers.base import HarnessError

# What a client may need to write its last words after SIGTERM.
TERM_GRACE_SECONDS = 0.5
# A child that has ended may leave its pipes for others to hold open: a moment, then they are closed.
PIPE_GRACE_SECONDS = 0.3
# The environment's name for the mark by which all that a child has started is found.
MARK = "OMNIMOCK_CHILD"
# As often is looked for those that were started while the others were ended.
_ROUNDS_MAX = 20
_READ_BYTES = 65_536
_PROC = Path("/proc")


class _Streams(SubprocessStreamProtocol):
    """Tells when the child itself has ended; asyncio waits for its pipes too, which others may hold open."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=_READ_BYTES, loop=loop)
        self.exited = asyncio.Event()

    def process_exited(self) -> None:
        super().process_exited()
        self.exited.set()


class Child:
    """A command that runs."""

    def __init__(self, transport: asyncio.SubprocessTransport, streams: _Streams, mark: str) -> None:
        assert isinstance(streams.stdin, asyncio.StreamWriter)
        assert isinstance(streams.stdout, asyncio.StreamReader)
        assert isinstance(streams.stderr, asyncio.StreamReader)
        self.stdin, self.stdout, self.stderr = streams.stdin, streams.stdout, streams.stderr
        self.pid = transport.get_pid()
        self._transport, self._exited, self._mark = transport, streams.exited, mark

    @property
    def status(self) -> int | None:
        """Its exit status, or the negative number of the signal that ended it; None while it runs."""
        return self._transport.get_returncode()

    async def wait(self) -> int:
        """Wait for its own end, whoever holds its pipes open; return its exit status."""
        await self._exited.wait()
        status = self.status
        assert status is not None
        return status

    async def end(self) -> None:
        """End it and all that it started: first with a word, then without."""
        if self.status is None:
            self._signal_all(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TERM_GRACE_SECONDS):
                    await self._exited.wait()
        # Those that it started may live on when it has ended.
        self._signal_all(signal.SIGKILL)
        await self._exited.wait()
        await asyncio.to_thread(end_marked, self._mark)
        self._transport.close()

    def _signal_all(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def name_of(command: Sequence[str]) -> str:
    """Return what a client is called that has not said its name: its program, with the file that it is given to run."""
    names = [os.path.basename(command[0])]  # noqa: PTH119  It is a text of the user's.
    names += [os.path.basename(each) for each in command[1:] if os.path.isfile(each)][:1]  # noqa: PTH113, PTH119  The same.
    return " ".join(names)


async def spawn(command: Sequence[str], environment: Mapping[str, str]) -> Child:
    """Start a command, an argument vector that no shell sees; raise HarnessError where it cannot be started."""
    check_command(command)
    loop, mark = asyncio.get_running_loop(), secrets.token_hex(16)
    try:
        transport, streams = await loop.subprocess_exec(
            lambda: _Streams(loop),
            *command,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env={**os.environ, **environment, MARK: mark},
            start_new_session=True,
        )
    except OSError as error:
        raise HarnessError(f"cannot start {shlex.join(command)}: {error.strerror or error}") from None
    except ValueError as error:
        # A null character in an argument or a variable.
        raise HarnessError(f"cannot start {shlex.join(command)}: {error}") from None
    return Child(transport, streams, mark)


def check_command(command: Sequence[str]) -> None:
    """Raise HarnessError where there is no such command, or it cannot be executed."""
    if not command:
        raise HarnessError("no command came: write it after --, such as `-- node my-client.mjs`")
    name = command[0]
    if shutil.which(name) is not None:
        return
    if os.path.isdir(name):  # noqa: PTH112  It is a text of the user's.
        raise HarnessError(f"cannot start {name}: it is a folder")
    if os.path.exists(name):  # noqa: PTH110  The same.
        path = name if os.sep in name else f".{os.sep}{name}"
        if os.access(name, os.X_OK):
            raise HarnessError(f"cannot start {name}: there is no such command on the PATH; here it is {path}")
        hint = f"make it so (chmod +x {shlex.quote(name)}) and call it {path}, or name its interpreter first"
        raise HarnessError(f"cannot start {name}: the file is not executable; {hint}")
    where = "there is no such file" if os.sep in name else "there is no such command on the PATH"
    raise HarnessError(f"cannot start {name}: {where}")


def end_marked(mark: str) -> None:
    """End whatever carries a mark in its environment, where the system tells (Linux)."""
    for _ in range(_ROUNDS_MAX):
        found = pids_with(f"{MARK}={mark}".encode())
        if not found:
            return
        for pid in found:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def pids_with(entry: bytes) -> list[int]:
    """Return those that have `NAME=value` in their environment, where the system tells (Linux)."""
    found = []
    for folder in _PROC.glob("[1-9]*"):
        # One that belongs to somebody else, or has just ended, tells nothing.
        with contextlib.suppress(OSError):
            if entry in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found
