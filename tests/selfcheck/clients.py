"""Right clients, in which no case may find anything wrong: the examples, on every driver."""

import asyncio
import datetime
import shutil
import sys
from collections.abc import Callable

import msgspec
from in_process import generate, generate_sync
from worker import CAPABILITIES

from contracts.arena import Arena
from contracts.baseline import Baseline, read_baseline
from contracts.case import catalogue
from contracts.drivers.base import Driver
from contracts.drivers.exec import ExecDriver
from contracts.drivers.in_process import Client as Callee
from contracts.drivers.worker import WorkerDriver
from contracts.examine import examine
from contracts.report.model import Report
from contracts.runner import Plan
from tests.selfcheck import PYTHON_EXAMPLE, ROOT
from tests.selfcheck.trial import LANES, examine_driver, saw, worker_command

_NODE, _SHELL = ROOT / "examples/node", ROOT / "examples/shell"
# A process for each job has one job, and hears of no callback.
_ALONE = frozenset(CAPABILITIES) - {"parallel"}


class Alarm(msgspec.Struct, frozen=True):
    """A case that found something wrong with a right client, or could tell nothing of it."""

    case: str
    verdict: str
    saw: str


class Soundness(msgspec.Struct, frozen=True):
    """What came of a right client. `absent` says why it was not examined, where it was not."""

    client: str
    counts: dict[str, int]
    seconds: float
    alarms: tuple[Alarm, ...]
    absent: str = ""


class RightClient(msgspec.Struct, frozen=True):
    """A client that is right, and how it is examined."""

    name: str
    examine: Callable[[], Report]
    # Programs that must be there.
    needs: tuple[str, ...] = ()

    def check(self) -> Soundness:
        """Examine it."""
        missing = [each for each in self.needs if shutil.which(each) is None]
        if missing:
            return Soundness(self.name, {}, 0.0, (), f"there is no {' and no '.join(missing)}")
        report = self.examine()
        alarms = tuple(Alarm(each.id, each.verdict, saw(each)) for each in report.cases if each.red)
        return Soundness(
            self.name, {str(verdict): count for verdict, count in report.counts().items()}, report.seconds, alarms
        )


def _driven(
    command: list[str], driver: Callable[[list[str]], Driver], baseline: Callable[[], Baseline] | None = None
) -> Callable[[], Report]:
    """Examine a command by all cases. One with a baseline says itself what it cannot do, and is not held to should."""

    async def run() -> Report:
        known = baseline() if baseline is not None else Baseline()
        plan = Plan(cases=catalogue(), baseline=known, strict=baseline is None, lanes=LANES)
        async with Arena(lanes=LANES) as arena:
            return await examine_driver(arena, driver(command), command, plan)

    return lambda: asyncio.run(run())


def _worker(command: list[str]) -> Callable[[], Report]:
    return _driven(command, lambda it: WorkerDriver(it, lanes=LANES))


def _exec(command: list[str], capabilities: frozenset[str]) -> Callable[[], Report]:
    return _driven(command, lambda it: ExecDriver(it, capabilities=capabilities))


def _virtual(client: Callee) -> Callable[[], Report]:
    return lambda: examine(client, capabilities=CAPABILITIES, virtual=True, strict=True)


def _shell() -> Callable[[], Report]:
    def baseline() -> Baseline:
        today = datetime.datetime.now(datetime.UTC).date()
        return read_baseline(_SHELL / "baseline.yaml", catalogue(), today)

    command = ["sh", str(_SHELL / "client.sh")]
    return _driven(command, ExecDriver, baseline)


RIGHT_CLIENTS = (
    RightClient("Python, async, in virtual time", _virtual(generate)),
    RightClient("Python, sync, in virtual time", _virtual(generate_sync)),
    RightClient("Python, async, worker", _worker(worker_command())),
    RightClient("Python, sync, worker", _worker(worker_command("--sync"))),
    RightClient("Python, callbacks relayed", _worker(worker_command("--relay"))),
    RightClient("Python, exec", _exec([sys.executable, str(PYTHON_EXAMPLE / "exec_once.py")], _ALONE)),
    RightClient("Node, worker", _worker(["node", str(_NODE / "worker.mjs")]), ("node",)),
    RightClient("shell, exec, with its baseline", _shell(), ("curl", "jq")),
)
