"""A twin on a socket of this machine that drifts: what it answers is changed on its way out, or before it is asked."""

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import uvicorn

from mock_server.app import App
from mock_server.server import listen
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin

TIME_SCALE = 500.0


@dataclass
class Exchange:
    """One request with the reply of the twin, before anybody sees it. Header names are in lower case."""

    method: str
    path: str
    query: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def value(self) -> Any:
        return json.loads(self.body)

    def answered(self, status: int, value: Any) -> "Exchange":
        """Return it with another reply."""
        return replace(self, status=status, body=json.dumps(value).encode())

    @property
    def accepted(self) -> bool:
        return 200 <= self.status < 300


# What becomes of a reply. Before a request is answered it is asked too, with status 0: it may change the request.
Drift = Callable[[Exchange], Exchange]


@dataclass
class Drifting:
    """The application: the twin, with a drift that can be set."""

    app: App
    base_url: str = ""
    drift: Drift = lambda exchange: exchange
    seen: list[Exchange] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        content, more = b"", True
        while more:
            message = await receive()
            content += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
        target = scope["path"], scope["query_string"].decode()
        asked = self.drift(Exchange(scope["method"], *target, headers, content, 0, {}, b""))
        pairs = [(name.encode(), value.encode("latin-1")) for name, value in asked.request_headers.items()]
        changed = {
            **scope,
            "method": asked.method,
            "path": asked.path,
            "raw_path": asked.path.encode(),
            "headers": pairs,
        }
        reply = await self._reply(changed, asked)
        self.seen.append(reply)
        reply = self.drift(reply)
        out = [
            (name.encode(), value.encode("latin-1"))
            for name, value in reply.headers.items()
            if name != "content-length"
        ]
        out.append((b"content-length", str(len(reply.body)).encode()))
        await send({"type": "http.response.start", "status": reply.status, "headers": out})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Any, asked: Exchange) -> Exchange:
        came: list[Any] = []
        given: list[bool] = []

        async def receive() -> Any:
            if given:
                # Nobody leaves.
                await asyncio.Event().wait()
            given.append(True)
            return {"type": "http.request", "body": asked.request_body, "more_body": False}

        async def send(message: Any) -> None:
            came.append(message)

        await self.app(scope, receive, send)
        headers = {name.decode(): value.decode("latin-1") for name, value in came[0]["headers"]}
        body = b"".join(each.get("body", b"") for each in came[1:])
        return replace(asked, status=came[0]["status"], headers=headers, body=body)


@contextlib.contextmanager
def drifting(**settings: Any) -> Iterator[Drifting]:
    """Serve a drifting twin while the context is open."""
    chosen = Settings(**{"time_scale": TIME_SCALE, **settings})
    drifter = Drifting(App(make_twin(chosen, load_program(chosen))))
    listener = listen("127.0.0.1", 0)
    config = uvicorn.Config(
        drifter,
        lifespan="on",
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    started = threading.Event()

    async def serve() -> None:
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():  # noqa: ASYNC110  The server has nothing to wait for.
            await asyncio.sleep(0.005)
        started.set()
        await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()), daemon=True)
    thread.start()
    assert started.wait(30)
    drifter.base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    try:
        yield drifter
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
