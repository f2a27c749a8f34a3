"""The twin in virtual time: replies take what their scenario says, and all of it is on record to the nanosecond."""

import asyncio
import base64
import email.utils
import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.virtual_time import LimitPassed, NothingToWaitFor, Spinning, VirtualClock, run_virtual
from contracts.virtual_twin import VirtualTwin
from contracts.wire import Sighting
from mock_server.clock import MANUAL_START_MS
from mock_server.exchange import Exchange
from mock_server.journal import Attempt
from tests.support import MINIMAL, OMNI

KEY = "sk-test"
HEADERS = {"authorization": f"Bearer {KEY}"}
BASE_URL = "https://api.deerapi.com"
CALLBACK = {**MINIMAL, "callback_url": "https://client.test/hook"}
HOUR = 3_600.0


def async_client(twin: VirtualTwin, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=twin.transport, base_url=BASE_URL, headers=HEADERS, **options)


def sync_client(twin: VirtualTwin, **options: Any) -> httpx.Client:
    return httpx.Client(transport=twin.transport, base_url=BASE_URL, headers=HEADERS, **options)


def spoiling(*faults: Any, role: str = "list", **story: Any) -> VirtualTwin:
    """A twin whose answers of a role are spoiled, each by its fault."""
    twin = VirtualTwin(**{key: story.pop(key) for key in ("receiver",) if key in story})
    steps: list[Any] = [{"fault": fault} for fault in faults] or ["normal"]
    arm(twin, {role: steps, **story})
    return twin


def arm(twin: VirtualTwin, story: dict[str, Any]) -> None:
    """Give all requests a scenario, as if the twin had been made with it."""
    twin.twin.endpoint.scenarios.default = twin.twin.catalogue.define({"name": "mine", "about": "A test.", **story})


def seen(twin: VirtualTwin) -> list[Sighting]:
    return list(twin.log(KEY))


async def listing(twin: VirtualTwin, **options: Any) -> httpx.Response:
    async with async_client(twin, **options) as client:
        return await client.get(OMNI)


# Exactness


async def patient(twin: VirtualTwin) -> list[float]:
    """Submit until it is accepted: backoff from half a second on, doubled, or what Retry-After says."""
    backoff, arrivals = 0.5, []
    async with async_client(twin) as client:
        while True:
            arrivals.append(twin.clock.monotonic())
            answer = await client.post(OMNI, json=MINIMAL)
            if answer.status_code == 200:
                return arrivals
            after = answer.headers.get("retry-after")
            await asyncio.sleep(float(after) if after else backoff)
            backoff *= 2


def refusing(status: int) -> dict[str, Any]:
    return {"fault": {"http-error": status}, "then": "refuse"}


# The fourth submit is somebody else's: it opens the window that the client meets closed.
TROUBLE = [refusing(503), refusing(500), refusing(503), "normal", "normal", refusing(500)]
ONE_IN_30_SECONDS = {"rate": {"requests": 1, "per": "30s", "on": ["submit", "list"], "retry-after": "seconds"}}


def test_the_moments_of_a_backoff_are_exact() -> None:
    with VirtualTwin() as twin:
        arm(twin, {"submit": TROUBLE, "capacity": ONE_IN_30_SECONDS})

        async def somebody_else() -> None:
            await asyncio.sleep(3.4)
            async with async_client(twin) as client:
                await client.post(OMNI, json=MINIMAL)

        async def work() -> list[float]:
            return (await asyncio.gather(patient(twin), somebody_else()))[0]

        arrivals = twin.run(work(), limit_seconds=60)
        mine = [each for each in seen(twin) if each.began != 3.4]
        assert [each.status for each in mine] == [503, 500, 503, 429, 500, 200]
        assert [each.began for each in mine] == arrivals == [0, 0.5, 1.5, 3.5, 33.5, 41.5]
        assert [each.whole for each in mine] == [each.replied for each in mine] == arrivals


