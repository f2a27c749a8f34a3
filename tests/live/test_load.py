"""The load kit, run as docs/load.md says: what it counts is what the twin has seen. No rate is looked at."""

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.conftest import StartServer
from tests.live.support import PATIENCE_SECONDS, Client, Server, clean_environment, eventually

ROOT = Path(__file__).parents[2]
LOCUSTFILE = ROOT / "examples/load/locustfile.py"
DOCS = (ROOT / "docs/load.md").read_text(encoding="utf-8")
LOCUST = Path(sys.executable).with_name("locust")
# A few users and tasks. The time is a bound that is not reached.
BRIEFLY = ("-u", "4", "-r", "4", "-t", "25s", "-s", "10", "--poll-every", "0.1", "--pause", "0.1", "--tasks", "10")


def environment(**more: str) -> dict[str, str]:
    """Return an environment for Locust, in which warnings are errors. Coverage does not go with gevent.

    Its client forgets to close sockets where a user is ended in the middle of a request.
    """
    clean = {name: value for name, value in clean_environment().items() if not name.startswith(("COVERAGE_", "LOAD_"))}
    return {**clean, "PYTHONWARNINGS": "error,ignore::ResourceWarning", **more}


@dataclass(frozen=True)
class Run:
    """A run of Locust that has ended."""

    status: int
    err: str
    rows: dict[tuple[str, str], Mapping[str, Any]]

    def count(self, kind: str, name: str) -> int:
        """Return how often a row was counted without failure."""
        row = self.rows.get((kind, name))
        return 0 if row is None else row["num_requests"] - row["num_failures"]

    @property
    def taken(self) -> int:
        return self.count("POST", "submit")

    @property
    def outcomes(self) -> dict[str, int]:
        return {name: self.count(kind, name) for kind, name in self.rows if kind == "TASK"}

    @property
    def of_those_taken(self) -> int:
        return sum(self.outcomes.get(name, 0) for name in ("succeeded", "failed", "abandoned"))


def read_run(status: int, err: str, path: Path) -> Run:
    assert "Traceback" not in err, err
    assert "Warning" not in err, err
    rows = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return Run(status, err, {(each["method"], each["name"]): each for each in rows})


