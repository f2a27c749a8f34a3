"""The limit for what uvicorn carries: an ASGI application that reads the body and answers fixed bytes.

`python -m benchmarks.bare_app PORT`
"""

import sys
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

# As long as the twin's own answer to a submit.
_BODY = (
    b'{"code":0,"message":"SUCCEED","request_id":"c0656403-1e6e-4b7e-b8f8-2cdd2595f2b9","data":{"task_id":'
    b'"867283741759111202","task_status":"submitted","task_info":{},"created_at":1774805076166,'
    b'"updated_at":1774805076166}}'
)
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY))]


async def app(scope: "Scope", receive: "Receive", send: "Send") -> None:
    """Read the body, and answer."""
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send({"type": "http.response.body", "body": _BODY})


if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        server_header=False,
    )
