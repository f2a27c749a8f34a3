"""The invariants on sessions that were altered: each is broken by just what it is about."""

from base64 import b64encode
from typing import Any

import msgspec
import pytest
from in_process import generate
from worker import CAPABILITIES

from contracts.drivers.base import Declared, Ending
from contracts.fuzz.behaviour import FUZZ, Behaviour
from contracts.fuzz.fuzzing import VIRTUAL
from contracts.fuzz.invariants import INVARIANTS, broken_in
from contracts.jobs import Result
from contracts.observation import Session
from contracts.strangers import Shown
from contracts.virtual_stage import VirtualStage
from contracts.wire import WireLog
from mock_server.journal import Attempt

CALM: dict[str, Any] = {"lifecycle": {"pace": "10ms"}}
LONG: dict[str, Any] = {"lifecycle": {"pace": "3s"}}
NAMES = frozenset(INVARIANTS)


def played(scenario: dict[str, Any], **request: Any) -> Session:
    stage = VirtualStage(generate, Declared("client", frozenset(CAPABILITIES)))
    return stage.play_now(FUZZ, 0, Behaviour(scenario, request).play(VIRTUAL))


def told(session: Session, **changes: Any) -> Session:
    """The session, had its client reported something else."""
    (job,) = session.jobs
    result = job.ending.result or Result(outcome="error")
    ending = msgspec.structs.replace(job.ending, how="answered", result=msgspec.structs.replace(result, **changes))
    return msgspec.structs.replace(session, jobs=[msgspec.structs.replace(job, ending=ending)])


def ended(session: Session, at: float) -> Session:
    """The session, had its job ended then; what came later did not."""
    (job,) = session.jobs
    ending, wire = msgspec.structs.replace(job.ending, ended=at), WireLog()
    wire.sightings = [each for each in session.wire if each.ended <= at]
    return msgspec.structs.replace(session, ended=at, wire=wire, jobs=[msgspec.structs.replace(job, ending=ending)])


def with_request(session: Session, header: bytes, value: bytes) -> Session:
    """The session, had its first request had another header."""
    first, *others = session.wire.sightings
    incoming = msgspec.structs.replace(first.exchange.incoming, headers=((header, value),))
    wire = WireLog()
    exchange = msgspec.structs.replace(first.exchange, incoming=incoming)
    wire.sightings = [msgspec.structs.replace(first, exchange=exchange), *others]
    return msgspec.structs.replace(session, wire=wire)


def broken(session: Session) -> dict[str, str]:
    return {each.invariant: each.seen for each in broken_in(session, NAMES)}


@pytest.mark.parametrize(
    "scenario",
    [
        CALM,
        LONG,
        {"lifecycle": {"pace": "10ms", "outcome": "failure"}},
        {"lifecycle": {"pace": "10ms", "outcome": "never"}},
        {**CALM, "submit": [{"fault": "reset"}]},
        {**CALM, "submit": [{"problem": "maintenance", "times": "always"}]},
        {**CALM, "query": [{"fault": "reset"}, {"problem": "maintenance", "times": 2}, {"latency": "250ms"}]},
        {**CALM, "query": [{"problem": "rate-limited", "retry-after": {"text": "86400"}}]},
    ],
)
def test_a_right_client_breaks_none(scenario: dict[str, Any]) -> None:
    assert not broken(played(scenario))


def test_a_success_must_be_one() -> None:
    failed = played({"lifecycle": {"pace": "10ms", "outcome": "failure"}})
    assert broken(told(failed, outcome="succeed", url="http://video.test/1.mp4")) == {
        "truth": "the client reported a success; the task had ended in failure"
    }
    refused = played({**CALM, "submit": [{"problem": "maintenance", "times": "always"}]})
    assert broken(told(refused, outcome="succeed"))["truth"] == (
        "the client reported a success; no task was ever created"
    )


