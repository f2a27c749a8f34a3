"""The pages about the twin, and what all pages have in common: who may see them, and how they say no."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mock_server.app import App
from mock_server.control import PAGES
from mock_server.resources import resource
from mock_server.twin import Twin
from tests.control.support import CALLBACK_URL, FakePost, Steward, refused, until
from tests.support import Caller

GUARDED = [page for page in PAGES if page.access != "open"]
OF_A_WORLD = [page for page in PAGES if page.access == "world"]


def called(page: object) -> str:
    return f"{page.method} {page.path}"  # type: ignore[attr-defined]


def address(path: str) -> str:
    """Return a path with something in its variable parts."""
    return path.replace("{task_id:path}", "1").replace("{delivery}", "1").replace("{tag}", "1").replace("{name}", "1")


def numbers(text: str) -> dict[tuple[str, ...], float]:
    """Return the samples of an exposition, each by its name and the values of its labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def metrics(steward: Steward) -> dict[tuple[str, ...], float]:
    answer = await steward.http.get("/_mock/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return numbers(answer.text)


async def test_health_is_open_and_says_what_runs(steward: Steward) -> None:
    answer = await steward.http.get("/_mock/health")
    assert answer.json() == {
        "status": "ok",
        "version": "0.1.0",
        "spec": steward.twin.program.spec.title,
        "profile": steward.twin.program.profile.name,
        "clock": "manual",
        "worlds": 0,
        "crashes": 0,
    }


async def test_the_numbers_are_those_of_what_happened(steward: Steward, post: FakePost) -> None:
    post.script.extend([500, 200])
    steward.created(callback_url=CALLBACK_URL)
    await until(lambda: len(steward.caller.journal) == 2)
    await steward.post("clock/advance", {"by": "1h"})
    steward.caller.query("1")
    Caller(steward.twin, "sk-other-other").submit({"prompt": 7})
    Caller(steward.twin).send("GET", "/nowhere")
    found = await metrics(steward)
    for name, value in {
        ("omnimock_requests_total", "createOmniVideo", "200"): 1,
        ("omnimock_requests_total", "createOmniVideo", "400"): 1,
        ("omnimock_requests_total", "", "404"): 1,
        ("omnimock_tasks_submitted_total", "omni-video"): 1,
        ("omnimock_callback_attempts_total", "delivered"): 3,
        ("omnimock_callback_attempts_total", "failed"): 1,
        ("omnimock_callback_deliveries_total", "delivered"): 3,
        ("omnimock_crashes_total",): 0,
        ("omnimock_worlds",): 2,
        ("omnimock_tasks_kept",): 1,
        ("omnimock_callbacks_booked",): 0,
        ("omnimock_journal_entries",): 8,
        ("omnimock_journal_readers",): 0,
        ("omnimock_build_info", steward.twin.program.profile.name, "0.1.0"): 1,
    }.items():
        assert found[name] == value, name
    assert found["omnimock_journal_bytes",] == steward.twin.journal_room.used > 0


async def test_what_has_happened_is_counted_over_a_reset(steward: Steward) -> None:
    steward.created()
    await steward.post("reset")
    steward.created()
    found = await metrics(steward)
    assert found["omnimock_tasks_submitted_total", "omni-video"] == 2
    assert found["omnimock_tasks_kept",] == 1


async def test_whatever_clients_send_there_is_no_number_more(steward: Steward) -> None:
    """Labels come from the spec: no client can fill the memory of whoever collects them."""
    steward.caller.query("1")
    steward.caller.send("GET", "/a")
    before = set(await metrics(steward))
    for number in range(50):
        steward.caller.query(str(number))
        steward.caller.send(f"M{number}", f"/{number}")
        Caller(steward.twin, f"sk-{number}").send("GET", "/a")
    assert set(await metrics(steward)) == before


async def test_the_specs_are_served_as_they_are(steward: Steward) -> None:
    for page, file in (("openapi.yaml", "openapi.yaml"), ("control.yaml", "fixtures/control-api.yaml")):
        answer = await steward.http.get(f"/_mock/{page}")
        assert answer.content == resource(file).read_bytes()
        assert answer.headers["content-type"] == "application/yaml"


@pytest.mark.parametrize("page", GUARDED, ids=called)
async def test_a_page_is_not_seen_through_a_foreign_name(steward: Steward, page: object) -> None:
    method, path = called(page).split()
    headers = {**steward.headers, "host": "evil.test:4747"}
    answer = await steward.http.request(method, address(path), headers=headers)
    refused(answer, 403, "evil.test", "--allowed-host")
    assert len(steward.twin.worlds) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:4747", "LOCALHOST", "[::1]", "[::1]:4747"])
async def test_this_machine_is_let_in_by_each_of_its_names(steward: Steward, host: str) -> None:
    answer = await steward.http.get("/_mock/clock", headers={**steward.headers, "host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize("page", GUARDED, ids=called)
async def test_open_to_the_network_a_page_wants_the_token(make: Callable[..., Twin], page: object) -> None:
    steward = Steward(make(host="0.0.0.0", control_token="right"))
    method, path = called(page).split()
    for token in ({}, {"x-control-token": "wrong"}):
        answer = await steward.http.request(method, address(path), headers={**steward.headers, **token})
        refused(answer, 403, "X-Control-Token")
    assert len(steward.twin.worlds) == 0


@pytest.mark.parametrize("page", OF_A_WORLD, ids=called)
async def test_a_page_of_a_world_wants_its_key(steward: Steward, page: object) -> None:
    method, path = called(page).split()
    for headers in ({}, {"authorization": "Basic x"}):
        answer = await steward.http.request(method, address(path), headers=headers)
        refused(answer, 401, "Authorization: Bearer YOUR_KEY")
        assert answer.headers["www-authenticate"] == "Bearer"
    twice = [("authorization", "Bearer sk-one"), ("authorization", "Bearer sk-two")]
    refused(await steward.http.request(method, address(path), headers=twice), 401, "two of them")
    assert len(steward.twin.worlds) == 0


async def test_only_the_keys_that_are_accepted_have_a_world(make: Callable[..., Twin]) -> None:
    twin = make(api_keys=("sk-right",))
    refused(await Steward(twin, "sk-wrong").send("GET", "tasks"), 401, "--api-key")
    assert (await Steward(twin, "sk-right").send("GET", "tasks")).status_code == 200


@pytest.mark.parametrize("page", [page for page in PAGES if page.query is not None], ids=called)
async def test_a_page_takes_no_parameter_that_it_does_not_know(steward: Steward, page: object) -> None:
    method, path = called(page).split()
    answer = await steward.http.request(method, address(path), params={"colour": "1"}, headers=steward.headers)
    refused(answer, 422, "no query parameter 'colour'")


@pytest.mark.parametrize("path", sorted({page.path for page in PAGES}))
async def test_a_page_says_which_methods_it_takes(steward: Steward, path: str) -> None:
    answer = await steward.http.request("PATCH", address(path), headers=steward.headers)
    refused(answer, 405, "PATCH came")
    assert answer.headers["allow"] == ", ".join(sorted(page.method for page in PAGES if page.path == path))


@pytest.mark.parametrize(("path", "near"), [("/_mock/journl", "/_mock/journal"), ("/_mock/task", "/_mock/tasks")])
async def test_an_unknown_page_is_refused_with_the_nearest(steward: Steward, path: str, near: str) -> None:
    refused(await steward.http.get(path), 404, near)


async def test_no_page_lets_another_origin_in(steward: Steward) -> None:
    origin = {**steward.headers, "origin": "https://evil.test"}
    for method in ("GET", "OPTIONS"):
        answer = await steward.http.request(method, "/_mock/journal", headers=origin)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("host", ["[::", "a b", "x?limit=1", "", "é"])
async def test_a_host_header_that_is_none_is_refused_like_any_other(steward: Steward, host: str) -> None:
    headers = [(b"authorization", b"Bearer sk-test"), (b"host", host.encode("latin-1"))]
    refused(await steward.http.get("/_mock/journal", headers=headers), 403)
    assert (await steward.http.get("/_mock/health", headers=headers)).status_code == 200


async def test_a_body_is_bounded(steward: Steward) -> None:
    answer = await steward.http.post("/_mock/reset", content=b" " * 70_000, headers=steward.headers)
    refused(answer, 413, "65536")
    refused(await steward.http.post("/_mock/reset", content=b"{", headers=steward.headers), 422, "not JSON")


@pytest.mark.expects_crash
async def test_a_page_that_crashes_says_so_and_is_counted(steward: Steward, caplog: pytest.LogCaptureFixture) -> None:
    def crash() -> int:
        raise RuntimeError("a defect")

    steward.caller.clock.now_ms = crash
    refused(await steward.send("GET", "clock"), 500, "a defect")
    assert "RuntimeError: a defect" in caplog.text
    assert (await metrics(steward))["omnimock_crashes_total",] == 1


def test_what_only_these_pages_need_is_imported_with_the_first_of_them(tmp_path: Path) -> None:
    program = """
import sys
from mock_server.app import App
from mock_server.twin import load_program, make_twin
from mock_server.settings import Settings
app = App(make_twin(Settings(), load_program(Settings())))
assert not {"starlette", "prometheus_client"} & set(sys.modules), sorted(sys.modules)
app._own_pages()
assert "starlette" in sys.modules
assert "prometheus_client" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


async def test_an_application_of_its_own_serves_each_twin(twin: Twin, make: Callable[..., Twin]) -> None:
    other = make()
    Steward(other).created()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(App(twin)), base_url="http://127.0.0.1") as client:
        answer = await client.get("/_mock/tasks", headers={"authorization": "Bearer sk-test"})
    assert answer.json()["total"] == 0
