"""Whose an exchange is, what is wrong with it, and where it is written."""

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contracts.recording.folder import Folder
from contracts.recording.recorded import Breach, read_recording
from mock_server.resources import resource
from tests.recording.support import KEY, UPSTREAM, bench
from tests.support import MINIMAL, OMNI

JSON = {"content-type": "application/json"}
SUCCESS: dict[str, Any] = {
    "code": 0, "message": "SUCCEED", "request_id": "r",
    "data": {
        "task_id": "1", "task_status": "submitted", "task_info": {},
        "created_at": 1767225600000, "updated_at": 1767225600000,
    },
}  # fmt: skip


def replying(value: Any, status: int = 200, **headers: str) -> httpx.MockTransport:
    content = value if isinstance(value, bytes) else json.dumps(value).encode()
    sent = {**JSON, **{name.replace("_", "-"): each for name, each in headers.items()}}
    return httpx.MockTransport(lambda request: httpx.Response(status, headers=sent, content=content))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def with_data(**changes: Any) -> dict[str, Any]:
    data = {key: value for key, value in {**SUCCESS["data"], "task_result": {}, **changes}.items() if value is not ...}
    return {**SUCCESS, "data": data}


async def test_each_task_has_a_file_and_what_belongs_to_none_another(tmp_path: Path) -> None:
    async with bench(tmp_path, scenario="instant") as one:
        first, second = await one.created(), await one.created(external_task_id="mine")
        for name in (first, "mine", second):
            await one.status(name)
        await one.http.get(OMNI)
        await one.http.get(f"{OMNI}/unknown")
    found = {name: [each.role for each in recording.exchanges] for name, recording in one.recordings().items()}
    assert found == {
        f"task-{first}": ["submit", "query"],
        f"task-{second}": ["submit", "query", "query"],
        "without-task": ["list", "query"],
    }
    task = one.recordings()[f"task-{second}"].task
    assert task is not None
    assert (task.id, task.external_id, task.type) == (second, "mine", "omni-video")


@pytest.mark.parametrize("second", ["Bearer sk-another-key-0123", None])
async def test_tasks_of_different_keys_are_told_apart_though_their_ids_are_the_same(
    tmp_path: Path, second: str | None
) -> None:
    async with bench(tmp_path, scenario="instant") as one:
        name = await one.created()
        await one.status(name)
        changed = {"authorization": second or f"Bearer {KEY}"}
        answer = await one.http.post(OMNI, json=MINIMAL, headers=changed)
        again = answer.json()["data"]["task_id"]
        await one.http.get(f"{OMNI}/{again}", headers=changed)
    found = {each: [one.role for one in recording.exchanges] for each, recording in one.recordings().items()}
    # The first task of every key of the twin has the same id.
    expected = f"task-{name}-2" if second else f"task-{again}"
    assert (again == name) == bool(second)
    assert found == {f"task-{name}": ["submit", "query"], expected: ["submit", "query"]}
    assert not any("of the task" in line for line in one.lines)


async def test_a_new_token_of_the_same_account_asks_for_the_same_task(tmp_path: Path) -> None:
    def token(number: int) -> str:
        parts = ({"alg": "HS256", "typ": "JWT"}, {"iss": "account", "exp": 4_000_000_000 + number})
        encoded = [base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts]
        return ".".join([*encoded, f"signature{number}"])

    async with bench(tmp_path, scenario="instant") as one:
        created = await one.http.post(OMNI, json=MINIMAL, headers={"authorization": f"Bearer {token(1)}"})
        name = created.json()["data"]["task_id"]
        await one.http.get(f"{OMNI}/{name}", headers={"authorization": f"Bearer {token(2)}"})
    found = {each: [one.role for one in recording.exchanges] for each, recording in one.recordings().items()}
    assert found == {f"task-{name}": ["submit", "query"]}


async def test_submits_that_came_to_nothing_move_to_the_task_that_comes_of_the_same(tmp_path: Path) -> None:
    story = {"name": "twice", "about": "Two are refused.", "submit": [{"problem": "rate-limited", "times": 2}]}
    (tmp_path / "scenarios").mkdir()
    (tmp_path / "scenarios/twice.yaml").write_text(json.dumps(story))
    async with bench(tmp_path / "out", scenario="twice", scenarios=tmp_path / "scenarios") as one:
        await one.submit(prompt="another")
        await one.submit(external_task_id="a")
        assert [len(each.exchanges) for each in one.recordings().values()] == [2]
        await one.created(external_task_id="a", mode="std")
    recordings = one.recordings()
    assert [each.number for each in recordings.pop("without-task").exchanges] == [1]
    (task,) = recordings.values()
    assert [each.number for each in task.exchanges] == [2, 3]


