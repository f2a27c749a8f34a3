"""Where clients are examined: a watched twin on sockets of this machine, other origins, and one lane for each session.

    lane ─▶ a port of its own ─▶ Witness ─▶ the twin ─▶ the world of the session's key
                                    └─▶ the lane's WireLog

A lane serves one session at a time. Its port tells whose a request is even where the key is missing or wrong.
"""

import asyncio
import contextlib
import hashlib
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import uvicorn

from contracts.relay import RelayingPost
from contracts.strangers import Stranger
from contracts.wire import WireLog
from contracts.witness import WatchedApp, Witness
from mock_server.server import TwinServer, listen, uvicorn_config
from mock_server.settings import Settings
from mock_server.tls import tls_of
from mock_server.twin import Twin, load_program, make_twin
from mock_server.worlds import World

log = logging.getLogger("omnimock")

# As many as a session's key needs to be found in logs, and nowhere by chance.
_KEY_BYTES = 16


class Listener(socket.socket):
    """A listening socket that counts whom it accepts. Of a handshake that fails nothing else is seen."""

    accepted = 0

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection."""
        taken = super().accept()
        self.accepted += 1
        return taken


class Lane(msgspec.Struct):
    """One port, for one session at a time."""

    port: int
    tls_port: int
    tls_listener: Listener

    @property
    def base_url(self) -> str:
        """The address that a client is given."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def tls_base_url(self) -> str:
        """The address that speaks TLS with a certificate that nobody trusts."""
        return f"https://127.0.0.1:{self.tls_port}"


class Arena:
    """A running twin with its lanes. Use it as an async context."""

    def __init__(
        self,
        *,
        lanes: int,
        profile: str | None = None,
        spec: Path | None = None,
        scenarios: Path | None = None,
        seed: int = 0,
        port: int = 0,
        scenario: str = "realistic",
        time_scale: float = 1.0,
    ) -> None:
        """Raise SpecError or ValueError where the twin cannot be made; `port` is that of the first lane."""
        self.settings = Settings(
            profile=profile, spec=spec, scenarios=scenarios, seed=seed, scenario=scenario, time_scale=time_scale
        )
        self._first_port, self._lanes_wanted = port, lanes
        self.seed = seed
        self._seeds: dict[str, int] = {}
        # All that were ever given out.
        self.keys: set[str] = set()
        self.post = RelayingPost("http://127.0.0.1:1")
        self.twin: Twin = make_twin(
            self.settings, load_program(self.settings), post=lambda: self.post, seed_of=self._seed_of
        )
        self.app = WatchedApp(self.twin)
        self.stranger, self.video_stranger = Stranger(), Stranger()
        self.lanes: asyncio.Queue[Lane] = asyncio.Queue()
        self._stack = contextlib.AsyncExitStack()

    def _seed_of(self, key: str) -> int:
        return self._seeds.get(key, self.seed)

    async def __aenter__(self) -> "Arena":
        """Listen; raise ValueError where the port is taken."""
        async with contextlib.AsyncExitStack() as stack:
            # What the twin says to those who serve it is no news to those who examine a client. Several arenas may be
            # open at once, and end in any order: each takes away what it has brought.
            quiet = _Quiet()
            stack.callback(log.removeFilter, quiet)
            log.addFilter(quiet)
            plain = [self._listen_first(stack), *(self._listen(stack, 0) for _ in range(self._lanes_wanted - 1))]
            encrypted = [self._listen(stack, 0) for _ in range(self._lanes_wanted)]
            tls = stack.enter_context(tls_of(msgspec.structs.replace(self.settings, tls=True)))
            assert tls is not None
            for each in (self.stranger, self.video_stranger):
                await each.start()
                stack.push_async_callback(each.close)
            self.twin.callbacks.start()
            stack.push_async_callback(self.twin.callbacks.stop, 0.2)
            for sockets, context in ((plain, None), (encrypted, tls.context)):
                await stack.enter_async_context(self._serving(sockets, context))
            for one, other in zip(plain, encrypted, strict=True):
                self.lanes.put_nowait(Lane(one.getsockname()[1], other.getsockname()[1], other))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        await self._stack.aclose()

    @contextlib.asynccontextmanager
    async def lane(self) -> AsyncIterator[Lane]:
        """Yield a lane that nobody uses, waiting for one."""
        one = await self.lanes.get()
        try:
            yield one
        finally:
            self.app.logs.pop(one.port, None)
            self.app.logs.pop(one.tls_port, None)
            self.lanes.put_nowait(one)

    def open_world(self, name: str) -> tuple[str, World]:
        """Return a fresh key with its world; tasks and chance in it follow from `name` and the seed."""
        key = f"sk-omnimock-{secrets.token_hex(_KEY_BYTES)}"
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        self._seeds[key] = int.from_bytes(digest[:6], "big")
        self.keys.add(key)
        return key, self.twin.worlds.open(key)

    def close_world(self, world: World) -> None:
        """Forget a world, its seed, and whatever its client may do still."""
        self.app.forget(world.name)
        self._seeds.pop(world.name, None)
        if not world.closed:
            self.twin.reset(world)

    def watch(self, lane: Lane) -> WireLog:
        """Begin a new log for a lane."""
        wire = WireLog()
        self.app.logs[lane.port] = self.app.logs[lane.tls_port] = wire
        return wire

    def _listen_first(self, stack: contextlib.AsyncExitStack) -> Listener:
        try:
            return self._listen(stack, self._first_port)
        except OSError as error:
            reason = (
                f"cannot listen on port {self._first_port}: {error.strerror or error}; leave --port out for a free one"
            )
            raise ValueError(reason) from None

    @staticmethod
    def _listen(stack: contextlib.AsyncExitStack, port: int) -> Listener:
        listener = Listener(fileno=listen("127.0.0.1", port).detach())
        stack.callback(listener.close)
        return listener

    @contextlib.asynccontextmanager
    async def _serving(self, sockets: Sequence[Listener], tls: Any) -> AsyncIterator[None]:
        config = uvicorn_config(self.app, Witness, tls, lifespan="off", timeout_graceful_shutdown=1)
        ready = asyncio.Event()
        server = _Server(config, ready.set, self.twin.readers.stop)
        serving = asyncio.create_task(server.serve(list(sockets)))
        await asyncio.wait({serving, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            server.should_exit = server.force_exit = True
            await serving


class _Quiet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno >= logging.ERROR


class _Server(TwinServer):
    """A server that leaves signals, and the garbage collector, to the examiner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        """Leave them to others."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell that the server answers."""
        await uvicorn.Server.startup(self, sockets=sockets)
        self._on_ready()
