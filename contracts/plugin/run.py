"""What one test run has of the twin: its settings, the servers, and the worlds that failed tests are reported from."""

import contextlib
import os
import secrets
import ssl
from collections.abc import Iterator
from typing import Any, NoReturn

import httpx
import msgspec
import pytest

from contracts.plugin.in_process import InProcess
from contracts.plugin.marker import Marked, marked
from contracts.plugin.pages import TIMEOUT_SECONDS, PageRefused, TwinGone
from contracts.plugin.servers import ServerFailed, Source
from contracts.plugin.settings import Chosen, choose, in_process
from contracts.plugin.world import World

# Where something fails, the reader wants the line of the test, not ours.
__tracebackhide__ = True

_HEALTH_SECONDS_MAX = 10.0


class Server:
    """A twin that answers at `base_url`."""

    def __init__(self, base_url: str) -> None:
        """Nothing is opened before somebody asks for a world."""
        self.base_url = base_url

    @contextlib.contextmanager
    def world(self, key: str) -> Iterator[World]:
        """Have the world of a key; afterwards it is reset, so that no callback of it comes later."""
        # To read the authorities that this machine trusts takes longer than many a test, and only TLS needs them.
        verify = True if self.base_url.startswith("https:") else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with httpx.Client(base_url=self.base_url, timeout=TIMEOUT_SECONDS, trust_env=False, verify=verify) as http:
            world = World(http, self.base_url, key)
            yield world
            with contextlib.suppress(PageRefused, TwinGone):
                world.reset()


class TwinRun:
    """The twins of a test run."""

    def __init__(self, config: pytest.Config, source: Source) -> None:
        """Servers come from `source`, unless the environment names one that runs already."""
        self._config, self._source = config, source
        # Read once: a test may set the variable for its client.
        self._given_url = os.environ.get("OMNIMOCK_BASE_URL", "").rstrip("/")
        self._healthy: dict[str, Any] | None = None

    def server(self, said: Marked | None = None) -> Server:
        """Return the server, or the one with the clock and the profile of a marker; fail where it cannot be had."""
        said = said or Marked()
        if self._given_url:
            return self._given(said)
        try:
            return Server(self._source.base_url(self._chosen(said).arguments))
        except ServerFailed as error:
            failed(str(error))

    def in_process(self, said: Marked) -> InProcess:
        """Return a twin in process with the settings of the run and the scenario of a marker."""
        settings = in_process(self._chosen(msgspec.structs.replace(said, clock="manual")).settings)
        if said.clock is not None:
            settings["clock"] = said.clock
        if isinstance(said.scenario, str) and said.times is None:
            # For every key: which one a client under test has is its own affair.
            settings["scenario"] = said.scenario
            said = Marked(host=said.host)
        try:
            return InProcess(said.host, new_key(), lambda world: arm(world, said), **settings)
        except ValueError as error:
            failed(str(error))

    def _chosen(self, said: Marked) -> Chosen:
        lines = [*self._config.getini("omnimock_settings"), *(self._config.getoption("omnimock_settings") or ())]
        try:
            return choose(lines, self._config.rootpath, clock=said.clock, profile=said.profile)
        except ValueError as error:
            failed(f"omnimock_settings: {error}")

    def _given(self, said: Marked) -> Server:
        """The server of the environment must be there, and be what a test wants: it cannot be started anew."""
        health = self._health()
        for name, wanted in (("clock", said.clock), ("profile", said.profile)):
            # A profile may be told with its day, as kling@2026-05-01.
            if wanted is not None and wanted not in (health.get(name), str(health.get(name)).partition("@")[0]):
                failed(
                    f"this test wants {name}={wanted}, and the twin at {self._given_url} (OMNIMOCK_BASE_URL) "
                    f"has {health.get(name)}; start it with --{name} {wanted}"
                )
        return Server(self._given_url)

    def _health(self) -> dict[str, Any]:
        if self._healthy is None:
            try:
                answer = httpx.get(f"{self._given_url}/_mock/health", timeout=_HEALTH_SECONDS_MAX, trust_env=False)
                told = answer.json()
                self._healthy = told if isinstance(told, dict) and told.get("status") == "ok" else None
                came = f"HTTP {answer.status_code}, which is not its health page"
            except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
                came = repr(error)
            if self._healthy is None:
                failed(
                    f"no twin answers at OMNIMOCK_BASE_URL={self._given_url} ({came}): start it, or unset the variable"
                )
        return self._healthy


def said_by(item: pytest.Item) -> Marked:
    """Return what the markers of a test say; fail its setup where that cannot be."""
    try:
        return marked(item)
    except ValueError as error:
        failed(str(error))


def arm(world: World, said: Marked) -> None:
    """Arm the scenario of a marker; fail the test's setup where there is none of this name."""
    if said.scenario is None:
        return
    try:
        world.scenario(said.scenario, times=said.times if said.times is not None else "always")
    except (PageRefused, TwinGone) as error:
        failed(str(error))


def new_key() -> str:
    """Return a key that nobody has had: a world of its own."""
    return f"sk-omnimock-{secrets.token_hex(16)}"


def failed(message: str) -> NoReturn:
    """Fail the test, or its setup, with one line and no traceback."""
    raise pytest.fail.Exception(f"omnimock: {message}", pytrace=False) from None
