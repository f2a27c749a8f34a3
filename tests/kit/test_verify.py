"""`omnimock verify` as a program, against `omnimock serve` as another."""

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts.provider_check import Plan, verify_provider
from contracts.provider_check.calling import Caller
from mock_server.resources import resource
from mock_server.spec import AuthScheme
from tests.live.support import Ended, Server, assert_clean_end, clean_environment

pytest.importorskip("schemathesis")

KEY = "sk-verify-0123456789abcdef"
Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    servers: list[Server] = []

    def start_one(*arguments: str) -> Server:
        servers.append(Server(tmp_path, "--time-scale", "500", "--api-key", KEY, *arguments))
        return servers[-1]

    yield start_one
    for server in servers:
        assert_clean_end(server.end())


def run(*arguments: str, key: str = KEY) -> Ended:
    done = subprocess.run(
        [sys.executable, "-m", "contracts", "verify", *arguments],
        env=clean_environment(DEERAPI_KEY=key, PYTHONPATH=str(Path.cwd())),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert KEY not in done.stdout + done.stderr
    return Ended(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("serve", "verify"),
    [
        ((), ()),
        (("--profile", "page"), ("--profile", "page")),
        (("--dialect", "gateway-wrapper"), ("--dialect", "gateway-wrapper")),
        (("--profile", "kling@2026-03-11"), ("--profile", "kling@2026-03-11")),
        (("--spec", str(resource("fixtures/providers/replicate.yaml"))),) * 2,
    ],
    ids=["default", "page", "gateway-wrapper", "an older day", "another provider"],
)
def test_a_twin_is_clean(start: Start, serve: tuple[str, ...], verify: tuple[str, ...]) -> None:
    ended = run(start(*serve).base_url, "--max-tasks", "4", "--examples", "5", *verify)
    assert ended.status == 0, ended.out + ended.err
    assert "nothing was found" in ended.out
    assert "tasks were created, of 4 allowed" in ended.out


def test_a_twin_of_another_profile_is_told_from_this_one(start: Start, tmp_path: Path) -> None:
    ended = run(start("--profile", "page").base_url, "--json", "--report", str(tmp_path / "report"))
    assert ended.status == 1, ended.err
    told = json.loads(ended.out)
    assert {each["code"] for each in told["findings"]} == {"not-refused"}
    # The first wrong body that was accepted was the last.
    assert told["tasks_created"] == 1
    finding = told["findings"][0]
    assert finding["mover"] == "service"
    assert "-H 'Authorization: Bearer [key]'" in finding["sent"]
    assert json.loads((tmp_path / "report/verify.json").read_text(encoding="utf-8")) == told
    assert "the service moved" in (tmp_path / "report/verify.txt").read_text(encoding="utf-8")


def test_callbacks_that_do_not_come_are_found(start: Start) -> None:
    ended = run(start("--scenario", "callback-lost").base_url, "--max-tasks", "1", "--examples", "1", "--json")
    assert [each["code"] for each in json.loads(ended.out)["findings"]] == ["callback-missing"]


def test_a_server_that_is_open_to_every_key_is_found(tmp_path: Path) -> None:
    server = Server(tmp_path)
    try:
        told = json.loads(run(server.base_url, "--examples", "1", "--json").out)
    finally:
        assert_clean_end(server.end())
    assert {each["probe"] for each in told["findings"]} == {"bad-key"}
    assert "not-refused" in {each["code"] for each in told["findings"]}


@pytest.mark.parametrize(
    ("arguments", "key", "told"),
    [
        (("http://127.0.0.1:9",), KEY, "does not answer"),
        (("ftp://127.0.0.1",), KEY, "the address of a server is needed"),
        (("http://127.0.0.1:9",), "", "DEERAPI_KEY holds no key"),
        (("http://127.0.0.1:9",), "short", "the key is shorter than 8 characters"),
        (("http://127.0.0.1:9", "--callback-url", "https://example.com"), KEY, "--callback-port"),
        (("http://127.0.0.1:9", "--dialect", "nobody's"), KEY, "there is no dialect"),
    ],
)
def test_what_cannot_be_checked_is_said_in_one_line_with_status_2(
    arguments: tuple[str, ...], key: str, told: str
) -> None:
    ended = run(*arguments, key=key)
    assert ended.status == 2
    assert told in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_key_that_is_refused_ends_the_check(start: Start) -> None:
    ended = run(start().base_url, key="sk-somebody-elses-key")
    assert ended.status == 2
    assert "the service refuses the key" in ended.err


def test_a_service_elsewhere_is_asked_seldom() -> None:
    import httpx

    now = 0.0
    sent: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(now)
        return httpx.Response(200, json={})

    caller = Caller(
        "https://api.example.com",
        KEY,
        AuthScheme(),
        requests_max=10,
        seconds_max=60,
        transport=httpx.MockTransport(answer),
        monotonic=lambda: now,
        sleep=sleep,
    )
    for _ in range(4):
        caller.send("GET", "/")
    caller.close()
    assert all(later - earlier >= 0.33 for earlier, later in itertools.pairwise(sent))


def test_a_redirect_is_not_followed_and_the_result_gets_no_key() -> None:
    import httpx

    came: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        came.append(request)
        return httpx.Response(302, headers={"location": "https://elsewhere.example.com/"})

    caller = Caller(
        "https://api.example.com",
        KEY,
        AuthScheme(),
        requests_max=10,
        seconds_max=60,
        transport=httpx.MockTransport(answer),
    )
    caller.send("GET", "/")
    caller.fetch("https://cdn.example.com/1.mp4")
    caller.close()
    assert [str(each.url) for each in came] == ["https://api.example.com/", "https://cdn.example.com/1.mp4"]
    assert [each.headers.get("authorization") for each in came] == [f"Bearer {KEY}", None]


def test_a_spec_that_is_not_sound_is_not_checked_by(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("openapi: 2.0\n", encoding="utf-8")
    with pytest.raises(Exception, match=r"not an OpenAPI 3\.1 file"):
        verify_provider(Plan(url="http://127.0.0.1:9", spec=tmp_path / "spec.yaml"), KEY)
