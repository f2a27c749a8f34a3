"""The twin as any ASGI server would carry it: under uvicorn's own protocol class.

`python -m benchmarks.plain_server PORT`
"""

import sys

import uvicorn

from mock_server.app import App
from mock_server.server import listen, settle_garbage_collector
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin

if __name__ == "__main__":
    settings = Settings()
    app = App(make_twin(settings, load_program(settings)))
    settle_garbage_collector()
    uvicorn.Server(
        uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            ws="none",
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
    ).run(sockets=[listen("127.0.0.1", int(sys.argv[1]))])
