"""`omnimock record` as a program: how it begins and ends, and what it says where it cannot."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from contracts.recording.recorded import read_recording
from tests.live.support import Ended, Server, assert_clean_end, clean_environment, eventually
from tests.recording.support import HEADERS, KEY, PATIENCE_SECONDS
from tests.support import MINIMAL, OMNI


@pytest.fixture
def twin(tmp_path: Path) -> Iterator[Server]:
    folder = tmp_path / "server"
    folder.mkdir()
    server = Server(folder, "--scenario", "instant")
    yield server
    assert_clean_end(server.end())


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "contracts", "record", *arguments]


def environment() -> dict[str, str]:
    return clean_environment(PYTHONPATH=str(Path(__file__).parents[2]))


def ended(folder: Path, *arguments: str) -> Ended:
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Program:
    """The recorder as a program of its own."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        ready = folder / "ready.json"
        self._log = folder / "log.txt"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                command("--port", "0", "--ready-file", str(ready), *arguments),
                cwd=folder,
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            eventually(lambda: ready.exists() or self.process.poll() is not None, "the ready file")
            assert self.process.poll() is None, self.log
        except BaseException:
            self.end(signal.SIGKILL)
            raise
        self.base_url: str = json.loads(ready.read_text())["base_url"]

    @property
    def log(self) -> str:
        return self._log.read_text()

    def post(self, **more: str) -> httpx.Response:
        return httpx.post(f"{self.base_url}{OMNI}", json={**MINIMAL, **more}, headers=HEADERS, trust_env=False)

    def end(self, by: signal.Signals) -> int:
        self.process.send_signal(by)
        return self.process.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_whatever_ends_it_what_the_client_has_seen_is_recorded(
    tmp_path: Path, twin: Server, by: signal.Signals
) -> None:
    program = Program(tmp_path, "--upstream", twin.base_url)
    task_id = program.post().json()["data"]["task_id"]
    status = program.end(by)
    assert status == (-signal.SIGKILL if by == signal.SIGKILL else 0), program.log
    recording = read_recording(tmp_path / f"recordings/task-{task_id}.json")
    assert recording.exchanges[0].accepted
    assert (tmp_path / f"recordings/task-{task_id}.yaml").exists()
    assert "Traceback" not in program.log
    assert KEY not in program.log
    assert f"upstream  {twin.base_url}" in program.log
    if by != signal.SIGKILL:
        assert "1 exchanges are in recordings" in program.log


def test_a_request_under_way_when_it_is_stopped_is_recorded_as_that(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        program = Program(tmp_path, "--upstream", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with socket.create_connection(("127.0.0.1", int(program.base_url.rpartition(":")[2]))) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            # The first connection is the look at start; the second one brings the request.
            for _ in range(2):
                taken, _ = silent.accept()
                with taken:
                    taken.settimeout(PATIENCE_SECONDS)
                    if taken.recv(1):
                        assert program.end(signal.SIGTERM) == 0
    (exchange,) = read_recording(tmp_path / "recordings/without-task.json").exchanges
    assert exchange.lost == "stopped"


def test_a_service_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    program = Program(tmp_path, "--upstream", "http://127.0.0.1:9")
    assert program.post().status_code == 502
    assert program.end(signal.SIGTERM) == 0
    assert "warning: nothing can connect to http://127.0.0.1:9 now: Connection refused" in program.log


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "--upstream is missing"),
        (
            ("--upstream", "api.deerapi.com"),
            "--upstream 'api.deerapi.com': an address with http:// or https:// is needed",
        ),
        (("--upstream", "http://x.test", "--public-url", "x.test"), "--public-url 'x.test': an address"),
        (("--upstream", "http://x.test", "--folder", "a-file"), "--folder a-file: cannot write there: is no folder"),
        (
            ("--upstream", "http://x.test", "--folder", "a-file/b"),
            "--folder a-file/b: cannot write there: is no folder",
        ),
        (("--upstream", "http://x.test", "--spec", "none.yaml"), "none.yaml: No such file"),
        (("--upstream", "http://x.test", "--profile", "none"), "none"),
        (("--upstream", "http://x.test", "--dialect", "none"), "none"),
        (("--upstream", "https://x.test", "--ca", "a-file"), "--ca a-file: this is no certificate"),
        (("--upstream", "http://x.test", "--port", "{port}"), "Address already in use; --port 0 takes a free one"),
        (("--upstream", "http://x.test", "--timeout", "5"), "is not a duration: write 5s"),
        (("scenario", "none.json"), "none.json: No such file"),
        (("scenario", "a-file"), "a-file: is no recording"),
    ],
)
def test_what_cannot_be_is_one_line_and_status_2(tmp_path: Path, arguments: tuple[str, ...], why: str) -> None:
    (tmp_path / "a-file").write_text("a text")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = ended(tmp_path, *(each.replace("{port}", port) for each in arguments))
    assert done.status == 2, done.err
    assert why in done.err
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != "recordings") == ["a-file"]


def test_it_does_not_record_itself(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
    done = ended(tmp_path, "--upstream", f"http://localhost:{port}", "--port", str(port))
    assert done.status == 2
    assert "that is this recorder" in done.err


def test_the_scenario_of_a_recording_is_printed_again(tmp_path: Path, twin: Server) -> None:
    program = Program(tmp_path, "--upstream", twin.base_url)
    task_id = program.post().json()["data"]["task_id"]
    assert program.end(signal.SIGTERM) == 0
    written = tmp_path / f"recordings/task-{task_id}.yaml"
    done = ended(tmp_path, "scenario", str(written.with_suffix(".json")))
    assert (done.status, done.out) == (0, written.read_text())
    named = ended(tmp_path, "scenario", str(written.with_suffix(".json")), "--name", "of-mine")
    assert yaml.safe_load(named.out)["name"] == "of-mine"
    wrong = ended(tmp_path, "scenario", str(written.with_suffix(".json")), "--name", "Of Mine")
    assert (wrong.status, "a name of small letters" in wrong.err) == (2, True)


def test_nothing_of_the_kit_is_needed() -> None:
    without = "import sys\nfor name in ('hypothesis', 'schemathesis', 'respx', 'pytest'): sys.modules[name] = None\n"
    code = f"{without}import contracts.record_command, contracts.recording.serving, contracts.recording.retelling"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
