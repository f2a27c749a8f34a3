"""The servers of a test run: what ends them, and who shares them."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from contracts.plugin.servers import ServerFailed, Servers
from contracts.plugin.sharing import Asking, Desk
from tests.live.support import clean_environment, eventually
from tests.plugin.support import ROOT


def answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/_mock/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_closing_ends_every_server(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    one, other = servers.base_url(("--seed", "1")), servers.base_url(("--seed", "2"))
    assert one != other
    assert servers.base_url(("--seed", "1")) == one
    assert answers(one)
    servers.close()
    assert not answers(one)
    assert not answers(other)


def test_a_server_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    folder = tmp_path / "scenarios"
    arguments = ("--scenarios", str(folder))
    with pytest.raises(ServerFailed, match=r"the twin did not start: .*scenarios") as first:
        servers.base_url(arguments)
    folder.mkdir()
    with pytest.raises(ServerFailed) as second:
        servers.base_url(arguments)
    assert str(second.value) == str(first.value)
    servers.close()


def test_a_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from contracts.plugin.servers import Servers
print(Servers(Path.cwd()).base_url(()), flush=True)
sys.stdin.read()
"""
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT), TMPDIR=str(tmp_path)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        base_url = process.stdout.readline().strip()
        assert answers(base_url)
        os.kill(process.pid, signal.SIGKILL)
    eventually(lambda: not answers(base_url), "the end of the server")


def test_a_folder_that_is_called_as_a_package_of_ours_is_not_taken_for_it(tmp_path: Path) -> None:
    for name in ("contracts", "mock_server"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('not this one')", encoding="utf-8")
    servers = Servers(tmp_path)
    assert answers(servers.base_url(()))
    servers.close()


def test_who_asks_at_the_desk_gets_the_same_server(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    desk = Desk(servers)
    asking = Asking(desk.where)
    assert asking.base_url(()) == servers.base_url(()) == Asking(desk.where).base_url(())
    with pytest.raises(ServerFailed, match="there is no scenario 'nix'"):
        asking.base_url(("--scenario", "nix"))
    desk.close()
    servers.close()


def test_the_desk_answers_nobody_without_its_key_and_goes_on(tmp_path: Path) -> None:
    servers = Servers(tmp_path)
    desk = Desk(servers)
    host, port, _ = desk.where
    # Stands for what a process that is no worker of this run might have.
    with pytest.raises(ServerFailed, match="cannot be reached"):
        Asking((host, port, "00" * 32)).base_url(())
    assert answers(Asking(desk.where).base_url(()))
    desk.close()
    servers.close()


def test_a_desk_that_is_closed_is_told_of_in_one_line(tmp_path: Path) -> None:
    desk = Desk(Servers(tmp_path))
    desk.close()
    with pytest.raises(ServerFailed, match=r"cannot be reached .* need OMNIMOCK_BASE_URL"):
        Asking(desk.where).base_url(())
