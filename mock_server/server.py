"""Runs the twin under uvicorn: the socket, the ready file, a bound on how long connections take, a clean end."""

import asyncio
import contextlib
import functools
import gc
import json
import logging
import os
import resource as system_resource
import signal
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from mock_server.app import STOP_GRACE_SECONDS, App
from mock_server.catalogue import ScenariosRefused
from mock_server.protocol import KEEP_ALIVE_SECONDS, TwinProtocol
from mock_server.twin import Twin

log = logging.getLogger("omnimock")

# When the server stops, a reply that has been unread for so long will not be read in the time that is left.
UNREAD_AT_STOP_SECONDS = 0.5
# For clients that open thousands of connections.
OPEN_FILES_WANTED = 65_536


class TwinServer(uvicorn.Server):
    """A uvicorn server that says when it is ready, closes overdue connections, and ends cleanly on a signal."""

    def __init__(
        self,
        config: uvicorn.Config,
        on_ready: Callable[[], None],
        on_stop: Callable[[], None] = lambda: None,
        on_hangup: Callable[[], None] | None = None,
    ) -> None:
        """`on_stop` is called before it waits for the replies that are under way: it ends those that have no end.

        `on_hangup` is called on SIGHUP; without it that signal ends the process, as usual.
        """
        super().__init__(config)
        self._on_ready, self._on_stop, self._on_hangup = on_ready, on_stop, on_hangup
        self._at_terminal = _at_terminal()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell that the server answers."""
        await super().startup(sockets=sockets)
        if self.started:
            if self._on_hangup is not None and hasattr(signal, "SIGHUP"):
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
            settle_garbage_collector()
            self._on_ready()

    def _hang_up(self) -> None:
        """Somebody wants the scenarios to be read again; or the terminal is gone, and with it whoever stops us."""
        if self._at_terminal and not _at_terminal():
            self.should_exit = True
        elif self._on_hangup is not None:
            self._on_hangup()

    async def on_tick(self, counter: int) -> bool:
        """Once a second, close the connections whose request does not come to an end."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, TwinProtocol):
                    connection.end_if_overdue(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; a request that is still coming in is not waited for, nor a client that does not read."""
        self._on_stop()
        self._abort(lambda connection: not connection.in_head or connection.idle_over_tls)
        loop = asyncio.get_running_loop()
        unread = loop.call_later(
            2 * UNREAD_AT_STOP_SECONDS,
            self._abort,
            lambda connection: connection.stalled(loop.time(), UNREAD_AT_STOP_SECONDS),
        )
        goodbyes = asyncio.create_task(self._end_without_goodbye())
        await super().shutdown(sockets=sockets)
        unread.cancel()
        goodbyes.cancel()

    def _abort(self, which: Callable[[TwinProtocol], bool]) -> None:
        for connection in list(self.server_state.connections):
            if isinstance(connection, TwinProtocol) and which(connection):
                connection.end()

    async def _end_without_goodbye(self) -> None:
        """End connections over TLS that are closed, but whose client has not said goodbye: it may never look again."""
        closed: set[object] = set()
        while True:
            await asyncio.sleep(UNREAD_AT_STOP_SECONDS)
            for connection in closed & self.server_state.connections:
                assert isinstance(connection, TwinProtocol)
                connection.end()
            closed = {
                each
                for each in self.server_state.connections
                if isinstance(each, TwinProtocol) and each.over_tls and each.transport.is_closing()
            }

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal ends the server cleanly, with exit status 0; the second ends it at once."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def settle_garbage_collector() -> None:
    """Let the garbage collector look less often, and never at what lives from the start on."""
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    gc.enable()


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; raise OSError where the address is not free or not ours.

    The protocol is named, because asyncio sets TCP_NODELAY only then, and without it each request takes 45 ms.
    """
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(4_096)
    except OSError:
        listener.close()
        raise
    return listener


def base_url(host: str, port: int, scheme: str = "http") -> str:
    """Return the address at which a client on this machine reaches a server bound to `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"{scheme}://{reachable}:{port}"


def run(twin: Twin, listener: socket.socket, on_ready: Callable[[], None], tls: ssl.SSLContext | None = None) -> None:
    """Serve until a signal ends it; over TLS where there is a context for it."""
    _raise_open_files()
    config = uvicorn_config(App(twin), TwinProtocol, tls, loop="uvloop", lifespan="on")
    on_hangup = functools.partial(reload_scenarios, twin) if twin.catalogue.folder is not None else None
    TwinServer(config, on_ready, twin.readers.stop, on_hangup).run(sockets=[listener])


def uvicorn_config(app: App, protocol: type[TwinProtocol], tls: ssl.SSLContext | None, **more: Any) -> uvicorn.Config:
    """Return how uvicorn serves a twin; over TLS where there is a context for it."""
    return uvicorn.Config(
        app,
        http=protocol,
        ws="none",
        log_config=None,
        log_level=logging.WARNING,
        access_log=False,
        interface="asgi3",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        ssl_context_factory=(lambda config, make_default: tls) if tls else None,
        **{"timeout_graceful_shutdown": int(STOP_GRACE_SECONDS), **more},
    )


def reload_scenarios(twin: Twin) -> None:
    """Read the user's scenarios again, and tell in one line what came of it."""
    try:
        log.info("the scenarios were read again: %s", twin.reload_scenarios())
    except ScenariosRefused as refused:
        log.warning("the scenarios stay as they were: %s", refused)


class ReadyFile:
    """Says that the server answers, and where. It appears in one step: whoever sees it can read it whole."""

    def __init__(self, path: Path) -> None:
        """Take away an old one; raise OSError where a new one could not be written."""
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}")
        path.unlink(missing_ok=True)
        self._temporary.write_bytes(b"")

    def write(self, url: str, port: int, ca_file: Path | None = None) -> None:
        """Let it appear. `ca_file` is what a client has to trust, where the server's certificate is its own."""
        content = {"base_url": url, "port": port, "pid": os.getpid()}
        if ca_file is not None:
            content["ca_file"] = str(ca_file)
        self._temporary.write_text(json.dumps(content) + "\n", encoding="utf-8")
        self._temporary.replace(self.path)

    def remove(self) -> None:
        """Take it away: the server has stopped."""
        self.path.unlink(missing_ok=True)
        self._temporary.unlink(missing_ok=True)


def _at_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _raise_open_files() -> None:
    soft, hard = system_resource.getrlimit(system_resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES_WANTED if hard == system_resource.RLIM_INFINITY else min(OPEN_FILES_WANTED, hard)
    if soft != system_resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(ValueError, OSError):
            system_resource.setrlimit(system_resource.RLIMIT_NOFILE, (wanted, hard))
