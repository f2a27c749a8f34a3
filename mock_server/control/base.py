"""What all pages below `/_mock/` have in common: who may see them, what they are asked, and how they say no.

A page is one method and path with the function that answers it. Whatever it says goes through the redaction of keys.
Errors are RFC 9457 problem documents; a request that gets one has changed nothing.
"""

import asyncio
import hmac
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from typing import Any, Literal, TypeVar

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mock_server.control.asking import BadInput, Query, read_body
from mock_server.problems import Refused
from mock_server.redaction import Redactor, key_in
from mock_server.settings import Settings
from mock_server.twin import Twin
from mock_server.worlds import World

log = logging.getLogger("omnimock")

_LOOPBACK_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]", "::1"))

# Looking at a task takes about 5 µs: so nobody waits longer than some milliseconds.
_AT_ONCE = 1_000

T = TypeVar("T")

# open: anybody. guarded: whoever may steer this twin. world: the same, with the key of a world.
Access = Literal["open", "guarded", "world"]


class ControlError(Exception):
    """A request that is not carried out: nothing has changed. `more` are further members of the problem document."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers, self.more = status, detail, headers, more or {}


class Asked:
    """One request to a page: what it asks, in which world, and how it is answered."""

    def __init__(self, twin: Twin, request: Request, query: Query, world: World | None, redactor: Redactor) -> None:
        self.twin, self.request, self.query, self.redactor = twin, request, query, redactor
        self._world = world

    @property
    def world(self) -> World:
        """The world of the bearer key. Only pages with the access `world` have one."""
        assert self._world is not None
        return self._world

    def path(self, name: str) -> str:
        """Return a variable part of the path, percent-decoded."""
        return str(self.request.path_params[name])

    async def body(self, *members: str) -> dict[str, Any]:
        """Return the members of the JSON object that was sent; raise BadInput where it is none, or has others."""
        return await read_body(self.request, members)

    def json(self, value: Any) -> Response:
        """Answer with a value, as JSON, without any key."""
        return Response(msgspec.json.encode(self.redactor.value(msgspec.to_builtins(value))), media_type=JSON)


JSON = "application/json"


class Page(msgspec.Struct, frozen=True):
    """One method and path. `query` names the parameters that it takes; with None any are taken, and ignored."""

    method: str
    path: str
    answer: Callable[[Asked], Awaitable[ASGIApp]]
    access: Access = "world"
    query: tuple[str, ...] | None = ()


class Resource:
    """All pages of one path, as an ASGI application."""

    def __init__(self, twin: Twin, pages: list[Page]) -> None:
        self._twin = twin
        self._pages = {page.method: page for page in pages}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, whatever goes wrong."""
        request = Request(scope, receive)
        redactor = redactor_for(self._twin, request)
        try:
            answer = await self._answer(request, redactor)
        except ControlError as error:
            answer = problem(error, redactor)
        except BadInput as error:
            answer = problem(ControlError(error.status, str(error)), redactor)
        except Exception as error:  # noqa: BLE001  A defect of ours must still be answered and told.
            answer = self._crash(error, redactor)
        await answer(scope, receive, send)

    async def _answer(self, request: Request, redactor: Redactor) -> ASGIApp:
        page = self._pages.get(request.method)
        if page is None:
            allow = ", ".join(sorted(self._pages))
            raise ControlError(
                HTTPStatus.METHOD_NOT_ALLOWED,
                f"{request.method} came, this page takes {allow}",
                headers={"allow": allow},
            )
        world = None
        if page.access != "open":
            check_guard(self._twin.settings, request)
        if page.access == "world":
            world = find_world(self._twin, request)
        # Not by the request's URL: what stands in the Host header is a part of that.
        query = Query(request.scope["query_string"].decode("latin-1"), page.query)
        return await page.answer(Asked(self._twin, request, query, world, redactor))

    def _crash(self, error: Exception, redactor: Redactor) -> ASGIApp:
        self._twin.endpoint.crashes += 1
        told = redactor.text("".join(traceback.format_exception(error)))
        log.error("a control page crashed; this is a defect of omnimock, please report it\n%s", told)
        detail = "omnimock itself crashed; this is a defect, please report it"
        return problem(ControlError(HTTPStatus.INTERNAL_SERVER_ERROR, detail), redactor)


async def in_turns(values: Iterable[T]) -> AsyncIterator[T]:
    """Go through many values, and let others have their turn meanwhile."""
    for index, value in enumerate(values):
        if index % _AT_ONCE == _AT_ONCE - 1:
            await asyncio.sleep(0)
        yield value


def problem(error: ControlError, redactor: Redactor) -> Response:
    """Return the problem document that says no."""
    document = {
        "type": "about:blank",
        "title": error.status.phrase,
        "status": int(error.status),
        "detail": redactor.text(error.detail),
        **error.more,
    }
    headers = dict(error.headers) if error.headers else None
    return Response(msgspec.json.encode(document), int(error.status), headers, "application/problem+json")


def check_guard(settings: Settings, request: Request) -> None:
    """Let only those in who may steer: on this machine by name, from elsewhere by token."""
    if settings.host in _LOOPBACK_HOSTS or settings.host.startswith("127."):
        host = _host(request.headers.get("host", "")) or "nothing"
        if host not in _LOOPBACK_HOSTS and host not in (settings.host, *settings.allowed_hosts):
            raise ControlError(
                HTTPStatus.FORBIDDEN, f"the Host header names {host}: --allowed-host {host} would let it in"
            )
        return
    token = request.headers.get("x-control-token", "")
    if settings.control_token is None or not hmac.compare_digest(
        token.encode("utf-8"), settings.control_token.encode("utf-8")
    ):
        raise ControlError(
            HTTPStatus.FORBIDDEN,
            "this server is open to the network: send the token that it was started with as X-Control-Token"
            if settings.control_token is not None
            else "this server is open to the network: start it with --control-token, and send that as X-Control-Token",
        )


def find_world(twin: Twin, request: Request) -> World:
    """Return the world of the bearer key; raise ControlError where there is no good one."""
    given = request.headers.getlist(twin.key_header)
    try:
        if len(given) > 1:
            raise Refused("", {"at": twin.key_header, "came": "two of them", "do": "send one"})
        return twin.endpoint.auth.world(given[0].encode("latin-1") if given else None)
    except Refused as refused:
        told = refused.explanation
        raise ControlError(
            HTTPStatus.UNAUTHORIZED,
            f"the header {told['at']}: {told['came']} came; {told['do']}",
            headers={"www-authenticate": "Bearer"},
        ) from None


def _host(header: str) -> str:
    name, colon, port = header.rpartition(":")
    return (name if colon and port.isdigit() else header).lower()


def redactor_for(twin: Twin, request: Request) -> Redactor:
    """Return what takes out of an answer what must not stand there: the request's key, and the control token."""
    given = request.headers.getlist(twin.key_header)
    # With a JWT, the key is not the token.
    keys = (twin.endpoint.auth.key(header.encode("latin-1")) for header in given)
    tokens = (twin.settings.control_token, request.headers.get("x-control-token"))
    return Redactor([*map(key_in, given), *keys, *tokens])