async def test_a_task_whose_submit_was_not_seen_has_a_file_too(tmp_path: Path) -> None:
    async with bench(tmp_path, replying(with_data(task_status="processing"))) as one:
        await one.status("1")
    assert one.recording().exchanges[0].told is not None
    assert "the submit, which was not seen" in one.scenario()["about"]


async def test_a_second_run_adds_and_overwrites_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path, replying(with_data(task_result=...))) as one:
        await one.created()
    before = contents(tmp_path)
    async with bench(tmp_path, replying(with_data(task_result=...))) as two:
        await two.created()
    after = contents(tmp_path)
    assert sorted(after.keys() - before.keys()) == ["task-1-2.json", "task-1-2.yaml"]
    assert {name: after[name] for name in before} == before


def test_names_are_those_that_scenarios_may_have(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.first("task-A/../b_C.ä", b"1") == "task-a-b-c"
    (tmp_path / "x.yaml").write_text("somebody's own")
    assert folder.first("x", b"1") == "x-2"
    folder.again("x-2", b"2")
    assert folder.file("x-2").read_bytes() == b"2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["task-a-b-c.json", "x-2.json", "x.yaml"]


def test_a_file_system_without_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_: Any) -> None:
        raise PermissionError("no links")

    monkeypatch.setattr("os.link", no_links)
    folder = Folder(tmp_path)
    assert [folder.first("x", b"1"), folder.first("x", b"2")] == ["x", "x-2"]


@pytest.mark.parametrize(
    ("body", "pointer", "came"),
    [
        ({**MINIMAL, "duration": "99"}, "/duration", "'99'"),
        ({"aspect_ratio": "16:9"}, "/prompt", "nothing"),
        ({**MINIMAL, "sound": "on"}, "/sound", "'on'"),
    ],
)
async def test_what_is_wrong_with_a_request_is_the_client_s(
    tmp_path: Path, body: dict[str, Any], pointer: str, came: str
) -> None:
    async with bench(tmp_path) as one:
        await one.http.post(OMNI, json=body)
    breach = one.recording("without-task").exchanges[0].violations[0]
    assert (breach.who, breach.pointer, breach.came) == ("client", pointer, came)
    assert breach.expected in one.lines[0]
    assert one.lines[0].startswith(f"client: POST {OMNI}: {pointer}: {came} came; ")


