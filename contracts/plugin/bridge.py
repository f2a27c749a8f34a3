"""The respx bridge: a client whose base URL is written into it talks to the twin in process all the same."""

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from contracts.plugin.in_process import InProcess

if TYPE_CHECKING:
    import respx

# A twin that runs as a server, and receivers of the test's own, are reached as ever.
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


@contextlib.contextmanager
def bridged(twin: InProcess, address: str) -> Iterator["respx.MockRouter"]:
    """Stand in for `address` while the block runs. Requests to other hosts fail, but for those to this machine.

    Raise ImportError where respx is not installed.
    """
    import respx

    parts = urlsplit(address)
    place: dict[str, Any] = {"scheme": parts.scheme, "host": parts.hostname}
    if parts.port is not None:
        place["port"] = parts.port
    # A transport in process needs no route that was called: a test may fail before its client asks for anything.
    with respx.MockRouter(assert_all_called=False) as router:
        router.route(**place).mock(side_effect=twin.handle_request)
        for host in _THIS_MACHINE:
            router.route(host=host).pass_through()
        yield router
