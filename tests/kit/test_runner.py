"""How cases are run: side by side and again alone, and what their findings, levels and the baseline come to."""

import datetime
from collections.abc import Callable, Sequence

import pytest

from contracts.baseline import Baseline, Entry
from contracts.case import Case, CaseError, Play
from contracts.checks.table import CHECKS
from contracts.drivers.base import Ending, HarnessError
from contracts.observation import Session
from contracts.report.model import CaseReport, Finding, Report
from contracts.runner import Plan, run_cases
from mock_server.twin import Twin
from tests.kit.scripted import CLIENT, Script, ScriptedStage, a_case, finding, scripted
from tests.kit.sessions_a import query

PASSED, FAILED, LATE = finding("passed"), finding("failed"), finding("failed", upper=True)
UNSEEN = finding("not exercised", seen="nothing came")
TODAY = datetime.date(2026, 11, 25)

Run = Callable[..., "tuple[Report, ScriptedStage]"]


@pytest.fixture(autouse=True)
def _checks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(CHECKS, dict)
    monkeypatch.setitem(CHECKS, "scripted", scripted)


async def run(twin: Twin, script: Script, cases: Sequence[Case], **plan: object) -> tuple[Report, ScriptedStage]:
    stage = ScriptedStage(twin, script)
    report = await run_cases(stage, CLIENT, Plan(cases=cases, **plan))  # type: ignore[arg-type]
    return report, stage


async def one(twin: Twin, *turns: Finding, case: Case | None = None, **plan: object) -> CaseReport:
    """Run a case whose sessions find these, one after the other; the last for ever."""
    chosen = case or a_case()
    report, stage = await run(twin, lambda _, turn: [turns[min(turn, len(turns) - 1)]], [chosen], **plan)
    assert len(stage.played) <= 3
    return report.cases[0]


@pytest.mark.parametrize(
    ("turns", "verdict", "red"),
    [
        ([PASSED], "passed", False),
        ([FAILED], "failed", True),
        ([LATE], "failed", True),
        ([LATE, PASSED], "passed", False),
        ([LATE, LATE, PASSED], "passed", False),
        ([FAILED, PASSED], "intermittent", True),
        ([FAILED, FAILED, PASSED], "intermittent", True),
        ([LATE, FAILED, PASSED], "intermittent", True),
        ([UNSEEN], "not exercised", True),
        ([LATE, UNSEEN], "not exercised", True),
    ],
    ids=str,
)
async def test_what_goes_red_is_run_again_alone(twin: Twin, turns: list[Finding], verdict: str, red: bool) -> None:
    report = await one(twin, *turns)
    assert (report.verdict, report.red) == (verdict, red)


async def test_what_was_shown_counts_in_every_session_also_in_those_that_are_run_again(twin: Twin) -> None:
    class Asking(ScriptedStage):
        async def play(self, case: Case, number: int, play: Play) -> Session:
            session = await super().play(case, number, play)
            session.wire.add(query("t-1"))
            return session

    cases = [a_case("ZZ-01"), a_case("ZZ-02"), a_case("ZZ-03", plays=(Play(times=2),))]
    stage = Asking(twin, lambda case, _: [FAILED if case.id == "ZZ-03" else PASSED])
    report = await run_cases(stage, CLIENT, Plan(cases=cases))
    # The first two share a session; the third has two, which are played three times.
    assert len(stage.played) == report.coverage.exchanges == 1 + 2 * 3
    assert [each.count for each in report.coverage.cells] == [7]


async def test_a_lateness_that_is_forgiven_is_told(twin: Twin) -> None:
    assert (await one(twin, LATE, PASSED)).reason == "it was late on a busy machine, and in time alone"
    assert (await one(twin, UNSEEN)).reason == "nothing came"


@pytest.mark.parametrize(
    ("level", "strict", "verdict", "red"),
    [
        ("should", False, "warned", False),
        ("should", True, "warned", True),
        ("info", True, "info", False),
    ],
)
async def test_what_fails_at_a_lower_level_is_a_warning(
    twin: Twin, level: str, strict: bool, verdict: str, red: bool
) -> None:
    report = await one(twin, FAILED, case=a_case(level=level), strict=strict)
    assert (report.verdict, report.red) == (verdict, red)


