"""What the provider would have charged."""

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import make_twin
from mock_server.worlds import Bounds
from tests.control.support import Steward


async def test_units_are_due_at_the_moment_of_success(steward: Steward) -> None:
    task_id = steward.created(external_task_id="mine")
    task = await steward.get(f"tasks/{task_id}")
    await steward.post("clock/advance", {"to_ms": task["ends_at_ms"] - 1})
    before = await steward.get("ledger")
    assert before["accounts"] == [
        {"external_id": "mine", "tasks": 1, "succeeded": 0, "failed": 0, "units": "0", "unpriced": 0}
    ]
    await steward.post("clock/advance", {"by": "1ms"})
    after = await steward.get("ledger")
    assert after["total"] == {"tasks": 1, "succeeded": 1, "failed": 0, "units": task["units"], "unpriced": 0}
    assert steward.caller.task(task_id)["final_unit_deduction"] == task["units"]


async def test_a_failed_task_costs_nothing_and_that_is_called_assumed(steward: Steward) -> None:
    task_id = steward.created()
    await steward.post(f"tasks/{task_id}/finish", {"outcome": "content-risk"})
    ledger = await steward.get("ledger")
    assert ledger["total"] == {"tasks": 1, "succeeded": 0, "failed": 1, "units": "0", "unpriced": 0}
    assert "not known" in ledger["assumed"]


async def test_tasks_without_an_external_id_are_one_group(steward: Steward) -> None:
    steward.created()
    steward.created(external_task_id="mine")
    steward.created()
    ledger = await steward.get("ledger")
    assert [(each["external_id"], each["tasks"]) for each in ledger["accounts"]] == [(None, 2), ("mine", 1)]
    assert [each["tasks"] for each in (await steward.get("ledger", external_id="mine"))["accounts"]] == [1]
    second = await steward.get("ledger", page=2, limit=1)
    assert [each["external_id"] for each in second["accounts"]] == ["mine"]
    assert (second["accounts_total"], second["total"]["tasks"]) == (2, 3)


async def test_tasks_that_had_no_room_are_told(program: Program) -> None:
    steward = Steward(make_twin(Settings(clock="manual"), program, bounds=Bounds(tasks=2)))
    for _ in range(5):
        steward.created()
    ledger = await steward.get("ledger")
    assert (ledger["forgotten_tasks"], ledger["total"]["tasks"]) == (3, 2)


bodies = st.fixed_dictionaries(
    {"mode": st.sampled_from(["std", "pro"]), "duration": st.sampled_from(["3", "5", "7"])},
)


@settings(max_examples=25, deadline=None)
@given(drawn=st.lists(st.tuples(bodies, st.booleans()), max_size=6))
async def test_the_total_is_the_exact_sum_of_what_each_task_was_charged(
    program: Program, drawn: list[tuple[dict[str, Any], bool]]
) -> None:
    steward = Steward(make_twin(Settings(clock="manual"), program))
    charged = Decimal(0)
    for index, (body, succeeds) in enumerate(drawn):
        task_id = steward.created(external_task_id=f"job-{index}", model_name="kling-v3-omni", **body)
        outcome = "success" if succeeds else "content-risk"
        task = await steward.post(f"tasks/{task_id}/finish", {"outcome": outcome})
        charged += Decimal(task["units"]) if succeeds else 0
    ledger = await steward.get("ledger")
    assert Decimal(ledger["total"]["units"]) == charged
    assert sum(Decimal(each["units"]) for each in ledger["accounts"]) == charged
    assert ledger["total"]["tasks"] == len(drawn)
