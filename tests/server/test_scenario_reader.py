"""What may stand in a scenario's file, and what is said of what may not."""

from typing import Any

import pytest

from mock_server.program import Program
from mock_server.retry_after import RetryAfter
from mock_server.scenario_form import ScenarioError
from mock_server.scenario_reader import compile_scenario
from mock_server.scenarios import Happening, Scenario


@pytest.fixture
def compiled(program: Program) -> Any:
    """Compile a scenario that says no more than it must besides what is given."""

    def compile_one(**more: Any) -> Scenario:
        return compile_scenario({"name": "mine", "about": "A test.", **more}, program.spec, "mine")

    return compile_one


def test_steps_follow_each_other_from_the_first_attempt(compiled: Any) -> None:
    script = compiled(query=["normal", {"problem": "maintenance", "times": 2}, "normal", {"problem": "rate-limited"}])
    found = [script.scripts["query"].at(attempt) for attempt in range(1, 7)]
    assert [step and step.problem for step in found] == [None, "maintenance", "maintenance", None, "rate-limited", None]


def test_a_step_may_name_its_attempt(compiled: Any) -> None:
    script = compiled(submit=[{"problem": "maintenance", "at": 3, "times": "always", "then": "store"}])
    assert script.scripts["submit"].steps == ((3, None, Happening("maintenance", stores=True)),)


def test_a_pace_may_be_said_for_one_status_alone(compiled: Any, program: Program) -> None:
    usual = program.spec.task_types["omni-video"].pace_ms
    way = compiled(lifecycle={"pace": {"processing": "1s..2s"}}).way("omni-video", 0)
    assert way.pace_ms == (usual["submitted"], (1_000, 2_000))


def test_a_pace_may_be_one_for_all(compiled: Any) -> None:
    assert compiled(lifecycle={"pace": "3s"}).way("omni-video", 0).pace_ms == ((3_000, 3_000), (3_000, 3_000))


@pytest.mark.parametrize(
    ("outcome", "last", "message"),
    [
        ("success", "succeed", ""),
        ("failure", "failed", "Failure to pass the risk control system"),
        ("image-pixel", "failed", "Image pixel is invalid"),
        ({"message": "The moon is full."}, "failed", "The moon is full."),
        ("never", "processing", ""),
        ({"stays": "submitted"}, "submitted", ""),
    ],
)
def test_an_outcome_is_the_end_of_the_way(compiled: Any, outcome: Any, last: str, message: str) -> None:
    step = compiled(lifecycle={"outcome": outcome}).way("omni-video", 0).steps[-1]
    assert (step.status, step.message) == (last, message)


def test_a_failure_keeps_its_own_pace_unless_the_scenario_says_another(compiled: Any) -> None:
    assert compiled(lifecycle={"outcome": "image-pixel"}).way("omni-video", 0).pace_ms == ((400, 400), (1_250, 1_250))
    paced = compiled(lifecycle={"outcome": "image-pixel", "pace": {"processing": "9s"}})
    assert paced.way("omni-video", 0).pace_ms == ((400, 400), (9_000, 9_000))


