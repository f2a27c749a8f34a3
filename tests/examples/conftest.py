"""Pytest fixtures of the tests of the example clients: one server for all, and a world for each."""

import hashlib
from collections.abc import Iterator

import pytest

from tests.live.support import Client, Server, assert_clean_end


@pytest.fixture(scope="session")
def examples_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose tasks end in an instant, unless a test arms another scenario."""
    server = Server(tmp_path_factory.mktemp("server"), "--scenario", "instant")
    yield server
    assert_clean_end(server.end())


@pytest.fixture
def client(examples_server: Server, request: pytest.FixtureRequest) -> Client:
    """Somebody with a key that no other test has."""
    digest = hashlib.blake2b(request.node.nodeid.encode(), digest_size=12).hexdigest()
    return Client(examples_server, f"sk-omnimock-{digest}")
