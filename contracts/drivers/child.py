"""A child of ours: a command in a session of its own, so that it ends with all that it has started."""

import asyncio
import contextlib
import os
import shlex
import shutil
import signal
from collections.abc import Mapping, Sequence

from contracts.drivers.base import HarnessError

# What a client may need to write its last words after SIGTERM.
TERM_GRACE_SECONDS = 0.5


async def spawn(command: Sequence[str], environment: Mapping[str, str]) -> asyncio.subprocess.Process:
    """Start a command, an argument vector that no shell sees; raise HarnessError where it cannot be started."""
    check_command(command)
    try:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, **environment},
            start_new_session=True,
        )
    except OSError as error:
        raise HarnessError(f"cannot start {shlex.join(command)}: {error.strerror or error}") from None


def check_command(command: Sequence[str]) -> None:
    """Raise HarnessError where there is no such command, or it cannot be executed."""
    if not command:
        raise HarnessError("no command came: write it after --, such as `omnimock check -- node my-client.mjs`")
    name = command[0]
    if shutil.which(name) is not None:
        return
    if os.path.isdir(name):  # noqa: PTH112  It is a text of the user's.
        raise HarnessError(f"cannot start {name}: it is a folder")
    if os.path.exists(name):  # noqa: PTH110  The same.
        hint = f"make it so (chmod +x {shlex.quote(name)}), or name its interpreter first"
        raise HarnessError(f"cannot start {name}: the file is not executable; {hint}")
    where = "there is no such file" if os.sep in name else "there is no such command on the PATH"
    raise HarnessError(f"cannot start {name}: {where}")


async def end(child: asyncio.subprocess.Process) -> None:
    """End a child and all that it started: first with a word, then without."""
    if child.returncode is None:
        _signal_all(child, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(TERM_GRACE_SECONDS):
                await child.wait()
    # Those that it started may live on when it has ended.
    _signal_all(child, signal.SIGKILL)
    await child.wait()


def _signal_all(child: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, number)
