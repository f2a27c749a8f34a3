"""What the provider would have charged: units, due when a task succeeds by the clock of its world.

What a failed task costs is not known of the provider; here it costs nothing, and the answer says that this is assumed.
"""

from decimal import Decimal
from typing import Any

import msgspec
from starlette.responses import Response

from mock_server.control.base import Asked, in_turns
from mock_server.control.paging import read_paging
from mock_server.lifecycle import step_index
from mock_server.task import Task


class _Account(msgspec.Struct):
    tasks: int = 0
    succeeded: int = 0
    failed: int = 0
    units: Decimal = Decimal(0)
    unpriced: int = 0

    def add(self, final: str | None, units: str | None) -> None:
        self.tasks += 1
        if final == "success":
            self.succeeded += 1
            self.unpriced += units is None
            self.units += Decimal(units or 0)
        elif final is not None:
            self.failed += 1

    def shown(self) -> dict[str, Any]:
        return {
            "tasks": self.tasks,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "units": format(self.units.normalize(), "f") if self.units else "0",
            "unpriced": self.unpriced,
        }


async def shown(asked: Asked) -> Response:
    """Answer with tasks and units for each external id, and in all."""
    wanted, paging = asked.query.text("external_id"), read_paging(asked.query)
    world, now_ms = asked.world, asked.world.clock.now_ms()
    accounts: dict[str | None, _Account] = {}
    total = _Account()
    async for task in in_turns(world.store.tasks()):
        if wanted not in (None, task.external_id):
            continue
        final, units = _charge(asked, task, now_ms)
        accounts.setdefault(task.external_id, _Account()).add(final, units)
        total.add(final, units)
    page = list(accounts.items())[paging.first : paging.first + paging.limit]
    return asked.json(
        {
            "now_ms": now_ms,
            "accounts": [{"external_id": name, **account.shown()} for name, account in page],
            "accounts_total": len(accounts),
            "total": total.shown(),
            "forgotten_tasks": world.store.dropped,
            "assumed": "a failed task costs 0 units: what the provider charges for one is not known",
        }
    )


def _charge(asked: Asked, task: Task, now_ms: int) -> tuple[str | None, str | None]:
    final = task.plan.steps[step_index(task.plan, now_ms)].final
    return final, asked.twin.program.replies[task.type].units(task) if final == "success" else None