async def test_a_rule_of_one_profile_is_for_information_under_another(twin: Twin) -> None:
    elsewhere = a_case(profile="page")
    assert twin.program.profile.name.startswith("kling")
    for turn in (FAILED, UNSEEN, PASSED):
        report = await one(twin, turn, case=elsewhere)
        assert not report.red
        assert report.verdict in ("info", "not exercised")


async def test_a_client_without_the_capability_is_not_asked(twin: Twin) -> None:
    report, stage = await run(twin, lambda *_: [PASSED], [a_case(needs=("cancel", "polling"))])
    assert report.cases[0].verdict == "unsupported"
    assert report.cases[0].reason == "the client does not declare cancel"
    assert (report.status, stage.played) == (0, [])


async def test_cases_with_the_same_plays_share_their_sessions(twin: Twin) -> None:
    cases = [a_case("ZZ-01"), a_case("ZZ-02"), a_case("ZZ-03", plays=(Play(times=2),)), a_case("ZZ-04", side_by_side=1)]
    report, stage = await run(twin, lambda *_: [PASSED], cases)
    assert sorted(stage.played) in (["ZZ-01", "ZZ-03", "ZZ-03", "ZZ-04"], ["ZZ-02", "ZZ-03", "ZZ-03", "ZZ-04"])
    assert [each.id for each in report.cases] == ["ZZ-01", "ZZ-02", "ZZ-03", "ZZ-04"]


async def test_a_red_case_is_run_again_with_nothing_beside_it(twin: Twin) -> None:
    cases = [a_case(f"ZZ-{number:02}", plays=(Play(name=str(number)),)) for number in range(10)]
    _, stage = await run(twin, lambda case, _: [FAILED if case.id == "ZZ-03" else PASSED], cases, lanes=4)
    assert stage.beside["ZZ-03"][1:] == [1, 1]
    assert max(max(each) for each in stage.beside.values()) > 1


async def test_a_case_that_must_not_be_disturbed_has_few_beside_it(twin: Twin) -> None:
    cases = [a_case(f"ZZ-{number:02}", plays=(Play(name=str(number)),)) for number in range(10)]
    cases.append(a_case("ZZ-10", plays=(Play(name="quiet", times=3),), side_by_side=1))
    _, stage = await run(twin, lambda *_: [PASSED], cases, lanes=4)
    assert stage.beside["ZZ-10"] == [1, 1, 1]


def died(*, shared: bool, detail: str = "it ended with status 1 while the job was running") -> Ending:
    return Ending("died", 0.0, 1.0, detail=detail, shared=shared)


async def test_who_was_running_beside_a_death_is_judged_by_a_run_of_its_own(twin: Twin) -> None:
    def script(case: Case, turn: int) -> tuple[list[Finding], Ending] | list[Finding]:
        if turn == 0:
            return [FAILED], died(shared=True)
        return ([FAILED], died(shared=False)) if case.id == "ZZ-01" else [PASSED]

    cases = [a_case(f"ZZ-{number:02}", plays=(Play(name=str(number)),)) for number in range(4)]
    report, _ = await run(twin, script, cases)
    assert {each.id: each.verdict for each in report.cases} == {
        "ZZ-00": "passed",
        "ZZ-01": "failed",
        "ZZ-02": "passed",
        "ZZ-03": "passed",
    }
    assert "other cases were running; it was run again alone" in report.cases[0].reason
    assert (report.status, report.complaints) == (1, ())


async def test_a_death_that_no_case_brings_about_alone_is_a_complaint_and_red(twin: Twin) -> None:
    def script(case: Case, turn: int) -> tuple[list[Finding], Ending] | list[Finding]:
        return [PASSED] if turn else ([], died(shared=True))

    cases = [a_case(f"ZZ-{number:02}", plays=(Play(name=str(number)),)) for number in range(2)]
    report, _ = await run(twin, script, cases)
    assert [each.verdict for each in report.cases] == ["passed", "passed"]
    assert report.status == 1
    (complaint,) = report.complaints
    assert "while several cases were running, it ended with status 1" in complaint
    assert complaint.endswith("ZZ-00, ZZ-01")


async def test_a_client_that_breaks_the_protocol_fails_whatever_the_wire_says(twin: Twin) -> None:
    report, _ = await run(twin, lambda *_: ([PASSED], died(shared=False)), [a_case()])
    assert report.cases[0].verdict == "failed"
    assert (report.cases[0].wire, report.cases[0].outcome) == ("passed", "failed")


