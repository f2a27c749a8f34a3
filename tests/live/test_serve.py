"""`omnimock serve` as its users start it: the page's own command, the ready file, settings, signals, the terminal."""

import base64
import hashlib
import hmac
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mock_server import __version__
from tests.live.conftest import StartServer
from tests.live.support import (
    PATIENCE_SECONDS,
    TO_THE_END,
    Client,
    Ended,
    Receiver,
    Server,
    assert_clean_end,
    clean_environment,
    connected,
    eventually,
    run_omnimock,
)
from tests.support import MINIMAL, OMNI

PROVIDER = "https://api.deerapi.com"

# The command of DeerAPI's page, as it stands there.
PAGE_COMMAND = """\
curl https://api.deerapi.com/kling/v1/videos/omni-video \\
  -H "Content-Type: application/json" \\
  -H "Authorization: Bearer $DEERAPI_KEY" \\
  -d '{
    "model_name": "kling-video-o1",
    "prompt": "A cinematic shot of a modern glass workspace at sunrise with smooth camera movement.",
    "image_list": [
      {
        "image_url": "https://example.com/omni-reference.png"
      }
    ],
    "mode": "pro",
    "aspect_ratio": "16:9",
    "duration": "5",
    "callback_url": "https://example.com/kling/callback"
  }'
"""


