"""Scenarios over a real server: chosen by header, by prompt, by setting, from a folder of the user's own."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from tests.live.conftest import StartServer
from tests.live.support import PATIENCE_SECONDS, Client, clean_environment, eventually, run_omnimock
from tests.support import MINIMAL, OMNI


def prefer(client: Client, scenario: str) -> dict[str, str]:
    return {**client.headers, "prefer": f"scenario={scenario}"}


def test_a_header_chooses_for_one_request(client: Client) -> None:
    answer = client.server.http.post(OMNI, json=MINIMAL, headers=prefer(client, "maintenance"))
    assert (answer.status_code, answer.json()["code"]) == (503, 5001)
    assert client.submit().status_code == 200


def test_a_prompt_chooses_for_clients_without_headers(client: Client) -> None:
    task_id = client.created(prompt="A lighthouse. [[scenario: instant]]")
    assert client.task(task_id)["task_status"] == "succeed"


def test_an_unknown_scenario_is_a_clear_400(client: Client) -> None:
    answer = client.server.http.post(OMNI, json=MINIMAL, headers=prefer(client, "maintenence"))
    assert answer.status_code == 400
    assert "did you mean maintenance?" in answer.headers["x-mock-explanation"]
    assert client.listed() == []


def test_a_folder_and_a_setting_choose_for_everybody(start: StartServer, tmp_path: Path, key: str) -> None:
    (tmp_path / "grumpy.yaml").write_text(
        "name: grumpy\nabout: The first two lists are refused, and tasks fail.\n"
        "list: [{problem: rate-limited, times: 2}]\nlifecycle: {pace: 0s, outcome: image-ratio}\n",
        encoding="utf-8",
    )
    client = Client(start("--scenarios", str(tmp_path), "--scenario", "grumpy"), key)
    assert client.task(client.created())["task_status"] == "failed"
    asked = [client.server.http.get(OMNI, headers=client.headers).status_code for _ in range(3)]
    assert asked == [429, 429, 200]


def test_a_slip_in_a_file_stops_the_start_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "grumpy.yaml"
    path.write_text("name: grumpy\nabout: Grumpy.\nlist: [{problem: rate-limted}]\n", encoding="utf-8")
    ended = run_omnimock("serve", "--port", "0", "--scenarios", str(tmp_path), folder=tmp_path)
    assert ended.status == 2
    assert ended.err == (
        f"error: {path}:3: list/0/problem: there is no problem 'rate-limted'; did you mean rate-limited?\n"
    )


def test_a_hangup_reads_the_folder_again_and_says_so_in_one_line(start: StartServer, tmp_path: Path, key: str) -> None:
    path = tmp_path / "grumpy.yaml"
    path.write_text("name: grumpy\nabout: Grumpy.\nlist: [{problem: rate-limited, times: always}]\n", encoding="utf-8")
    server = start("--scenarios", str(tmp_path), "--scenario", "grumpy")
    client = Client(server, key)
    path.write_text("name: grumpy\nabout: Grumpy.\nlist: [{problem: mantenance}]\n", encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.err.endswith("\n"), "a line of the log")
    assert server.err == (
        f"warning: the scenarios stay as they were: {path}:3: list/0/problem: there is no problem 'mantenance'; "
        "did you mean maintenance?\n"
    )
    assert client.server.http.get(OMNI, headers=client.headers).status_code == 429
    path.write_text("name: grumpy\nabout: Grumpy.\nlist: [{problem: maintenance, times: always}]\n", "utf-8")
    server.process.send_signal(signal.SIGHUP)
    eventually(lambda: server.err.count("\n") == 2, "a second line of the log")
    assert server.err.endswith("info: the scenarios were read again: changed grumpy\n")
    assert client.server.http.get(OMNI, headers=client.headers).status_code == 503


def test_a_server_whose_terminal_is_gone_ends(tmp_path: Path) -> None:
    """SIGHUP is how a terminal says that it goes; nobody could stop a server that took it for something else."""
    in_terminal = (
        "import os, sys; os.login_tty(int(sys.argv[1])); "
        "os.execv(sys.executable, [sys.executable, '-m', 'mock_server', 'serve', '--port', '0', '--scenarios', '.'])"
    )
    ours, theirs = pty.openpty()
    server = subprocess.Popen(
        [sys.executable, "-c", in_terminal, str(theirs)], cwd=tmp_path, env=clean_environment(), pass_fds=[theirs]
    )
    os.close(theirs)
    said = b""
    while b"base URL" not in said:
        said += os.read(ours, 4096)
    os.close(ours)
    assert server.wait(PATIENCE_SECONDS) == 0
