"""What the provider can take: tasks live at once, tasks in all, tasks worked on at once, requests in a window.

    submit ──▶ rate? ──▶ quota? ──▶ slots? ──▶ plan ──▶ places: the plan waits for one ──▶ a slot and a place are taken

The first three refuse, with a `Shortage`; the queue makes nobody fail, it makes tasks wait. What is used is counted for
each world, and in it for each scenario that sets limits. Nothing is counted where there is no limit.
"""

from collections import OrderedDict
from collections.abc import Iterator
from heapq import heapify, heappop, heappush, heapreplace
from typing import Any

from mock_server.clock import Clock
from mock_server.lifecycle import NEVER_MS, Plan
from mock_server.rates import Shortage, Window
from mock_server.scenarios import Limits, Scenario
from mock_server.spec import TaskType
from mock_server.task import Task

# More scenarios with limits than a test uses in one world; the one that was not used longest starts anew.
_USAGES_MAX = 100


class Capacity:
    """What is used of the limits in one world."""

    def __init__(self, concurrency: int | None = None) -> None:
        """`concurrency` is how many slots there are where a scenario does not say."""
        self._slots = Slots(concurrency) if concurrency is not None else None
        self._usual = Usage(Limits(), self._slots) if self._slots is not None else None
        self._usages: OrderedDict[tuple[str, Limits], Usage] = OrderedDict()

    def usage(self, scenario: Scenario) -> "Usage | None":
        """Return what is used of the limits of a scenario, or None where it has none."""
        limits = scenario.limits
        if limits is None:
            return self._usual
        key = (scenario.name, limits)
        usage = self._usages.get(key)
        if usage is None:
            usage = self._usages[key] = Usage(limits, Slots(limits.concurrency) if limits.concurrency else self._slots)
            if len(self._usages) > _USAGES_MAX:
                self._usages.popitem(last=False)
        else:
            self._usages.move_to_end(key)
        return usage

    def renew(self, scenario: str) -> None:
        """Begin anew with the limits of a scenario: nothing of them is used."""
        for key in [key for key in self._usages if key[0] == scenario]:
            del self._usages[key]

    def ended(self, task: Task, now_ms: int) -> None:
        """Free what a task holds, because it has ended before its time. Looks at everything that is held."""
        for usage in self._all():
            usage.give_back(task.id, now_ms)

    def _all(self) -> Iterator["Usage"]:
        if self._usual is not None:
            yield self._usual
        yield from self._usages.values()


class Usage:
    """What is used of one scenario's limits."""

    __slots__ = ("limits", "places", "slots", "submitted", "window")

    def __init__(self, limits: Limits, slots: "Slots | None") -> None:
        self.limits, self.slots = limits, slots
        self.window = Window(limits.rate) if limits.rate is not None else None
        self.places = Places(limits.parallel) if limits.parallel is not None else None
        self.submitted = 0

    def request(self, role: str, task_type: TaskType, clock: Clock) -> Shortage | None:
        """Count a request; return why it is refused, or None where it may go on."""
        if self.window is None or task_type.rate_problem is None or role not in self.window.rate.roles:
            return None
        return self.window.request(task_type.rate_problem, clock)

    def task(self, task_type: TaskType, group: Any, now_ms: int) -> Shortage | None:
        """Return why one more task is refused, or None where there is room for it."""
        quota, slots = self.limits.quota, self.slots
        if quota is not None and task_type.quota_problem is not None and self.submitted >= quota:
            return Shortage(
                task_type.quota_problem,
                f"one more task, after {self.submitted}",
                f"{quota} in all",
                "stop: waiting does not mend this; the scenario begins anew when it is armed again",
            )
        if slots is not None and task_type.concurrency is not None and slots.full(group, now_ms):
            return Shortage(
                task_type.concurrency.problem,
                f"one more task, with {slots.taken(group, now_ms)} live",
                f"{slots.limit} at once" + (f" for {group}" if group is not None else ""),
                "wait until one ends (a task holds its slot from submission to its end), and back off",
            )
        return None

    def planned(self, plan: Plan, task_id: str) -> Plan:
        """Return the plan of a new task as it is behind those that came before, and take its place."""
        return self.places.take(plan, task_id) if self.places is not None else plan

    def take(self, task: Task, task_type: TaskType, group: Any) -> None:
        """Count a task, and take its slot."""
        self.submitted += 1
        if self.slots is not None and task_type.concurrency is not None:
            self.slots.take(group, task.plan.ends_at_ms, task.id)

    def give_back(self, task_id: str, now_ms: int) -> None:
        """Free the slot and the place of a task."""
        if self.slots is not None:
            self.slots.give_back(task_id)
        if self.places is not None:
            self.places.give_back(task_id, now_ms)


