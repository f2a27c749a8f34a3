"""Fixtures of the live tests: servers in processes of their own, clients with worlds of their own, receivers."""

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.live.support import Client, Receiver, Server, assert_clean_end

StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def start_shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start servers that many tests use; at the end of the session each must end cleanly."""
    yield from _starter(lambda: tmp_path_factory.mktemp("server"))


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Start a server for one test; it must end cleanly, unless the test ends it itself."""
    yield from _starter(lambda: tmp_path_factory.mktemp("server"))


def _starter(make_folder: Callable[[], Any]) -> Iterator[StartServer]:
    servers: list[Server] = []

    def start_one(*arguments: str, **more: Any) -> Server:
        servers.append(Server(more.pop("folder", None) or make_folder(), *arguments, **more))
        return servers[-1]

    with contextlib.ExitStack() as stack:
        yield start_one
        for server in servers:
            if server.running:
                stack.callback(lambda one: assert_clean_end(one.end()), server)


@pytest.fixture(scope="session")
def manual_server(start_shared: StartServer) -> Server:
    """A server whose clocks stand still until they are moved."""
    return start_shared("--clock", "manual")


@pytest.fixture(scope="session")
def fast_server(start_shared: StartServer) -> Server:
    """A server that is 500 times as fast as real time, and answers below a prefix of ours as well."""
    return start_shared("--time-scale", "500", "--mount", "/team/kling")


@pytest.fixture
def key(request: pytest.FixtureRequest) -> str:
    """A key that no other test has."""
    return "sk-" + hashlib.blake2b(request.node.nodeid.encode(), digest_size=12).hexdigest()


@pytest.fixture
def client(manual_server: Server, key: str) -> Client:
    """A client of the server with manual clocks."""
    return Client(manual_server, key)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of callbacks."""
    one = Receiver()
    yield one
    one.close()
