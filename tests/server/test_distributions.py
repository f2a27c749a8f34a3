"""What is drawn from a seed lies where the scenario says: shares of outcomes, latencies, paces."""

import math
from collections import Counter
from collections.abc import Mapping
from random import Random
from statistics import median, quantiles
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.faults.latency import make
from mock_server.program import Program
from mock_server.scenario_reader import compile_scenario
from tests.server.test_outages import facing

DRAWS = 4_000
# Further than five standard deviations are two seeds in a million; the seeds here stay as they are.
DEVIATIONS = 5

chances = st.floats(0, 1, exclude_max=True)


def drawn(source: Any, seed: int = 1) -> list[int]:
    """Draw many latencies."""
    latency, chance = make(source), Random(seed)
    return [latency(chance.random()) for _ in range(DRAWS)]


def near(count: int, share: float) -> bool:
    """Tell whether so many of the draws are as good as this share of them."""
    return abs(count - DRAWS * share) <= DEVIATIONS * math.sqrt(DRAWS * share * (1 - share)) + 1


class TestShares:
    SHARES: Mapping[str, float] = {"success": 7, "failure": 2, "never": 0.5, "image-pixel": 0.5}

    def test_tasks_take_their_outcomes_by_their_shares(self, program: Program) -> None:
        caller = facing(lifecycle={"pace": "0s", "outcome": {"shares": self.SHARES}})
        caller.submit()
        failures = program.spec.task_types["omni-video"].failures
        first_failure = next(iter(failures.values())).message
        names = {
            ("succeed", ""): "success",
            ("processing", ""): "never",
            ("failed", first_failure): "failure",
            ("failed", failures["image-pixel"].message): "image-pixel",
        }
        for _ in range(DRAWS - 1):
            caller.submit()
        lasts = [task.plan.steps[-1] for task in caller.world.store.tasks()]
        counts = Counter(names[step.status, step.message] for step in lasts)
        whole = sum(self.SHARES.values())
        for name, share in self.SHARES.items():
            assert near(counts[name], share / whole), counts

    @given(shares=st.dictionaries(st.sampled_from(["success", "failure", "never"]), st.floats(0.001, 1000), min_size=2))
    def test_every_chance_leads_to_the_outcome_that_it_falls_into(
        self, program: Program, shares: dict[str, float]
    ) -> None:
        source = {"name": "x", "about": "A.", "lifecycle": {"pace": "0s", "outcome": {"shares": shares}}}
        scenario = compile_scenario(source, program.spec, "x")
        ends = {"success": "succeed", "failure": "failed", "never": "processing"}
        upto, whole = 0.0, sum(shares.values())
        for name, share in shares.items():
            middle = (upto + share / 2) / whole
            assert scenario.way("omni-video", middle).steps[-1].status == ends[name]
            upto += share
        assert scenario.way("omni-video", math.nextafter(1, 0)).steps[-1].status == ends[list(shares)[-1]]


class TestLatencies:
    def test_a_fixed_one_is_always_the_same(self) -> None:
        assert set(drawn("250ms")) == {250}

    def test_a_range_is_even(self) -> None:
        counts = Counter(value // 100 for value in drawn("0ms..999ms"))
        assert all(near(counts[tenth], 0.1) for tenth in range(10)), counts

    @given(chance=chances, low=st.integers(0, 1_000), more=st.integers(0, 1_000))
    def test_a_range_is_never_left(self, chance: float, low: int, more: int) -> None:
        assert low <= make(f"{low}ms..{low + more}ms")(chance) <= low + more

    @pytest.mark.parametrize(("middle", "p99"), [(200, 2_000), (1_000, 1_100), (50, 30_000)])
    def test_a_lognormal_one_has_its_median_and_its_99th_percentile(self, middle: int, p99: int) -> None:
        values = drawn({"lognormal": {"median": f"{middle}ms", "p99": f"{p99}ms"}})
        assert near(sum(value <= middle for value in values), 0.5)
        assert near(sum(value <= p99 for value in values), 0.99)
        # Its logarithms lie even around the middle.
        q1, q2, q3 = quantiles((math.log(max(value, 1)) for value in values), n=4)
        spread = math.log(p99 / middle) / 2.326
        assert abs(q2 - math.log(median(values))) < 0.01
        assert abs((q3 - q2) - 0.6745 * spread) < 0.15 * spread
        assert abs((q2 - q1) - 0.6745 * spread) < 0.15 * spread

    @given(chance=chances)
    def test_a_lognormal_one_has_an_end(self, chance: float) -> None:
        longest = 100 * (1_000 / 100) ** (3.72 / 2.326)
        assert 0 <= make({"lognormal": {"median": "100ms", "p99": "1s"}})(chance) <= longest

    def test_a_table_of_percentiles_is_kept(self) -> None:
        table = {50: 100, 90: 400, 99: 2_000, 100: 5_000}
        values = drawn({"percentiles": {str(share): f"{at_ms}ms" for share, at_ms in table.items()}})
        for share, at_ms in table.items():
            assert near(sum(value <= at_ms for value in values), share / 100), share
        # Even between two lines: half of those between p50 and p90 are in the lower half.
        assert near(sum(value <= 250 for value in values), 0.7)
        assert max(values) <= 5_000

    @given(chance=chances)
    def test_beyond_the_last_percentile_nothing_is_longer(self, chance: float) -> None:
        assert 0 <= make({"percentiles": {"50": "1s", "90": "3s"}})(chance) <= 3_000

    def test_one_percentile_alone_grows_to_it_from_nothing(self) -> None:
        latency = make({"percentiles": {"50": "1s"}})
        assert [latency(chance) for chance in (0, 0.25, 0.5, 0.75)] == [0, 500, 1_000, 1_000]


def test_paces_are_even_in_their_range() -> None:
    caller = facing(lifecycle={"pace": {"submitted": "0ms..999ms", "processing": "5s"}})
    for _ in range(DRAWS):
        caller.submit()
    plans = [task.plan for task in caller.world.store.tasks()]
    counts = Counter((plan.at_ms[1] - plan.at_ms[0]) // 100 for plan in plans)
    assert all(near(counts[tenth], 0.1) for tenth in range(10)), counts
    assert {plan.at_ms[2] - plan.at_ms[1] for plan in plans} == {5_000}
