"""The exec driver: starts the command once for each job.

The job is a line of JSON on standard input, and in the environment. The result is the last line of standard output that
is a JSON object with an outcome; everything else is the client's log.
"""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from contracts.drivers.base import LOG_BYTES_MAX, Declared, Ending, HarnessError, Kind, Log, now
from contracts.drivers.child import PIPE_GRACE_SECONDS, Child, check_command, name_of, spawn
from contracts.drivers.lines import keep, objects_in
from contracts.jobs import USUAL_CAPABILITIES, BadResult, Job, Result, result_from

# A system gives a variable so much room at least (Linux: 128 KiB). A longer job is on standard input alone.
VARIABLE_BYTES_MAX = 100_000


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
        self._started = False

    async def start(self) -> Declared:
        """See that the command is there."""
        check_command(self.command)
        return Declared(name_of(self.command), self._capabilities, self._settings)

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Start the command for a job, and wait for its end.

        Raise HarnessError where it cannot be started; where it could be before, the job has failed.
        """
        began = now()
        try:
            child = await spawn(self.command, environment_of(job, self._environment))
        except HarnessError as error:
            if not self._started:
                raise
            return Ending("died", began, now(), detail=str(error))
        self._started = True
        log, output = Log(), Log()
        readers = [
            asyncio.create_task(keep(child.stdout, output.add)),
            asyncio.create_task(keep(child.stderr, log.add)),
        ]
        # One that does not read must not be waited for when it has ended.
        writer = asyncio.create_task(_write(child, msgspec.json.encode(job.message()) + b"\n"))
        hung = False
        try:
            async with asyncio.timeout(limit_seconds):
                await child.wait()
        except TimeoutError:
            hung = True
        finally:
            ended, status = now(), child.status
            if status is not None:
                await asyncio.wait(readers, timeout=PIPE_GRACE_SECONDS)
            await child.end()
            for each in (*readers, writer):
                each.cancel()
            await asyncio.gather(*readers, writer, return_exceptions=True)
        printed = output.content
        kept = (log.content + b"\n" + printed)[:LOG_BYTES_MAX]
        last = self._last_result(job, printed)
        if hung:
            detail = f"it was still running after {limit_seconds:g} s, and was ended"
            return Ending("hung", began, ended, detail=detail, log=kept, exit_status=child.status)
        how, detail, result = _read(job, last, status)
        return Ending(how, began, ended, result=result, detail=detail, log=kept, exit_status=status)  # type: ignore[arg-type]

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """There is no way to relay a callback to a command."""
        raise HarnessError("callbacks cannot be relayed over exec")

    def separate(self) -> None:
        """Each job has a process of its own already."""

    def results(self, job: Job) -> int:
        """Return how many lines of its output were results."""
        return self._results.pop(job.job, 0)

    def printed(self, job: Job) -> bytes:
        """The command has ended with its job."""
        return b""

    async def close(self) -> None:
        """Nothing is left over: each command ends with its job."""

    def _last_result(self, job: Job, printed: bytes) -> dict[str, Any] | None:
        """Return the last line that is a result, and count them."""
        last, count = None, 0
        for each in objects_in(printed):
            if each.get("outcome") is not None:
                last, count = each, count + 1
        self._results[job.job] = count
        return last


def environment_of(job: Job, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a job: the names of the protocol, and those that the client reads anyway."""
    own = {name: filled(value, job.base_url, job.api_key) for name, value in more.items()}
    whole = msgspec.json.encode(job.message())
    variables = {
        "OMNIMOCK_BASE_URL": job.base_url,
        "OMNIMOCK_API_KEY": job.api_key,
        "DEERAPI_BASE_URL": job.base_url,
        "DEERAPI_KEY": job.api_key,
    }
    if len(whole) <= VARIABLE_BYTES_MAX:
        variables["OMNIMOCK_JOB"] = whole.decode()
    return {**variables, **own}


def filled(text: str, base_url: str, api_key: str) -> str:
    """Return a text of `--env` with the address and the key in their places."""
    return text.replace("{base_url}", base_url).replace("{api_key}", api_key)


async def _write(child: Child, line: bytes) -> None:
    with contextlib.suppress(OSError):
        child.stdin.write(line)
        await child.stdin.drain()
    child.stdin.close()


def _read(job: Job, message: Mapping[str, Any] | None, status: int | None) -> tuple[str, str, Result | None]:
    """Return how a job ended whose command has ended, with what there is to say."""
    if message is None:
        if status is not None and status < 0:
            return "died", f"it was ended by signal {-status} without a result", None
        return "silent", f"it ended with status {status}, and no line that it printed is a result", None
    try:
        result = result_from(message)
    except BadResult as error:
        return "bad-result", str(error), None
    if result is not None and result.job is not None and result.job != job.job:
        return "wrong-job", f"its result is for the job {result.job!r:.200}, and the job was {job.job!r}", None
    return "answered", "", result
