"""The exec driver: starts the command once for each job.

The job is a line of JSON on standard input, and in the environment. The result is the last line of standard output that
is a JSON object with an outcome; everything else is the client's log.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

import msgspec

from contracts.drivers.base import LOG_BYTES_MAX, Declared, Ending, HarnessError, Kind, Log, now
from contracts.drivers.child import check_command, end, spawn
from contracts.jobs import USUAL_CAPABILITIES, BadResult, Job, Result, result_from

# What a client that has ended may leave in its pipes for others to hold open: a moment, then it is closed.
_PIPE_GRACE_SECONDS = 0.3


class ExecDriver:
    """Starts a command for each job."""

    kind: Kind = "exec"

    def __init__(
        self,
        command: Sequence[str],
        *,
        capabilities: frozenset[str] = USUAL_CAPABILITIES,
        settings: Mapping[str, float] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` names variables that the client reads; `{base_url}` and `{api_key}` in them are filled in."""
        self.command = tuple(command)
        self._capabilities, self._settings = capabilities, dict(settings or {})
        self._environment = dict(environment or {})
        self._results: dict[str, int] = {}

    async def start(self) -> Declared:
        """See that the command is there."""
        check_command(self.command)
        return Declared(self.command[0], self._capabilities, self._settings)

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Start the command for a job, and wait for its end."""
        line = msgspec.json.encode(job.message()) + b"\n"
        began = now()
        child = await spawn(self.command, environment_of(job, self._environment))
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        log, output = Log(), Log()
        readers = [
            asyncio.create_task(_read(child.stdout, output)),
            asyncio.create_task(_read(child.stderr, log)),
        ]
        hung = False
        try:
            async with asyncio.timeout(limit_seconds):
                with contextlib.suppress(OSError):
                    child.stdin.write(line)
                    await child.stdin.drain()
                    child.stdin.close()
                await child.wait()
        except TimeoutError:
            hung = True
        ended = now()
        status = child.returncode
        # What it started may hold its pipes open.
        await asyncio.wait(readers, timeout=0 if hung else _PIPE_GRACE_SECONDS)
        await end(child)
        for each in readers:
            each.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
        printed = output.content
        found = [_object(each) for each in printed.splitlines()]
        self._results[job.job] = sum(each is not None and each.get("outcome") is not None for each in found)
        kept = (log.content + b"\n" + printed)[:LOG_BYTES_MAX]
        if hung:
            detail = f"it was still running after {limit_seconds:g} s, and was ended"
            return Ending("hung", began, ended, detail=detail, log=kept, exit_status=status)
        return _ending(job, printed, began, ended, kept, status)

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """There is no way to relay a callback to a command."""
        raise HarnessError("callbacks cannot be relayed over exec")

    def results(self, job: Job) -> int:
        """Return how many lines of its output were results."""
        return self._results.pop(job.job, 0)

    async def close(self) -> None:
        """Nothing is left over: each command ends with its job."""


def environment_of(job: Job, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: the names of the protocol, and those that the client reads anyway."""
    own = {name: filled(value, job.base_url, job.api_key) for name, value in more.items()}
    return {
        "OMNIMOCK_BASE_URL": job.base_url,
        "OMNIMOCK_API_KEY": job.api_key,
        "OMNIMOCK_JOB": msgspec.json.encode(job.message()).decode(),
        "DEERAPI_BASE_URL": job.base_url,
        "DEERAPI_KEY": job.api_key,
        **own,
    }


def filled(text: str, base_url: str, api_key: str) -> str:
    """Return a text of `--env` with the address and the key in their places."""
    return text.replace("{base_url}", base_url).replace("{api_key}", api_key)


async def _read(stream: asyncio.StreamReader, into: Log) -> None:
    while part := await stream.read(65_536):
        into.add(part)


def _ending(job: Job, output: bytes, began: float, ended: float, log: bytes, status: int | None) -> Ending:
    def ending(how: str, detail: str = "", result: Result | None = None) -> Ending:
        return Ending(how, began, ended, result=result, detail=detail, log=log, exit_status=status)  # type: ignore[arg-type]

    for line in reversed(output.splitlines()):
        message = _object(line)
        if message is None or "outcome" not in message:
            continue
        try:
            result = result_from(message)
        except BadResult as error:
            return ending("bad-result", str(error))
        if result is not None and result.job is not None and result.job != job.job:
            return ending("wrong-job", f"its result is for the job {result.job!r}, and the job was {job.job!r}")
        return ending("answered" if result is not None else "silent", result=result)
    if status is not None and status < 0:
        return ending("died", f"it was ended by signal {-status} without a result")
    return ending("silent", f"it ended with status {status}, and the last lines that it printed are no result")


def _object(line: bytes) -> dict[str, object] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message if isinstance(message, dict) else None
