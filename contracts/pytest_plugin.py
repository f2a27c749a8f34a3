"""The pytest plugin: a live twin, a world for each test, the twin in process, and the marker for the scenario.

Installed beside pytest it is there at once, so nothing but pytest is imported until a test asks for a pytest fixture
of it. docs/pytest.md is its reference; its parts are in contracts/plugin/.
"""

import contextlib
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    import respx

    from contracts.plugin.in_process import InProcess
    from contracts.plugin.run import Server, TwinRun
    from contracts.plugin.servers import Servers
    from contracts.plugin.world import World

_MARKER = "omnimock"
_RUN = pytest.StashKey["TwinRun"]()
_SERVERS = pytest.StashKey["Servers"]()
_DESK = pytest.StashKey[tuple[str, int, str]]()
_SEEN = pytest.StashKey["list[World | InProcess]"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add where the settings of the twin are said."""
    about = "a setting of the twin, as for `omnimock serve`: NAME = VALUE"
    parser.addini("omnimock_settings", f"Each line is {about}.", type="linelist", default=[])
    parser.getgroup("omnimock").addoption(
        "--omnimock-setting",
        action="append",
        dest="omnimock_settings",
        metavar="NAME=VALUE",
        help=f"{about}; may be repeated, and wins over the ini file.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(scenario=…, times=…, clock=…, profile=…, host=…): what the test's twin does; see docs/pytest.md",
    )


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where to ask for the server that all of them share."""
    from contracts.plugin.sharing import INPUT, Desk

    stash = node.config.stash
    if _DESK not in stash:
        desk = Desk(_servers(node.config))
        node.config.add_cleanup(desk.close)
        stash[_DESK] = desk.where
    node.workerinput[INPUT] = stash[_DESK]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse a marker that says what it cannot, before anything runs."""
    if hasattr(config, "workerinput"):
        # pytest-xdist crashes where a worker stops here; there the tests that have the marker fail in their setup.
        return
    for item in items:
        if item.get_closest_marker(_MARKER) is not None:
            from contracts.plugin.marker import marked

            try:
                marked(item)
            except ValueError as error:
                raise pytest.UsageError(str(error)) from None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the journal of its worlds to the report of a test that failed."""
    report = yield
    if report.failed and item.stash.get(_SEEN, []):
        from contracts.plugin.reporting import sections

        report.sections += sections(item.stash[_SEEN])
    return report


@pytest.fixture(scope="session")
def omnimock_server(pytestconfig: pytest.Config) -> "Server":
    """A live twin at `.base_url`: one for the whole run, for all workers of pytest-xdist too."""
    return _run(pytestconfig).server()


@pytest.fixture
def omnimock(request: pytest.FixtureRequest) -> Iterator["World"]:
    """The world of a fresh key on the live twin: steer it, read its journal, assert what the client did."""
    from contracts.plugin.run import arm, new_key, said_by

    said = said_by(request.node)
    with _run(request.config).server(said).world(new_key()) as world:
        arm(world, said)
        with _seen(request.node, world):
            yield world


@pytest.fixture
def omnimock_env(omnimock: "World", monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment variables by which a client finds the twin, set for this test. Returns them."""
    variables = {
        "DEERAPI_BASE_URL": omnimock.base_url,
        "DEERAPI_KEY": omnimock.key,
        "OMNIMOCK_BASE_URL": omnimock.base_url,
        "OMNIMOCK_API_KEY": omnimock.key,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@pytest.fixture
def omnimock_transport(request: pytest.FixtureRequest) -> Iterator["InProcess"]:
    """The twin in process: a transport for `httpx.Client` and `httpx.AsyncClient`. No server, no socket, no waiting."""
    from contracts.plugin.run import said_by

    twin = _run(request.config).in_process(said_by(request.node))
    with contextlib.ExitStack() as at_the_end, _seen(request.node, twin):
        at_the_end.callback(twin.let_go)
        yield twin


@pytest.fixture
def omnimock_respx(request: pytest.FixtureRequest, omnimock_transport: "InProcess") -> Iterator["respx.MockRouter"]:
    """The same twin, where the client under test calls the provider's own address. Yields the respx router."""
    from contracts.plugin.bridge import bridged
    from contracts.plugin.run import failed

    with contextlib.ExitStack() as stack:
        try:
            router = stack.enter_context(bridged(omnimock_transport, omnimock_transport.base_url))
        except ModuleNotFoundError:
            failed("omnimock_respx needs respx, which is not installed: pip install 'omnimock[kit]'")
        yield router


def _run(config: pytest.Config) -> "TwinRun":
    """Return what this process has of the twin, made when it is first asked for."""
    if _RUN not in config.stash:
        from contracts.plugin.run import TwinRun
        from contracts.plugin.sharing import INPUT, Asking

        told = getattr(config, "workerinput", {}).get(INPUT)
        config.stash[_RUN] = TwinRun(config, Asking(told) if told is not None else _servers(config))
    return config.stash[_RUN]


def _servers(config: pytest.Config) -> "Servers":
    if _SERVERS not in config.stash:
        from contracts.plugin.servers import Servers

        config.stash[_SERVERS] = Servers(config.rootpath)
        config.add_cleanup(config.stash[_SERVERS].close)
    return config.stash[_SERVERS]


@contextlib.contextmanager
def _seen(item: pytest.Item, world: "World | InProcess") -> Iterator[None]:
    """Remember a world while its test runs, so that a failure can show it."""
    seen = item.stash.setdefault(_SEEN, [])
    seen.append(world)
    try:
        yield
    finally:
        seen.remove(world)
