"""What the tests of the recorder share: a clock, a recorder with a twin behind it, and one on a socket of its own."""

import asyncio
import contextlib
import datetime
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import yaml

from contracts.recording.recorded import Recording, read_recording
from contracts.recording.recording import Plan, Run, make_run
from contracts.recording.serving import RecorderServer
from mock_server.durations import parse_duration_ms
from mock_server.program import Program
from mock_server.server import listen
from mock_server.settings import Settings
from mock_server.transport import TwinTransport, twin_transport
from mock_server.twin import load_program
from tests.support import MINIMAL, OMNI

KEY = "sk-recorded-0123456789"
HEADERS = {"authorization": f"Bearer {KEY}"}
UPSTREAM = "http://service.test"
PATIENCE_SECONDS = 30.0


class Clock:
    """What the recorder takes for time: it moves when it is told."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000

    def __call__(self) -> int:
        return self.ns

    def move(self, by_ms: int) -> None:
        self.ns += by_ms * 1_000_000


def a_run(
    folder: Path, lines: list[str], clock: Clock, *, transport: httpx.AsyncBaseTransport | None = None, **plan: Any
) -> Run:
    chosen = Plan(**{"upstream": UPSTREAM, "folder": folder, **plan})
    noon = datetime.datetime(2026, 11, 25, 12, tzinfo=datetime.UTC)
    program = _program(chosen.spec, chosen.profile, chosen.dialect)
    return make_run(chosen, lines.append, program=program, transport=transport, now_ns=clock, now=lambda: noon)


@lru_cache
def _program(spec: Path | None, profile: str | None, dialect: str | None) -> Program:
    return load_program(Settings(spec=spec, profile=profile, dialect=dialect))


class Bench:
    """A client, a recorder, and a service behind it, all in this process."""

    def __init__(self, folder: Path, service: httpx.AsyncBaseTransport, **plan: Any) -> None:
        self.folder, self.service, self.clock = folder, service, Clock()
        self.lines: list[str] = []
        self.run = a_run(folder, self.lines, self.clock, transport=service, **plan)
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.run.app), base_url="http://recorder.test", headers=HEADERS
        )

    async def wait(self, by: str) -> None:
        """Let time pass, for the service too."""
        self.clock.move(parse_duration_ms(by))
        if isinstance(self.service, TwinTransport):
            await self.service.advance_async(by, key=KEY)

    async def submit(self, **more: Any) -> httpx.Response:
        return await self.http.post(OMNI, json={**MINIMAL, **more})

    async def created(self, **more: Any) -> str:
        answer = await self.submit(**more)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["task_id"])

    async def status(self, task_id: str) -> str:
        answer = await self.http.get(f"{OMNI}/{task_id}")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["data"]["task_status"])

    def recordings(self) -> dict[str, Recording]:
        return {path.stem: read_recording(path) for path in sorted(self.folder.glob("*.json"))}

    def recording(self, beginning: str = "task-") -> Recording:
        (one,) = [each for name, each in self.recordings().items() if name.startswith(beginning)]
        return one

    def scenario(self) -> dict[str, Any]:
        (path,) = self.folder.glob("*.yaml")
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert isinstance(value, dict)
        return value

    def written(self) -> bytes:
        """All that is in the folder, names included, and all that was told."""
        files = [path.name.encode() + b"\n" + path.read_bytes() for path in self.folder.rglob("*")]
        return b"\n".join([*files, *(line.encode() for line in self.lines)])


@contextlib.asynccontextmanager
async def bench(folder: Path, service: httpx.AsyncBaseTransport | None = None, **plan: Any) -> AsyncIterator[Bench]:
    settings = {name: plan.pop(name) for name in ("scenario", "scenarios", "receiver") if name in plan}
    one = Bench(folder, service or twin_transport(**settings), **plan)
    async with one.http:
        yield one


def answering(answer: Callable[[httpx.Request], httpx.Response]) -> httpx.MockTransport:
    return httpx.MockTransport(answer)


class Served:
    """A recorder on a socket, in a thread."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._listener = listen("127.0.0.1", 0)
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        ready = threading.Event()
        self._server = RecorderServer(run.app, ready.set)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert ready.wait(PATIENCE_SECONDS)

    def _serve(self) -> None:
        async def serve() -> None:
            await self._server.serve([self._listener])
            await self.run.forwarder.close()

        asyncio.run(serve())

    def close(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_SECONDS)
        self._listener.close()
        assert not self._thread.is_alive()


@contextlib.contextmanager
def recorder_at(
    upstream: str, folder: Path, lines: list[str], clock: Clock, *, public: bool = False, **plan: Any
) -> Iterator[Served]:
    """Run a recorder in front of a service; with `public`, callbacks come through it."""
    if public:
        # Its port is not known before it listens.
        plan["public_url"] = "http://127.0.0.1:9"
    one = Served(a_run(folder, lines, clock, upstream=upstream, **plan))
    if public:
        one.run.app.addresses.public_url = one.base_url
    try:
        yield one
    finally:
        one.close()
