"""The example client in Python: what it makes of each danger. The clock is moved; nothing waits."""

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from omni_video import AsyncOmniVideo, OmniVideo, OmniVideoError, Settings, TimedOut
from omni_video.errors import Cleaner
from omni_video.job import OmniJob

from mock_server.transport import TwinTransport, twin_transport
from tests.examples.python_support import BASE_URL, KEY, QUICK, REQUEST, FakeClock, Outcome, arm, generated, seen
from tests.support import OMNI

REFUSED = {"then": "refuse"}
# What a client that polls every second does in the time of a task that takes no time at all.
SLOW = Settings(poll_interval_seconds=1, request_timeout_seconds=5, deadline_seconds=300)


def test_a_job_is_one_submit_and_polls_until_the_end() -> None:
    outcome = generated()
    assert outcome.video is not None
    assert outcome.video.url.startswith(f"{BASE_URL}/_mock/media/")
    assert len(outcome.submits) == 1
    assert {entry["request"]["path"] for entry in outcome.queries} == {f"{OMNI}/{outcome.video.task_id}"}
    assert outcome.slept == [0.1] * len(outcome.queries)


def test_what_is_sent_is_as_documented() -> None:
    body = generated(None, {**REQUEST, "multi_shot": "false", "sound": "", "image_list": [], "mode": None}).submits[0]
    sent = body["request"]["body"]
    external_id = sent.pop("external_task_id")
    assert sent == {"prompt": "A lighthouse.", "aspect_ratio": "16:9", "duration": "5", "multi_shot": False}
    assert external_id.startswith("omni-")
    headers = body["request"]["headers"]
    assert headers["content-type"] == "application/json"
    assert headers["authorization"] == "Bearer [key]"


@pytest.mark.parametrize("ending", ["", "/", "/kling", "/kling/v1/", OMNI])
def test_a_base_url_leads_to_the_same_path(ending: str) -> None:
    assert OmniJob(REQUEST, base_url=BASE_URL + ending, api_key=KEY).submit_url() == BASE_URL + OMNI


