"""Each of the 32 pains happens as its scenario says. A test is named after the scenario that it plays."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import standardwebhooks

from mock_server.document import Document
from mock_server.exchange import Reply
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.settings import Settings
from mock_server.twin import make_twin
from tests.control.support import CALLBACK_URL, FakePost, Steward
from tests.support import MINIMAL, OMNI, Caller, explanation, is_refused

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
FILES = {path.stem: Document(path).root for path in resource("fixtures/scenarios").glob("*.yaml")}
PAINS = {source["pain"]: name for name, source in FILES.items() if "pain" in source}


@dataclass
class Stage:
    """A twin whose every request gets the scenario, a client of it, and a receiver of its callbacks."""

    steward: Steward
    post: FakePost

    @property
    def caller(self) -> Caller:
        return self.steward.caller

    async def advance(self, by: str) -> None:
        await self.steward.post("clock/advance", {"by": by})

    async def ended(self, **more: Any) -> dict[str, Any]:
        """Submit, wait for longer than a task usually takes, and return what a query says."""
        task_id = self.caller.created({**MINIMAL, **more})
        await self.advance("10m")
        return body(self.caller.query(task_id))

    def statuses(self, task_id: str, count: int) -> list[Any]:
        """What so many queries say of the status, which all must answer."""
        return [self.caller.task(task_id)["task_status"] for _ in range(count)]


@pytest.fixture
async def stage(request: pytest.FixtureRequest, program: Program) -> AsyncIterator[Stage]:
    name = request.node.originalname.removeprefix("test_").replace("_", "-")
    post = FakePost()
    settings = Settings(clock="manual", scenario=name, callback_secret=SECRET)
    twin = make_twin(settings, program, post=lambda: post)
    twin.callbacks.start()
    yield Stage(Steward(twin), post)
    twin.readers.stop()
    await twin.callbacks.stop(0)


def body(reply: Reply) -> dict[str, Any]:
    value = json.loads(reply.body)
    assert isinstance(value, dict)
    return value


def refusal(reply: Reply) -> tuple[int, int, str]:
    """The HTTP status, the code and the message of a refusal, which must have an id too."""
    said = body(reply)
    assert said.keys() == {"code", "message", "request_id"}
    assert said["request_id"]
    return reply.status, said["code"], said["message"]


def test_each_pain_has_one_scenario_and_one_test() -> None:
    assert sorted(PAINS) == list(range(1, 33))
    assert len(PAINS) == sum("pain" in source for source in FILES.values())
    assert [name for name in PAINS.values() if f"test_{name.replace('-', '_')}" not in globals()] == []


@pytest.mark.parametrize("name", PAINS.values())
def test_each_pain_says_where_it_was_seen(name: str) -> None:
    seen = FILES[name]["seen"]
    assert "https://" in seen or "no public address" in seen


async def test_failed_with_code_zero(stage: Stage) -> None:
    said = await stage.ended()
    assert (said["code"], said["message"]) == (0, "SUCCEED")
    assert (said["data"]["task_status"], said["data"]["task_status_msg"]) == ("failed", "Image pixel is invalid")


async def test_risk_control_fails_the_task(stage: Stage) -> None:
    data = (await stage.ended())["data"]
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "Failure to pass the risk control system")


async def test_success_in_other_words(stage: Stage) -> None:
    task_id = stage.caller.created()
    assert stage.statuses(task_id, 2) == ["submitted", "submitted"]
    await stage.advance("10m")
    data = stage.caller.task(task_id)
    assert data["task_status"] == "succeeded"
    assert data["task_result"]["videos"][0]["url"]


async def test_failure_in_other_words(stage: Stage) -> None:
    task_id = stage.caller.created()
    assert stage.statuses(task_id, 1) == ["submitted"]
    await stage.advance("10m")
    assert stage.statuses(task_id, 2) == ["fail", "fail"]


async def test_accepted_but_reply_lost(stage: Stage) -> None:
    wire = stage.caller.submit().wire
    assert wire is not None
    assert (wire.head, wire.end) == (False, "reset")
    assert len(stage.caller.listed()) == 1
    stage.caller.created()
    assert len(stage.caller.listed()) == 2


async def test_never_finishes(stage: Stage) -> None:
    task_id = stage.caller.created()
    await stage.advance("30d")
    assert stage.statuses(task_id, 2) == ["processing", "processing"]


async def test_ends_after_the_deadline(stage: Stage) -> None:
    task_id = stage.caller.created()
    await stage.advance("1h")
    assert stage.statuses(task_id, 1) == ["processing"]
    await stage.advance("6h")
    assert stage.statuses(task_id, 1) == ["succeed"]


async def test_unknown_right_after_create(stage: Stage) -> None:
    task_id = stage.caller.created()
    assert [is_refused(stage.caller.query(task_id), 400, 1201) for _ in range(3)] == [True, True, False]
    assert stage.statuses(task_id, 1) == ["submitted"]


async def test_polls_fail_for_a_while(stage: Stage) -> None:
    task_id = stage.caller.created()
    replies = [stage.caller.query(task_id) for _ in range(18)]
    assert [reply.status for reply in replies] == [
        *(200, 500, 429), *(200, 503, 200), *(200, 502, 200), *(200, 408, 409), *(200, 425, 504), *(200, 524, 200),
    ]  # fmt: skip
    assert replies[5].wire is not None
    assert replies[7].content_type.startswith(b"text/html")
    with pytest.raises(ValueError, match="line 1"):
        json.loads(replies[8].body)
    assert replies[17].body == b""
    assert all(body(reply)["data"]["task_status"] == "submitted" for reply in replies[::3])
    await stage.advance("10m")
    assert stage.statuses(task_id, 3) == ["succeed"] * 3


async def test_status_nobody_knows(stage: Stage) -> None:
    task_id = stage.caller.created()
    assert stage.statuses(task_id, 5) == ["submitted", "unknown", "unknown", "unknown", "submitted"]


async def test_result_in_another_place(stage: Stage) -> None:
    reply = stage.caller.submit()
    await stage.advance("10m")
    said = body(stage.caller.query(body(reply)["task_id"]))
    assert (said["code"], said["data"]["status"]) == ("success", "SUCCESS")
    assert "task_result" not in said["data"]
    assert said["data"]["data"]["data"]["task_result"]["videos"][0]["url"]


async def test_progress_never_moves(stage: Stage) -> None:
    task_id = body(stage.caller.submit())["task_id"]
    seen = []
    for by in ("0s", "11s", "10m"):
        await stage.advance(by)
        data = body(stage.caller.query(task_id))["data"]
        seen.append((data["status"], data["progress"]))
    assert seen == [("SUBMITTED", "0%"), ("IN_PROGRESS", "0%"), ("SUCCESS", "0%")]


async def test_reason_only_in_the_body(stage: Stage) -> None:
    assert refusal(stage.caller.submit()) == (400, 1301, "Trigger the platform's content security policy")


async def test_refused_with_exact_reason(stage: Stage) -> None:
    assert refusal(stage.caller.submit()) == (400, 1201, "camera_control is only supported in std mode")


async def test_base64_prefix_refused(stage: Stage) -> None:
    """The scenario says what a picture with the prefix gets without it."""
    told = refusal(stage.caller.submit())
    assert told == (400, 1201, "File is not in a valid base64 format")
    assert (
        refusal(stage.caller.submit({**MINIMAL, "image_list": [{"image_url": "data:image/png;base64,AAAA"}]})) == told
    )


async def test_misnamed_image_refused(stage: Stage) -> None:
    assert refusal(stage.caller.submit()) == (400, 1201, "image can not be null")


async def test_misnamed_field_ignored(stage: Stage) -> None:
    reply = stage.caller.submit({**MINIMAL, "enable_audio": True})
    (warning,) = explanation(reply)["warnings"]
    assert (reply.status, warning["pointer"]) == (200, "/enable_audio")
    await stage.advance("10s")
    data = stage.caller.task(body(reply)["data"]["task_id"])
    assert (data["task_status"], data["final_unit_deduction"]) == ("succeed", "4")


async def test_combination_refused_late(stage: Stage) -> None:
    told = refusal(stage.caller.submit())
    assert told == (400, 1201, "An end_frame needs a first_frame beside it.")
    images = [{"image_url": "https://example.test/a.png", "type": "end_frame"}]
    assert refusal(stage.caller.submit({**MINIMAL, "image_list": images})) == told


async def test_prompt_too_long(stage: Stage) -> None:
    for prompt in ("A lighthouse.", "x" * 2501):
        status, code, message = refusal(stage.caller.submit({**MINIMAL, "prompt": prompt}))
        assert (status, code) == (400, 1201)
        assert message.startswith("prompt value ")


async def test_input_video_refused_late(stage: Stage) -> None:
    task_id = stage.caller.created()
    await stage.advance("90s")
    assert stage.statuses(task_id, 1) == ["processing"]
    await stage.advance("1s")
    data = stage.caller.task(task_id)
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "Video duration must be 3-1000 seconds")


async def test_slots_full_for_long(stage: Stage) -> None:
    for wait in ("1s", "2s", "4s", "9m"):
        assert refusal(stage.caller.submit()) == (429, 1303, "parallel task over resource pack limit")
        await stage.advance(wait)
    await stage.advance("1m")
    assert stage.caller.submit().status == 200


async def test_no_money_as_429(stage: Stage) -> None:
    for _ in range(3):
        assert refusal(stage.caller.submit()) == (429, 1102, "Account balance not enough")
        await stage.advance("1d")


async def test_callback_for_each_status(stage: Stage) -> None:
    await stage.ended(callback_url=CALLBACK_URL)
    assert [json.loads(each)["task_status"] for each in stage.post.bodies] == ["submitted", "processing", "succeed"]


async def test_callback_lost(stage: Stage) -> None:
    data = (await stage.ended(callback_url=CALLBACK_URL))["data"]
    assert (stage.post.bodies, data["task_status"]) == ([], "succeed")


async def test_callback_forged(stage: Stage) -> None:
    data = (await stage.ended(callback_url=CALLBACK_URL))["data"]
    said = [json.loads(each) for each in stage.post.bodies]
    assert [each["task_status"] for each in said if each["task_id"] != data["task_id"]]
    ours = [each for each in said if each["task_id"] == data["task_id"]]
    urls = [video["url"] for each in ours for video in each["task_result"].get("videos", ())]
    assert set(urls) == {data["task_result"]["videos"][0]["url"], "http://169.254.169.254/latest/meta-data/"}


async def test_callback_signed_over_raw_bytes(stage: Stage) -> None:
    await stage.ended(callback_url=CALLBACK_URL)
    webhook = standardwebhooks.Webhook(SECRET)
    assert len(stage.post.bodies) == 3
    for raw, headers in zip(stage.post.bodies, stage.post.delivery_headers, strict=True):
        webhook.verify(raw, dict(headers))
        for separators in ((",", ":"), (", ", ": ")):
            again = json.dumps(json.loads(raw), separators=separators, ensure_ascii=False)
            with pytest.raises(standardwebhooks.WebhookVerificationError):
                webhook.verify(again.encode(), dict(headers))


async def test_task_of_another_type(stage: Stage) -> None:
    task_id = stage.caller.created()
    await stage.advance("1m")
    elsewhere = OMNI.replace("omni-video", "image2video")
    assert is_refused(stage.caller.send("GET", f"{elsewhere}/{task_id}"), 400, 1201)
    assert stage.statuses(task_id, 1) == ["processing"]
    await stage.advance("5m")
    assert stage.statuses(task_id, 1) == ["succeed"]


async def test_client_gone_before_the_end(stage: Stage) -> None:
    """A client that starts anew knows its key alone."""
    task_id = stage.caller.created()
    await stage.advance("11m")
    (data,) = Caller(stage.steward.twin, stage.steward.key).listed()
    assert (data["task_id"], data["task_status"]) == (task_id, "succeed")


async def test_error_under_200(stage: Stage) -> None:
    task_id = stage.caller.created()
    assert stage.statuses(task_id, 3) == ["submitted", None, None]
    await stage.advance("10m")
    for _ in range(2):
        assert refusal(stage.caller.query(task_id)) == (200, 5000, "Server internal error")


async def test_same_prompt_other_settings(stage: Stage) -> None:
    tasks = [stage.caller.created({**MINIMAL, "mode": mode}) for mode in ("std", "pro")]
    await stage.advance("10s")
    results = [stage.caller.task(each)["task_result"]["videos"][0] for each in tasks]
    assert len({each["id"] for each in results}) == len({each["url"] for each in results}) == 2


async def test_failed_without_reason(stage: Stage) -> None:
    data = (await stage.ended())["data"]
    assert (data["task_status"], data["task_status_msg"]) == ("failed", "")


async def test_result_link_expired(stage: Stage) -> None:
    url = (await stage.ended())["data"]["task_result"]["videos"][0]["url"]
    answer = await stage.steward.http.get(url)
    assert (answer.status_code, answer.text) == (403, "this result has expired")