class Slots:
    """How many tasks are live, counted apart for each group (each model, say).

    A task holds a slot from its submission to its end.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        # When the slots that are taken will be free, and whose they are.
        self._taken: dict[Any, list[tuple[int, str]]] = {}

    def full(self, group: Any, now_ms: int) -> bool:
        """Tell whether every slot of the group is taken at `now_ms`."""
        return self.taken(group, now_ms) >= self.limit

    def take(self, group: Any, until_ms: int, task_id: str) -> None:
        """Take a slot until a task ends."""
        heappush(self._taken.setdefault(group, []), (until_ms, task_id))

    def give_back(self, task_id: str) -> None:
        """Free the slot of a task that has ended before its time."""
        for taken in self._taken.values():
            kept = [each for each in taken if each[1] != task_id]
            if len(kept) < len(taken):
                heapify(kept)
                taken[:] = kept

    def taken(self, group: Any, now_ms: int) -> int:
        """Return how many slots of the group are taken at `now_ms`, which never goes back."""
        taken = self._taken.get(group)
        if taken is None:
            return 0
        while taken and taken[0][0] <= now_ms:
            heappop(taken)
        if not taken:
            del self._taken[group]
        return len(taken)


class Places:
    """How many tasks are worked on at once; a further one stays on its first status until its place is free.

    Work begins with a task's second status; one that has no second status before its end is worked on all along, and
    one that stays on its first for ever is never worked on. Places are given in the order of submission, when the task
    is submitted: plans that are made stand, even where an earlier task ends before its time.
    """

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        # For each place that is taken: when it will be free, since when it would be without its last task, and whose
        # it is. There are never more than places, however many tasks wait.
        self._taken: list[tuple[int, int, str]] = []

    def take(self, plan: Plan, task_id: str) -> Plan:
        """Return the plan of a new task with the time that it waits, and take a place from then to its end."""
        if len(plan.steps) == 1:
            return plan
        taken, now_ms = self._taken, plan.at_ms[0]
        while taken and taken[0][0] <= now_ms:
            heappop(taken)
        free_ms = taken[0][0] if len(taken) >= self.parallel else now_ms
        if free_ms >= NEVER_MS:
            return Plan(plan.steps[:1], plan.at_ms[:1])
        waiting = plan.steps[1].final is None
        wait_ms = max(0, free_ms - plan.at_ms[1 if waiting else 0])
        if wait_ms:
            plan = Plan(plan.steps, (now_ms, *(at_ms + wait_ms for at_ms in plan.at_ms[1:])))
        place = (plan.ends_at_ms, free_ms, task_id)
        if len(taken) >= self.parallel:
            heapreplace(taken, place)
        else:
            heappush(taken, place)
        return plan

    def give_back(self, task_id: str, now_ms: int) -> None:
        """Free the place of a task that has ended before its time, where no other task waits for it already."""
        for index, (_, free_ms, holder) in enumerate(self._taken):
            if holder == task_id:
                del self._taken[index]
                # Who worked there before it may still do so.
                if free_ms > now_ms:
                    self._taken.append((free_ms, free_ms, ""))
                heapify(self._taken)
                return