@pytest.mark.parametrize(
    ("scenario", "said", "submits"),
    [
        ({"submit": [{"problem": "rate-limited"}]}, "succeed", 2),
        ({"submit": [{"problem": "internal-error"}]}, "succeed", 2),
        ({"submit": [{"problem": "maintenance"}]}, "succeed", 2),
        ({"submit": [{"problem": "authorization-failed", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "access-denied", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "resource-not-found", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "content-security", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "invalid-value", "message": "no", "status": 200, "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "balance-exhausted", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "ip-not-allowed", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"problem": "gateway-quota-as-429", "times": "always"}]}, "rejected", 1),
        ({"submit": [{"fault": {"wrong-shape": {"at": "/data/task_id", "as": "missing"}}}]}, "succeed", 1),
        ({"submit": [{"fault": "html-page"}]}, "succeed", 1),
        ({"submit": [{"fault": {"redirect": {"to": "http://elsewhere.test"}}}]}, "succeed", 1),
        ({"lifecycle": {"pace": "0.1s", "outcome": "content-risk"}}, "failed", 1),
        ({"lifecycle": {"outcome": "never"}}, "timeout", 1),
        ({"dialect": "gateway-wrapper"}, "succeed", 1),
        ({"dialect": "gateway-wrapper", "lifecycle": {"pace": "0.1s", "outcome": "content-risk"}}, "failed", 1),
    ],
    ids=json.dumps,
)
def test_a_submit_is_sent_as_often_as_is_right(scenario: Any, said: str, submits: int) -> None:
    outcome = generated(scenario)
    assert (outcome.said, len(outcome.submits)) == (said, submits), outcome.error
    assert outcome.tasks <= 1


@pytest.mark.parametrize(
    "step",
    [
        {"fault": "reset"},
        {"fault": {"reset": "inside"}},
        {"fault": "close"},
        {"fault": "hang"},
        {"fault": {"truncated-body": {"how": "short-length"}}},
        {"fault": "empty-body"},
        {"problem": "internal-timeout", "then": "store"},
        {"fault": {"http-error": 502}},
    ],
    ids=json.dumps,
)
def test_a_task_whose_reply_is_lost_is_found_again(step: Any) -> None:
    outcome = generated({"submit": [step]})
    assert outcome.said == "succeed", outcome.error
    assert (outcome.tasks, len(outcome.submits)) == (1, 1)
    external_id = outcome.submits[0]["request"]["body"]["external_task_id"]
    assert outcome.queries[0]["request"]["path"] == f"{OMNI}/{external_id}"


def test_a_retry_is_the_same_job() -> None:
    outcome = generated({"submit": [{"problem": "maintenance", "times": 3}]})
    bodies = [entry["request"]["body"] for entry in outcome.submits]
    assert len(bodies) == 4
    assert all(body == bodies[0] for body in bodies)


def test_an_id_that_the_caller_brings_is_kept() -> None:
    outcome = generated(None, {**REQUEST, "external_task_id": "job-7"})
    assert outcome.submits[0]["request"]["body"]["external_task_id"] == "job-7"


class Blind(OmniJob):
    """Submits again without a look, as long as nobody says that the id exists."""

    def may_have_created(self, reading: Any) -> bool:
        if reading.kind == "lost":
            self.was_in_doubt = True
            return False
        return super().may_have_created(reading)

    def submits_again(self, reading: Any) -> bool:
        return reading.kind == "lost" or super().submits_again(reading)


def test_a_job_that_is_told_that_its_id_exists_adopts_its_task() -> None:
    outcome = generated({"submit": [{"fault": "reset"}]}, job_class=Blind)
    assert (outcome.said, outcome.tasks, len(outcome.submits)) == ("succeed", 1, 2)


def test_a_task_of_another_job_is_not_adopted() -> None:
    twin = twin_transport()
    arm(twin, {"lifecycle": QUICK})
    with OmniVideo(BASE_URL, KEY, transport=twin, clock=FakeClock(twin), settings=SLOW) as client:
        client.generate({**REQUEST, "external_task_id": "job-7"})
        with pytest.raises(OmniVideoError, match="already exists") as raised:
            client.generate({**REQUEST, "prompt": "Another one.", "external_task_id": "job-7"})
    assert raised.value.outcome == "rejected"


@pytest.mark.parametrize(
    "steps",
    [
        [{"problem": "maintenance", "times": 3}],
        [{"problem": "rate-limited"}],
        [{"fault": "reset"}, {"problem": "internal-error"}, {"problem": "resource-not-found"}],
        ["normal", {"problem": "task-not-found"}],
        [{"fault": "stale-read"}],
        [{"fault": {"html-page": 502}}, {"fault": "html-page"}, {"fault": "empty-body"}],
        [{"fault": {"truncated-body": {"how": "cut-chunk"}}}, {"fault": "garbage"}, {"fault": "close"}],
        [{"fault": {"malformed-json": {"how": "nan"}}}, {"fault": {"malformed-json": {"how": "cut"}}}],
        [{"fault": {"unknown-status": {"status": status}}} for status in ("queued_v2", "", None)],
        [{"fault": {"wrong-shape": {"at": "/data/task_status", "as": "missing"}}}],
        [{"fault": {"wrong-shape": {"at": "/data", "as": "array"}}}],
        [{"fault": {"redirect": {"to": "http://elsewhere.test"}}}],
        [{"fault": {"unknown-status": {"status": "succeeded", "instead-of": "succeed"}}, "times": "always"}],
        [{"fault": {"unknown-status": {"status": "SUCCESS", "instead-of": "succeed"}}, "times": "always"}],
        [{"fault": {"wrong-shape": {"at": "/code", "value": "0"}}, "times": "always"}],
        [{"fault": {"wrong-shape": {"at": "/data/task_result/videos/0", "as": "extra"}}, "times": "always"}],
    ],
    ids=json.dumps,
)
def test_polls_survive_and_never_submit(steps: Any) -> None:
    outcome = generated({"query": steps})
    assert outcome.said == "succeed", outcome.error
    assert (outcome.tasks, len(outcome.submits)) == (1, 1)


@pytest.mark.parametrize(
    ("query", "said", "polls_max"),
    [
        ({"problem": "maintenance", "times": "always"}, "timeout", 12),
        ({"problem": "authorization-failed", "times": "always"}, "error", 1),
        ({"problem": "task-not-found", "times": "always"}, "error", 5),
        ({"fault": {"wrong-shape": {"at": "/data/task_result", "as": "missing"}}, "times": "always"}, "error", 6),
        ({"fault": {"unknown-status": {"status": "failure"}}, "times": "always"}, "failed", 1),
    ],
    ids=str,
)
def test_polls_end(query: Any, said: str, polls_max: int) -> None:
    outcome = generated({"query": [query]})
    assert outcome.said == said, outcome.error
    assert 1 <= len(outcome.queries) <= polls_max
    assert outcome.error is not None
    assert outcome.error.task_id is not None
    assert outcome.error.request_id is not None
    assert len(outcome.submits) == 1


def test_the_reason_of_a_failure_is_that_of_the_task() -> None:
    outcome = generated({"lifecycle": {"pace": "0.1s", "outcome": "content-risk"}})
    assert outcome.error is not None
    assert outcome.error.reason == "Failure to pass the risk control system"


def test_an_error_of_the_provider_says_all_that_is_known() -> None:
    error = generated({"submit": [{"problem": "content-security"}]}).error
    assert error is not None
    assert (error.http_status, error.code) == (400, 1301)
    assert error.request_id
    assert error.request_id in str(error)
    assert "security policy" in error.reason


def test_a_provider_that_is_down_is_given_up() -> None:
    outcome = generated({"submit": [{"problem": "maintenance", "times": "always"}]}, settings=SLOW)
    assert len(outcome.submits) == 6
    assert len(outcome.wire) == 12
    assert outcome.error is not None
    assert (outcome.said, outcome.error.http_status) == ("rejected", 503)
    assert outcome.error.request_id


def test_where_nobody_can_say_whether_there_is_a_task_the_outcome_is_unknown() -> None:
    always = [{"fault": "reset", "times": "always"}]
    outcome = generated({"submit": always, "query": always})
    assert outcome.said == "unknown"
    assert outcome.tasks == 1
    assert outcome.submits[0]["request"]["body"]["external_task_id"] in str(outcome.error)


def test_the_deadline_keeps_the_task_id() -> None:
    outcome = generated({"lifecycle": {"outcome": "never"}})
    assert isinstance(outcome.error, TimedOut)
    assert outcome.error.task_id
    assert sum(outcome.slept) <= 20


def test_waits_grow_and_are_never_at_once() -> None:
    for _ in range(20):
        slept = generated({"query": [{"problem": "maintenance", "times": 5}]}, settings=SLOW_POLLS).slept[1:6]
        assert all(0.2 * 2**i <= seconds <= 0.4 * 2**i for i, seconds in enumerate(slept)), slept


def test_waits_grow_from_the_poll_interval_where_that_is_long() -> None:
    slept = generated({"query": [{"problem": "maintenance", "times": 4}]}, settings=SLOW).slept[1:5]
    assert all(2**i <= seconds <= 2 * 2**i for i, seconds in enumerate(slept)), slept


def test_a_task_that_is_not_found_yet_is_asked_for_again_soon() -> None:
    settings = Settings(poll_interval_seconds=60, deadline_seconds=600)
    assert generated({"query": [{"problem": "task-not-found"}]}, settings=settings).slept == [60, 4]


SLOW_POLLS = Settings(poll_interval_seconds=0.1, request_timeout_seconds=1, deadline_seconds=100)


def test_a_full_pack_is_waited_for_and_not_hammered() -> None:
    slots = {"submit": [{"problem": "concurrency-exceeded", "times": 5}]}
    outcome = generated(slots, settings=SLOW)
    assert outcome.said == "succeed"
    assert min(outcome.slept[:5]) >= 1


def rate_limited(value: str, *, status: int = 429, times: int = 1) -> Callable[[httpx.Request], httpx.Response]:
    """A provider that refuses the first requests with Retry-After, and has one task that has succeeded."""
    left = [times]

    def answer(request: httpx.Request) -> httpx.Response:
        if left[0]:
            left[0] -= 1
            code = 1302 if status == 429 else 5001
            return httpx.Response(status, headers={"retry-after": value}, json={"code": code, "message": "later"})
        if request.url.path.endswith("omni-video") or not request.url.path.endswith("/42"):
            return httpx.Response(200, json={"code": 0, "data": {"task_id": 42, "task_status": "submitted"}})
        videos = [{"url": "http://videos.test/42.mp4"}]
        return httpx.Response(
            200,
            json={"code": 0, "data": {"task_id": "42", "task_status": "succeed", "task_result": {"videos": videos}}},
        )

    return answer


class StillClock(FakeClock):
    """A clock without a twin."""

    def __init__(self) -> None:
        super().__init__(None)  # type: ignore[arg-type]  # There is none to move.

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


def first_wait(value: str, status: int = 429) -> float:
    clock = StillClock()
    transport = httpx.MockTransport(rate_limited(value, status=status))
    with OmniVideo(BASE_URL, KEY, transport=transport, clock=clock, settings=SLOW) as client:
        assert client.generate(REQUEST).task_id == "42"
    return clock.slept[0]


def test_retry_after_is_honoured() -> None:
    assert first_wait("7") == 7
    assert first_wait("3", status=503) == 3


@pytest.mark.parametrize("value", ["0", "-5", "abc", "Wed, 21 Oct 2015 07:28:00 GMT", "", "9" * 400, "1.5"])
def test_a_bad_retry_after_means_its_own_backoff(value: str) -> None:
    assert 1 <= first_wait(value) <= 2


def test_a_retry_after_beyond_the_deadline_ends_the_job_at_once() -> None:
    clock = StillClock()
    transport = httpx.MockTransport(rate_limited("86400", times=9))
    with (
        OmniVideo(BASE_URL, KEY, transport=transport, clock=clock, settings=SLOW) as client,
        pytest.raises(OmniVideoError, match="86400 s"),
    ):
        client.generate(REQUEST)
    assert clock.slept == []


@pytest.mark.parametrize("form", ["raw", "base64", "tail"])
def test_the_key_and_control_characters_are_in_no_error(form: str) -> None:
    shown = {"raw": KEY, "base64": base64.b64encode(KEY.encode()).decode(), "tail": KEY[-12:]}[form]
    nasty = f"no {shown} \x1b[31m\n" + "x" * 1_000_000

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(400, json={"code": 1201, "message": nasty, "request_id": shown})

    with (
        OmniVideo(BASE_URL, KEY, transport=httpx.MockTransport(answer)) as client,
        pytest.raises(OmniVideoError) as raised,
    ):
        client.generate(REQUEST)
    error = raised.value
    for text in (str(error), repr(error), error.message, error.reason, error.request_id or ""):
        assert shown not in text
        assert text.isprintable()
        assert len(text) < 1_500


@pytest.mark.parametrize("before", ["", ":", "Bearer "])
def test_the_key_is_seen_in_base64_whatever_stands_before_it(before: str) -> None:
    encoded = base64.b64encode(f"{before}{KEY}".encode()).decode()
    assert "[key]" in Cleaner(KEY)(f"Basic {encoded}")


@pytest.mark.parametrize("key", ["", "sk-\n", "sk a", "sk-ключ"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match="look for a newline"):
        OmniVideo(BASE_URL, key)


def test_an_id_is_text_and_is_escaped() -> None:
    job = OmniJob(REQUEST, base_url=BASE_URL, api_key=KEY)
    assert job.poll_url("a/b?c").endswith("/omni-video/a%2Fb%3Fc")
    fault = {"fault": {"wrong-shape": {"at": "/data/task_id", "value": "a/b?c"}}}
    outcome = generated({"submit": [fault]})
    assert outcome.queries[0]["request"]["path"] == f"{OMNI}/a%2Fb%3Fc"
    assert outcome.said == "succeed", "it is found by its external id"


def test_an_answer_without_end_is_not_kept() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=b" " * 10_000)

    settings = Settings(deadline_seconds=5, answer_bytes_max=1_000, submits_max=1)
    with (
        OmniVideo(
            BASE_URL, KEY, transport=httpx.MockTransport(answer), clock=StillClock(), settings=settings
        ) as client,
        pytest.raises(OmniVideoError, match="more than 1000 bytes"),
    ):
        client.generate(REQUEST)


class Passing(httpx.AsyncBaseTransport):
    """The twin, whose clock goes on with every request."""

    def __init__(self, twin: TwinTransport) -> None:
        self.twin = twin

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.twin.handle_async_request(request)
        await self.twin.advance_async("0.1s", key=KEY)
        return response


def generated_async(scenario: Any, jobs: int = 1) -> list[Outcome]:
    twin = twin_transport()
    arm(twin, {"lifecycle": QUICK, **scenario})
    settings = Settings(
        poll_interval_seconds=0.001, backoff_seconds=0.001, throttled_backoff_seconds=0.001, deadline_seconds=20
    )

    async def run() -> list[Any]:
        async with AsyncOmniVideo(BASE_URL, KEY, transport=Passing(twin), settings=settings) as client:
            return await asyncio.gather(*(client.generate(REQUEST) for _ in range(jobs)), return_exceptions=True)

    ended = asyncio.run(run())
    wire, tasks = seen(twin)
    outcomes = []
    for end in ended:
        if isinstance(end, OmniVideoError):
            outcomes.append(Outcome(None, end, wire, tasks, []))
        else:
            assert not isinstance(end, BaseException), end
            outcomes.append(Outcome(end, None, wire, tasks, []))
    return outcomes


@pytest.mark.parametrize(
    ("scenario", "said"),
    [
        ({}, "succeed"),
        ({"lifecycle": {"pace": "0.1s", "outcome": "content-risk"}}, "failed"),
        ({"submit": [{"fault": "reset"}]}, "succeed"),
        ({"submit": [{"problem": "rate-limited"}], "query": [{"problem": "maintenance", "times": 2}]}, "succeed"),
        ({"submit": [{"problem": "balance-exhausted"}]}, "rejected"),
    ],
    ids=json.dumps,
)
def test_the_async_client_does_the_same(scenario: Any, said: str) -> None:
    (outcome,) = generated_async(scenario)
    assert outcome.said == said, outcome.error
    assert outcome.tasks <= 1


def test_jobs_side_by_side_have_ids_of_their_own() -> None:
    outcomes = generated_async({}, jobs=3)
    assert len({outcome.video.task_id for outcome in outcomes if outcome.video}) == 3
    assert len({entry["request"]["body"]["external_task_id"] for entry in outcomes[0].submits}) == 3


async def test_an_answer_that_drips_is_ended_as_a_whole() -> None:
    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                await asyncio.sleep(0.001)
                yield b" "

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Dripping())

    settings = Settings(request_timeout_seconds=0.01, deadline_seconds=0.05, backoff_seconds=0.001, submits_max=1)
    async with AsyncOmniVideo(BASE_URL, KEY, transport=Transport(), settings=settings) as client:
        with pytest.raises(OmniVideoError) as raised:
            await client.generate(REQUEST)
    assert raised.value.outcome == "unknown"
