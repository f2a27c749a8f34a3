"""One task that was created, and all that was seen of it: each reply is held against the lifecycle and those before."""

from typing import Any

import msgspec

from contracts.provider_check.calling import Answer
from contracts.provider_check.facts import Facts
from contracts.provider_check.judging import Judge
from contracts.provider_check.shapes import Moment, Shape
from mock_server.compiled import Compiled
from mock_server.pointers import parse


class Watched(msgspec.Struct):
    """One task that was created: what was asked, and what was seen of it."""

    submit: Compiled
    body: dict[str, Any]
    name: str
    external_id: str | None
    created: Answer
    id: str = ""
    statuses: list[str] = msgspec.field(default_factory=list)
    born: Moment | None = None
    touched: Moment | None = None
    final: Answer | None = None
    url: str | None = None
    strange: int = 0


class Watcher:
    """Looks at the replies about tasks."""

    def __init__(self, facts: Facts, judge: Judge) -> None:
        self.facts, self.judge = facts, judge
        self._lifecycles = {name: each.lifecycle for name, each in facts.spec.task_types.items()}

    def shape(self, compiled: Compiled) -> Shape:
        """Return where in an operation's reply stands what."""
        return Shape(self.facts.reply_template(compiled.operation))

    def final(self, watched: Watched) -> str | None:
        """Return how a task has ended, None while it lives."""
        lifecycle = self._lifecycles[watched.submit.task_type.name]
        return lifecycle.statuses[watched.statuses[-1]].final if watched.statuses else None

    def see(self, watched: Watched, compiled: Compiled, answer: Answer, value: Any) -> None:
        """Hold one reply about a task against all that was seen of it before."""
        shape, probe = self.shape(compiled), "create" if compiled.role == "submit" else "poll"
        schema = self.facts.reply_schema(compiled.operation)
        self._same_id(watched, compiled, answer, shape, value, probe)
        came = shape.read(value, "$task.external_id")
        places = shape.places("$task.external_id")
        if watched.external_id is not None and places and came != watched.external_id:
            says = "the external id of the request is told again"
            fact = self.facts.reply_place(compiled.operation, schema, parse(places[0].pointer), says)
            title = f"the external id {watched.external_id} is told as {came!r}"
            self.judge.found("external-id-echo", compiled, probe, title, answer, fact)
        self._times(watched, compiled, answer, shape, value, probe)
        status = shape.read(value, "$task.status")
        if isinstance(status, str):
            self._moved(watched, compiled, answer, status, probe)

    def _same_id(
        self, watched: Watched, compiled: Compiled, answer: Answer, shape: Shape, value: Any, probe: str
    ) -> None:
        place = next(iter(shape.places("$task.id")), None)
        came = shape.read(value, "$task.id")
        if place is not None and watched.id and str(came) != watched.id:
            schema = self.facts.reply_schema(compiled.operation)
            says = "a task keeps its id"
            fact = self.facts.reply_place(compiled.operation, schema, parse(place.pointer), says)
            title = f"the task {watched.id} is told as {came!r}"
            self.judge.found("id-changed", compiled, probe, title, answer, fact)

    def _times(
        self, watched: Watched, compiled: Compiled, answer: Answer, shape: Shape, value: Any, probe: str
    ) -> None:
        schema = self.facts.reply_schema(compiled.operation)

        def odd(code: str, moment: Moment, title: str, says: str) -> None:
            fact = self.facts.reply_place(compiled.operation, schema, parse(moment.pointer), says)
            self.judge.found(code, compiled, probe, title, answer, fact, what=moment.pointer)

        born, touched = shape.moment(value, "$task.created_at"), shape.moment(value, "$task.updated_at")
        for moment in (born, touched):
            if moment is not None and moment.ms is not None and not moment.plausible:
                unit = {"ms": "milliseconds since 1970", "s": "seconds since 1970"}.get(moment.unit, "a date")
                odd(
                    "time-unit",
                    moment,
                    f"{moment.pointer} is {moment.came}, no time of ours in {unit}",
                    f"it is {unit}",
                )
                return
        if born is not None:
            if watched.born is not None and not born.same(watched.born):
                title = f"{born.pointer} was {watched.born.came} and is {born.came}"
                odd("time-changed", born, title, "a task is created once")
            watched.born = born
        if touched is not None and touched.ms is not None:
            before = watched.touched or watched.born
            if before is not None and before.ms is not None and before.unit == touched.unit and touched.ms < before.ms:
                title = f"{touched.pointer} goes back from {before.came} to {touched.came}"
                odd("time-backwards", touched, title, "a change is never before the one before it")
            watched.touched = touched

    def _moved(self, watched: Watched, compiled: Compiled, answer: Answer, status: str, probe: str) -> None:
        lifecycle = self._lifecycles[watched.submit.task_type.name]
        if status not in lifecycle.statuses:
            watched.strange += 1
            fact = self.facts.silent(compiled.operation, f"the statuses are {', '.join(lifecycle.statuses)}")
            title = f"a task has the status {status!r}, which is not in the spec"
            self.judge.found("status-unknown", compiled, probe, title, answer, fact, what=status)
            return
        if watched.statuses and status == watched.statuses[-1]:
            return
        if watched.statuses:
            before = watched.statuses[-1]
            try:
                lifecycle.between(before, status)
            except ValueError:
                allowed = ", ".join(lifecycle.statuses[before].next) or "nothing: it is final"
                fact = self.facts.lifecycle(watched.submit.task_type.name, before, f"after {before} comes {allowed}")
                title = f"a task goes from {before} to {status}"
                self.judge.found("status-move", compiled, probe, title, answer, fact, what=f"{before}/{status}")
        watched.statuses.append(status)
