"""A worker: one running command that speaks the driver protocol, and the jobs that it was given.

    client   {"type": "hello", …}
    examiner {"type": "run", …job…}   {"type": "callback", …}   {"type": "bye"}
    client   {"type": "result", …}    {"type": "callback-reply", …}   {"type": "log", …}

Whatever breaks the protocol fails the jobs that are running, and the worker is given no more.
"""

import asyncio
import base64
import contextlib
import shlex
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import msgspec

from contracts.drivers.base import Declared, Ending, HarnessError, Log, now
from contracts.drivers.child import PIPE_GRACE_SECONDS, Child, spawn
from contracts.drivers.hello import declared_by
from contracts.drivers.lines import Messages, keep, last_line
from contracts.jobs import BadResult, Job, Result, result_from

# What a client may need to leave after `bye`.
_BYE_SECONDS = 1.0
# Of what is printed before the hello, and of so many jobs and callbacks that are over, something is known still.
_EARLY_BYTES_MAX = 16_384
_REMEMBERED_MAX = 1_000

# How a job ended: as in `Ending`, in a sentence, with the result, and whether jobs of other cases were running.
_Answer = tuple[str, str, Result | None, bool]


class Given:
    """A job that a worker has, or had: what is printed meanwhile, and how many results came for it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.results = 0
        self.worker: Worker | None = None
        self.log = Log()
        self.answer: asyncio.Future[_Answer] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        """Whether nothing has become of it yet."""
        return not self.answer.done()

    def settle(self, how: str, detail: str = "", result: Result | None = None, *, shared: bool = False) -> None:
        """Say what has become of it; what was said first counts."""
        if self.running:
            self.answer.set_result((how, detail, result, shared))


class Worker:
    """One running command."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], hello_seconds: float) -> None:
        self.command = tuple(command)
        self.declared = Declared(self.command[0], frozenset())
        # It has broken the protocol, or has a job that nobody waits for.
        self._retired = False
        self._environment, self._hello_seconds = environment, hello_seconds
        self._early: Log | None = Log(_EARLY_BYTES_MAX)
        self._given: dict[str, Given] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._replies: dict[str, tuple[str, asyncio.Future[int]]] = {}
        self._numbers = count(1)
        self._named = 0
        self._child: Child
        self._messages: Messages
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start the command; raise HarnessError where it gives no valid hello."""
        self._child = await spawn(self.command, self._environment)
        self._messages = Messages(self._child.stdout, self._log)
        self._tasks = [asyncio.create_task(keep(self._child.stderr, self._log))]
        try:
            async with asyncio.timeout(self._hello_seconds):
                self.declared = await self._hello()
        except TimeoutError:
            await self.kill()
            raise self._no_hello(f"it said nothing of that kind for {self._hello_seconds:g} s") from None
        except BaseException:
            await self.kill()
            raise
        self._early = None
        listening = asyncio.create_task(self._listen())
        self._tasks += [listening, asyncio.create_task(self._watch(listening))]

    async def run(self, given: Given, limit_seconds: float) -> Ending:
        """Give it a job, and wait for the result."""
        job, began = given.job, now()
        if self.idle:
            self._messages.spoiled = b""
        given.worker, self._given[job.job] = self, given
        try:
            async with asyncio.timeout(limit_seconds):
                await self._send({"type": "run", **job.message()})
                how, detail, result, shared = await asyncio.shield(given.answer)
        except TimeoutError:
            how, detail, result, shared = "hung", self._silence(limit_seconds), None, self._is_shared()
            given.settle(how)
        ending = Ending(
            how,  # type: ignore[arg-type]
            began,
            now(),
            result=result,
            detail=detail,
            log=given.log.content,
            exit_status=self._child.status,
            shared=shared,
        )
        given.log = Log()
        # One that has broken the protocol, or has a job left that nobody waits for, cannot be trusted any more.
        self._retired = self._retired or ending.is_defect
        return ending

    def forget(self, job: Job) -> None:
        """Keep nothing of a job that is over."""
        if self._given.pop(job.job, None) is not None:
            self._over[job.job] = None
            while len(self._over) > _REMEMBERED_MAX:
                self._over.popitem(last=False)

    @property
    def retired(self) -> bool:
        """Whether it is to be given no more jobs."""
        return self._retired or self._child.status is not None

    @property
    def idle(self) -> bool:
        """Whether no job is running."""
        return not self._running()

    async def relay(self, job: Job, headers: Mapping[str, str], body: bytes) -> int:
        """Hand it a callback; return the status that it answers with."""
        self._named = next(self._numbers)
        name = f"c-{self._named}"
        waiting: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._replies[name] = (job.job, waiting)
        message = {
            "type": "callback",
            "job": job.job,
            "id": name,
            "headers": dict(headers),
            "body_base64": base64.b64encode(body).decode(),
        }
        try:
            await self._send(message)
            return await waiting if self._child.status is None else 502
        finally:
            self._replies.pop(name, None)

    async def leave(self) -> None:
        """Say goodbye, and wait until it has left."""
        if self._child.status is None and self.idle:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_BYE_SECONDS):
                    await self._send({"type": "bye"})
                    self._child.stdin.close()
                    await self._child.wait()
        await self.kill()

    async def kill(self) -> None:
        """End it, and all that it has started."""
        self._retired = True
        await self._child.end()
        for each in self._tasks:
            each.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, message: Mapping[str, Any]) -> None:
        with contextlib.suppress(OSError):
            self._child.stdin.write(msgspec.json.encode(message) + b"\n")
            await self._child.stdin.drain()

    async def _hello(self) -> Declared:
        message = await self._messages.next()
        if message is None:
            await asyncio.wait(self._tasks, timeout=PIPE_GRACE_SECONDS)
            raise self._no_hello("it ended before it said anything of that kind")
        if message["type"] != "hello":
            raise self._no_hello(f"its first message is of the type {message['type']!r:.100}")
        return declared_by(self.command, message)

    def _no_hello(self, why: str) -> HarnessError:
        assert self._early is not None
        last = last_line(self._early)
        printed = f"; the last line that it printed: {last!r}" if last else ""
        return HarnessError(f"{shlex.join(self.command)} gave no hello: {why}{printed}")

    async def _listen(self) -> None:
        while (message := await self._messages.next()) is not None:
            match message["type"]:
                case "result":
                    self._log(msgspec.json.encode(message) + b"\n")
                    self._result(message)
                case "callback-reply":
                    self._callback_reply(message)
                case "log":
                    self._log(str(message.get("text", "")).encode("utf-8", "replace") + b"\n")
                case "hello":
                    self._broken("bad-result", "it said hello a second time")
                case other:
                    self._broken("bad-result", f"it sent a message of the type {other!r:.100}, which nobody knows")

    async def _watch(self, listening: "asyncio.Task[None]") -> None:
        """Wait for its end, or the end of what it says, whichever comes first."""
        ending = asyncio.create_task(self._child.wait())
        try:
            await asyncio.wait({ending, listening}, return_when=asyncio.FIRST_COMPLETED)
            # The other follows soon, or somebody else holds the pipe open.
            await asyncio.wait({ending, listening}, timeout=PIPE_GRACE_SECONDS)
        finally:
            ending.cancel()
        self._retired = True
        status = self._child.status
        if status is None:
            self._broken("died", "it closed its standard output while the job was running")
        else:
            how = f"signal {-status}" if status < 0 else f"status {status}"
            self._broken("died", f"it ended with {how} while the job was running")
        for _, waiting in self._replies.values():
            _answer(waiting, 502)

    def _log(self, part: bytes) -> None:
        """Keep what it prints with each job that it may be about."""
        for log in [each.log for each in self._given.values()] if self._early is None else [self._early]:
            log.add(part)

    def _result(self, message: Mapping[str, Any]) -> None:
        name = message.get("job")
        if name is None and len(may := self._running() or [*self._given.values()]) == 1:
            name = may[0].job.job
        given = self._given.get(name) if isinstance(name, str) else None
        if given is None:
            if not isinstance(name, str) or name not in self._over:
                self._broken("wrong-job", f"it gave a result for the job {name!r:.200}; running: {self._names()}")
            return
        given.results += message.get("outcome") is not None
        try:
            result = result_from(message)
        except BadResult as error:
            given.settle("bad-result", str(error))
            return
        given.settle("answered" if result is not None else "silent", "", result)

    def _callback_reply(self, message: Mapping[str, Any]) -> None:
        name, status = message.get("id"), message.get("status")
        known = self._replies.get(name) if isinstance(name, str) else None
        if known is None:
            # Late, or twice: nobody waits for it any more.
            if not _was_named(name, self._named):
                self._broken("bad-result", f"it answered the callback {name!r:.100}, which it was never given")
            return
        job, waiting = known
        if isinstance(status, int) and not isinstance(status, bool) and 100 <= status <= 599:
            _answer(waiting, status)
            return
        _answer(waiting, 500)
        given = self._given.get(job)
        if given is not None:
            given.settle("bad-result", f"it answered the callback {name!r} with the status {status!r:.100}")

    def _running(self) -> list[Given]:
        return [each for each in self._given.values() if each.running]

    def _names(self) -> str:
        return ", ".join(each.job.job for each in self._running()) or "none"

    def _is_shared(self) -> bool:
        return len({each.job.api_key for each in self._running()}) > 1

    def _broken(self, how: str, detail: str) -> None:
        """Fail all that is running: whose fault it is cannot be told."""
        self._retired = True
        shared = self._is_shared()
        for each in self._running():
            each.settle(how, detail, shared=shared)

    def _silence(self, limit_seconds: float) -> str:
        spoiled = self._messages.spoiled
        line = spoiled.decode("utf-8", "replace")[:200]
        hint = f"; a line came that looks like a message and is none: {line!r}" if spoiled else ""
        return f"no result came in {limit_seconds:g} s{hint}"


def _was_named(name: Any, last: int) -> bool:
    number = name.removeprefix("c-") if isinstance(name, str) else ""
    return number.isascii() and number.isdigit() and 1 <= int(number[:12]) <= last


def _answer(waiting: "asyncio.Future[int]", status: int) -> None:
    if not waiting.done():
        waiting.set_result(status)