async def polled(twin: VirtualTwin, every_seconds: float) -> str:
    async with async_client(twin) as client:
        task_id = (await client.post(OMNI, json=MINIMAL)).json()["data"]["task_id"]
        while True:
            await asyncio.sleep(every_seconds)
            status = (await client.get(f"{OMNI}/{task_id}")).json()["data"]["task_status"]
            if status in ("succeed", "failed"):
                return str(status)


def test_a_task_takes_its_hours_in_virtual_time() -> None:
    with VirtualTwin() as twin:
        arm(twin, {"lifecycle": {"pace": {"submitted": "1h", "processing": "2h"}}})
        assert twin.run(polled(twin, 60), limit_seconds=4 * HOUR) == "succeed"
        submit, *queries = seen(twin)
        assert (submit.role, submit.told) == ("submit", "submitted")
        assert {each.role for each in queries} == {"query"}
        assert [each.began for each in queries] == [60.0 * n for n in range(1, 181)]
        told = [each.told for each in queries]
        assert [told.count(each) for each in ("submitted", "processing", "succeed")] == [59, 120, 1]


def test_dates_and_journals_follow_virtual_time() -> None:
    with VirtualTwin() as twin:
        arm(twin, {"capacity": {"rate": {**ONE_IN_30_SECONDS["rate"], "retry-after": "date"}}, "latency": "2s"})

        async def work() -> str:
            async with async_client(twin) as client:
                await asyncio.sleep(10)
                await client.get(OMNI)
                return str((await client.get(OMNI)).headers["retry-after"])

        date = email.utils.parsedate_to_datetime(twin.run(work(), limit_seconds=HOUR))
        assert date.timestamp() - MANUAL_START_MS / 1_000 == 40
        entries = [each for each in twin.world(KEY).journal.entries if isinstance(each, Exchange)]
        assert [each.real_ms for each in entries] == [each.at_ms for each in entries]
        assert [each.at_ms - MANUAL_START_MS for each in entries] == [10_000, 12_000]


