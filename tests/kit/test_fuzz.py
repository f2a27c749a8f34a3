"""Fuzzing in virtual time: each invariant is broken by a client that is found, and no right client is."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import generate, generate_sync
from omni_video.job import OmniJob
from omni_video.steps import Send, Steps
from worker import CAPABILITIES

from contracts import fuzz_client
from contracts.drivers.base import Declared, HarnessError
from contracts.drivers.in_process import Client
from contracts.fuzz.behaviour import FUZZ, Behaviour
from contracts.fuzz.draw import behaviours
from contracts.fuzz.found import read_files
from contracts.fuzz.fuzzing import VIRTUAL, Options, chosen_invariants, fuzz_virtual, settings_for
from contracts.fuzz.invariants import INVARIANTS, Violated, broken_in, violation_of
from contracts.fuzz.outcome import Budget, Found, Outcome
from contracts.fuzz.pools import body_pool, request_pool
from contracts.fuzz.story import story
from contracts.jobs import Job, Result
from contracts.observation import Session
from contracts.virtual_stage import VirtualStage
from mock_server.journal import Attempt
from tests.kit.fuzz_mutants import (
    MUTANTS,
    KnowsNoFailure,
    MeetsTwoFaults,
    PaysTwice,
    TakesUnknownForFailed,
    client,
    crashing,
    now_and_then,
)

# Nobody waits so long: the number of examples ends a search.
SECONDS = 120.0
WHOLE = frozenset(CAPABILITIES)


@pytest.fixture(autouse=True)
def notes_of_hypothesis_go_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from hypothesis.configuration import set_hypothesis_home_dir

    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
    yield
    set_hypothesis_home_dir(None)


def stage(callee: Client = generate) -> VirtualStage:
    return VirtualStage(callee, Declared("client", WHOLE))


def searched(callee: Client, examples: int, *invariants: str, seed: int = 0) -> Outcome:
    options = Options(seconds=SECONDS, examples=examples, seed=seed, invariants=invariants)
    return fuzz_virtual(stage(callee), options, Budget(SECONDS, examples))


def played(behaviour: Behaviour, callee: Client = generate) -> Session:
    return stage(callee).play_now(FUZZ, 0, behaviour.play(VIRTUAL))


@pytest.mark.parametrize(("invariant", "mutant"), MUTANTS)
def test_a_client_that_breaks_an_invariant_is_found(invariant: str, mutant: type[OmniJob]) -> None:
    with pytest.raises(violation_of(invariant)) as raised:
        fuzz_client(client(mutant), examples=2_000, seconds=SECONDS, invariants=[invariant])
    assert raised.value.broken.invariant == invariant
    assert INVARIANTS[invariant].rule in " ".join(str(raised.value).split())
    assert f"invariant: {invariant}" in str(raised.value)


@pytest.mark.parametrize("callee", [generate, generate_sync])
def test_nothing_is_found_wrong_with_a_right_client(callee: Client) -> None:
    outcome = fuzz_client(callee, examples=300, seconds=SECONDS, seed=5, capabilities=WHOLE)
    assert not outcome.found
    assert not outcome.intermittent
    assert outcome.sessions >= 300
    assert outcome.outcomes["succeed"] > 100
    assert len(outcome.cells) > 25
    assert {"createOmniVideo", "getOmniVideo"} <= {each.operation for each in outcome.cells}


def test_a_bug_that_needs_two_faults_shrinks_to_these_two() -> None:
    found = searched(client(MeetsTwoFaults), 6_000, "paid-once").found["paid-once"]
    scenario = dict(found.behaviour.scenario)
    (lost,), (trouble,) = scenario.pop("submit"), scenario.pop("query")
    assert "fault" in lost
    assert "fault" in trouble or trouble["problem"]
    assert list(scenario) == ["lifecycle"]
    assert found.behaviour.request == {}
    assert len(found.session.tasks) == 2
    told = story(found)
    assert "the reply was lost, and the task was created" in told
    assert "503" in told
    assert told.endswith("one job is paid at most once; but 2 tasks were created and paid for 1 job.")


def test_a_client_that_always_crashes_is_one_finding() -> None:
    outcome = searched(crashing(), 500)
    assert list(outcome.found) == ["ends"]
    assert outcome.found["ends"].behaviour == Behaviour({"lifecycle": {"pace": "10ms"}})
    assert "KeyError" in outcome.found["ends"].broken.seen


def test_a_client_that_breaks_now_and_then_is_told_as_intermittent() -> None:
    # Of five plays in a row, the first and two more.
    outcome = searched(now_and_then(lambda number: number % 3 != 1), 60, "ends")
    assert not outcome.found
    found = outcome.intermittent["ends"]
    assert found.intermittent
    assert found.broke < found.played
    assert story(found).endswith("It happened in 3 of 5 plays.")


def test_once_in_five_is_no_finding() -> None:
    outcome = searched(now_and_then(lambda number: number == 4), 40, "ends")
    assert not outcome.found
    assert not outcome.intermittent
    assert outcome.doubtful == {"ends": 1}


def test_several_invariants_are_raised_together() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        fuzz_client(client(KnowsNoFailure), examples=600, seconds=SECONDS, invariants=["converges", "quiet-*"])
    assert {type(each) for each in raised.value.exceptions} == {
        violation_of("converges"),
        violation_of("quiet-after-the-end"),
    }


def test_each_invariant_has_an_exception_of_its_own() -> None:
    kinds = {violation_of(name) for name in INVARIANTS}
    assert len(kinds) == len(INVARIANTS) == 9
    assert all(issubclass(each, Violated) for each in kinds)


def test_a_story_tells_what_a_receiver_answered() -> None:
    session = played(Behaviour({"lifecycle": {"pace": "10ms"}}))
    attempt = Attempt(1, 0, "d-1", 1, "t-1", "succeed", "http://client.test", "refused", 500, "500", final=True)
    failed = msgspec.structs.replace(session, attempts=[attempt])
    (broken,) = broken_in(failed, frozenset(("agrees",)))
    assert "Callbacks came: succeed (answered with 500)." in story(Found(broken, Behaviour(), failed))


class PaysAgainNowAndThen(PaysTwice):
    """Every other of its jobs pays again where a reply is lost."""

    jobs = 0

    def steps(self) -> Steps:
        type(self).jobs += 1
        self.recovers_by_query = type(self).jobs % 2 == 0
        return super().steps()

    def submit_step(self) -> Send:
        return super().submit_step() if not self.recovers_by_query else OmniJob.submit_step(self)


def test_what_breaks_now_and_then_is_raised_where_no_busy_machine_can_be_to_blame() -> None:
    with pytest.raises(violation_of("paid-once")) as raised:
        fuzz_client(client(PaysAgainNowAndThen), invariants=["paid-once"], examples=2_000, seconds=SECONDS)
    assert "It happened in " in str(raised.value)


def test_an_interrupt_is_none_of_the_findings() -> None:
    numbers = itertools.count()

    async def interrupted(job: Job) -> Result:
        if next(numbers) == 20:
            raise KeyboardInterrupt
        return await generate(job)

    with pytest.raises(KeyboardInterrupt):
        fuzz_client(interrupted, examples=100, seconds=SECONDS)


def test_an_error_of_our_own_is_raised_as_it_is() -> None:
    callee = stage()
    played_now, numbers = callee.play_now, itertools.count()

    def fails(*arguments: Any) -> Session:
        if next(numbers) == 20:
            raise HarnessError("the client cannot be driven any more")
        return played_now(*arguments)

    callee.play_now = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(HarnessError, match="cannot be driven any more"):
        fuzz_virtual(callee, Options(seconds=SECONDS, examples=100), Budget(SECONDS, 100))


def test_what_a_client_cannot_change_stretches_all_that_is_drawn() -> None:
    slow = VirtualStage(generate, Declared("slow", WHOLE, {"poll_interval_seconds": 4.0}))
    settings = settings_for(slow)
    assert settings == {name: pytest.approx(10 * value) for name, value in VIRTUAL.items()}
    outcome = fuzz_virtual(slow, Options(seconds=SECONDS, examples=60), Budget(SECONDS, 60))
    assert outcome.ends_told > 30


def test_the_same_seed_finds_the_same() -> None:
    first, second = (searched(client(TakesUnknownForFailed), 3_000, "truth", seed=3).found["truth"] for _ in range(2))
    assert first.behaviour == second.behaviour


def test_what_is_known_already_is_played_first() -> None:
    known = Behaviour({"lifecycle": {"pace": "10ms", "outcome": "failure"}})
    options = Options(seconds=SECONDS, examples=1, invariants=["converges"], corpus=[known])
    outcome = fuzz_virtual(stage(client(KnowsNoFailure)), options, Budget(SECONDS, 1))
    assert outcome.found["converges"].behaviour == known


def test_a_corpus_keeps_what_was_found_and_is_played_first(tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    with pytest.raises(violation_of("converges")):
        fuzz_client(client(KnowsNoFailure), invariants=["converges"], examples=3_000, seconds=SECONDS, corpus=folder)
    (kept,) = read_files(folder).values()
    assert kept.scenario["lifecycle"]["outcome"]
    with pytest.raises(violation_of("converges")) as raised:
        fuzz_client(client(KnowsNoFailure), invariants=["converges"], examples=1, seconds=SECONDS, corpus=folder)
    assert kept.told() in str(raised.value)
    (folder / "old.yaml").write_text("invariant: ends\n")
    with pytest.raises(ValueError, match=r"old.yaml: this is of an older format"):
        fuzz_client(client(KnowsNoFailure), corpus=folder)


def test_an_invariant_that_there_is_not_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="there is no invariant 'paid-onec'; did you mean paid-once"):
        chosen_invariants(["paid-onec"])
    assert chosen_invariants(["p*", "secret"]) == ["paid-once", "secret"]


def test_a_sync_client_without_a_clock_is_refused() -> None:
    with pytest.raises(ValueError, match="is sync and takes no clock"):
        fuzz_client(lambda job: None)


def test_a_long_story_is_told_by_its_beginning_and_its_end() -> None:
    session = played(Behaviour({"lifecycle": {"pace": "10s", "outcome": "never"}}))
    assert len(session.wire) > 20
    broken = broken_in(played(Behaviour({"lifecycle": {"pace": "10ms"}}), crashing()), frozenset(("ends",)))[0]
    told = story(Found(broken, Behaviour(), session))
    assert f"({len(session.wire) - 8} more requests.)" in told
    assert "it reported timeout" in told


@pytest.fixture(scope="module")
def drawn() -> st.SearchStrategy[Behaviour]:
    program = stage().twin.program
    requests, bodies = request_pool(program, WHOLE, 0), body_pool(program, 0)
    assert requests[0] == {}
    assert len(requests) > 5
    assert len(bodies) > 5
    return behaviours(program.spec, requests=requests, bodies=bodies, callbacks=True)


def test_every_behaviour_that_is_drawn_is_a_scenario(drawn: st.SearchStrategy[Behaviour]) -> None:
    catalogue = stage().twin.catalogue

    @settings(max_examples=400, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(drawn)
    def compiles(behaviour: Behaviour) -> None:
        text = msgspec.json.encode(behaviour.scenario).replace(b"$elsewhere-video", b"http://video.test")
        scenario = msgspec.json.decode(text.replace(b"$elsewhere", b"http://elsewhere.test"))
        catalogue.define({"name": "drawn", "about": "A test.", **scenario})
        assert behaviour.callbacks or "callbacks" not in scenario

    compiles()


def test_a_client_is_asked_for_no_more_than_it_can() -> None:
    program = stage().twin.program
    for request in request_pool(program, frozenset(("polling",)), 1):
        assert not any(request.get(name) for name in ("image_list", "video_list", "element_list", "multi_shot"))