def run_in_shell(command: str, home: Path, **environment: str) -> tuple[int, dict[str, Any]]:
    """Run a curl command as it is in a shell; return the HTTP status and the JSON that came.

    curl is told to add the status by its configuration file, so that the command stays as it was written.
    """
    (home / ".curlrc").write_text('silent\nshow-error\nwrite-out = "\\n%{http_code}"\n', encoding="utf-8")
    done = subprocess.run(
        ["/bin/sh", "-c", command],
        env=clean_environment(CURL_HOME=str(home), HOME=str(home), **environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    body, _, status = done.stdout.rpartition("\n")
    value = json.loads(body)
    assert isinstance(value, dict)
    return int(status), value


# The page's own command


@dataclass(frozen=True)
class PageRun:
    """What became of the page's command, run against a server with nothing changed but the base URL."""

    client: Client
    status: int
    answer: dict[str, Any]

    @property
    def task_id(self) -> str:
        task_id = self.answer["data"]["task_id"]
        assert isinstance(task_id, str)
        return task_id


@pytest.fixture(scope="module")
def page_run(start_shared: StartServer, tmp_path_factory: pytest.TempPathFactory) -> PageRun:
    server = start_shared("--time-scale", "500")
    key = "sk-from-the-page"
    command = PAGE_COMMAND.replace(PROVIDER, server.base_url)
    status, answer = run_in_shell(command, tmp_path_factory.mktemp("home"), DEERAPI_KEY=key)
    return PageRun(Client(server, key), status, answer)


def test_the_command_of_the_page_is_accepted(page_run: PageRun) -> None:
    assert (page_run.status, page_run.answer["code"]) == (200, 0), page_run.answer


def test_the_command_of_the_page_gets_the_documented_members(page_run: PageRun) -> None:
    assert set(page_run.answer) == {"code", "message", "request_id", "data"}
    assert set(page_run.answer["data"]) == {"task_id", "task_status", "task_info", "created_at", "updated_at"}


def test_the_task_of_the_page_succeeds_when_it_is_polled(page_run: PageRun) -> None:
    task = page_run.client.wait_for(page_run.task_id, "succeed")
    assert len(task["task_result"]["videos"]) == 1


def test_the_task_of_the_page_is_in_the_list(page_run: PageRun) -> None:
    assert [each["task_id"] for each in page_run.client.listed()] == [page_run.task_id]


def test_the_refused_callback_of_the_page_is_told_on_the_terminal(page_run: PageRun) -> None:
    def look() -> str | None:
        lines = [line for line in page_run.client.server.err.splitlines() if page_run.task_id in line]
        return lines[0] if lines else None

    told = eventually(look, "a line about the callback")
    assert "example.com is not this machine; --callback-allow example.com would send there" in told


def test_the_refused_callback_of_the_page_is_told_once_for_all_its_statuses(page_run: PageRun) -> None:
    page_run.client.wait_for(page_run.task_id, "succeed")
    assert page_run.client.server.err.count("example.com is not this machine") == 1


def test_the_video_of_the_page_can_be_fetched(page_run: PageRun) -> None:
    task = page_run.client.wait_for(page_run.task_id, "succeed")
    answer = page_run.client.server.http.get(task["task_result"]["videos"][0]["url"])
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")


# Where clients look

MOUNTS = ["/kling/v1", "/v1", "/proxy/kling/v1", "/team/kling/v1"]


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_task_is_submitted_below_every_mount(fast_server: Server, key: str, mount: str) -> None:
    assert Client(fast_server, key).submit(path=f"{mount}/videos/omni-video").status_code == 200


@pytest.mark.parametrize("mount", MOUNTS)
def test_a_task_is_found_below_every_mount(fast_server: Server, key: str, mount: str) -> None:
    client = Client(fast_server, key)
    task_id = client.created()
    assert client.task(task_id, path=f"{mount}/videos/omni-video")["task_id"] == task_id


@pytest.mark.parametrize("mount", MOUNTS)
def test_tasks_are_listed_below_every_mount(fast_server: Server, key: str, mount: str) -> None:
    client = Client(fast_server, key)
    task_id = client.created()
    assert [each["task_id"] for each in client.listed(path=f"{mount}/videos/omni-video")] == [task_id]


def test_a_path_that_is_not_mounted_is_refused_as_the_provider_does(fast_server: Server, key: str) -> None:
    answer = Client(fast_server, key).submit(path="/other/v1/videos/omni-video")
    assert (answer.status_code, answer.json()["code"]) == (404, 1203)


def test_result_urls_have_the_address_that_the_client_called(manual_server: Server, client: Client) -> None:
    called = f"http://localhost:{manual_server.port}"
    answer = manual_server.http.post(
        OMNI, json=MINIMAL, headers={**client.headers, "host": f"localhost:{manual_server.port}"}
    )
    client.advance(TO_THE_END)
    video = client.task(answer.json()["data"]["task_id"])["task_result"]["videos"][0]
    assert video["url"].startswith(f"{called}/")


# The ready file


def test_the_ready_file_says_where_the_server_is(manual_server: Server) -> None:
    ready = json.loads(manual_server.ready_file.read_text(encoding="utf-8"))
    assert ready == {
        "base_url": f"http://127.0.0.1:{manual_server.port}",
        "port": manual_server.port,
        "pid": manual_server.process.pid,
    }


def test_the_server_answers_as_soon_as_there_is_a_ready_file(start: StartServer) -> None:
    """`start` returns at the first sight of the file, and the next line connects."""
    assert start().health()["status"] == "ok"


class _Watch:
    """Reads the ready file over and over while a server starts, and keeps every content it saw."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.contents: set[str] = set()
        self.names: set[str] = set()
        self._enough = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()

    def _look(self) -> None:
        path = self._folder / "ready.json"
        while not self._enough.is_set():
            try:
                self.contents.add(path.read_text(encoding="utf-8"))
            except FileNotFoundError:
                self.names |= {each.name for each in self._folder.iterdir()}

    def stop(self) -> None:
        self._enough.set()
        self._thread.join(PATIENCE_SECONDS)


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[_Watch]:
    one = _Watch(tmp_path)
    yield one
    one.stop()


def test_nobody_ever_sees_a_part_of_the_ready_file(start: StartServer, tmp_path: Path, watch: _Watch) -> None:
    server = start(folder=tmp_path)
    eventually(lambda: watch.contents, "a sight of the ready file")
    watch.stop()
    assert watch.contents == {json.dumps({"base_url": server.base_url, "port": server.port, "pid": server.pid}) + "\n"}


def test_the_ready_file_is_all_that_is_left_beside_it(start: StartServer, tmp_path: Path) -> None:
    start(folder=tmp_path)
    assert {each.name for each in tmp_path.iterdir()} == {"ready.json", "stdout.txt", "stderr.txt"}


def test_the_ready_file_is_gone_when_the_server_has_ended(start: StartServer) -> None:
    server = start()
    server.end()
    assert not server.ready_file.exists()


def test_an_old_ready_file_does_not_outlive_a_start_that_fails(manual_server: Server, tmp_path: Path) -> None:
    old = tmp_path / "ready.json"
    old.write_text("{}", encoding="utf-8")
    run_omnimock("serve", "--port", str(manual_server.port), "--ready-file", str(old), folder=tmp_path)
    assert not old.exists()


def test_port_0_takes_a_free_port(start: StartServer, manual_server: Server) -> None:
    server = start("--port", "0")
    assert server.port not in (0, manual_server.port)


# What cannot be started


def fails_in_one_line(ended: Ended) -> str:
    """Check that a command has said in one line what is wrong, with status 2; return the line."""
    assert "Traceback" not in ended.err, ended.err
    assert ended.status == 2, ended
    lines = ended.err.splitlines()
    assert len(lines) == 1, ended.err
    assert lines[0].startswith("error: "), ended.err
    return lines[0]


def test_a_busy_port_is_named(manual_server: Server, tmp_path: Path) -> None:
    ended = run_omnimock("serve", "--port", str(manual_server.port), folder=tmp_path)
    assert f"cannot listen on 127.0.0.1 port {manual_server.port}" in fails_in_one_line(ended)


def test_a_host_that_is_not_this_machine_is_named(tmp_path: Path) -> None:
    ended = run_omnimock("serve", "--port", "0", "--host", "192.0.2.1", folder=tmp_path)
    assert "cannot listen on 192.0.2.1" in fails_in_one_line(ended)


def test_an_unknown_extension_of_the_spec_is_told_with_file_and_line(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[2] / "openapi.yaml").read_text(encoding="utf-8").splitlines()
    spec = tmp_path / "mine.yaml"
    spec.write_text("\n".join([*lines, "x-nonsense: 1", ""]), encoding="utf-8")
    ended = run_omnimock("serve", "--port", "0", "--spec", str(spec), folder=tmp_path)
    assert f"{spec}:{len(lines) + 1}: x-nonsense" in fails_in_one_line(ended)


def test_a_spec_that_is_not_yaml_is_told_with_file_and_line(tmp_path: Path) -> None:
    spec = tmp_path / "mine.yaml"
    spec.write_text("openapi: 3.1.0\ninfo: [\n", encoding="utf-8")
    ended = run_omnimock("serve", "--port", "0", "--spec", str(spec), folder=tmp_path)
    assert re.search(rf"{re.escape(str(spec))}:\d+: ", fails_in_one_line(ended))


BAD_SETTINGS = [
    ("--spec", "no-such-file.yaml"),
    ("--spec", "."),
    ("--profile", "nonsense"),
    ("--profile", "kling@yesterday"),
    ("--scenario", "nonsense"),
    ("--time-scale", "0"),
    ("--time-scale", "nan"),
    ("--callback-secret", "whsec_short"),
    ("--media-base-url", "cdn.example.com"),
    ("--mount", "kling/"),
    ("--api-key", "with space"),
    ("--ready-file", "no-such-folder/ready.json"),
    # Those that click looks at.
    ("--port", "99999"),
    ("--port", "http"),
    ("--clock", "sundial"),
    ("--time-scale", "fast"),
    ("--concurrency", "0"),
    ("--callback-timeout", "soon"),
    ("--callback-retries", "10s,soon"),
    ("--ready-file", "."),
    ("--no-such-setting", "1"),
]


@pytest.mark.parametrize(("name", "value"), BAD_SETTINGS, ids=lambda each: each.lstrip("-"))
def test_a_bad_setting_is_told_in_one_line(tmp_path: Path, name: str, value: str) -> None:
    arguments = () if name == "--port" else ("--port", "0")
    line = fails_in_one_line(run_omnimock("serve", *arguments, name, value, folder=tmp_path))
    assert name.lstrip("-").replace("-", " ") in line.replace("-", " ") or value in line


def test_a_ready_file_that_cannot_be_written_is_told_in_one_line(tmp_path: Path) -> None:
    """A name of 255 bytes is the longest there is, so the temporary file beside it cannot be made."""
    ended = run_omnimock("serve", "--port", "0", "--ready-file", str(tmp_path / ("r" * 255)), folder=tmp_path)
    assert "ready" in fails_in_one_line(ended)


def test_a_manual_clock_does_not_go_with_a_time_scale(tmp_path: Path) -> None:
    ended = run_omnimock("serve", "--port", "0", "--clock", "manual", "--time-scale", "2", folder=tmp_path)
    assert "time-scale" in fails_in_one_line(ended)


def test_an_unknown_variable_is_told_with_the_nearest(tmp_path: Path) -> None:
    ended = run_omnimock("serve", folder=tmp_path, environment={"OMNIMOCK_PROT": "1"})
    assert "OMNIMOCK_PROT: there is no such setting; did you mean OMNIMOCK_PORT?" in fails_in_one_line(ended)


def test_a_bad_variable_is_told_in_one_line(tmp_path: Path) -> None:
    ended = run_omnimock("serve", folder=tmp_path, environment={"OMNIMOCK_PORT": "http"})
    assert "OMNIMOCK_PORT" in fails_in_one_line(ended)


def write_table(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")


def test_an_unknown_key_of_the_table_is_told_with_the_nearest(tmp_path: Path) -> None:
    write_table(tmp_path, "[tool.omnimock]\nprot = 1\n")
    ended = run_omnimock("serve", folder=tmp_path)
    assert "[tool.omnimock] prot: there is no such setting; did you mean port?" in fails_in_one_line(ended)


BAD_TABLES = [
    "[tool.omnimock\n",
    "tool = 3\n",
    "[tool]\nomnimock = 3\n",
    "[tool.omnimock.port]\nfirst = 1\n",
    '[tool.omnimock]\nport = "http"\n',
    "[tool.omnimock]\nport = true\n",
    "[tool.omnimock]\nport = [1]\n",
    "[tool.omnimock]\nseed = 1.5\n",
    "[tool.omnimock]\nspec = 3\n",
    "[tool.omnimock]\nprofile = 3\n",
    "[tool.omnimock]\ntime-scale = true\n",
    "[tool.omnimock]\napi-key = 3\n",
    "[tool.omnimock]\ncallback-retries = 5\n",
    "[tool.omnimock]\ncallback-timeout = true\n",
    "[tool.omnimock]\ncallback-timeout = -1\n",
]


@pytest.mark.parametrize("text", BAD_TABLES, ids=lambda text: text.replace("\n", " ").strip())
def test_a_bad_table_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    """The address is of no machine, so that what is taken by mistake ends at once as well."""
    write_table(tmp_path, text)
    line = fails_in_one_line(run_omnimock("serve", "--host", "192.0.2.1", folder=tmp_path))
    assert "cannot listen" not in line


# Where settings come from


def test_a_setting_comes_from_the_table(start: StartServer, tmp_path: Path) -> None:
    write_table(tmp_path, '[tool.omnimock]\nprofile = "page"\n')
    assert start(folder=tmp_path).health()["profile"].partition("@")[0] == "page"


def test_a_setting_comes_from_the_environment(start: StartServer) -> None:
    assert start(environment={"OMNIMOCK_PROFILE": "page"}).health()["profile"].partition("@")[0] == "page"


def test_the_environment_wins_over_the_table(start: StartServer, tmp_path: Path) -> None:
    write_table(tmp_path, '[tool.omnimock]\nprofile = "page"\n')
    server = start(folder=tmp_path, environment={"OMNIMOCK_PROFILE": "kling@2026-05-01"})
    assert server.health()["profile"] == "kling@2026-05-01"


def test_the_command_line_wins_over_the_environment(start: StartServer) -> None:
    server = start("--profile", "kling@2026-05-01", environment={"OMNIMOCK_PROFILE": "page"})
    assert server.health()["profile"] == "kling@2026-05-01"


def test_a_list_in_the_table_gives_every_value(start: StartServer, tmp_path: Path) -> None:
    write_table(tmp_path, '[tool.omnimock]\napi-key = ["sk-one", "sk-two"]\n')
    server = start(folder=tmp_path)
    statuses = [Client(server, key).submit().status_code for key in ("sk-one", "sk-two", "sk-three")]
    assert statuses == [200, 200, 401]


def test_the_variables_of_the_driver_protocol_are_no_settings(start: StartServer) -> None:
    assert start(environment={"OMNIMOCK_BASE_URL": "http://x", "OMNIMOCK_JOB": "{}"}).health()["status"] == "ok"


# Keys


def token(account: str, secret: bytes, issued_at: int) -> str:
    """Sign a JWT as the vendor's own clients do, for half an hour."""

    def part(value: bytes) -> bytes:
        return base64.urlsafe_b64encode(value).rstrip(b"=")

    claims = {"iss": account, "nbf": issued_at - 5, "exp": issued_at + 1_800}
    signed = part(b'{"alg":"HS256","typ":"JWT"}') + b"." + part(json.dumps(claims).encode())
    return (signed + b"." + part(hmac.new(secret, signed, hashlib.sha256).digest())).decode()


def test_a_token_that_was_signed_anew_stays_in_its_world(fast_server: Server, key: str) -> None:
    now = int(time.time())
    task_id = Client(fast_server, token(key, b"secret", now - 60)).created()
    assert Client(fast_server, token(key, b"secret", now)).task(task_id)["task_id"] == task_id


def test_tokens_of_two_accounts_have_two_worlds(fast_server: Server, key: str) -> None:
    now = int(time.time())
    Client(fast_server, token(key, b"secret", now)).created()
    assert Client(fast_server, token(f"{key}-other", b"secret", now)).listed() == []


def test_a_token_that_has_expired_is_refused(fast_server: Server, key: str) -> None:
    answer = Client(fast_server, token(key, b"secret", int(time.time()) - 3_600)).submit()
    assert (answer.status_code, answer.json()["code"]) == (401, 1004)


def test_with_an_api_key_every_other_is_refused(start: StartServer) -> None:
    answer = Client(start("--api-key", "sk-mine"), "sk-other").submit()
    assert (answer.status_code, answer.json()["code"]) == (401, 1000)


# The terminal


def test_the_banner_says_the_base_url(manual_server: Server) -> None:
    assert f"base URL  {manual_server.base_url}\n" in manual_server.out


def test_the_banner_says_the_version(manual_server: Server) -> None:
    assert manual_server.out.startswith(f"omnimock {__version__}: ")


def test_the_banner_says_that_any_key_does(manual_server: Server) -> None:
    assert "API key   any; each key is a world of its own\n" in manual_server.out


def test_the_banner_says_that_only_some_keys_do(start: StartServer) -> None:
    assert "API key   one of 1 accepted; others get 401\n" in start("--api-key", "sk-mine").out


def test_the_banner_does_not_show_the_accepted_keys(start: StartServer) -> None:
    assert "sk-mine" not in start("--api-key", "sk-mine").out


def test_the_command_of_the_banner_works_in_a_shell(fast_server: Server, tmp_path: Path) -> None:
    command = fast_server.out[fast_server.out.index("curl ") :]
    assert run_in_shell(command, tmp_path)[0] == 200


def test_the_command_of_the_banner_sends_the_body_of_the_page_without_its_receiver(fast_server: Server) -> None:
    def body(command: str) -> Any:
        words = shlex.split(command)
        return json.loads(words[words.index("-d") + 1])

    of_the_page = body(PAGE_COMMAND)
    del of_the_page["callback_url"]
    assert body(fast_server.out[fast_server.out.index("curl ") :]) == of_the_page


def test_nothing_is_coloured_where_there_is_no_terminal(page_run: PageRun) -> None:
    eventually(lambda: "warning: " in page_run.client.server.err, "the warning of the refused callback")
    assert "\x1b" not in page_run.client.server.err + page_run.client.server.out


def test_an_error_is_not_coloured_where_there_is_no_terminal(tmp_path: Path) -> None:
    ended = run_omnimock("serve", "--profile", "nonsense", folder=tmp_path)
    assert "\x1b" not in ended.err


# The end


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM], ids=lambda by: by.name)
def test_a_signal_ends_the_server_with_status_0(start: StartServer, by: signal.Signals) -> None:
    assert_clean_end(start().end(by))


