"""Runs the recorder under uvicorn: a clean end on a signal, and nothing added to what passes."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

import uvicorn

from contracts.recording.recording import Run

# Requests under way when the recorder is stopped may end; then they are recorded as what they are.
_STOP_GRACE_SECONDS = 3


class RecorderServer(uvicorn.Server):
    """A uvicorn server that says when it is ready, and ends cleanly on a signal."""

    def __init__(self, app: Callable[..., Awaitable[None]], on_ready: Callable[[], None] = lambda: None) -> None:
        config = uvicorn.Config(
            app,
            # Its parser is lenient, as a go-between is to be: what is wrong is for the service to say.
            http="httptools",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            # A reply that ends before its end is passed on as that: by closing the connection, of which it complains.
            log_level=logging.CRITICAL + 1,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=_STOP_GRACE_SECONDS,
        )
        super().__init__(config)
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell that the server answers."""
        await super().startup(sockets=sockets)
        if self.started:
            self._on_ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> Any:
        """The first signal ends the server cleanly; the second ends it at once."""
        if self.should_exit:
            self.force_exit = True
        self.should_exit = True


def serve(run: Run, listener: socket.socket, on_ready: Callable[[], None]) -> None:
    """Serve until a signal ends it."""

    async def serving() -> None:
        try:
            await RecorderServer(run.app, on_ready).serve([listener])
        finally:
            await run.forwarder.close()

    asyncio.run(serving())