def start_locust(folder: Path, host: str, *arguments: str, **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [LOCUST, "-f", LOCUSTFILE, "--headless", "-H", host, "--json-file", "load", *arguments],
        cwd=folder,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def end_of(process: subprocess.Popen[str], folder: Path) -> Run:
    with process:
        try:
            out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        finally:
            process.kill()
    return read_run(process.returncode, out, folder / "load.json")


def locust(folder: Path, host: str, *arguments: str, **more: str) -> Run:
    """Run Locust to its end."""
    return end_of(start_locust(folder, host, *arguments, **more), folder)


def created(server: Server) -> int:
    """Return how many tasks the server has created, in all worlds."""
    numbers = server.http.get("/_mock/metrics").text
    return int(
        sum(float(each) for each in re.findall(r"^omnimock_tasks_submitted_total\{.*\} (\S+)$", numbers, re.MULTILINE))
    )


@pytest.fixture
def busy_server(start: StartServer, tmp_path: Path) -> Server:
    """A server that is too busy for the first submits and looks, and has tasks that fail."""
    (tmp_path / "busy.yaml").write_text(
        "name: busy\nabout: Two submits of each key are refused, and a look at each task; the tasks fail.\n"
        "submit: [normal, {problem: rate-limited, times: 2}]\nquery: [normal, {problem: maintenance}]\n"
        "lifecycle: {pace: 1s..20s, outcome: failure}\n",
        encoding="utf-8",
    )
    return start("--scenarios", str(tmp_path), "--scenario", "busy", "--time-scale", "20")


def test_what_the_load_counts_is_what_the_twin_has_seen(busy_server: Server, tmp_path: Path, key: str) -> None:
    """One key for all: its world was used before, and is reset."""
    client = Client(busy_server, key)
    client.created()
    shares = ("--list-share", "0.1", "--query-share", "0.1")
    run = locust(tmp_path, busy_server.base_url, *BRIEFLY, *shares, "--callbacks", "--reset", LOAD_KEYS=key)
    ledger = busy_server.http.get("/_mock/ledger", headers=client.headers).json()["total"]
    assert run.outcomes == {"failed": 10}
    assert ledger["tasks"] == ledger["failed"] == run.taken == 10
    assert run.rows["POST", "submit"]["num_failures"] == 2
    assert run.count("CALLBACK", "end") + run.count("CALLBACK", "late") > 0
    assert run.status == 1, "Locust ends so where a request was refused"


def test_the_key_is_not_printed(busy_server: Server, tmp_path: Path, key: str) -> None:
    run = locust(tmp_path, busy_server.base_url, *BRIEFLY, "--loglevel", "DEBUG", LOAD_KEYS=key)
    assert run.taken > 0
    assert key not in run.err
    assert all(key not in path.read_text(encoding="utf-8") for path in tmp_path.iterdir() if path.is_file())


SCENARIOS = [name for name in ("realistic", "black-friday") if (ROOT / f"fixtures/scenarios/{name}.yaml").exists()]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_task_ends_or_is_abandoned(start: StartServer, tmp_path: Path, scenario: str) -> None:
    """Each user has a key of its own. Of what is refused without a word, nobody knows whether it was taken."""
    server = start("--scenario", scenario, "--time-scale", "200")
    run = locust(tmp_path, server.base_url, *BRIEFLY, "--deadline", "4", "--exit-code-on-error", "0")
    assert (run.status, sum(run.outcomes.values())) == (0, 10)
    assert run.taken == run.of_those_taken, run.outcomes
    assert run.taken <= created(server) <= run.taken + run.outcomes.get("unknown", 0)


def test_a_run_that_is_cut_short_abandons_its_tasks(start: StartServer, tmp_path: Path) -> None:
    server = start("--scenario", "never-finishes")
    shares = ("--list-share", "0", "--query-share", "0")
    process = start_locust(tmp_path, server.base_url, *BRIEFLY, "-s", "0", *shares)
    eventually(lambda: created(server) == 4, "a task of each user")
    queries = 'omnimock_requests_total{operation="getOmniVideo",status="200"}'
    eventually(lambda: queries in server.http.get("/_mock/metrics").text, "a look at a task")
    process.terminate()
    run = end_of(process, tmp_path)
    assert (run.outcomes.get("abandoned", 0) + run.outcomes.get("unknown", 0), run.status) == (4, 0)
    assert run.taken <= created(server) == 4


def test_a_deadline_abandons_a_task(start: StartServer, tmp_path: Path) -> None:
    server = start("--scenario", "never-finishes")
    run = locust(tmp_path, server.base_url, *BRIEFLY, "--deadline", "0.3")
    assert run.outcomes == {"abandoned": 10}
    assert run.taken == created(server) == 10


def test_the_authority_of_a_twin_is_trusted_when_it_is_named(start: StartServer, tmp_path: Path) -> None:
    server = start("--tls", "--time-scale", "200")
    assert server.ca_file is not None
    run = locust(tmp_path, server.base_url, *BRIEFLY, "--ca-file", server.ca_file)
    assert run.taken == created(server) > 0
    refused = locust(tmp_path, server.base_url, *BRIEFLY)
    assert (refused.taken, refused.outcomes, created(server)) == (0, {"unknown": 10}, run.taken)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--list-share", "0.6", "--query-share", "0.6"), "both shares are together at most 1"),
        (("--poll-every", "0"), "--poll-every is above 0, not 0.0"),
        (("--service", "none.toml"), "none.toml: "),
        (("--ca-file", "none.pem"), "--ca-file none.pem: No such file or directory"),
    ],
)
def test_an_option_that_cannot_be_is_told_in_one_line(tmp_path: Path, arguments: tuple[str, ...], reason: str) -> None:
    run = locust(tmp_path, "http://127.0.0.1:9", *BRIEFLY, *arguments)
    assert run.status == 2
    (line,) = [each for each in run.err.splitlines() if each.startswith("error: ")]
    assert reason in line


# As documented


def documented(heading: str) -> list[str]:
    """Return the commands of the first block below a heading."""
    block = re.search(rf"^## {heading}$.*?^```sh\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert block is not None
    return block[1].splitlines()


@pytest.fixture
def at_the_end() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_two_workers_run_as_documented(start: StartServer, at_the_end: ExitStack, tmp_path: Path) -> None:
    """The commands are those of the page; the twin's port and the master's are free ones of this machine."""
    server = start("--time-scale", "200")
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = str(probe.getsockname()[1])
    variables = environment(LOCUST_MASTER_BIND_PORT=port, LOCUST_MASTER_NODE_PORT=port)
    processes = []
    for number, command in enumerate(documented("Two workers")):
        words = shlex.split(command.replace("http://127.0.0.1:4747", server.base_url))
        words = [str(LOCUST) if each == "locust" else each for each in words]
        words = [str(ROOT / each) if each.startswith("examples/") else each for each in words]
        out = at_the_end.enter_context((tmp_path / f"{number}.txt").open("wb"))
        process = subprocess.Popen(words, cwd=tmp_path, env=variables, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        at_the_end.callback(process.wait, PATIENCE_SECONDS)
        at_the_end.callback(process.kill)
        processes.append(process)
    assert len(processes) == 3
    statuses = [process.wait(PATIENCE_SECONDS) for process in processes]
    told = "".join((tmp_path / f"{number}.txt").read_text(encoding="utf-8") for number in range(3))
    run = read_run(statuses[0], told, tmp_path / "load.json")
    assert statuses == [0, 0, 0], told
    assert run.taken == run.of_those_taken == created(server) == 20
    assert run.count("CALLBACK", "end") + run.count("CALLBACK", "late") > 0


def test_the_page_names_every_option() -> None:
    source = LOCUSTFILE.read_text(encoding="utf-8")
    options = set(re.findall(r'add\("(--[a-z-]+)"', source))
    assert len(options) == 14
    table = DOCS.partition("## Options")[2].partition("**Keys.**")[0]
    assert options == set(re.findall(r"`(--[a-z-]+)`", table.partition("|---|")[2])) - {"--tls"}