def test_a_server_without_callbacks_ends_without_a_word_of_them(start: StartServer) -> None:
    server = start("--clock", "manual")
    Client(server, "sk-a").created()
    assert server.end().err == "omnimock has stopped\n"


@dataclass(frozen=True)
class Interrupted:
    """A server that was ended with callbacks pending, and the tasks that they were of."""

    booked: str
    under_way: str
    ended: Ended


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory) -> Interrupted:
    """One task's receiver has got `submitted` and waits for the rest; another's hangs with `submitted` in its hands."""
    server = Server(tmp_path_factory.mktemp("server"), "--clock", "manual", "--callback-timeout", "60s")
    receiver = Receiver()
    try:
        client = Client(server, "sk-a")
        booked = client.created(callback_url=receiver.url("/quick"))
        under_way = client.created(callback_url=receiver.script("hang", path="/hangs"))
        receiver.wait(2)
        return Interrupted(booked, under_way, server.end())
    finally:
        if server.running:
            server.end()
        receiver.close()


def undelivered(interrupted: Interrupted, task_id: str) -> list[str]:
    """Return the statuses of a task that were reported as not delivered, in the order of the lines."""
    lines = [line for line in interrupted.ended.err.splitlines() if task_id in line]
    return [match[1] for line in lines if (match := re.search(r"callback not delivered: (\w+) of task", line))]


