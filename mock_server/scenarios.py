"""Which story a request gets. For now there is one, `realistic`; scenario files and ways to choose come next."""

from collections.abc import Mapping
from dataclasses import dataclass

from mock_server.lifecycle import Way
from mock_server.spec import TaskType

SUCCESS = "success"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named story: for each type of task, the way that its tasks take."""

    name: str
    ways: Mapping[str, Way]


def realistic(task_types: Mapping[str, TaskType], outcome: str = SUCCESS) -> Scenario:
    """Return the usual story, at the spec's own pace: tasks succeed, or all fail for the reason `outcome`.

    Raise ValueError where no type of task has a failure of that name.
    """
    names = sorted({name for task_type in task_types.values() for name in task_type.failures})
    if outcome != SUCCESS and outcome not in names:
        raise ValueError(f"there is no outcome {outcome!r}; there are {', '.join((SUCCESS, *names))}")
    return Scenario("realistic", {name: _way(task_type, outcome) for name, task_type in task_types.items()})


def _way(task_type: TaskType, outcome: str) -> Way:
    failure = task_type.failures.get(outcome)
    if failure is None:
        return task_type.lifecycle.succeeding(task_type.pace_ms)
    return task_type.lifecycle.failing(failure.message, failure.pace_ms)
