"""The plugin as its users see it: what a run of pytest says when a test fails, or cannot even begin."""

import re
from pathlib import Path

import pytest

from tests.plugin.support import run_tests

SUBMIT = """
import httpx, os, pathlib, pytest

OMNI = "/kling/v1/videos/omni-video"

def submit(omnimock, **more):
    body = {"prompt": "A lighthouse.", "aspect_ratio": "16:9", **more}
    answer = httpx.post(omnimock.base_url + OMNI, json=body, headers=omnimock.headers, trust_env=False)
    return answer.json().get("data", {}).get("task_id")
"""


def section(text: str, title: str) -> str:
    """Return what a run says of one test."""
    found = re.search(
        rf"^_+ (?:ERROR at setup of )?{title} _+$(.*?)(?=^[_=]{{5,}} |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert found is not None, text
    return found[1]


FAILING = (
    SUBMIT
    + """
def test_requests(omnimock):
    print("the key is", omnimock.key)
    submit(omnimock)
    omnimock.advance("5s")
    submit(omnimock, sound="on")
    omnimock.assert_requests(operation="createOmniVideo", count=1)

def test_no_request(omnimock):
    submit(omnimock)
    omnimock.assert_requests(operation="getOmniVideo", at_least=2)

def test_silence(omnimock):
    omnimock.assert_requests()

def test_paid(omnimock):
    submit(omnimock, external_task_id="mine")
    omnimock.finish(submit(omnimock, external_task_id="other"))
    omnimock.assert_paid_at_most(1, external_id="mine")
    omnimock.assert_paid_at_most(1)

def test_violations(omnimock):
    submit(omnimock)
    submit(omnimock, sound="on")
    httpx.get(omnimock.base_url + "/kling/v1/video", headers=omnimock.headers, trust_env=False)
    omnimock.assert_no_violations()

def test_warnings(omnimock):
    submit(omnimock, colour="red")
    omnimock.assert_no_violations()
    omnimock.assert_no_violations(warnings=True)

def test_callbacks(omnimock):
    submit(omnimock, callback_url="http://127.0.0.1:9/hook")
    omnimock.advance("1h")
    omnimock.assert_callbacks(status="succeed", at_least=1, at_most=4)
    omnimock.assert_callbacks(status="succeed", outcome="delivered")

def test_wait(omnimock):
    submit(omnimock, callback_url="http://127.0.0.1:9/hook")
    omnimock.wait(status="succeed", timeout="50s")

def test_filter(omnimock):
    omnimock.assert_requests(operation="createOmniVidio")

@pytest.mark.omnimock(scenario={"submit": [{"fault": "reset"}]}, times=1)
def test_lost(omnimock):
    try:
        submit(omnimock)
    except httpx.TransportError:
        submit(omnimock)
    assert False, "the client's own"

def test_in_process(omnimock_transport):
    with httpx.Client(transport=omnimock_transport, base_url=omnimock_transport.base_url) as http:
        http.get(OMNI, headers={"authorization": "Bearer sk-one-of-mine"})
        http.get(OMNI + "/7", headers={"authorization": "Bearer sk-another-one"})
    assert False

def test_in_process_silence(omnimock_transport):
    assert False

def test_several_numbers(omnimock):
    omnimock.assert_requests(count=1, at_most=2)

def test_redeliver(omnimock):
    omnimock.redeliver()

def test_late_receiver(omnimock_transport):
    with httpx.Client(transport=omnimock_transport, base_url=omnimock_transport.base_url) as http:
        http.get(OMNI, headers=omnimock_transport.headers)
    omnimock_transport.send_callbacks_to(print)

def test_passes(omnimock):
    assert omnimock.wait(timeout="0s", count=1) if submit(omnimock) else False
"""
)


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What one run says of many tests that fail."""
    ended = run_tests(tmp_path_factory.mktemp("failing"), FAILING)
    assert ended.outcomes == {"failed": 15, "passed": 1}, ended.text
    return ended.text


@pytest.mark.parametrize(
    ("test", "lines"),
    [
        (
            "test_requests",
            """
E       AssertionError: requests with operation=createOmniVideo: exactly 1 expected, 2 came
E       these came:
E         #1      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
E         #2      5.000 s  POST /kling/v1/videos/omni-video  → 400  invalid-value; WHY
""".replace("WHY", "/sound: 'on' came; allowed: kling-video-o1 makes no sound. (R9)"),
        ),
        (
            "test_no_request",
            """
E       AssertionError: requests with operation=getOmniVideo: at least 2 expected, none came
E       what came instead:
E         #1      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
""",
        ),
        (
            "test_silence",
            """
E       AssertionError: requests: at least 1 expected, none came
E         the journal is empty: no request came
""",
        ),
        (
            "test_paid",
            """
E       AssertionError: tasks that are paid for: at most 1 expected, 2 came (4 units charged so far)
E         task 815664722670895641  submitted   4 units  external id mine
E         task 815664722671987848  succeed     4 units  external id other
E       the submits:
E         #1      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
E         #2      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
""",
        ),
        (
            "test_violations",
            """
E       AssertionError: requests that break the spec or a rule: none expected, 2 of 3 came
E         #2      0.000 s  POST /kling/v1/videos/omni-video  → 400  invalid-value
E                /sound: 'on' came; allowed: kling-video-o1 makes no sound. (R9)
E         #3      0.000 s  GET  /kling/v1/video  → 404  resource-not-found
E                /kling/v1/video came; use one of these paths, or add a prefix with --mount
""",
        ),
        (
            "test_warnings",
            """
E       AssertionError: requests that break the spec or a rule: none expected, 1 of 1 came
E         #1      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
E                /colour: 'red' came; allowed: A field that is not in the spec is probably ignored by WHOM (R17)
""".replace("WHOM", "the provider: check its name."),
        ),
        (
            "test_lost",
            """
E       AssertionError: the client's own
------------------------------- omnimock journal -------------------------------
#1      0.000 s  POST /kling/v1/videos/omni-video  → no reply (200 was lost)  submitted  submit 1 reset
#2      0.000 s  POST /kling/v1/videos/omni-video  → 200  submitted
""",
        ),
        (
            "test_in_process",
            """
------------------------ omnimock journal (in process) -------------------------
#1      0.000 s  GET  /kling/v1/videos/omni-video  → 200  0 tasks
------------------------ omnimock journal (in process) -------------------------
#1      0.000 s  GET  /kling/v1/videos/omni-video/7  → 400  task-not-found; 7 came; WHY
""".replace("WHY", "ask with the key that the task was submitted with (tasks in this key's world: 0)"),
        ),
        ("test_in_process_silence", "(no request with a key came)"),
    ],
)
def test_a_failure_says_what_was_expected_and_what_came(failures: str, test: str, lines: str) -> None:
    told = [line for line in section(failures, test).splitlines() if line.strip()]
    wanted = [line for line in lines.splitlines() if line]
    assert [line for line in told if line in wanted] == wanted, "\n".join(told)


@pytest.mark.parametrize(
    ("test", "words"),
    [
        (
            "test_callbacks",
            ("callback attempts with status=succeed, outcome=delivered: at least 1 expected, none came",),
        ),
        ("test_callbacks", ("CALLBACK succeed to http://127.0.0.1:9/hook  → failed  attempt 2  cannot connect",)),
        ("test_wait", ("the wait for status=succeed is over: 0 of 1 came", "CALLBACK submitted")),
        ("test_filter", ("there is no 'createOmniVidio'; did you mean createOmniVideo?",)),
        ("test_several_numbers", ("TypeError", "leave out at_least and at_most, or count")),
        ("test_redeliver", ("no callback of this world was tried yet",)),
        ("test_late_receiver", ("say where callbacks go before the first one",)),
    ],
)
def test_a_failure_has_the_words(failures: str, test: str, words: tuple[str, ...]) -> None:
    told = section(failures, test)
    assert [word for word in words if word not in told] == [], told


def test_a_failure_shows_the_line_of_the_test_and_none_of_ours(failures: str) -> None:
    for test in ("test_requests", "test_paid", "test_wait", "test_filter", "test_redeliver"):
        assert re.search(r"^test_it\.py:\d+: ", section(failures, test), re.MULTILINE), test
        assert "contracts/plugin" not in section(failures, test)


def test_the_journal_of_a_failure_has_no_key(failures: str) -> None:
    (key,) = re.findall(r"the key is (\S+)", failures)
    assert failures.count(key) == 1


BAD_SETUP = (
    SUBMIT
    + """
@pytest.mark.omnimock(scenario="maintenence")
def test_live(omnimock): pass

@pytest.mark.omnimock(scenario="maintenence")
def test_in_process(omnimock_transport): pass

@pytest.mark.omnimock(scenario={"submit": [{"fault": "rest"}]})
def test_whole(omnimock_transport): pass

@pytest.mark.omnimock(profile="pages")
def test_profile(omnimock): pass

def test_added(request):
    request.node.add_marker(pytest.mark.omnimock(colour=1))
    request.getfixturevalue("omnimock")
"""
)


def test_a_scenario_that_there_is_not_fails_the_setup_with_the_nearest(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, BAD_SETUP)
    assert ended.outcomes == {"errors": 4, "failed": 1}, ended.text
    for test, words in {
        "test_live": "scenario: there is no scenario 'maintenence'; did you mean maintenance?",
        "test_in_process": "there is no scenario 'maintenence'; did you mean maintenance?",
        "test_whole": "did you mean reset?",
        "test_profile": "'pages'",
        "test_added": "there is no argument 'colour'; there are scenario, times, clock, profile, host",
    }.items():
        (told,) = [line for line in section(ended.text, test).splitlines() if line.startswith("omnimock: ")]
        assert words in told


def test_a_marker_that_says_what_it_cannot_is_a_usage_error(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.omnimock(scenari='x')\ndef test_it(omnimock): pass\n"
    ended = run_tests(tmp_path, source)
    assert ended.status == 4
    told = "ERROR: test_it.py::test_it: @pytest.mark.omnimock: there is no argument 'scenari'; did you mean scenario?"
    assert told in ended.text.splitlines()


def test_in_a_worker_such_a_marker_fails_its_test_alone(tmp_path: Path) -> None:
    source = "import pytest\n@pytest.mark.omnimock(a=1)\ndef test_it(omnimock): pass\ndef test_other(): pass\n"
    ended = run_tests(tmp_path, source, "-n", "1")
    assert ended.outcomes == {"error": 1, "passed": 1}, ended.text
    assert "there is no argument 'a'" in ended.text


NOTHING = "def test_it(omnimock): pass\n"


def test_a_setting_that_cannot_be_is_told_in_one_line(tmp_path: Path) -> None:
    source = "def test_live(omnimock): pass\ndef test_in_process(omnimock_transport): pass\n"
    ended = run_tests(tmp_path, source, "--omnimock-setting", "time-scal = 3")
    assert ended.outcomes == {"errors": 2}, ended.text
    line = "omnimock: omnimock_settings: there is no setting 'time-scal'; did you mean time-scale?"
    assert [each for each in ended.text.splitlines() if each.startswith("omnimock: ")] == [line, line]


def test_what_only_the_server_finds_wrong_is_told_in_one_line(tmp_path: Path) -> None:
    ended = run_tests(
        tmp_path, NOTHING + "def test_too(omnimock): pass\n", "--omnimock-setting", "scenario = maintenence"
    )
    assert ended.outcomes == {"errors": 2}, ended.text
    line = "omnimock: the twin did not start: there is no scenario 'maintenence'; did you mean maintenance?"
    assert ended.text.splitlines().count(line) == 2


@pytest.mark.parametrize("address", ["http://127.0.0.1:9", "http://["])
def test_a_server_of_the_environment_that_is_not_there_is_told_in_one_line(tmp_path: Path, address: str) -> None:
    ended = run_tests(tmp_path, NOTHING, OMNIMOCK_BASE_URL=address)
    assert ended.outcomes == {"error": 1}, ended.text
    (told,) = [line for line in section(ended.text, "test_it").splitlines() if line.strip()]
    assert told.startswith(f"omnimock: no twin answers at OMNIMOCK_BASE_URL={address} (")
    assert told.endswith("): start it, or unset the variable")


def test_without_respx_the_bridge_says_what_to_install(tmp_path: Path) -> None:
    source = "import sys\nsys.modules['respx'] = None\ndef test_it(omnimock_respx): pass\n"
    ended = run_tests(tmp_path, source)
    assert ended.outcomes == {"error": 1}, ended.text
    assert "omnimock: omnimock_respx needs respx, which is not installed: pip install 'omnimock[kit]'" in ended.text


SETTINGS = (
    SUBMIT
    + """
def health(server):
    return httpx.get(server.base_url + "/_mock/health", trust_env=False).json()

def test_the_ini_file(omnimock_server):
    assert health(omnimock_server)["profile"] == "page"
    assert health(omnimock_server)["clock"] == "system"

@pytest.mark.omnimock(clock="manual", profile="kling")
def test_the_marker(omnimock):
    assert health(omnimock)["profile"].startswith("kling@")
    assert health(omnimock)["clock"] == "manual"
    os.environ["SEEN"] = omnimock.base_url

@pytest.mark.omnimock(clock="manual", profile="kling")
def test_a_server_of_such_settings_is_shared(omnimock, omnimock_server):
    assert omnimock.base_url == os.environ["SEEN"]
    assert omnimock.base_url != omnimock_server.base_url

def test_in_process(omnimock_transport):
    twin = omnimock_transport
    with httpx.Client(transport=twin, base_url=twin.base_url, headers=twin.headers) as http:
        assert http.post(OMNI, json={"prompt": "x", "sound": "on"}).status_code == 200
        assert "x-mock-explanation" not in http.get("/nowhere").headers
        assert http.get("/_mock/clock").json()["kind"] == "manual"

@pytest.mark.omnimock(clock="system")
def test_in_process_with_a_clock_that_runs(omnimock_transport):
    submit_once(omnimock_transport)
    with pytest.raises(ValueError, match="runs by itself"):
        omnimock_transport.advance("1s")

def submit_once(twin):
    with httpx.Client(transport=twin, base_url=twin.base_url, headers=twin.headers) as http:
        assert http.post(OMNI, json={"prompt": "x"}).status_code == 200
"""
)


def test_settings_come_from_the_ini_file_and_a_marker_wins(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[tool.omnimock]\nport = 1\ntls = true\nexplain = true\n", encoding="utf-8"
    )
    given = ("profile = page", "time-scale = 60", "explain = false")
    ended = run_tests(tmp_path, SETTINGS, *(f"--omnimock-setting={each}" for each in given))
    assert ended.outcomes == {"passed": 5}, ended.text


GIVEN = """
import pytest

def test_it(omnimock_server, omnimock_env):
    assert omnimock_server.base_url == {url!r}

@pytest.mark.omnimock(clock="manual", profile="kling")
def test_the_clock_that_it_has(omnimock): pass

@pytest.mark.omnimock(clock="system")
def test_another_clock(omnimock): pass
"""

HOST = """
import pathlib
from tests.plugin.support import run_tests

def test_the_given(omnimock_server, tmp_path):
    url = omnimock_server.base_url
    ended = run_tests(tmp_path, {source!r}.format(url=url), OMNIMOCK_BASE_URL=url)
    assert ended.outcomes == {{"passed": 2, "error": 1}}, ended.text
    assert "this test wants clock=system, and the twin at " + url in ended.text
"""


def test_a_server_of_the_environment_is_used_as_it_is(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, HOST.format(source=GIVEN))
    assert ended.outcomes == {"passed": 1}, ended.text


SHARED = (
    SUBMIT
    + """
@pytest.mark.parametrize("number", range(6))
def test_shared(omnimock_server, omnimock, number):
    submit(omnimock)
    omnimock.assert_requests(count=1)
    assert len(omnimock.tasks()) == 1
    note = pathlib.Path(__file__).with_name("noted") / (os.environ["PYTEST_XDIST_WORKER"] + str(number))
    note.write_text(omnimock_server.base_url)

@pytest.mark.omnimock(profile="pages")
def test_failed(omnimock): pass
"""
)


def test_all_workers_share_one_server(tmp_path: Path) -> None:
    (tmp_path / "noted").mkdir()
    ended = run_tests(tmp_path, SHARED, "-n", "2", "--dist", "each")
    assert ended.outcomes == {"passed": 12, "errors": 2}, ended.text
    notes = list((tmp_path / "noted").iterdir())
    assert len(notes) == 12
    assert len({note.read_text(encoding="utf-8") for note in notes}) == 1
    assert ended.text.count("'pages'") >= 1


def test_a_run_that_does_not_ask_for_it_imports_and_starts_nothing(tmp_path: Path) -> None:
    source = """
import sys
import pytest

@pytest.fixture(scope="session")
def modules():
    return set(sys.modules)

def test_it(modules):
    assert not [name for name in modules if name.split(".")[0] in ("mock_server", "httpx", "uvicorn")]
    assert sorted(name for name in modules if name.startswith("contracts")) == ["contracts", "contracts.pytest_plugin"]
"""
    ended = run_tests(tmp_path, source, "-p", "no:schemathesis", "-p", "no:respx")
    assert ended.outcomes == {"passed": 1}, ended.text


ASYNC = (
    SUBMIT
    + """
import asyncio

@pytest.mark.omnimock(scenario="maintenance; on=query")
async def test_the_bridge(omnimock_respx, omnimock_transport, omnimock):
    omnimock_transport.send_callbacks_to(lambda request: 200)
    body = {"prompt": "x", "aspect_ratio": "16:9", "callback_url": "https://a.test/hook"}
    async with httpx.AsyncClient(base_url="https://api.deerapi.com", headers=omnimock_transport.headers) as http:
        task = (await http.post(OMNI, json=body)).json()["data"]["task_id"]
        await omnimock_transport.advance_async("5m")
        assert (await http.get(f"{OMNI}/{task}")).status_code == 503
        assert (await http.get("/_mock/tasks")).json()["total"] == 1
        # The live twin, on this machine, is reached as ever.
        await http.post(omnimock.base_url + OMNI, json=body, headers=omnimock.headers)
        with pytest.raises(AssertionError, match="not mocked"):
            await http.get("https://elsewhere.test/")
    omnimock_transport.world().assert_callbacks(count=3, outcome="delivered")
    omnimock.assert_requests(count=1)

@pytest.mark.omnimock(host="http://relay.test:8080", scenario="instant")
def test_another_host_with_a_port(omnimock_respx, omnimock_transport):
    submit(omnimock_transport)
    with pytest.raises(AssertionError, match="not mocked"):
        httpx.get("http://relay.test/")
    omnimock_transport.world().assert_requests(count=1)

@pytest.mark.omnimock(scenario="maintenance; times=always", times=1)
def test_plays_in_process(omnimock_transport):
    twin = omnimock_transport
    with httpx.Client(transport=twin, base_url=twin.base_url, headers=twin.headers) as http:
        seen = [http.post(OMNI, json={"prompt": "x", "aspect_ratio": "16:9"}).status_code for _ in range(2)]
    assert seen[0] == 503
    assert twin.world("sk-another").tasks() == []

async def test_the_live_world(omnimock):
    task = await asyncio.to_thread(submit, omnimock)
    omnimock.finish(task, "failure", message="as I say")
    assert [each["final"] for each in omnimock.tasks(status="failed")] == ["failure"]
    assert omnimock.ledger()["total"]["failed"] == 1
    omnimock.assert_paid_at_most(0)
    omnimock.reset()
    assert omnimock.journal() == [] == omnimock.callbacks()
"""
)


def test_it_works_in_async_tests(tmp_path: Path) -> None:
    ended = run_tests(tmp_path, ASYNC)
    assert ended.outcomes == {"passed": 4}, ended.text