def test_a_token_expires_in_virtual_time() -> None:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    with VirtualTwin() as twin:
        token = f"{part({'alg': 'HS256'})}.{part({'iss': KEY, 'exp': twin.clock.time() + 1_800})}.x"

        async def work() -> list[int]:
            headers = {"authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(transport=twin.transport, base_url=BASE_URL, headers=headers) as client:
                first = await client.get(OMNI)
                await asyncio.sleep(1_800)
                return [first.status_code, (await client.get(OMNI)).status_code]

        assert twin.run(work(), limit_seconds=HOUR) == [200, 401]


# What the wire takes


def test_a_delay_is_waited_for() -> None:
    with spoiling(latency="2500ms") as twin:
        assert twin.run(listing(twin), limit_seconds=60).status_code == 200
        (sighting,) = seen(twin)
        assert (sighting.whole, sighting.replied, sighting.left) == (0, 2.5, None)


SHORT = {"truncated-body": {"how": "short-length", "after-bytes": 3}}
CUT_SHORT: list[tuple[Any, type[Exception], float | None, float | None]] = [
    ({"reset": "before"}, httpx.ReadError, 0, None),
    ({"reset": "inside"}, httpx.ReadError, 0, None),
    ("close", httpx.RemoteProtocolError, 0, None),
    ("garbage", httpx.RemoteProtocolError, 0, None),
    (SHORT, httpx.RemoteProtocolError, 0, None),
    ({"truncated-body": {"how": "cut-chunk"}}, httpx.RemoteProtocolError, 0, None),
    ({"hang": "4s"}, httpx.RemoteProtocolError, 4, None),
    ({"hang": "6s"}, httpx.ReadTimeout, None, 5),
    ({"drip": "6s"}, httpx.ReadTimeout, None, 5),
]


@pytest.mark.parametrize(("fault", "error", "replied", "left"), CUT_SHORT)
def test_a_fault_of_the_connection_is_what_httpx_raises_when_it_would(
    fault: Any, error: type[Exception], replied: float | None, left: float | None
) -> None:
    with spoiling(fault, fault) as twin:
        with pytest.raises(error):
            twin.run(listing(twin), limit_seconds=60)
        with pytest.raises(error), sync_client(twin) as client:
            client.get(OMNI)
        one, other = seen(twin)
        assert (one.replied, one.left) == (replied, left)
        assert (other.ended - other.whole) == (one.ended - one.whole) == (replied if left is None else left)
        assert one.connection != other.connection
        assert [each.exchange.gave_up_after_ms for each in seen(twin)] == [5_000 if left else None] * 2
        assert [each.gave_up_after_ms for each in twin.world(KEY).journal.entries if isinstance(each, Exchange)] == [
            5_000 if left else None
        ] * 2


def test_silence_is_one_silence_whatever_it_is_made_of() -> None:
    """Two seconds before the hang and four within it are six without a byte."""
    with VirtualTwin() as twin:
        arm(twin, {"list": [{"fault": {"hang": "4s"}, "latency": "2s"}]})
        with pytest.raises(httpx.ReadTimeout):
            twin.run(listing(twin), limit_seconds=60)
        assert seen(twin)[0].left == 5


def test_a_hang_outlasts_a_client_without_a_time_out() -> None:
    with spoiling("hang") as twin:
        with pytest.raises(LimitPassed):
            twin.run(listing(twin, timeout=None), limit_seconds=60)
        assert (seen(twin)[0].replied, seen(twin)[0].left) == (None, 60)


def test_a_drip_comes_piece_by_piece() -> None:
    with spoiling({"drip": {"every": "1s", "bytes": 10}}) as twin:

        async def work() -> list[tuple[float, int]]:
            async with async_client(twin) as client, client.stream("GET", OMNI) as answer:
                return [(twin.clock.monotonic(), len(part)) async for part in answer.aiter_raw()]

        pieces = twin.run(work(), limit_seconds=HOUR)
        assert [at for at, _ in pieces] == list(range(len(pieces)))
        assert {size for _, size in pieces[:-1]} == {10}
        assert seen(twin)[0].replied == len(pieces) - 1


def test_a_drip_that_keeps_every_read_alive_is_ended_by_the_client_s_deadline() -> None:
    with spoiling({"drip": "1s"}) as twin:

        async def work() -> float:
            try:
                async with asyncio.timeout(7.5):
                    await listing(twin)
            except TimeoutError:
                return twin.clock.monotonic()
            raise AssertionError

        assert twin.run(work(), limit_seconds=HOUR) == 7.5
        assert (seen(twin)[0].replied, seen(twin)[0].left) == (None, 7.5)


def test_a_reply_comes_by_itself_while_the_client_does_something_else() -> None:
    with spoiling({"drip": {"every": "1s", "bytes": 10}}) as twin:

        async def work() -> float:
            async with async_client(twin) as client, client.stream("GET", OMNI) as answer:
                await asyncio.sleep(HOUR)
                await answer.aread()
            return twin.clock.monotonic()

        assert twin.run(work(), limit_seconds=2 * HOUR) == HOUR
        assert seen(twin)[0].ended < 60


def test_a_client_that_reads_no_body_has_left_or_not_by_what_was_out() -> None:
    with spoiling({"drip": {"every": "1s", "bytes": 10}}, {"drip": {"every": "1s", "bytes": 10}}) as twin:

        async def work(seconds: float) -> None:
            async with async_client(twin) as client, client.stream("GET", OMNI):
                await asyncio.sleep(seconds)

        twin.run(work(2.25), limit_seconds=HOUR)
        twin.run(work(HOUR), limit_seconds=2 * HOUR)
        early, late = seen(twin)
        assert (early.replied, early.left) == (None, 2.25)
        assert late.replied is not None
        assert late.left is None


def test_a_kept_connection_is_used_again_and_parallel_requests_need_their_own() -> None:
    with spoiling(latency="1s") as twin:

        async def work() -> None:
            async with async_client(twin) as client:
                await client.get(OMNI)
                await asyncio.gather(client.get(OMNI), client.get(OMNI))
                await client.get(OMNI)

        twin.run(work(), limit_seconds=60)
        assert [each.connection for each in seen(twin)][:3] == [1, 1, 2]
        assert seen(twin)[3].connection in (1, 2)


def test_the_videos_of_results_can_be_fetched() -> None:
    with VirtualTwin(scenario="instant") as twin:

        async def work() -> tuple[int, float]:
            async with async_client(twin) as client:
                task_id = (await client.post(OMNI, json=MINIMAL)).json()["data"]["task_id"]
                task = (await client.get(f"{OMNI}/{task_id}")).json()["data"]
                url = task["task_result"]["videos"][0]["url"]
                waiting = asyncio.create_task(asyncio.sleep(HOUR))
                video = await client.get(url)
                waiting.cancel()
                return video.status_code, twin.clock.monotonic()

        assert twin.run(work(), limit_seconds=2 * HOUR) == (200, 0)
        with sync_client(twin) as client:
            assert client.get("/_mock/health").json()["status"] == "ok"
        assert len(seen(twin)) == 2


# What a sighting tells


def test_a_problem_tells_no_status_even_where_the_task_was_stored() -> None:
    with VirtualTwin() as twin:
        arm(
            twin,
            {
                "submit": [{"problem": "internal-error", "then": "store"}],
                "query": [{"fault": "html-page"}, {"fault": "hang"}],
            },
        )

        async def work() -> None:
            async with async_client(twin) as client:
                assert (await client.post(OMNI, json=MINIMAL)).status_code == 500
                task_id = (await client.post(OMNI, json=MINIMAL)).json()["data"]["task_id"]
                await client.get(f"{OMNI}/{task_id}")
                with pytest.raises(httpx.ReadTimeout):
                    await client.get(f"{OMNI}/{task_id}")
                await client.get(f"{OMNI}/nobody")
                await client.get("/nowhere")
                await client.get(OMNI)

        twin.run(work(), limit_seconds=60)
        told = [(each.role, each.told) for each in seen(twin)]
        assert told == [
            ("submit", None),
            ("submit", "submitted"),
            ("query", "submitted"),
            ("query", "submitted"),
            ("query", None),
            (None, None),
            ("list", None),
        ]


def test_a_sighting_has_the_whole_of_a_long_body() -> None:
    with VirtualTwin() as twin, sync_client(twin) as client:
        body = {**MINIMAL, "prompt": "x" * 50_000}
        client.post(OMNI, json=body)
        assert seen(twin)[0].body() == body


def test_requests_without_a_good_key_are_on_record_too() -> None:
    with VirtualTwin() as twin, httpx.Client(transport=twin.transport, base_url=BASE_URL) as client:
        assert client.get(OMNI).status_code == 401
        assert [each.status for each in twin.log("")] == [401]
        assert seen(twin) == []


# Callbacks


def received_by(twin_of: list[VirtualTwin], came: list[tuple[float, str]]) -> Callable[[httpx.Request], None]:
    def receiver(request: httpx.Request) -> None:
        came.append((twin_of[0].clock.monotonic(), json.loads(request.content)["task_status"]))

    return receiver


PACE = {"lifecycle": {"pace": {"submitted": "10m", "processing": "2h"}}}
AT_THEIR_MOMENTS = [(0.0, "submitted"), (600.0, "processing"), (7_800.0, "succeed")]


def test_callbacks_come_to_an_async_client_at_their_moments() -> None:
    came: list[tuple[float, str]] = []
    twins: list[VirtualTwin] = []
    with VirtualTwin(receiver=received_by(twins, came)) as twin:
        twins.append(twin)
        arm(twin, PACE)

        async def work() -> None:
            async with async_client(twin) as client:
                await client.post(OMNI, json=CALLBACK)
                await asyncio.sleep(3 * HOUR)

        twin.run(work(), limit_seconds=4 * HOUR)
        assert came == AT_THEIR_MOMENTS


def test_callbacks_go_on_from_run_to_run_whatever_the_client() -> None:
    came: list[tuple[float, str]] = []
    twins: list[VirtualTwin] = []
    with VirtualTwin(receiver=received_by(twins, came)) as twin, sync_client(twin) as client:
        twins.append(twin)
        arm(twin, PACE)

        async def work(method: str, seconds: float) -> None:
            async with async_client(twin) as client:
                await client.request(method, OMNI, json=CALLBACK if method == "POST" else None)
                await asyncio.sleep(seconds)

        twin.run(work("POST", 100), limit_seconds=HOUR)
        twin.run(work("GET", 600), limit_seconds=HOUR)
        assert came == AT_THEIR_MOMENTS[:2]
        client.get(OMNI)
        twin.clock.sleep(3 * HOUR)
        assert came == AT_THEIR_MOMENTS


def test_callbacks_come_to_a_sync_client_while_it_sleeps() -> None:
    came: list[tuple[float, str]] = []
    twins: list[VirtualTwin] = []
    with VirtualTwin(receiver=received_by(twins, came)) as twin, sync_client(twin) as client:
        twins.append(twin)
        arm(twin, PACE)
        client.post(OMNI, json=CALLBACK)
        twin.clock.sleep(700)
        assert came == AT_THEIR_MOMENTS[:2]
        twin.clock.sleep(3 * HOUR)
        assert came == AT_THEIR_MOMENTS


def test_a_callback_that_is_not_taken_is_tried_again_in_virtual_time() -> None:
    answers = iter([500, None, 503, 200])

    async def receiver(request: httpx.Request) -> int:
        answer = next(answers)
        if answer is None:
            await asyncio.Event().wait()
        return answer or 0

    with VirtualTwin(
        receiver=receiver, callback_retries_ms=(10_000, 60_000, 600_000), callback_timeout_ms=5_000
    ) as twin:
        arm(twin, {"lifecycle": {"outcome": {"stays": "submitted"}}})

        async def work() -> None:
            async with async_client(twin) as client:
                await client.post(OMNI, json=CALLBACK)
                await asyncio.sleep(HOUR)

        twin.run(work(), limit_seconds=2 * HOUR)
        attempts = [each for each in twin.world(KEY).journal.entries if isinstance(each, Attempt)]
        of_the_first = [each for each in attempts if each.delivery == attempts[0].delivery]
        assert [(each.at_ms - MANUAL_START_MS, each.outcome) for each in of_the_first] == [
            (0, "failed"),
            (15_000, "failed"),
            (75_000, "failed"),
            (675_000, "delivered"),
        ]


def test_a_receiver_may_ask_the_twin_what_became_of_the_task() -> None:
    told: list[str] = []

    def receiver(request: httpx.Request) -> None:
        task_id = json.loads(request.content)["task_id"]
        told.append(client.get(f"{OMNI}/{task_id}").json()["data"]["task_status"])

    with VirtualTwin(receiver=receiver) as twin, sync_client(twin) as client:
        arm(twin, PACE)
        client.post(OMNI, json=CALLBACK)
        twin.clock.sleep(3 * HOUR)
    assert told == ["submitted", "processing", "succeed"]


@pytest.mark.parametrize("kind", ["async", "sync"])
def test_a_callback_may_come_before_the_reply_of_its_submit(kind: str) -> None:
    order: list[str] = []

    async def receiver(request: httpx.Request) -> None:
        await asyncio.sleep(2)
        order.append("callback")

    with VirtualTwin(receiver=receiver) as twin:
        arm(twin, {"callbacks": {"faults": ["early"]}, "lifecycle": {"outcome": {"stays": "submitted"}}})

        async def work() -> None:
            async with async_client(twin) as client:
                await client.post(OMNI, json=CALLBACK)
                order.append("reply")

        if kind == "async":
            twin.run(work(), limit_seconds=60)
        else:
            with sync_client(twin) as client:
                client.post(OMNI, json=CALLBACK)
                order.append("reply")
        assert order == ["callback", "reply"]
        assert (seen(twin)[0].whole, seen(twin)[0].replied) == (0, 2)


# Sync clients, and clients that do wrong


def test_a_sync_client_s_time_passes_with_what_its_replies_take() -> None:
    with spoiling(latency="2s") as twin, sync_client(twin) as client:
        client.get(OMNI)
        twin.clock.sleep(0.25)
        client.get(OMNI)
        assert [(each.began, each.replied) for each in seen(twin)] == [(0, 2), (2.25, 4.25)]
        assert {each.connection for each in seen(twin)} == {1}


def test_an_async_client_that_asks_without_a_pause_spins() -> None:
    with VirtualTwin() as twin:

        async def work() -> None:
            async with async_client(twin) as client:
                while True:
                    await client.get(f"{OMNI}/nobody")

        with pytest.raises(Spinning):
            twin.run(work(), limit_seconds=60)
        assert len(seen(twin)) > 5_000


def test_a_sync_client_that_asks_without_a_pause_spins() -> None:
    def work(client: httpx.Client) -> None:
        while True:
            client.get(f"{OMNI}/nobody")

    with VirtualTwin() as twin, sync_client(twin) as client, pytest.raises(Spinning):
        work(client)


def test_a_client_that_waits_for_a_callback_that_nobody_sends_waits_for_ever() -> None:
    with VirtualTwin() as twin:

        async def work() -> None:
            async with async_client(twin) as client:
                await client.post(OMNI, json=CALLBACK)
                await asyncio.Event().wait()

        with pytest.raises((NothingToWaitFor, LimitPassed)):
            twin.run(work(), limit_seconds=24 * HOUR)


async def test_a_loop_in_real_time_is_refused() -> None:
    twin = VirtualTwin()
    async with async_client(twin) as client:
        with pytest.raises(RuntimeError, match=r"run the client with twin.run"):
            await client.get(OMNI)


def test_a_loop_by_another_clock_is_refused() -> None:
    twin = VirtualTwin()
    with pytest.raises(RuntimeError, match="not in the twin's time"):
        run_virtual(listing(twin), limit_seconds=1, clock=VirtualClock())


@pytest.mark.parametrize(
    ("setting", "reason"),
    [
        ({"time_scale": 2}, "time_scale is no setting of a twin in virtual time"),
        ({"port": 1}, "port is a setting of a server"),
        ({"scenari": "instant"}, "did you mean scenario"),
    ],
)
def test_a_setting_that_cannot_be_is_named(setting: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        VirtualTwin(**setting)


# Whatever the seed


def told(twin: VirtualTwin) -> bytes:
    rows = [(each.began, each.whole, each.replied, each.left, each.role, each.told) for each in seen(twin)]
    return msgspec.json.encode(
        [rows, [each.exchange.incoming for each in seen(twin)], [str(each) for each in seen(twin)]]
    )


async def stubborn(twin: VirtualTwin) -> None:
    async with async_client(twin, timeout=2) as client:
        for _ in range(12):
            try:
                answer = await client.post(OMNI, json=CALLBACK)
                if answer.status_code == 200:
                    await client.get(f"{OMNI}/{answer.json()['data']['task_id']}")
            except (httpx.TransportError, ValueError):
                pass
            await asyncio.sleep(0.7)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1_000), scenario=st.sampled_from(["black-friday", "realistic"]))
def test_the_same_seed_gives_the_same_story_to_the_byte(seed: int, scenario: str) -> None:
    stories = []
    for _ in range(2):
        with VirtualTwin(seed=seed, scenario=scenario, receiver=lambda request: 204) as twin:
            twin.run(stubborn(twin), limit_seconds=HOUR)
            stories.append((told(twin), twin.clock.ns))
    assert stories[0] == stories[1]
