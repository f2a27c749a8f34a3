"""The worker driver: one command takes many jobs, as newline-delimited JSON on its standard input and output.

A client that declares `parallel` is given several jobs at once; another gets as many workers as there are lanes. One
that dies or answers nonsense fails the jobs that were running, and is started afresh.
"""

import asyncio
from collections.abc import Mapping, Sequence

import msgspec

from contracts.drivers.base import Declared, Ending, HarnessError, Kind, now
from contracts.drivers.conversation import Given, Worker
from contracts.jobs import Job

# An interpreter with many modules takes seconds to start on a busy machine.
HELLO_SECONDS_MAX = 20.0
# A client that cannot be started again so many times in a row is not tried again.
_STARTS_MAX = 3


class WorkerDriver:
    """Gives jobs to workers."""

    kind: Kind = "worker"

    def __init__(
        self,
        command: Sequence[str],
        *,
        lanes: int,
        environment: Mapping[str, str] | None = None,
        settings: Mapping[str, float] | None = None,
        capabilities: frozenset[str] = frozenset(),
        hello_seconds: float = HELLO_SECONDS_MAX,
    ) -> None:
        """`settings` and `capabilities` are added to what the client says in its hello."""
        self.command = tuple(command)
        self._environment = dict(environment or {})
        self._settings, self._capabilities = dict(settings or {}), capabilities
        self._lanes, self._hello_seconds = lanes, hello_seconds
        self._free: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._shared: Worker | None = None
        self._starting = asyncio.Lock()
        self._parallel = False
        self._alive: set[Worker] = set()
        self._given: dict[str, Given] = {}
        self._failed_starts = 0

    async def start(self) -> Declared:
        """Start the first worker, and hear what it says of itself; raise HarnessError where it gives no hello."""
        first = await self._start()
        hello = first.declared
        self._parallel = "parallel" in hello.capabilities
        if self._parallel:
            self._shared = first
        else:
            self._free.put_nowait(first)
            for _ in range(self._lanes - 1):
                self._free.put_nowait(None)
        return msgspec.structs.replace(
            hello,
            capabilities=hello.capabilities | self._capabilities,
            settings={**hello.settings, **self._settings},
        )

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Give a job to a worker, and wait for its result. One that cannot be started again has died."""
        given = self._given[job.job] = Given(job)
        began = now()
        shared = self._parallel
        try:
            worker = await (self._take_shared() if shared else self._take())
        except HarnessError as error:
            return Ending("died", began, now(), detail=f"it could not be started again: {error}")
        try:
            return await worker.run(given, limit_seconds)
        finally:
            await self._give(worker, shared=shared)

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand a callback to the worker that has the job; one for a job that nobody has is answered 404."""
        given = self._given.get(job.job)
        worker = given.worker if given is not None else None
        return await worker.relay(job, headers, body) if worker is not None else 404

    def separate(self) -> None:
        """Give each job a worker of its own from now on; those that share one may have it to the end."""
        if self._parallel:
            self._parallel, self._shared = False, None
            for _ in range(self._lanes):
                self._free.put_nowait(None)

    def results(self, job: Job) -> int:
        """Return how many results came for a job until now."""
        given = self._given.get(job.job)
        return given.results if given is not None else 0

    def printed(self, job: Job) -> bytes:
        """Return what the worker printed since the job ended, and forget the job."""
        given = self._given.pop(job.job, None)
        if given is None:
            return b""
        if given.worker is not None:
            given.worker.forget(job)
        return given.log.content

    async def close(self) -> None:
        """Say goodbye to all workers, and end those that do not leave."""
        await asyncio.gather(*(each.leave() for each in self._alive))
        self._alive.clear()

    async def _start(self) -> Worker:
        if self._failed_starts >= _STARTS_MAX:
            raise HarnessError(f"it failed {_STARTS_MAX} times in a row")
        worker = Worker(self.command, self._environment, self._hello_seconds)
        try:
            await worker.start()
        except HarnessError:
            self._failed_starts += 1
            raise
        self._failed_starts = 0
        self._alive.add(worker)
        return worker

    async def _take(self) -> Worker:
        one = await self._free.get()
        try:
            if one is not None and one.retired:
                await self._end(one)
                one = None
            return one if one is not None else await self._start()
        except BaseException:
            self._free.put_nowait(None)
            raise

    async def _take_shared(self) -> Worker:
        async with self._starting:
            if self._shared is not None and self._shared.retired:
                # The others may have their jobs to the end.
                old, self._shared = self._shared, None
                if old.idle:
                    await self._end(old)
            if self._shared is None:
                self._shared = await self._start()
            return self._shared

    async def _give(self, worker: Worker, *, shared: bool) -> None:
        left = worker is not self._shared if shared else worker.retired
        if left and worker.idle:
            await self._end(worker)
        if not shared:
            self._free.put_nowait(None if left else worker)

    async def _end(self, worker: Worker) -> None:
        self._alive.discard(worker)
        await worker.kill()
