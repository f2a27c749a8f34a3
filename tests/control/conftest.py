"""Pytest fixtures for the control pages: a twin whose callbacks go to a fake, and somebody who steers it."""

from collections.abc import AsyncIterator

import pytest

from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, make_twin
from tests.control.support import FakePost, Steward


@pytest.fixture
async def post() -> FakePost:
    return FakePost()


@pytest.fixture
async def twin(program: Program, post: FakePost) -> AsyncIterator[Twin]:
    """A twin with manual clocks that sends what is due by itself."""
    one = make_twin(Settings(clock="manual"), program, post=lambda: post)
    one.callbacks.start()
    yield one
    one.readers.stop()
    await one.callbacks.stop(0)


@pytest.fixture
async def steward(twin: Twin) -> Steward:
    return Steward(twin)
