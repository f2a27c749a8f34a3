"""What becomes of a recorded task as a scenario: times, latencies, refusals, and what could not be said."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from contracts.recording.pacing import Sight, moments_of
from contracts.recording.recorded import Body, Breach, Exchange, Recording, Refusal, Reply, Request, TaskTold, Told
from contracts.recording.retelling import retold, scenario_bytes
from mock_server.program import Program
from mock_server.resources import resource
from mock_server.transport import twin_transport
from tests.live.support import clean_environment
from tests.recording.support import bench
from tests.support import OMNI

SECOND = 1_000


def told(status: str, own_ms: int | None = None, message: str | None = None) -> Told:
    return Told("7", None, status, message, 0 if own_ms is not None else None, own_ms)


def exchange(role: str, at_s: float, status: int | None = 200, *, told: Told | None = None, **more: Any) -> Exchange:
    body = more.pop("body", None)
    headers = tuple(f"{name}: {value}" for name, value in more.pop("headers", {}).items())
    reply = Reply(status, headers, body) if body is not None and status is not None else None
    reply = reply or (Reply(status, headers) if status is not None else None)
    request = Request("POST" if role == "submit" else "GET", OMNI)
    at_ms = int(at_s * SECOND)
    return Exchange(
        number=more.pop("number", at_ms + 1), at_ms=at_ms, took_ms=more.pop("took_ms", 0), request=request, role=role,
        reply=reply, told=told, **more,
    )  # fmt: skip


def recording(*exchanges: Exchange, **more: Any) -> Recording:
    return Recording(
        format=1, made_by="omnimock", upstream="http://x.test", spec="s", profile="p", dialect="pass-through",
        started="2026-11-25T12:00:00+00:00", task=TaskTold("7", "omni-video"), exchanges=exchanges, **more,
    )  # fmt: skip


SUBMIT = exchange("submit", 0, told=told("submitted"))


def poll(at_s: float, status: str, **more: Any) -> Exchange:
    return exchange("query", at_s, told=told(status, more.pop("own_ms", None), more.pop("message", None)), **more)


Tell = Callable[..., dict[str, Any]]


@pytest.fixture
def tell(program: Program) -> Tell:
    def one(*exchanges: Exchange, **more: Any) -> dict[str, Any]:
        source = retold(recording(*exchanges, **more), program.spec, "a-name")
        assert source is not None
        return source

    return one


def test_a_change_is_between_the_last_sight_of_one_status_and_the_first_of_the_next(tell: Tell) -> None:
    source = tell(SUBMIT, poll(5, "submitted"), poll(10, "processing"), poll(15, "processing"), poll(20, "succeed"))
    assert source["lifecycle"] == {"pace": {"submitted": "7500ms", "processing": "10s"}, "outcome": "success"}
    assert "processing after 7500ms (seen first after 10s)" in source["about"]


def test_the_service_s_own_times_count_where_they_fit(tell: Tell) -> None:
    polls = poll(5, "submitted"), poll(10, "processing", own_ms=6_200), poll(20, "succeed", own_ms=999_000)
    assert tell(SUBMIT, *polls)["lifecycle"]["pace"] == {"submitted": "6200ms", "processing": "8800ms"}


def test_a_callback_counts_before_them(tell: Tell) -> None:
    callback = exchange("", 8, told=told("processing"), kind="callback")
    polls = poll(5, "submitted"), poll(10, "processing", own_ms=6_200), poll(20, "succeed")
    source = tell(SUBMIT, *polls, callback, callbacks_recorded=True)
    assert source["lifecycle"]["pace"] == {"submitted": "8s", "processing": "7s"}
    assert source["callbacks"] == {"send": ["processing"], "sign": False}


def test_what_was_never_seen_is_put_between(tell: Tell) -> None:
    source = tell(SUBMIT, poll(10, "submitted"), poll(20, "succeed"))
    assert source["lifecycle"]["pace"] == {"submitted": "12500ms", "processing": "2500ms"}


def test_a_task_that_was_not_watched_to_its_end_stays_where_it_was(tell: Tell) -> None:
    source = tell(SUBMIT, poll(10, "processing"))
    assert source["lifecycle"] == {"pace": {"submitted": "5s"}, "outcome": {"stays": "processing"}}


def test_a_failure_is_that_of_the_spec_or_has_its_own_words(tell: Tell) -> None:
    def outcome(message: str | None) -> Any:
        return tell(SUBMIT, poll(5, "processing"), poll(10, "failed", message=message))["lifecycle"]["outcome"]

    assert outcome("Image pixel is invalid") == "image-pixel"
    assert outcome("other words") == {"message": "other words"}
    assert outcome(None) == "no-reason"


def test_latencies_are_those_of_most_and_slow_ones_stand_at_their_attempt(tell: Tell) -> None:
    polls = [poll(number, "submitted", head_ms=ms) for number, ms in enumerate((100, 120, 140, 9_000, 130), 1)]
    source = tell(exchange("submit", 0, told=told("submitted"), head_ms=812), *polls)
    assert source["latency"] == {"submit": "812ms", "query": "100ms..140ms"}
    assert source["query"] == [{"latency": "9s", "at": 4}]


def test_what_is_quicker_than_this_machine_is_no_latency(tell: Tell) -> None:
    assert "latency" not in tell(
        exchange("submit", 0, told=told("submitted"), head_ms=4), poll(5, "submitted", head_ms=3)
    )


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"retry-after": "3"}, "3s"),
        ({"retry-after": "soon"}, {"text": "soon"}),
        ({"retry-after": "0"}, {"text": "0"}),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:09 GMT", "date": "Wed, 25 Nov 2026 12:00:02 GMT"}, {"date": "7s"}),
        ({"retry-after": "Wed, 25 Nov 2026 12:00:09 GMT"}, {"text": "Wed, 25 Nov 2026 12:00:09 GMT"}),
    ],
)
def test_refusals_keep_their_word_when_to_come_back(tell: Tell, headers: dict[str, str], said: Any) -> None:
    refused = exchange("query", 2, 429, refusal=Refusal("rate-limited"), headers=headers)
    assert tell(SUBMIT, refused)["query"] == [{"problem": "rate-limited", "retry-after": said}]


def test_the_same_one_after_the_other_is_said_once(tell: Tell) -> None:
    refused = [exchange("query", number, 500, refusal=Refusal("internal-error")) for number in (2, 3, 5)]
    polls = poll(1, "submitted"), poll(4, "submitted")
    steps = tell(SUBMIT, *refused, *polls)["query"]
    assert steps == [{"problem": "internal-error", "at": 2, "times": 2}, {"problem": "internal-error", "at": 5}]


def test_a_submit_that_breaks_a_rule_is_no_attempt(tell: Tell) -> None:
    wrong = exchange(
        "submit", -1, 400, refusal=Refusal("invalid-value", "m"), violations=(Breach("client", "/a", "1", "2"),)
    )
    assert "submit" not in tell(wrong, SUBMIT, poll(1, "submitted"))


def test_a_refusal_has_its_message_and_its_status_where_they_are_its_own(tell: Tell) -> None:
    refused = exchange("submit", -1, 422, refusal=Refusal("invalid-value", "the moon", 422))
    assert tell(refused, SUBMIT)["submit"] == [{"problem": "invalid-value", "message": "the moon", "status": 422}]


def test_other_words_than_the_spec_s_are_not_told(tell: Tell) -> None:
    refused = exchange("submit", -1, 429, refusal=Refusal("rate-limited", other_words=True))
    assert "the words of refusals" in tell(refused, SUBMIT)["about"]


async def test_a_submit_that_was_carried_out_though_its_reply_was_lost_is_told_as_that(tmp_path: Path) -> None:
    async with bench(tmp_path, scenario="accepted-but-reply-lost") as one:
        assert (await one.submit(external_task_id="mine")).status_code == 502
        await one.wait("2s")
        assert await one.status("mine") == "submitted"
    source = one.scenario()
    assert [set(step) for step in source["submit"]] == [{"fault"}]
    assert "without-task" not in one.recordings()


@pytest.mark.parametrize(
    ("loss", "fault"),
    [
        ("reset", "reset"),
        ("closed", "close"),
        ("refused", "reset"),
        ("timeout", {"hang": "4s"}),
    ],
)
def test_a_lost_submit_is_told_as_not_carried_out_and_that_nobody_knows(tell: Tell, loss: Any, fault: Any) -> None:
    source = tell(exchange("submit", -9, None, lost=loss, took_ms=4_000), SUBMIT)
    assert source["submit"] == [{"fault": fault, "then": "refuse"}]
    assert "whether a submit without a reply was carried out" in source["about"]


def test_a_client_that_did_not_wait_makes_the_answer_late(tell: Tell) -> None:
    assert tell(SUBMIT, exchange("query", 2, None, lost="left", took_ms=3_000))["query"] == [{"latency": "3250ms"}]


@pytest.mark.parametrize(
    ("odd", "step"),
    [
        (exchange("query", 2), {"fault": "empty-body"}),
        (
            exchange("query", 2, body=Body("text", "<p>", 3), headers={"content-type": "text/html"}),
            {"fault": "html-page"},
        ),
        (exchange("query", 2, body=Body("text", "what?", 5)), {"fault": {"other-body": "what?"}}),
        (
            exchange("query", 2, body=Body("text", "{", 1), lost="cut"),
            {"fault": {"truncated-body": {"after-bytes": 1}}},
        ),
        (exchange("query", 2, body=Body("text", "{", 1), lost="reset"), {"fault": {"reset": "inside"}}),
        (
            exchange("query", 2, 404, body=Body("json", {"a": 1}, 9)),
            {"fault": {"http-error": {"status": 404, "body": '{"a":1}'}}},
        ),
    ],
)
def test_odd_replies_are_told_as_faults(tell: Tell, odd: Exchange, step: dict[str, Any]) -> None:
    assert tell(SUBMIT, odd)["query"] == [step]


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        (exchange("query", 2, body=Body("json", {"a": 1}, 9)), "said nothing of the task"),
        (exchange("query", 2, 404, body=Body("text", "x" * 5_000, 5_000)), "long bodies, which end early"),
        (exchange("query", 2, 413, lost="too-large"), "did not pass on"),
        (exchange("query", 2, None, lost="tls"), "connections that could not be opened"),
        (
            poll(9, "submitted", violations=(Breach("service", "/a", "1", "2"),)),
            "where replies do not fit the spec (1 times",
        ),
    ],
)
def test_what_could_not_be_expressed_is_said(tell: Tell, odd: Exchange, words: str) -> None:
    assert words in tell(SUBMIT, odd)["about"]


def test_a_submit_that_shows_another_status_is_said(tell: Tell) -> None:
    source = tell(exchange("submit", 0, told=told("processing")))
    assert "that the submit showed processing" in source["about"]
    assert source["lifecycle"]["pace"] == {"submitted": "0ms"}


def test_a_status_that_goes_back_is_a_stale_read(tell: Tell) -> None:
    source = tell(SUBMIT, poll(5, "processing"), poll(10, "submitted"), poll(15, "processing"))
    assert source["query"] == [{"fault": {"stale-read": "first"}, "at": 2}]


async def test_a_task_that_the_client_cancels_goes_on_until_it_is_cancelled_again(tmp_path: Path) -> None:
    spec = resource("fixtures/providers/replicate.yaml")
    async with bench(tmp_path, twin_transport(spec=spec), spec=spec) as one:
        answer = await one.http.post("/v1/predictions", json={"version": "a" * 64, "input": {"prompt": "p"}})
        path = f"/v1/predictions/{answer.json()['id']}"
        await one.wait("3s")
        await one.http.get(path)
        await one.wait("1s")
        assert (await one.http.post(f"{path}/cancel")).json()["status"] == "canceled"
        assert (await one.http.get(path)).json()["status"] == "canceled"
    assert one.lines == []
    source = one.scenario()
    assert source["lifecycle"] == {"pace": {"starting": "1500ms"}, "outcome": {"stays": "processing"}}
    assert "canceled after 3500ms" in source["about"]
    assert "could not" not in source["about"]


async def test_what_a_gateway_says_is_said_again(tmp_path: Path) -> None:
    async with bench(tmp_path, scenario="instant") as one:
        task_id = await one.created()
        one.run.forwarder._transport = httpx.MockTransport(lambda _: httpx.Response(503, text="no upstream"))
        await one.http.get(f"{OMNI}/{task_id}")
    arguments = {"status": 503, "body": "no upstream", "content-type": "text/plain; charset=utf-8"}
    assert one.scenario()["query"] == [{"fault": {"http-error": arguments}}]
    assert "refusals that the spec does not know" in one.scenario()["about"]


async def test_callbacks_that_were_not_recorded_are_not_told_and_that_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path, scenario="instant") as one:
        await one.created(callback_url="http://x.test/cb")
    assert "callbacks, which were not recorded" in one.scenario()["about"]


def test_early_late_doubled_and_signed_callbacks_are_told(tell: Tell) -> None:
    created = exchange("submit", 0, told=told("submitted"), number=2, took_ms=500)
    early = msgspec.structs.replace(exchange("", 0.2, told=told("submitted"), kind="callback"), number=1)
    late = exchange("", 30, told=told("succeed"), kind="callback")
    again = exchange("", 34, told=told("succeed"), kind="callback")
    signed = msgspec.structs.replace(late, request=Request("POST", "/", headers=("webhook-signature: v1,x",)))
    source = tell(early, created, poll(10, "processing"), poll(20, "succeed"), signed, again, callbacks_recorded=True)
    assert source["callbacks"] == {
        "send": ["submitted", "succeed"],
        "sign": True,
        "faults": [
            {"early": {"on": ["submitted"]}},
            {"late": {"by": "15s", "on": ["succeed"]}},
            {"duplicate": {"times": 1, "after": "4s", "on": ["succeed"]}},
        ],
    }


def test_what_is_no_task_is_no_scenario(program: Program) -> None:
    assert retold(msgspec.structs.replace(recording(SUBMIT), task=None), program.spec, "x") is None
    assert retold(recording(exchange("submit", 0, 500)), program.spec, "x") is None
    assert retold(msgspec.structs.replace(recording(SUBMIT), task=TaskTold("7", "no-such")), program.spec, "x") is None


def test_what_the_format_refuses_is_left_out_with_the_reason(tell: Tell) -> None:
    source = tell(SUBMIT, exchange("query", 1, 500, refusal=Refusal("no-such-problem")))
    assert "query" not in source
    assert "no-such-problem" in source["about"]


def test_moments_never_go_back(program: Program) -> None:
    lifecycle = program.spec.task_types["omni-video"].lifecycle
    sights = [Sight(5, "processing"), Sight(3, "submitted"), Sight(4, "succeed", by_callback=True), Sight(9, "succeed")]
    at_ms = [each.at_ms for each in moments_of(sights, lifecycle, 0)]
    assert at_ms == sorted(at_ms)


def test_lint_takes_a_scenario(tell: Tell, tmp_path: Path) -> None:
    path = tmp_path / "a-name.yaml"
    path.write_bytes(
        scenario_bytes(tell(SUBMIT, poll(5, "processing"), poll(9, "failed", message="'it' is: \"bad\" # ü")))
    )
    done = subprocess.run(
        [sys.executable, "-m", "mock_server", "scenarios", "lint", str(path)],
        capture_output=True, text=True, check=False, env=clean_environment(),
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, f"{path}: ok\n")