async def test_headers_paths_methods_and_parameters_are_looked_at(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.http.post(
            OMNI, content=b"{", headers={"content-type": "text/plain", "authorization": "Basic abcdefgh"}
        )
        await one.http.get("/kling/v1/video")
        await one.http.patch(OMNI)
        await one.http.get(f"{OMNI}?pageNum=none&pageSize=7")
    found = [(each.who, each.pointer) for one_ in one.recording("without-task").exchanges for each in one_.violations]
    assert found == [
        ("client", "header authorization"), ("client", "header content-type"), ("client", "body"),
        ("client", "path"), ("client", "method"), ("client", "?pageNum"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("service", "pointers"),
    [
        (replying(with_data()), []),
        (replying(with_data(task_id=...)), ["/data/task_id"]),
        (replying(with_data(created_at="now")), ["/data/created_at"]),
        (replying(with_data(more=1)), ["/data/more"]),
        (replying(with_data(), content_type="text/html"), ["header content-type"]),
        (replying(b"<html>"), ["body"]),
        (replying(with_data(), 201), ["status"]),
        (replying({"code": 1302, "message": "Too many requests", "request_id": "r"}, 200), ["status"]),
        (replying({"code": 1302, "message": "Too many requests", "request_id": "r"}, 429), []),
        (replying({"what": 1}, 429), ["", "/what"]),
        (replying(with_data(), 302), ["status"]),
        (replying(with_data(task_status="queued")), ["/data/task_status", "status of the task"]),
    ],
)
async def test_what_is_wrong_with_a_reply_is_the_service_s(
    tmp_path: Path, service: httpx.MockTransport, pointers: list[str]
) -> None:
    async with bench(tmp_path, service) as one:
        await one.http.get(f"{OMNI}/1")
    ((exchange,),) = [each.exchanges for each in one.recordings().values()]
    assert sorted({each.pointer for each in exchange.violations}) == sorted(pointers)
    assert {each.who for each in exchange.violations} <= {"service"}


async def test_a_move_that_the_lifecycle_does_not_have_and_another_id_are_the_service_s(tmp_path: Path) -> None:
    replies = [
        with_data(task_result=...),
        with_data(task_status="succeed"),
        with_data(task_status="processing"),
        with_data(task_id="2"),
    ]
    service = httpx.MockTransport(lambda request: httpx.Response(200, json=replies.pop(0)))
    async with bench(tmp_path, service) as one:
        await one.created()
        for _ in range(3):
            await one.http.get(f"{OMNI}/1")
    found = [each for one_ in one.recordings()["task-1"].exchanges for each in one_.violations]
    moves = {each.pointer: (each.who, each.came, each.expected) for each in found if "task" in each.pointer}
    assert moves == {
        "status of the task": ("service", "submitted after processing", "after processing comes succeed, failed"),
        "id of the task": ("service", "'2'", "1"),
    }
    assert "processing after succeed" in [each.came for each in found]


async def test_an_external_id_that_is_used_twice_is_the_client_s(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.created(external_task_id="mine")
        await one.submit(external_task_id="mine", mode="std")
    assert any("/external_task_id" in line and "[R15]" in line for line in one.lines)


async def test_words_that_are_not_the_spec_s_are_still_its_problem(tmp_path: Path) -> None:
    async with bench(tmp_path, replying({"code": 1302, "message": "Slow down please", "request_id": "r"}, 429)) as one:
        await one.submit()
    refusal = one.recording("without-task").exchanges[0].refusal
    assert refusal is not None
    assert (refusal.problem, refusal.other_words) == ("rate-limited", True)


async def test_the_profile_says_how_much_is_enforced(tmp_path: Path) -> None:
    async with bench(tmp_path, replying(SUCCESS), profile="page") as one:
        await one.http.post(OMNI, json={"prompt": "p", "sound": "on"})
    assert not any(line.startswith("client:") for line in one.lines)


async def test_another_provider_is_recorded_by_its_own_spec(tmp_path: Path) -> None:
    spec = resource("fixtures/providers/replicate.yaml")
    async with bench(tmp_path, replying({}, 500), spec=spec) as one:
        await one.http.post("/v1/predictions", json={})
    assert one.recording("without-task").exchanges[0].operation


async def test_polls_without_news_are_counted_where_there_is_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contracts.recording.recorder._EXCHANGES_MAX", 4)
    async with bench(tmp_path) as one:
        task_id = await one.created()
        for _ in range(6):
            await one.status(task_id)
        for _ in range(30):
            await one.wait("10s")
            if await one.status(task_id) == "succeed":
                break
    recording = one.recording()
    assert recording.left_out >= 3
    assert [each.told.status for each in recording.exchanges[4:] if each.told] == ["processing", "succeed"]
    assert one.scenario()["lifecycle"]["outcome"] == "success"


async def test_a_file_without_a_task_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contracts.recording.recorder._WITHOUT_TASK_MAX", 3)
    async with bench(tmp_path) as one:
        for _ in range(7):
            await one.http.get(OMNI)
    assert sorted(len(each.exchanges) for each in one.recordings().values()) == [1, 3, 3]


async def test_lines_are_one_line_without_control_characters(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.http.post(OMNI, json={**MINIMAL, "mode": "a\n\x1b[31m b" + "x" * 2_000})
    assert one.lines
    assert all(line.isprintable() and len(line) < 700 for line in one.lines)


async def test_a_recording_is_read_as_it_was_written(tmp_path: Path) -> None:
    async with bench(tmp_path) as one:
        await one.created()
    recording = one.recording()
    assert (recording.format, recording.upstream, recording.started) == (1, UPSTREAM, "2026-11-25T12:00:00+00:00")
    assert "authorization: Bearer [key]" in recording.exchanges[0].request.headers
    assert KEY.encode() not in one.written()


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is no recording"),
        (b"[1]", "`format` is None"),
        (b'{"format": 2}', "`format` is 2"),
        (b'{"format": 1}', "is no recording: Object missing required field"),
        (b"\xff", "is no recording"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=why):
        read_recording(tmp_path / "x.json")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="No such file"):
        read_recording(tmp_path / "x.json")


def test_a_breach_without_a_rule_is_short() -> None:
    assert (
        msgspec.json.encode(Breach("client", "/a", "1", "2"))
        == b'{"who":"client","pointer":"/a","came":"1","expected":"2"}'
    )