def test_a_video_must_be_the_twins() -> None:
    assert broken(told(played(CALM), url="http://attacker.invalid/video.mp4")) == {
        "truth": "the client reported the video 'http://attacker.invalid/video.mp4', which no reply of the API told"
    }
    # The driver protocol asks for the outcome alone.
    assert not broken(told(played(CALM), url=None))


def test_a_failure_must_be_one() -> None:
    assert broken(told(played(CALM), outcome="failed")) == {
        "truth": "the client reported a failed task; the task had ended in success"
    }


def test_a_task_that_there_is_was_not_rejected() -> None:
    assert broken(told(played(CALM), outcome="rejected")) == {
        "truth": "the client reported that there is no task; the task had ended in success",
        "converges": "a query was told that the task is succeed, and the client reported rejected",
    }


def test_what_was_sent_was_not_refused() -> None:
    assert broken(told(played(CALM), outcome="refused"))["truth"] == (
        "the client reported that it sent nothing; 1 create came"
    )


def test_a_time_out_comes_when_the_time_is_over() -> None:
    never = played({"lifecycle": {"pace": "10ms", "outcome": "never"}})
    (job,) = never.jobs
    assert job.outcome == "timeout"
    began = job.ending.began
    assert not broken(ended(never, began + 20))
    assert broken(ended(never, began + 19))["truth"] == (
        "the client reported a time-out after 19.00 s; its deadline was 24.00 s"
    )


def test_a_client_in_trouble_may_end_before_a_try_that_would_come_too_late() -> None:
    trouble = played({**CALM, "query": [{"problem": "maintenance", "times": "always"}]})
    began = trouble.jobs[0].ending.began
    timed_out = told(trouble, outcome="timeout")
    assert not broken(ended(timed_out, began + 12.5))
    assert broken(ended(timed_out, began + 11.5)) == {
        "truth": "the client reported a time-out after 11.50 s; its deadline was 24.00 s"
    }


def test_who_was_told_to_wait_beyond_the_deadline_may_end_at_once() -> None:
    waiting = played({**CALM, "query": [{"problem": "rate-limited", "retry-after": {"text": "86400"}}]})
    assert waiting.jobs[0].ending.ended < 5
    assert not broken(told(waiting, outcome="timeout"))


def test_where_nothing_went_wrong_there_is_no_error() -> None:
    assert broken(told(ended(played(LONG), 2.0), outcome="error", reason="oops"))["converges"] == (
        "nothing went wrong, and the client reported error: 'oops'"
    )


def test_the_end_is_noticed_within_an_interval_of_calm() -> None:
    long = played(LONG)
    end = long.jobs[0].ending.ended
    assert not broken(ended(long, end + 0.1))
    late = broken(ended(long, end + 2))
    assert set(late) == {"converges"}
    assert late["converges"].startswith("all was well again and the task had ended, and the client noticed it 2")
    assert late["converges"].endswith("s later; its poll interval is 400 ms")


def test_a_job_ends_by_its_deadline_and_with_an_answer() -> None:
    never = played({"lifecycle": {"pace": "10ms", "outcome": "never"}})
    assert broken(ended(never, never.jobs[0].ending.began + 25.5)) == {
        "ends": "the job took 25.50 s; its deadline was 24.00 s"
    }
    (job,) = never.jobs
    hung = msgspec.structs.replace(job, ending=Ending("hung", 0.0, 1.0, detail="it was still running"))
    assert broken(msgspec.structs.replace(never, jobs=[hung]))["ends"] == "it was still running"


