"""The worker driver: one command takes many jobs, as newline-delimited JSON on its standard input and output.

    client   {"type": "hello", …}
    examiner {"type": "run", …job…}   {"type": "callback", …}   {"type": "bye"}
    client   {"type": "result", …}    {"type": "callback-reply", …}   {"type": "log", …}

A client that declares `parallel` is given several jobs at once; another gets as many workers as there are lanes. One
that dies or answers nonsense fails the jobs that were running, and is started afresh.
"""

import asyncio
import base64
import contextlib
import shlex
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from contracts.drivers.base import LINE_BYTES_MAX, Declared, Ending, HarnessError, Kind, Log, now
from contracts.drivers.child import end, spawn
from contracts.drivers.exec import filled
from contracts.jobs import CAPABILITIES, PROTOCOL, WISHES, BadResult, Job, result_from
from mock_server.names import nearest

# An interpreter with many modules takes seconds to start on a busy machine.
HELLO_SECONDS_MAX = 20.0
# What a client may need to leave after `bye`.
_BYE_SECONDS = 1.0
# A client that makes up jobs must not fill the memory.
_COUNTED_MAX = 10_000


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
    ) -> None:
        """`settings` and `capabilities` are added to what the client says in its hello."""
        self.command = tuple(command)
        self._environment = dict(environment or {})
        self._settings, self._capabilities = dict(settings or {}), capabilities
        self._lanes = lanes
        self._free: asyncio.Queue[Worker | None] = asyncio.Queue()
        self._shared: Worker | None = None
        self._starting = asyncio.Lock()
        self._parallel = False
        self._where: dict[str, Worker] = {}
        self._results: dict[str, int] = {}

    async def start(self) -> Declared:
        """Start the first worker, and hear what it says of itself."""
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
        """Give a job to a worker, and wait for its result."""
        worker = await self._take()
        self._where[job.job] = worker
        try:
            return await worker.run(job, limit_seconds)
        finally:
            self._where.pop(job.job, None)
            await self._give(worker)

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand a callback to the worker that has the job; one that comes when the job is over is answered 404."""
        worker = self._where.get(job.job)
        return await worker.relay(job, headers, body) if worker is not None else 404

    def results(self, job: Job) -> int:
        """Return how many results came for a job until now."""
        return self._results.pop(job.job, 0)

    async def close(self) -> None:
        """Say goodbye to all workers, and end those that do not leave."""
        workers = [self._shared] if self._shared is not None else []
        while not self._free.empty():
            one = self._free.get_nowait()
            if one is not None:
                workers.append(one)
        await asyncio.gather(*(each.leave() for each in workers))

    async def _start(self) -> "Worker":
        worker = Worker(self.command, self._environment, self._results)
        await worker.start()
        return worker

    async def _take(self) -> "Worker":
        if not self._parallel:
            one = await self._free.get()
            return await self._start() if one is None else one
        async with self._starting:
            if self._shared is None or self._shared.gone:
                self._shared = await self._start()
            return self._shared

    async def _give(self, worker: "Worker") -> None:
        if self._parallel:
            return
        if worker.gone or worker.abandoned:
            # It has a job left that nobody waits for: what it says next cannot be trusted.
            await worker.kill()
            self._free.put_nowait(None)
        else:
            self._free.put_nowait(worker)


class Worker:
    """One running command that speaks the protocol."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], results: dict[str, int]) -> None:
        """How many results came for each job is counted in `results`."""
        self._results = results
        self.command = tuple(command)
        self._environment = environment
        self.log = Log()
        self.gone = False
        self.abandoned = False
        self.declared = Declared(self.command[0], frozenset())
        self._running: dict[str, asyncio.Future[tuple[str, str, Any]]] = {}
        self._replies: dict[str, asyncio.Future[int]] = {}
        self._numbers = count(1)
        self._child: asyncio.subprocess.Process
        self._readers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the command; raise HarnessError where it gives no valid hello."""
        environment = {name: filled(value, "", "") for name, value in self._environment.items()}
        self._child = await spawn(self.command, environment)
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        errors = asyncio.create_task(self._keep(self._child.stderr))
        self._readers = [errors]
        try:
            async with asyncio.timeout(HELLO_SECONDS_MAX):
                self.declared = await self._hello(self._child.stdout)
        except (TimeoutError, HarnessError) as error:
            why = str(error) or f"it said nothing for {HELLO_SECONDS_MAX:g} s"
            await end(self._child)
            # What it said on standard error tells most.
            await asyncio.wait([errors], timeout=1)
            errors.cancel()
            raise self._no_hello(why) from None
        self._readers.append(asyncio.create_task(self._listen(self._child.stdout)))

    async def run(self, job: Job, limit_seconds: float) -> Ending:
        """Give it a job, and wait for the result."""
        began, before = now(), len(self.log.content)
        waiting = self._running[job.job] = asyncio.get_running_loop().create_future()
        how, detail, result = "hung", f"no result came in {limit_seconds:g} s", None
        try:
            await self._send({"type": "run", **job.message()})
            async with asyncio.timeout(limit_seconds):
                how, detail, result = await waiting
        except TimeoutError:
            self.abandoned = True
        finally:
            self._running.pop(job.job, None)
        return Ending(
            how,  # type: ignore[arg-type]
            began,
            now(),
            result=result,
            detail=detail,
            log=self.log.content[before:],
            exit_status=self._child.returncode,
        )

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand it a callback; return the status that it answers with."""
        name = f"c-{next(self._numbers)}"
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._replies[name] = waiting
        try:
            await self._send(
                {
                    "type": "callback",
                    "job": job.job,
                    "id": name,
                    "headers": dict(headers),
                    "body_base64": base64.b64encode(body).decode(),
                }
            )
            return await waiting
        finally:
            self._replies.pop(name, None)

    async def leave(self) -> None:
        """Say goodbye, and wait until it has left."""
        if not self.gone:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_BYE_SECONDS):
                    await self._send({"type": "bye"})
                    assert self._child.stdin is not None
                    self._child.stdin.close()
                    await self._child.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it, and all that it has started."""
        self.gone = True
        await end(self._child)
        for each in self._readers:
            each.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    async def _send(self, message: Mapping[str, Any]) -> None:
        assert self._child.stdin is not None
        with contextlib.suppress(OSError):
            self._child.stdin.write(msgspec.json.encode(message) + b"\n")
            await self._child.stdin.drain()

    async def _hello(self, stream: asyncio.StreamReader) -> Declared:
        lines = _Lines(stream)
        while (line := await lines.next()) is not None:
            message = _message(line)
            if message is None:
                self.log.add(line + b"\n")
                continue
            if message.get("type") != "hello":
                raise HarnessError(f"its first message is of the type {message.get('type')!r}")
            self._lines = lines
            return _declared(self.command, message)
        raise HarnessError("it ended before it said anything")

    def _no_hello(self, why: str) -> HarnessError:
        said = self.log.content.decode("utf-8", "replace").strip().splitlines()
        last = f"; its last line: {said[-1][:200]!r}" if said else ""
        return HarnessError(f"{shlex.join(self.command)} gave no valid hello: {why}{last}")

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while (line := await self._lines.next()) is not None:
            message = _message(line)
            if message is None or not isinstance(kind := message.get("type"), str):
                self.log.add(line + b"\n")
            elif kind == "result":
                self.log.add(line + b"\n")
                self._result(message)
            elif kind == "callback-reply":
                self._callback_reply(message)
            elif kind == "log":
                self.log.add(str(message.get("text", "")).encode() + b"\n")
            else:
                self._broken("bad-result", f"it sent a message of the type {kind!r}, which nobody knows")
        self.gone = True
        status = await self._child.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        self._broken("died", f"it ended with {how} while the job was running")
        for each in self._replies.values():
            if not each.done():
                each.set_result(502)

    async def _keep(self, stream: asyncio.StreamReader) -> None:
        while part := await stream.read(65_536):
            self.log.add(part)

    def _result(self, message: Mapping[str, Any]) -> None:
        job = message.get("job")
        if isinstance(job, str) and message.get("outcome") is not None and len(self._results) < _COUNTED_MAX:
            self._results[job] = self._results.get(job, 0) + 1
        waiting = self._running.get(job) if isinstance(job, str) else None
        if waiting is None and len(self._running) == 1 and job is None:
            waiting = next(iter(self._running.values()))
        if waiting is None:
            running = ", ".join(self._running) or "none"
            if job is not None and self._running:
                self._broken("wrong-job", f"it gave a result for the job {job!r}; running: {running}")
            return
        try:
            result = result_from(message)
        except BadResult as error:
            _settle(waiting, ("bad-result", str(error), None))
            return
        _settle(waiting, ("answered" if result is not None else "silent", "", result))

    def _callback_reply(self, message: Mapping[str, Any]) -> None:
        waiting, status = self._replies.get(str(message.get("id"))), message.get("status")
        if waiting is not None and not waiting.done():
            waiting.set_result(status if isinstance(status, int) else 500)

    def _broken(self, how: str, detail: str) -> None:
        for each in self._running.values():
            _settle(each, (how, detail, None))


class _Lines:
    """Reads lines; one that is too long is cut."""

    def __init__(self, stream: asyncio.StreamReader) -> None:
        self._stream = stream
        self._rest = bytearray()

    async def next(self) -> bytes | None:
        while (end_at := self._rest.find(b"\n")) < 0:
            part = await self._stream.read(65_536)
            if not part:
                line, self._rest = bytes(self._rest), bytearray()
                return line or None
            if len(self._rest) + len(part) > LINE_BYTES_MAX and b"\n" not in part:
                # A flood without an end is log, a piece at a time.
                line, self._rest = bytes(self._rest + part), bytearray()
                return line
            self._rest += part
        line = bytes(self._rest[:end_at])
        del self._rest[: end_at + 1]
        return line


def _settle(waiting: "asyncio.Future[tuple[str, str, Any]]", ending: tuple[str, str, Any]) -> None:
    if not waiting.done():
        waiting.set_result(ending)


def _message(line: bytes) -> dict[str, Any] | None:
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        message = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return message if isinstance(message, dict) else None


def _declared(command: Sequence[str], hello: Mapping[str, Any]) -> Declared:
    """Return what a hello says; raise HarnessError where it is not one of this protocol."""
    where = "its hello"
    if hello.get("protocol") != PROTOCOL:
        raise HarnessError(f"{where} names protocol {hello.get('protocol')!r}; this examiner speaks {PROTOCOL}")
    name, capabilities, settings = hello.get("name"), hello.get("capabilities", []), hello.get("settings", {})
    if not isinstance(capabilities, list) or not all(isinstance(each, str) for each in capabilities):
        raise HarnessError(f"{where}: capabilities is {capabilities!r}; a list of names is expected")
    for each in capabilities:
        if each not in CAPABILITIES:
            raise HarnessError(f"{where}: there is no capability {each!r}; {nearest(each, CAPABILITIES)}")
    if not isinstance(settings, dict):
        raise HarnessError(f"{where}: settings is {settings!r}; an object is expected")
    for key, value in settings.items():
        if key not in WISHES:
            raise HarnessError(f"{where}: there is no setting {key!r}; {nearest(key, WISHES)}")
        if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
            raise HarnessError(f"{where}: {key} is {value!r}; a number of seconds above 0 is expected")
    return Declared(name if isinstance(name, str) and name else command[0], frozenset(capabilities), dict(settings))