@pytest.mark.parametrize(
    ("more", "place", "reason"),
    [
        ({"lifecycel": {}}, ("lifecycel",), "did you mean lifecycle?"),
        ({"lifecycle": {"paec": "1s"}}, ("lifecycle", "paec"), "did you mean pace?"),
        (
            {"lifecycle": {"pace": "5"}},
            ("lifecycle", "pace"),
            "'5' is not a duration: write 5s",
        ),
        ({"lifecycle": {"pace": {"succeed": "1s"}}}, ("lifecycle", "pace", "succeed"), "is final"),
        ({"lifecycle": {"pace": "5s..1s"}}, ("lifecycle", "pace"), "runs backwards"),
        ({"lifecycle": {"pace": {"submited": "1s"}}}, ("lifecycle", "pace", "submited"), "did you mean submitted?"),
        (
            {"lifecycle": {"pace": {"submitted": "1"}}},
            ("lifecycle", "pace", "submitted"),
            "write 1s",
        ),
        ({"lifecycle": {"outcome": "content-rsk"}}, ("lifecycle", "outcome"), "did you mean content-risk?"),
        ({"lifecycle": {"outcome": {"stays": "succeed"}}}, ("lifecycle", "outcome", "stays"), "there are processing"),
        ({"lifecycle": {"outcome": {"stay": "x"}}}, ("lifecycle", "outcome", "stay"), "there is no key 'stay'"),
        ({"query": ["norml"]}, ("query", 0), '"norml" came; normal, or {problem: NAME}'),
        ({"query": [{"problem": "maintenence"}]}, ("query", 0, "problem"), "did you mean maintenance?"),
        ({"query": [{"problem": "maintenance", "time": 2}]}, ("query", 0, "time"), "did you mean times?"),
        ({"query": [{"problem": "maintenance", "times": 0}]}, ("query", 0, "times"), "from 1, or always is expected"),
        (
            {"query": [{"problem": "maintenance", "then": "store"}]},
            ("query", 0, "then"),
            "this is about query",
        ),
        ({"query": [{"times": 2}]}, ("query", 0), "does nothing"),
        (
            {"query": [{"problem": "maintenance", "at": 2}, {"problem": "maintenance", "at": 2}]},
            ("query", 1, "at"),
            "3",
        ),
        ({"query": [{"problem": "maintenance", "times": "always"}, "normal"]}, ("query", 1), "lasts always"),
        ({"query": [{"fault": "rest"}]}, ("query", 0, "fault"), "there is no fault 'rest'"),
        ({"query": [{"problem": "maintenance", "chance": 1.5}]}, ("query", 0, "chance"), "a probability from 0 to 1"),
        ({"query": [{"latency": "5"}]}, ("query", 0, "latency"), "'5' is not a duration: write 5s"),
        ({"query": [{"latency": {"lognormal": {"median": "2s", "p99": "1s"}}}]}, ("query", 0, "latency"), "larger p99"),
        ({"latency": {"percentiles": {"50": "2s", "90": "1s"}}}, ("latency",), "must not fall"),
        ({"callbacks": {"send": ["succed"]}}, ("callbacks", "send"), "did you mean succeed?"),
        ({"callbacks": {"faults": ["duplicat"]}}, ("callbacks", "faults", 0), "did you mean duplicate?"),
        ({"callbacks": {"faults": [{"late": "5"}]}}, ("callbacks", "faults", 0, "late"), "is expected"),
        ({"callbacks": {"faults": [{"lost": {"on": ["x"]}}]}}, ("callbacks", "faults", 0, "lost", "on"), "no status"),
        ({"callbacks": {"faults": [{"duplicate": 99}] * 2}}, ("callbacks", "faults"), "10000 times; at most 1000"),
        ({"callbacks": {"timeout": "0s"}}, ("callbacks", "timeout"), "no time at all"),
        ({"capacity": {"rate": "ten"}}, ("capacity", "rate"), "a rate such as 10/s"),
        ({"capacity": {"concurrency": 0}}, ("capacity", "concurrency"), "a whole number, from 1"),
        ({"outages": [{"from": "5s"}]}, ("outages", 0), "does nothing"),
        ({"outages": [{"problem": "maintenance", "for": "2s", "every": "1s"}]}, ("outages", 0, "every"), "has ended"),
        ({"outages": [{"problem": "maintenance", "for": "0s"}]}, ("outages", 0, "for"), "no time at all"),
        (
            {"lifecycle": {"way": ["submitted", "succeed"]}},
            ("lifecycle", "way"),
            "no move from 'submitted'",
        ),
        ({"lifecycle": {"way": ["processing", "succeed"]}}, ("lifecycle", "way"), "a task starts 'submitted'"),
        ({"lifecycle": {"way": ["submitted", "procesing"]}}, ("lifecycle", "way", 1), "did you mean processing?"),
        ({"query": [{"message": "x", "latency": "1s"}]}, ("query", 0, "message"), "name a problem beside it"),
        ({"query": [{"status": 200, "latency": "1s"}]}, ("query", 0, "status"), "name a problem beside it"),
        ({"query": [{"retry-after": "2s", "latency": "1s"}]}, ("query", 0, "retry-after"), "or the fault http-error"),
        ({"query": [{"retry-after": "2s", "fault": "html-page"}]}, ("query", 0, "retry-after"), "name a problem or"),
        (
            {"query": [{"retry-after": 2, "problem": "maintenance"}]},
            ("query", 0, "retry-after"),
            "2 is not a duration: write 2s",
        ),
        (
            {"outages": [{"retry-after": {"text": "a\r\nset-cookie: b"}, "problem": "maintenance"}]},
            ("outages", 0, "retry-after"),
            "printable ASCII",
        ),
        (
            {"query": [{"retry-after": {"dte": "2s"}, "problem": "maintenance"}]},
            ("query", 0, "retry-after", "dte"),
            "there is no key 'dte'; did you mean date?",
        ),
        (
            {"query": [{"problem": "maintenance", "status": 100}]},
            ("query", 0, "status"),
            "less than the minimum of 200",
        ),
        (
            {"query": [{"problem": "maintenance", "message": "x"}]},
            ("query", 0, "message"),
            "the problem maintenance always says the same; leave the message out",
        ),
        ({"lifecycle": {"expires": "1"}}, ("lifecycle", "expires"), "write 1s"),
        (
            {"query": [{"fault": {"unknown-status": {"status": "done", "instead-of": "succed"}}}]},
            ("query", 0, "fault", "unknown-status", "instead-of"),
            "did you mean succeed?",
        ),
        ({"pain": 0}, ("pain",), "less than the minimum of 1"),
        ({"dialect": "klingon"}, ("dialect",), "there is no dialect 'klingon'"),
        ({"about": ""}, ("about",), "1 character"),
    ],
)
def test_what_does_not_fit_is_named_with_its_place(
    compiled: Any, more: dict[str, Any], place: tuple[str | int, ...], reason: str
) -> None:
    with pytest.raises(ScenarioError) as caught:
        compiled(**more)
    assert caught.value.pointer == place
    assert reason in caught.value.reason


