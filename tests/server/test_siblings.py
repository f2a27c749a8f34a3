"""The provider's other types of task: the same life beside the first, with ids, pages and prices of their own."""

from typing import Any

import msgspec
import pytest

from tests.support import MINIMAL, OMNI, Caller, explanation, is_refused

TEXT, IMAGE = "/kling/v1/videos/text2video", "/kling/v1/videos/image2video"
BODIES: dict[str, dict[str, Any]] = {
    OMNI: MINIMAL,
    TEXT: {"prompt": "A lighthouse."},
    IMAGE: {"image": "https://example.com/1.png"},
}


def created(caller: Caller, path: str, **more: Any) -> str:
    reply = caller.submit({**BODIES[path], **more}, path)
    assert reply.status == 200, reply
    return str(msgspec.json.decode(reply.body)["data"]["task_id"])


def task(caller: Caller, path: str, task_id: str) -> dict[str, Any]:
    reply = caller.send("GET", f"{path}/{task_id}")
    assert reply.status == 200, reply
    data = msgspec.json.decode(reply.body)["data"]
    assert isinstance(data, dict)
    return data


@pytest.mark.parametrize("prefix", ["/kling", "", "/proxy/kling"])
@pytest.mark.parametrize("path", [TEXT, IMAGE])
def test_a_task_lives_and_ends_in_a_video(caller: Caller, path: str, prefix: str) -> None:
    path_there = path.replace("/kling", prefix, 1)
    task_id = msgspec.json.decode(caller.submit(BODIES[path], path_there).body)["data"]["task_id"]
    assert task(caller, path_there, task_id)["task_status"] == "submitted"
    caller.finish(task_id)
    done = task(caller, path_there, task_id)
    assert done["task_status"] == "succeed"
    assert done["task_result"]["videos"][0]["duration"] == "5.041"


@pytest.mark.parametrize("path", BODIES)
@pytest.mark.parametrize("elsewhere", BODIES)
def test_a_task_is_found_at_its_own_path_alone(caller: Caller, path: str, elsewhere: str) -> None:
    task_id = created(caller, path, external_task_id="order-7")
    for name in (task_id, "order-7"):
        reply = caller.send("GET", f"{elsewhere}/{name}")
        if path == elsewhere:
            assert reply.status == 200
        else:
            assert is_refused(reply, 400, 1201)
            assert "at its own path" in explanation(reply)["do"]


def test_an_external_id_is_taken_once_for_all_types(caller: Caller) -> None:
    created(caller, TEXT, external_task_id="order-7")
    for path in BODIES:
        reply = caller.submit({**BODIES[path], "external_task_id": "order-7"}, path)
        assert is_refused(reply, 400, 1201)
        assert explanation(reply)["violations"][0]["rule"] == "R15"


def test_ids_of_different_types_are_never_the_same_and_lists_are_apart(caller: Caller) -> None:
    ids = {path: [created(caller, path) for _ in range(20)] for path in BODIES}
    assert len({task_id for each in ids.values() for task_id in each}) == 60
    for path in BODIES:
        listed = msgspec.json.decode(caller.send("GET", path).body)["data"]
        assert [each["task_id"] for each in listed] == ids[path][::-1]


@pytest.mark.parametrize(
    ("path", "more", "units"),
    [
        (TEXT, {"model_name": "kling-v2-6"}, "1.5"),
        (TEXT, {"model_name": "kling-v2-6", "mode": "pro", "duration": "10"}, "5"),
        (TEXT, {"model_name": "kling-v2-6", "mode": "pro", "sound": "on"}, "5"),
        (IMAGE, {"model_name": "kling-v2-6", "mode": "pro", "sound": "on", "voice_list": [{"voice_id": "a"}]}, "6"),
        (IMAGE, {"model_name": "kling-v2-5-turbo", "mode": "pro"}, "2.5"),
        (TEXT, {"model_name": "kling-v3", "duration": "7"}, "4.2"),
        (IMAGE, {"model_name": "kling-v3", "mode": "4k", "duration": "15"}, "45"),
        (TEXT, {"model_name": "kling-v3", "mode": "pro", "sound": "on"}, "6"),
        (TEXT, {}, None),
    ],
)
def test_units_follow_the_price_list_where_a_model_is_in_it(
    caller: Caller, path: str, more: dict[str, Any], units: str | None
) -> None:
    task_id = created(caller, path, **more)
    caller.finish(task_id)
    assert task(caller, path, task_id).get("final_unit_deduction") == units


@pytest.mark.parametrize("path", [TEXT, IMAGE])
def test_every_status_change_is_called_back(caller: Caller, path: str) -> None:
    created(caller, path, callback_url="http://127.0.0.1:9/")
    booked = caller.world.outbox.take_all()
    assert [each.task.plan.steps[each.step].status for each in booked] == ["submitted", "processing", "succeed"]