def test_callbacks_that_are_booked_at_the_end_are_each_reported_once(interrupted: Interrupted) -> None:
    assert undelivered(interrupted, interrupted.booked) == ["processing", "succeed"]


def test_a_callback_that_is_under_way_at_the_end_is_reported_once(interrupted: Interrupted) -> None:
    assert sorted(undelivered(interrupted, interrupted.under_way)) == ["processing", "submitted", "succeed"]


def test_a_server_with_pending_callbacks_ends_with_status_0(interrupted: Interrupted) -> None:
    assert_clean_end(interrupted.ended)


def test_a_request_that_is_half_sent_does_not_spoil_the_end(start: StartServer) -> None:
    server = start()
    head = f"POST {OMNI} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\nexpect: 100-continue\r\n\r\n"
    with connected(server.port) as connection:
        connection.sendall(head.encode() + b"{")
        # The server has begun with the request when it asks for its body.
        assert connection.recv(1_024).startswith(b"HTTP/1.1 100 ")
        assert_clean_end(server.end())


def test_an_idle_connection_does_not_hold_up_the_end(start: StartServer) -> None:
    server = start()
    with connected(server.port):
        assert_clean_end(server.end())


def test_the_port_is_free_again_after_the_end(start: StartServer) -> None:
    server = start()
    server.end()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", server.port))
        assert listener.getsockname()[1] == server.port


def test_the_process_that_the_ready_file_names_is_the_one_that_ends(start: StartServer) -> None:
    server = start()
    os.kill(server.pid, signal.SIGTERM)
    assert server.process.wait(PATIENCE_SECONDS) == 0
    server.http.close()
