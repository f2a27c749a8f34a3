"""Pytest fixtures that every test may use, and the rule that a crash of the twin fails the test."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin
from tests.support import Caller


@pytest.fixture(scope="session")
def program() -> Program:
    """The project's own spec, compiled under its default profile."""
    return load_program(Settings())


@pytest.fixture
def make(program: Program) -> Callable[..., Twin]:
    """Make a twin with a manual clock; what is given beside are settings."""

    def make_one(**settings: Any) -> Twin:
        settings = {"clock": "manual", **settings}
        chosen = Settings(**settings)
        compiled = program if not {"profile", "spec", "mounts"} & set(settings) else load_program(chosen)
        return make_twin(chosen, compiled)

    return make_one


@pytest.fixture
def twin(make: Callable[..., Twin]) -> Twin:
    """A twin with a manual clock and nothing else set."""
    return make()


@pytest.fixture
def caller(twin: Twin) -> Caller:
    """A client of the twin, with a key of its own."""
    return Caller(twin)


@pytest.fixture(autouse=True)
def crashes_fail(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test in which the twin logs an error, unless it is marked `expects_crash`."""
    yield
    if request.node.get_closest_marker("expects_crash") is None:
        errors = [
            each for each in caplog.get_records("call") if each.name == "omnimock" and each.levelno >= logging.ERROR
        ]
        assert not errors, [each.getMessage() for each in errors]
