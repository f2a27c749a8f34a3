"""The twin's own pages, below `/_mock/`: its health, the clock of a world, and the media of results.

Here the twin speaks for itself, not as the provider: errors are RFC 9457 problem documents. What moves a world acts
on the world of the bearer key it is called with.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mock_server import __version__
from mock_server.clock import ManualClock
from mock_server.durations import parse_duration_ms
from mock_server.lifecycle import step_index
from mock_server.problems import Refused
from mock_server.reply import MEDIA_PATH
from mock_server.twin import Twin
from mock_server.worlds import World

_BODY_BYTES_MAX = 65_536
_LOOPBACK_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))


class ControlError(Exception):
    """A control request that cannot be carried out: nothing has changed."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


def make_own_pages(twin: Twin) -> ASGIApp:
    """Return the application for everything below `/_mock/`."""
    pages = _Pages(twin)
    return Starlette(
        routes=[
            Route("/_mock/health", pages.health, methods=["GET"]),
            Route("/_mock/clock/advance", pages.guarded(pages.advance), methods=["POST"]),
            Route(f"{MEDIA_PATH}/{{tag}}/{{name}}", pages.media, methods=["GET"]),
        ],
        exception_handlers={ControlError: _control_error, 404: _not_found, 405: _not_found},
    )


class _Pages:
    def __init__(self, twin: Twin) -> None:
        self.twin = twin

    async def health(self, request: Request) -> Response:
        program = self.twin.program
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "spec": program.spec.title,
                "profile": program.profile.name,
                "clock": self.twin.settings.clock,
                "worlds": len(self.twin.worlds),
                "crashes": self.twin.endpoint.crashes,
            }
        )

    async def advance(self, request: Request) -> Response:
        """Move the manual clock of a world: `{"by": "30s"}` or `{"to_ms": 1767225660000}`."""
        world = self.world(request)
        if not isinstance(world.clock, ManualClock):
            raise ControlError(HTTPStatus.CONFLICT, "this clock runs by itself: start the twin with --clock manual")
        started_ms = world.clock.now_ms()
        to_ms = await _moment(request, started_ms)
        try:
            fired = await self.twin.callbacks.advance(world, to_ms)
        except ValueError as error:
            raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        body = {"from_ms": started_ms, "now_ms": world.clock.now_ms(), "fired": [_plain(each) for each in fired]}
        return Response(msgspec.json.encode(body), media_type="application/json")

    async def media(self, request: Request) -> Response:
        """Serve the video of a result, to anybody who has its address, until it expires."""
        world = self.twin.worlds.by_tag(request.path_params["tag"])
        name = request.path_params["name"].removesuffix(".mp4").removesuffix("-watermark")
        task = world.store.find(name) if world else None
        if world is None or task is None or task.media is None or task.id != name:
            return PlainTextResponse("there is no such result", HTTPStatus.NOT_FOUND)
        now_ms = world.clock.now_ms()
        step = step_index(task.plan, now_ms)
        result = self.twin.program.spec.task_types[task.type].result
        if task.plan.steps[step].final != "success" or result is None:
            return PlainTextResponse("there is no such result yet", HTTPStatus.NOT_FOUND)
        after_ms = result.expires_after_ms
        if after_ms is not None and now_ms >= task.plan.at_ms[step] + after_ms:
            return PlainTextResponse("this result has expired", HTTPStatus.FORBIDDEN)
        return FileResponse(self.twin.program.library.folder / task.media.file, media_type="video/mp4")

    def guarded(self, page: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
        """Let only those in who may steer: on this machine by name, from elsewhere by token."""
        settings = self.twin.settings
        on_loopback = settings.host in _LOOPBACK_HOSTS or settings.host.startswith("127.")

        async def answer(request: Request) -> Response:
            if on_loopback:
                host = request.headers.get("host", "").rsplit(":", 1)[0].lower() or "nothing"
                if host not in _LOOPBACK_HOSTS and host not in (settings.host, *settings.allowed_hosts):
                    raise ControlError(
                        HTTPStatus.FORBIDDEN, f"the Host header names {host}: --allowed-host {host} would let it in"
                    )
            elif settings.control_token is None or request.headers.get("x-control-token") != settings.control_token:
                raise ControlError(
                    HTTPStatus.FORBIDDEN,
                    "this server is open to the network: start it with --control-token and send X-Control-Token",
                )
            return await page(request)

        return answer

    def world(self, request: Request) -> World:
        auth = self.twin.endpoint.auth
        header = request.headers.get(auth.header.decode())
        try:
            return auth.world(header.encode("latin-1") if header is not None else None)
        except Refused as refused:
            told = refused.explanation
            detail = f"the header {told['at']}: {told['came']} came; {told['do']}"
            raise ControlError(HTTPStatus.UNAUTHORIZED, detail) from None


async def _moment(request: Request, now_ms: int) -> int:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES_MAX:
            raise ControlError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"at most {_BODY_BYTES_MAX} bytes are read")
    try:
        asked = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        asked = None
    match asked:
        case {"by": str(text), **rest} if not rest:
            try:
                return now_ms + parse_duration_ms(text)
            except ValueError as error:
                raise ControlError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None
        case {"to_ms": int(at_ms), **rest} if not rest and not isinstance(at_ms, bool):
            return at_ms
        case _:
            raise ControlError(
                HTTPStatus.UNPROCESSABLE_ENTITY, 'send {"by": "30s"} or {"to_ms": 1767225660000}, as JSON'
            )


def _plain(value: msgspec.Struct) -> dict[str, Any]:
    return {key: each for key, each in msgspec.to_builtins(value).items() if each is not None}


async def _control_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ControlError)
    return _problem_document(error.status, error.detail)


async def _not_found(request: Request, error: Exception) -> Response:
    status = HTTPStatus(getattr(error, "status_code", 404))
    headers = getattr(error, "headers", None)
    return _problem_document(
        status, f"{request.method} {request.url.path} is not here; see docs/control-api.md", headers
    )


def _problem_document(status: HTTPStatus, detail: str, headers: dict[str, str] | None = None) -> Response:
    body = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail}
    return JSONResponse(body, int(status), headers=headers, media_type="application/problem+json")
