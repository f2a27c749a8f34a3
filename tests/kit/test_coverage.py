"""Coverage: what a session showed, against all that there is to be shown."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from in_process import generate
from worker import CAPABILITIES

from contracts import coverage as module
from contracts.coverage import (
    ANSWERS,
    ATTEMPTS,
    CALLBACK,
    NONE,
    SAY_THE_SAME,
    Cell,
    Universe,
    cells_of,
    coverage_of,
    universe_of,
)
from contracts.drivers.base import Declared
from contracts.fuzz.behaviour import FUZZ, Behaviour
from contracts.fuzz.draw import behaviours
from contracts.fuzz.fuzzing import VIRTUAL
from contracts.fuzz.pools import body_pool, request_pool
from contracts.observation import Session
from contracts.report.model import Coverage
from contracts.virtual_stage import VirtualStage
from mock_server.callback_faults import CALLBACK_FAULTS, Spoiling
from mock_server.exchange import Incoming, Reply, Wire
from mock_server.faults import FAULTS, Around
from mock_server.journal import Attempt
from tests.kit.sessions_a import create, query, session

WHOLE = frozenset(CAPABILITIES)
SUBMIT, QUERY = "createOmniVideo", "getOmniVideo"


@pytest.fixture(scope="module")
def stage() -> VirtualStage:
    return VirtualStage(generate, Declared("client", WHOLE))


@pytest.fixture(scope="module")
def universe(stage: VirtualStage) -> Universe:
    return universe_of(stage.twin.program)


@pytest.fixture(scope="module")
def drawn(stage: VirtualStage) -> st.SearchStrategy[Behaviour]:
    program = stage.twin.program
    return behaviours(
        program.spec, requests=request_pool(program, WHOLE, 0), bodies=body_pool(program, 0), callbacks=False
    )


@pytest.fixture(autouse=True)
def notes_of_hypothesis_go_away(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    from hypothesis.configuration import set_hypothesis_home_dir

    set_hypothesis_home_dir(tmp_path_factory.mktemp("hypothesis"))
    yield
    set_hypothesis_home_dir(None)


def played(stage: VirtualStage, **scenario: Any) -> Session:
    return stage.play_now(FUZZ, 0, Behaviour({"lifecycle": {"pace": "10ms"}, **scenario}).play(VIRTUAL))


def attempt(number: int = 1, *, at_ms: int = 0, outcome: str = "delivered", faults: tuple[str, ...] = ()) -> Attempt:
    return Attempt(
        1, at_ms, "d-1", number, "t-1", "processing", "http://client.test", outcome, 200, "", False,  # type: ignore[arg-type]
        spoiling=Spoiling(faults) if faults else None,
    )  # fmt: skip


def assert_within(cells: Counter[Cell], universe: Universe) -> None:
    for each in cells:
        assert each.operation in (*universe.operations, CALLBACK, NONE)
        answers = ATTEMPTS if each.operation == CALLBACK else (*universe.answers, *universe.problems)
        assert each.answer in answers
        assert each.state in (*universe.statuses, NONE)
        assert set(each.faults) <= set(universe.reply_faults)
        assert set(each.callbacks) <= set(universe.callback_faults)


def test_every_cell_of_a_session_is_one_of_those_that_there_are(
    stage: VirtualStage, universe: Universe, drawn: st.SearchStrategy[Behaviour]
) -> None:
    whole: Counter[Cell] = Counter()

    @settings(max_examples=100, database=None, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(drawn)
    def is_within(behaviour: Behaviour) -> None:
        seen = stage.play_now(FUZZ, 0, behaviour.play(VIRTUAL))
        cells = cells_of(seen)
        assert cells.total() == len(seen.wire)
        assert_within(cells, universe)
        whole.update(cells)

    is_within()
    shown = {each.name: each.shown for each in coverage_of(whole, universe).dimensions}
    assert set(shown["operations"]) >= {SUBMIT, QUERY}
    assert len(shown["reply faults"]) > 3
    assert len(shown["problems"]) > 5


def test_all_that_there_is_comes_from_the_twin(stage: VirtualStage, universe: Universe) -> None:
    spec = stage.twin.program.spec
    assert set(universe.operations) == {each.id for each in spec.operations}
    assert "listOmniVideos" in universe.operations
    assert set(universe.problems) == set(spec.problems)
    assert universe.statuses == ("submitted", "processing", "succeed", "failed")
    assert set(universe.reply_faults) == set(FAULTS)
    assert set(universe.callback_faults) == set(CALLBACK_FAULTS)
    assert not {*ANSWERS} & {*universe.problems}


_INCOMING = Incoming("GET", b"/v1/t-1", b"", [], b"")
_AROUND = Around(_INCOMING, lambda: 0.5, ("/status",), "http://twin.test")
_BODY = {"status": "processing", "data": {"id": "t-1"}}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_leaves_what_is_said_as_it_is_or_is_said_to_spoil(name: str) -> None:
    arguments = {"when": "after"} if name == "close" else None
    reply = FAULTS[name](arguments).spoil(Reply(200, msgspec.json.encode(_BODY)), _AROUND)
    wire = reply.wire or Wire()
    whole = wire.raw is None and wire.head and wire.body_bytes is None
    try:
        same = whole and reply.status == 200 and json.loads(reply.body) == _BODY
    except ValueError:
        same = False
    assert same is (name in SAY_THE_SAME)


@pytest.mark.parametrize(
    ("step", "answer", "faults"),
    [
        ({"problem": "maintenance"}, "maintenance", ()),
        ({"fault": "reset"}, "lost", ("reset",)),
        ({"fault": {"reset": "inside"}}, "cut off", ("reset",)),
        ({"fault": "truncated-body"}, "cut off", ("truncated-body",)),
        ({"fault": "garbage"}, "not HTTP", ("garbage",)),
        ({"fault": {"http-error": 503}}, "spoiled 5xx", ("http-error",)),
        ({"fault": "redirect"}, "spoiled 3xx", ("redirect",)),
        ({"fault": "malformed-json"}, "spoiled 2xx", ("malformed-json",)),
        ({"problem": "maintenance", "fault": ["html-page", {"close": "after"}]}, "spoiled 5xx", ("close", "html-page")),
        ({"problem": "maintenance", "fault": "reset"}, "lost", ("reset",)),
        ({"fault": {"close": "announced"}}, "success", ("close",)),
        ({"fault": {"stale-read": "first"}}, "success", ("stale-read",)),
        ({"fault": {"stale-read": "nothing"}}, "task-not-found", ("stale-read",)),
        ({"latency": "10s"}, "left before it was out", ()),
    ],
    ids=str,
)
def test_an_answer_is_what_of_it_came(
    stage: VirtualStage, step: dict[str, Any], answer: str, faults: tuple[str, ...]
) -> None:
    cells = cells_of(played(stage, query=[step], lifecycle={"pace": "10m", "outcome": "never"}))
    assert cells[Cell(QUERY, answer, "submitted", faults)] == 1
    assert cells[Cell(SUBMIT, "success", "submitted")] == 1


def test_a_status_is_that_at_the_moment_of_the_answer_whether_it_was_told_or_not(stage: VirtualStage) -> None:
    seen = played(stage, query=[{"problem": "maintenance", "times": 6}], lifecycle={"pace": "800ms"})
    problems = {cell.state for cell in cells_of(seen) if cell.answer == "maintenance"}
    assert problems == {"submitted", "processing", "succeed"}


def test_a_create_that_is_refused_and_carried_out_tells_the_first_status(stage: VirtualStage) -> None:
    seen = played(stage, submit=[{"problem": "maintenance", "then": "store"}])
    assert cells_of(seen)[Cell(SUBMIT, "maintenance", "submitted")] == 1


def test_what_reaches_no_operation_and_no_task_says_so() -> None:
    cells = cells_of(session(query("t-9", role=None, explanation={"problem": "resource-not-found"}, status=404)))
    assert cells == {Cell(NONE, "resource-not-found"): 1}


def test_a_request_that_was_broken_off_has_no_answer() -> None:
    sighting = create()
    sighting.exchange = msgspec.structs.replace(sighting.exchange, reply=None)
    assert [each.answer for each in cells_of(session(sighting))] == ["request broken off"]


def test_an_exchange_tells_what_the_callbacks_of_its_task_had_suffered_by_then() -> None:
    def at(moment_ms: int, task_id: str = "t-1") -> Any:
        sighting = query(task_id)
        sighting.exchange = msgspec.structs.replace(sighting.exchange, task_id=task_id, at_ms=moment_ms)
        return sighting

    attempts = [
        attempt(at_ms=1, faults=("early",)),
        attempt(at_ms=10, outcome="lost", faults=("lost",)),
        attempt(at_ms=20, faults=("late", "forged")),
    ]
    seen = msgspec.structs.replace(session(at(0), at(15), at(20), at(20, "t-2")), attempts=attempts)
    exchanges = {each.callbacks for each in cells_of(seen) if each.operation != CALLBACK}
    assert exchanges == {("early",), ("early", "lost"), ("early", "forged", "late", "lost"), ()}


@pytest.mark.parametrize(
    ("made", "cell"),
    [
        (attempt(), Cell(CALLBACK, "first attempt", "processing")),
        (attempt(3, outcome="failed"), Cell(CALLBACK, "later attempt", "processing")),
        (attempt(outcome="lost", faults=("lost",)), Cell(CALLBACK, "lost", "processing", (), ("lost",))),
        (
            attempt(faults=("late", "duplicate")),
            Cell(CALLBACK, "first attempt", "processing", (), ("duplicate", "late")),
        ),
        (attempt(outcome="refused"), None),
        (attempt(outcome="abandoned"), None),
    ],
    ids=str,
)
def test_a_callback_is_a_cell_of_its_own_where_it_was_sent_or_lost(made: Attempt, cell: Cell | None) -> None:
    cells = cells_of(msgspec.structs.replace(session(), attempts=[made]))
    assert list(cells) == ([cell] if cell else [])


@pytest.fixture(scope="module")
def any_cells(universe: Universe) -> st.SearchStrategy[Counter[Cell]]:
    def names(members: tuple[str, ...]) -> st.SearchStrategy[tuple[str, ...]]:
        return st.lists(st.sampled_from(members), max_size=2, unique=True).map(sorted).map(tuple)

    states, callbacks = st.sampled_from((*universe.statuses, NONE)), names(universe.callback_faults)
    exchanges = st.builds(
        Cell,
        st.sampled_from((*universe.operations, NONE)),
        st.sampled_from((*universe.answers, *universe.problems)),
        states,
        names(universe.reply_faults),
        callbacks,
    )
    told = st.builds(Cell, st.just(CALLBACK), st.sampled_from(universe.attempts), states, st.just(()), callbacks)
    return st.dictionaries(exchanges | told, st.integers(1, 9), max_size=8).map(Counter)


def counts(coverage: Coverage) -> Counter[tuple[str, str]]:
    return Counter({(each.name, name): n for each in coverage.dimensions for name, n in each.shown.items()})


def test_what_was_shown_and_what_was_not_make_up_the_whole(
    universe: Universe, any_cells: st.SearchStrategy[Counter[Cell]]
) -> None:
    everything = {each.name: set(each.missing) for each in coverage_of({}, universe).dimensions}
    assert not counts(coverage_of({}, universe))

    @settings(max_examples=100, database=None, deadline=None)
    @given(any_cells)
    def makes_up_the_whole(cells: Counter[Cell]) -> None:
        coverage = coverage_of(cells, universe)
        assert coverage.exchanges + coverage.callbacks == cells.total()
        assert sum(each.count for each in coverage.cells) == cells.total()
        for each in coverage.dimensions:
            assert set(each.shown) | set(each.missing) == everything[each.name]
            assert not set(each.shown) & set(each.missing)
            assert each.total == len(everything[each.name])

    makes_up_the_whole()


def test_runs_add_up(universe: Universe, any_cells: st.SearchStrategy[Counter[Cell]]) -> None:
    @settings(max_examples=100, database=None, deadline=None)
    @given(any_cells, any_cells)
    def add_up(one: Counter[Cell], other: Counter[Cell]) -> None:
        first, second, both = (coverage_of(each, universe) for each in (one, other, one + other))
        assert counts(both) == counts(first) + counts(second)
        assert both.exchanges == first.exchanges + second.exchanges
        assert {(each.operation, each.answer, each.state, each.faults, each.callbacks) for each in both.cells} == {
            msgspec.structs.astuple(each) for each in {*one, *other}
        }

    add_up()


def test_each_dimension_has_a_rule(universe: Universe) -> None:
    assert [each.name for each in coverage_of({}, universe).dimensions] == list(module._MEMBERS)