def test_a_refusal_may_have_a_message_and_a_status_of_its_own(compiled: Any) -> None:
    step = compiled(query=[{"problem": "invalid-value", "message": "No.", "status": 200}]).scripts["query"].at(1)
    assert step == Happening("invalid-value", message="No.", status=200, stores=False)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("2s", RetryAfter(2_000)),
        ({"date": "3s"}, RetryAfter(3_000, as_date=True)),
        ({"text": "-5"}, RetryAfter(text="-5")),
    ],
)
@pytest.mark.parametrize("refusal", [{"problem": "maintenance"}, {"fault": ["drip", "http-error"]}])
def test_a_refusal_may_say_when_to_come_back(compiled: Any, refusal: Any, said: Any, meant: RetryAfter) -> None:
    scenario = compiled(query=[{**refusal, "retry-after": said}], outages=[{**refusal, "retry-after": said}])
    step = scenario.scripts["query"].at(1)
    assert step.retry_after == scenario.outages[0].happening.retry_after == meant


def test_addresses_of_results_expire_as_the_scenario_says(compiled: Any) -> None:
    assert compiled(lifecycle={"expires": "1m"}).expires_ms == 60_000
    assert compiled().expires_ms is None


@pytest.mark.parametrize("source", [None, 5, [], "realistic", {}, {"name": "mine"}])
def test_what_is_no_scenario_at_all_is_refused(program: Program, source: Any) -> None:
    with pytest.raises(ScenarioError):
        compile_scenario(source, program.spec, "mine")
