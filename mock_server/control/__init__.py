"""The twin's own pages, below `/_mock/`. Here it speaks for itself, not as the provider.

**The table below is all there is.** A page is a function in the file of its group; the OpenAPI file of these pages is
`fixtures/control-api.yaml`, and a test holds the two together.
"""

from http import HTTPStatus
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mock_server.control import (
    about,
    callbacks,
    clock,
    filters,
    journal,
    ledger,
    media,
    paging,
    scenarios,
    stream,
    tasks,
    world,
)
from mock_server.control.asking import shown
from mock_server.control.base import ControlError, Page, Resource, problem, redactor_for
from mock_server.names import nearest
from mock_server.reply import MEDIA_PATH
from mock_server.twin import Twin

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# A longer path comes before a shorter one that takes it in as well.
PAGES = (
    Page("GET", "/_mock/health", about.health, access="open"),
    Page("GET", "/_mock/metrics", about.metrics, access="guarded"),
    Page("GET", "/_mock/openapi.yaml", about.spec, access="guarded"),
    Page("GET", "/_mock/control.yaml", about.control_spec, access="guarded"),
    Page("GET", "/_mock/journal", journal.listed, query=(*filters.NAMES, "after", "limit")),
    Page("DELETE", "/_mock/journal", journal.cleared),
    Page("GET", "/_mock/journal/wait", journal.waited, query=(*filters.NAMES, "after", "count", "timeout")),
    Page("GET", "/_mock/journal/stream", stream.streamed, query=(*filters.NAMES, "after")),
    Page("GET", "/_mock/ledger", ledger.shown, query=("external_id", *paging.NAMES)),
    Page("GET", "/_mock/scenarios", scenarios.listed, access="guarded"),
    Page("POST", "/_mock/scenarios/reload", scenarios.reloaded, access="guarded"),
    Page("GET", "/_mock/scenario", scenarios.shown),
    Page("PUT", "/_mock/scenario", scenarios.armed),
    Page("DELETE", "/_mock/scenario", scenarios.disarmed),
    Page("GET", "/_mock/clock", clock.shown),
    Page("POST", "/_mock/clock/advance", clock.advanced),
    Page("GET", "/_mock/tasks", tasks.listed, query=("status", "type", "external_id", *paging.NAMES)),
    Page("POST", "/_mock/tasks/{task_id:path}/finish", tasks.finished),
    Page("GET", "/_mock/tasks/{task_id:path}", tasks.one),
    Page("GET", "/_mock/callbacks", callbacks.listed, query=("task_id", "outcome", *paging.NAMES)),
    Page("GET", "/_mock/callbacks/secret", callbacks.secret, access="guarded"),
    Page("POST", "/_mock/callbacks/{delivery}/redeliver", callbacks.redelivered),
    Page("POST", "/_mock/reset", world.reset),
    Page("GET", f"{MEDIA_PATH}/{{tag}}/{{name}}", media.video, access="open", query=None),
    Page("HEAD", f"{MEDIA_PATH}/{{tag}}/{{name}}", media.video, access="open", query=None),
)


def make_own_pages(twin: Twin) -> "ASGIApp":
    """Return the application for everything below `/_mock/`."""
    by_path: dict[str, list[Page]] = {}
    for page in PAGES:
        by_path.setdefault(page.path, []).append(page)

    async def not_found(request: Request, error: Exception) -> Response:
        return _not_found(twin, request)

    app = Starlette(
        routes=[Route(path, Resource(twin, pages)) for path, pages in by_path.items()],
        exception_handlers={404: not_found},
    )
    # A path is right or it is not.
    app.router.redirect_slashes = False
    return app


def _not_found(twin: Twin, request: Request) -> Response:
    path = request.scope["path"]
    near = nearest(path, sorted({page.path.replace(":path}", "}") for page in PAGES}))
    detail = f"{shown(path)} is not here; {near} (docs/control-api.md and /_mock/control.yaml tell of all pages)"
    return problem(ControlError(HTTPStatus.NOT_FOUND, detail), redactor_for(twin, request))
