"""The driver in process: a Python callable, `(job) -> result`, sync or async.

Each job runs in a thread of its own, an async callable in an event loop of its own there: a client that blocks holds
up nobody else. A thread cannot be ended; one that hangs is left behind, and its job has hung.

What may come back is a `Result`, a mapping with the members of one, or None.
"""

import asyncio
import functools
import inspect
import ssl
import threading
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx
import msgspec

from contracts.drivers.base import Declared, Ending, HarnessError, Kind, now
from contracts.jobs import USUAL_CAPABILITIES, BadResult, Job, Result, result_from

Answer = Result | Mapping[str, Any] | None
Client = Callable[..., Answer | Awaitable[Answer]]


class InProcessDriver:
    """Calls a function for each job."""

    kind: Kind = "in process"

    def __init__(
        self,
        client: Client,
        *,
        capabilities: frozenset[str] = USUAL_CAPABILITIES,
        settings: Mapping[str, float] | None = None,
    ) -> None:
        self.client = client
        self._capabilities, self._settings = capabilities, dict(settings or {})

    async def start(self) -> Declared:
        """See that it can be called."""
        if not callable(self.client):
            raise HarnessError(f"{self.client!r} cannot be called; a function (job) -> result is expected")
        return Declared(name_of(self.client), self._capabilities, self._settings)

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Call the client in a thread, and wait for its end."""
        loop = asyncio.get_running_loop()
        waiting: asyncio.Future[Ending] = loop.create_future()
        began = now()

        def work() -> None:
            ending = self._call(job, began)
            # The examiner may have gone on without it.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_settle, waiting, ending)

        threading.Thread(target=work, daemon=True, name=f"omnimock {job.job}").start()
        try:
            async with asyncio.timeout(limit_seconds):
                return await waiting
        except TimeoutError:
            return Ending("hung", began, now(), detail=f"it was still running after {limit_seconds:g} s")

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """There is no way to relay a callback to a function."""
        raise HarnessError("callbacks are relayed to workers only")

    def separate(self) -> None:
        """There is one process, which is ours."""

    def results(self, job: Job) -> int:
        """A function returns once."""
        return 1

    def printed(self, job: Job) -> bytes:
        """What it prints is not ours to take."""
        return b""

    async def close(self) -> None:
        """Nothing is left over but what hangs."""

    def _call(self, job: Job, began: float) -> Ending:
        verify = _verifying()
        try:
            if is_async(self.client):
                answer = asyncio.run(self._call_async(job, verify))
            else:
                with httpx.HTTPTransport(verify=verify) as transport:
                    answer = self.client(msgspec.structs.replace(job, transport=transport))
        except BaseException as error:  # noqa: BLE001  Whatever it raises is its end, and is told.
            return crashed(error, began, now())
        return ending_of(answer, job, began, now())

    async def _call_async(self, job: Job, verify: ssl.SSLContext) -> Any:
        async with httpx.AsyncHTTPTransport(verify=verify) as transport:
            found = self.client(msgspec.structs.replace(job, transport=transport))
            assert inspect.isawaitable(found)
            return await found


def is_async(client: Client) -> bool:
    """Whether a client has to be awaited."""
    called = client.func if isinstance(client, functools.partial) else client
    return inspect.iscoroutinefunction(called) or inspect.iscoroutinefunction(type(called).__call__)


def name_of(client: Client) -> str:
    """Return what a client is called in reports."""
    called = client.func if isinstance(client, functools.partial) else client
    return f"{getattr(called, '__module__', '?')}:{getattr(called, '__qualname__', type(called).__name__)}"


def ending_of(answer: Any, job: Job, began: float, ended: float) -> Ending:
    """Return the ending of a job whose client returned."""
    if answer is None:
        return Ending("silent", began, ended, detail="it returned nothing")
    try:
        if isinstance(answer, Mapping):
            result = result_from(answer)
        elif isinstance(answer, Result):
            result = result_from(msgspec.structs.asdict(answer))
        else:
            detail = f"it returned {answer!r:.200}; a Result, a mapping or None is expected"
            return Ending("bad-result", began, ended, detail=detail)
    except BadResult as error:
        return Ending("bad-result", began, ended, detail=str(error))
    if result is not None and result.job is not None and result.job != job.job:
        detail = f"its result is for the job {result.job!r}, and the job was {job.job!r}"
        return Ending("wrong-job", began, ended, detail=detail)
    return Ending("answered" if result is not None else "silent", began, ended, result=result)


def crashed(error: BaseException, began: float, ended: float) -> Ending:
    """Return the ending of a job whose client raised."""
    told = "".join(traceback.format_exception(error))
    return Ending("died", began, ended, detail=f"it raised {error!r:.500}", log=told.encode("utf-8", "replace"))


@functools.cache
def _verifying() -> ssl.SSLContext:
    """Reading the authorities of this machine takes as long as a session."""
    return ssl.create_default_context()


def _settle(waiting: "asyncio.Future[Ending]", ending: Ending) -> None:
    if not waiting.done():
        waiting.set_result(ending)