async def test_a_client_that_says_nothing_is_no_failure_of_what_needs_its_word(twin: Twin) -> None:
    report = await one(twin, finding("not exercised", channel="outcome"))
    assert (report.verdict, report.red) == ("unsupported", False)
    assert report.reason == "the client reports no outcome"


def listed(**more: object) -> Baseline:
    entry = {"case": "ZZ-01", "reason": "ticket 7", "expires": datetime.date(2027, 1, 1), **more}
    return Baseline({"ZZ-01": Entry(**entry)})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("turns", "verdict", "red"),
    [
        ([FAILED], "known failing", False),
        ([PASSED], "unexpectedly passing", True),
        # One that passes now and then is not mended.
        ([PASSED, FAILED], "known failing", False),
        ([PASSED, PASSED, FAILED], "known failing", False),
        ([UNSEEN], "not exercised", True),
    ],
    ids=str,
)
async def test_a_known_failure_is_not_red_and_a_stale_entry_is(
    twin: Twin, turns: list[Finding], verdict: str, red: bool
) -> None:
    report = await one(twin, *turns, baseline=listed())
    assert (report.verdict, report.red) == (verdict, red)


async def test_an_owner_may_lower_a_rule(twin: Twin) -> None:
    report = await one(twin, FAILED, baseline=listed(level="should"))
    assert (report.verdict, report.red, report.level) == ("warned", False, "should")
    report = await one(twin, FAILED, baseline=listed(level="info"))
    assert (report.verdict, report.red) == ("info", False)
    report = await one(twin, PASSED, baseline=listed(level="should"))
    assert report.verdict == "passed"


@pytest.mark.parametrize(
    ("case", "message"),
    [
        (a_case("ZZ-07", checks=({"no-such": 1},)), "case ZZ-07: there is no check 'no-such'"),
        (a_case("ZZ-07", checks=({"waits": 1},)), "case ZZ-07: the check 'waits' broke with TypeError("),
    ],
)
async def test_a_case_that_is_wrong_is_named(twin: Twin, case: Case, message: str) -> None:
    with pytest.raises(CaseError) as caught:
        await run(twin, lambda *_: [PASSED], [a_case(), case])
    assert str(caught.value).startswith(message)
    assert str(caught.value).endswith("this is a defect of omnimock's catalogue, not of the client")


async def test_a_scenario_that_is_wrong_is_named(twin: Twin) -> None:
    def script(case: Case, turn: int) -> list[Finding]:
        twin.catalogue.define({"name": "case", "query": [{"problem": "no-such"}]})
        raise AssertionError

    with pytest.raises(CaseError, match=r"case ZZ-01, scenario 1, is wrong: .*no-such.*not of the client"):
        await run(twin, script, [a_case()])


async def test_a_client_that_cannot_be_driven_ends_the_run(twin: Twin) -> None:
    def script(case: Case, turn: int) -> list[Finding]:
        if case.id == "ZZ-03":
            raise HarnessError("it is gone")
        return [PASSED]

    cases = [a_case(f"ZZ-{number:02}", plays=(Play(name=str(number)),)) for number in range(10)]
    with pytest.raises(HarnessError, match="it is gone"):
        await run(twin, script, cases, lanes=2)


async def test_cases_are_told_as_they_end_and_replayed_by_their_id(twin: Twin) -> None:
    told: list[str] = []
    stage = ScriptedStage(twin, lambda *_: [PASSED])
    plan = Plan(cases=[a_case()], replay="omnimock check --case {case} -- echo {case} {}")
    report = await run_cases(stage, CLIENT, plan, lambda case: told.append(case.id))
    assert told == ["ZZ-01"]
    assert report.cases[0].replay == "omnimock check --case ZZ-01 -- echo {case} {}"


async def test_a_client_that_no_request_comes_from_is_told_where_to_look(twin: Twin) -> None:
    report, _ = await run(twin, lambda *_: [finding("failed")], [a_case()])
    assert report.status == 1
    (complaint,) = report.complaints
    assert "no request came in any case" in complaint
    assert "OMNIMOCK_BASE_URL" in complaint
    content, _ = await run(twin, lambda *_: [PASSED], [a_case()])
    assert content.complaints == ()
