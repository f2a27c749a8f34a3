"""Verdicts as properties: nothing passes unseen, and a failure never makes anything better."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.case import LEVELS, Level
from contracts.report.model import Channel, Finding, Verdict
from contracts.verdicts import case_verdict, channel_verdict, is_red, only_late

CHANNELS: tuple[Channel, ...] = ("wire", "outcome")
WORSE = ("passed", "info", "not exercised", "warned", "failed")

levels = st.sampled_from(LEVELS)
kinds = st.sampled_from(["passed", "failed", "info", "not exercised"])
findings = st.builds(
    Finding,
    channel=st.sampled_from(CHANNELS),
    verdict=kinds,
    expected=st.just("this"),
    seen=st.just("that"),
    upper=st.booleans(),
    level=st.none() | levels,
)
many = st.lists(findings, max_size=6)


@given(many, levels)
def test_nothing_passes_without_a_finding_that_passed(found: list[Finding], level: Level) -> None:
    if case_verdict(found, level) == "passed":
        assert any(each.verdict == "passed" for each in found)
        assert not any(each.verdict == "failed" and each.level != "info" for each in found)
    for channel in CHANNELS:
        if channel_verdict(found, channel) == "passed":
            assert any(each.verdict == "passed" and each.channel == channel for each in found)


failures = st.builds(
    Finding,
    channel=st.sampled_from(CHANNELS),
    verdict=st.just("failed"),
    expected=st.just("this"),
    seen=st.just("that"),
    # What fails for information does not count.
    level=st.sampled_from([None, "must", "should"]),
)


@given(many, failures, st.sampled_from(["must", "should"]))
def test_a_failure_makes_no_verdict_better(found: list[Finding], failed: Finding, level: Level) -> None:
    before, after = case_verdict(found, level), case_verdict([*found, failed], level)
    assert WORSE.index(after) >= WORSE.index(before)


@given(many, levels)
def test_the_order_of_findings_does_not_matter(found: list[Finding], level: Level) -> None:
    assert case_verdict(list(reversed(found)), level) == case_verdict(found, level)


@given(many, findings)
def test_what_must_be_so_and_fails_is_failed_whatever_else_was_seen(found: list[Finding], more: Finding) -> None:
    assert case_verdict([*found, Finding(more.channel, "failed", "this", "that")], "must") == "failed"


@given(many)
def test_for_information_nothing_fails(found: list[Finding]) -> None:
    verdict = case_verdict(found, "info")
    assert verdict in ("info", "not exercised")
    assert not is_red(verdict, "info", strict=True)


@given(many)
def test_a_should_is_never_failed(found: list[Finding]) -> None:
    assert case_verdict(found, "should") != "failed"


@given(many)
def test_lateness_is_all_that_failed(found: list[Finding]) -> None:
    failed = [each for each in found if each.verdict == "failed"]
    assert only_late(found) == (bool(failed) and all(each.upper for each in failed))


def test_without_findings_nothing_was_exercised() -> None:
    assert case_verdict([], "must") == "not exercised"
    assert channel_verdict([], "wire") is None


@pytest.mark.parametrize(
    ("verdict", "red", "strict"),
    [
        ("passed", "", ""),
        ("failed", "must should info", "must should info"),
        ("warned", "", "must should info"),
        ("info", "", ""),
        ("not exercised", "must should", "must should"),
        ("unsupported", "", ""),
        ("intermittent", "must", "must should"),
        ("harness error", "must should info", "must should info"),
        ("known failing", "", ""),
        ("unexpectedly passing", "must should info", "must should info"),
    ],
)
def test_what_is_red(verdict: Verdict, red: str, strict: str) -> None:
    assert [each for each in LEVELS if is_red(verdict, each)] == red.split()
    assert [each for each in LEVELS if is_red(verdict, each, strict=True)] == strict.split()


@given(st.sampled_from(WORSE), levels)
def test_strict_only_adds(verdict: Verdict, level: Level) -> None:
    assert is_red(verdict, level) <= is_red(verdict, level, strict=True)


@given(many, st.sampled_from(["must", "should"]))
def test_no_outcome_stands_for_a_wire_that_showed_nothing(found: list[Finding], level: Level) -> None:
    unseen = [each for each in found if each.channel == "outcome"]
    unseen.append(Finding("wire", "not exercised", "this", "nothing"))
    assert case_verdict(unseen, level) != "passed"