def test_the_key_is_shown_nowhere() -> None:
    calm = played(CALM)
    key = calm.key
    for log in (key.encode(), key[-12:].encode()):
        assert set(broken(msgspec.structs.replace(calm, log=b"sent " + log))) == {"secret"}
    assert set(broken(told(calm, reason=f"sent {key}"))) == {"secret"}
    for header, value in ((b"user-agent", key.encode()), (b"x-debug", b64encode(f"x:{key}".encode()))):
        assert set(broken(with_request(calm, header, value))) == {"secret"}
    assert not broken(with_request(calm, b"authorization", b"Bearer " + key.encode()))
    shown = Shown(0.0, f"GET /moved HTTP/1.1\r\nauthorization: Bearer {key}".encode())
    assert broken(msgspec.structs.replace(calm, strangers=[shown])) == {
        "secret": "another origin was shown the key: GET /moved"
    }


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ({"problem": "maintenance"}, "one query went wrong, as may pass (503)"),
        ({"fault": "reset"}, "one query went wrong, as may pass (no reply)"),
    ],
)
def test_one_query_that_goes_wrong_is_nothing_to_give_up_for(query: dict[str, Any], why: str) -> None:
    session = played({"lifecycle": {"pace": "3s"}, "query": [query]})
    gives_up = told(ended(session, session.wire.sightings[1].ended), outcome="error", reason="oops")
    assert broken(gives_up) == {"converges": f"{why}, and the client reported error: 'oops'"}
    twice = played({"lifecycle": {"pace": "3s"}, "query": [query, query]})
    assert not broken(told(ended(twice, twice.wire.sightings[2].ended), outcome="error", reason="oops"))


def test_who_does_not_know_when_the_time_is_over_says_so() -> None:
    never = played({"lifecycle": {"pace": "10ms", "outcome": "never"}})
    assert not broken(told(never, outcome="unknown"))


def test_a_failed_task_is_not_paid_for() -> None:
    failed = played({"lifecycle": {"pace": "10ms", "outcome": "failure"}})
    assert not broken(told(msgspec.structs.replace(failed, tasks=[*failed.tasks, *failed.tasks]), outcome="failed"))
    paid = played(CALM)
    assert "paid-once" in broken(msgspec.structs.replace(paid, tasks=[*paid.tasks, *paid.tasks]))


def test_creates_may_be_as_many_as_seconds_besides_a_dozen() -> None:
    calm = played(CALM)
    create = calm.submits[0]

    def creates(count: int, seconds: float) -> Session:
        session = ended(calm, calm.began + seconds)
        wire = WireLog()
        wire.sightings = [create] * count
        return msgspec.structs.replace(session, wire=wire)

    assert "bounded" not in broken(creates(12, 0.0))
    assert broken(creates(14, 1.0))["bounded"] == "14 creates for 1 job"
    assert "bounded" not in broken(creates(14, 2.0))


def test_a_receiver_that_is_not_ready_may_ask_for_a_callback_again() -> None:
    attempt = Attempt(1, 0, "d-1", 1, "t-1", "succeed", "http://client.test", "refused", 503, "503", final=True)
    assert not broken(msgspec.structs.replace(played(CALM), attempts=[attempt]))


def test_a_program_that_crashes_without_a_result_has_not_ended() -> None:
    (job,) = played(CALM).jobs
    log = b"Traceback (most recent call last):\nKeyError: 'data'\n"
    crashed = Ending("silent", 0.0, 1.0, detail="it ended with status 1", log=log, exit_status=1)

    def ending(one: Ending) -> Session:
        return msgspec.structs.replace(played(CALM), jobs=[msgspec.structs.replace(job, ending=one)])

    assert broken(ending(crashed)) == {
        "ends": "it ended with status 1; the last line in its log is \"KeyError: 'data'\""
    }
    assert not broken(ending(msgspec.structs.replace(crashed, log=b"the task failed\n")))
    assert not broken(ending(msgspec.structs.replace(crashed, exit_status=0)))


def test_one_job_has_one_result_and_its_receiver_takes_what_comes() -> None:
    calm = played(CALM)
    twice = msgspec.structs.replace(calm, jobs=[msgspec.structs.replace(calm.jobs[0], results=2)])
    assert broken(twice) == {"agrees": "2 results came for one job"}
    attempt = Attempt(1, 0, "d-1", 1, "t-1", "succeed", "http://client.test", "refused", 500, "500", final=True)
    assert broken(msgspec.structs.replace(calm, attempts=[attempt])) == {
        "agrees": "the receiver answered the callback of succeed with 500"
    }
