"""Holds the callbacks about a task against the spec, and against what queries have shown of it."""

from collections.abc import Sequence

from contracts.provider_check.calling import Answer
from contracts.provider_check.facts import operation_of
from contracts.provider_check.receiver import Received, Receiver
from contracts.provider_check.refusals import FreeProbes
from contracts.provider_check.shapes import Shape
from contracts.provider_check.watching import Watched
from mock_server.pointers import MISSING

# How long the last callback may be on its way.
_PATIENCE_SECONDS, _PATIENCE_SECONDS_LOOPBACK = 60.0, 5.0
_PAUSE_SECONDS = 0.05


class Callbacks:
    """Waits for callbacks, and judges them."""

    def __init__(self, probes: FreeProbes, receiver: Receiver | None) -> None:
        self.probes, self.receiver = probes, receiver
        self.facts, self.caller, self.judge = probes.facts, probes.caller, probes.judge

    def check(self, watched: Watched) -> None:
        """Hold all callbacks of a task that has ended, and those that did not come, against the spec."""
        submit, delivery = watched.submit, watched.submit.operation.delivery
        if delivery is None or submit.submission is None:
            return
        if self.receiver is None:
            self.probes.not_exercised.append(
                f"{operation_of(submit)}: callbacks, which cannot come here (see --callback-url)"
            )
            return
        wanted = [each for each in submit.submission.callback_statuses(watched.body) if each in watched.statuses]
        received = self._wait_for(watched, len(wanted))
        seen = set[str]()
        for each in received:
            seen.add(self._callback(watched, each))
        if missing := [each for each in wanted if each not in seen]:
            fact = self.facts.delivery(delivery, f"callbacks are sent for {', '.join(delivery.statuses)}")
            title = f"no callback came for {', '.join(missing)}"
            self.judge.found("callback-missing", submit, "callbacks", title, watched.created, fact)

    def _wait_for(self, watched: Watched, count: int) -> Sequence[Received]:
        assert self.receiver is not None
        patience = _PATIENCE_SECONDS_LOOPBACK if self.caller.loopback else _PATIENCE_SECONDS
        for _ in range(int(patience / _PAUSE_SECONDS)):
            if len(self.receiver.of(watched.name)) >= count:
                break
            self.caller.wait(_PAUSE_SECONDS)
        return self.receiver.of(watched.name)

    def _callback(self, watched: Watched, received: Received) -> str:
        """Hold one callback against the spec and against what polls have shown; return its status."""
        submit, delivery = watched.submit, watched.submit.operation.delivery
        assert delivery is not None
        self.probes.done["callback"] += 1
        answer = Answer(watched.created.sent, 200, received.headers, received.body)
        schema = self.facts.callback_schema(delivery, submit.task_type.name)
        value = self.judge.body(submit, "callbacks", answer, schema, "callback")
        if value is MISSING:
            return ""
        shape = Shape(self.facts.callback_template(delivery, submit.task_type.name))
        status, came = shape.read(value, "$task.status"), shape.read(value, "$task.id")
        if came is not None and str(came) != watched.id:
            fact = self.facts.callback(submit.operation, delivery, "a callback names the task by its id")
            title = f"the callback of the task {watched.id} names {came!r}"
            self.judge.found("callback-id", submit, "callbacks", title, answer, fact)
        lifecycle = submit.task_type.lifecycle
        known = lifecycle.statuses.get(status) if isinstance(status, str) else None
        if status is not None and known is None:
            fact = self.facts.silent(submit.operation, f"the statuses are {', '.join(lifecycle.statuses)}")
            title = f"a callback has the status {status!r}, which is not in the spec"
            self.judge.found("callback-status", submit, "callbacks", title, answer, fact)
        elif known is not None and known.final and watched.final and status != watched.statuses[-1]:
            fact = self.facts.callback(submit.operation, delivery, "a callback tells what a query tells")
            title = f"the callback says {status}, and the query {watched.statuses[-1]}"
            self.judge.found("callback-disagrees", submit, "callbacks", title, answer, fact)
        url = shape.read(value, "$result.url")
        if watched.url is not None and url is not None and url != watched.url:
            fact = self.facts.callback(submit.operation, delivery, "a callback tells what a query tells")
            title = f"the callback has the result {url}, and the query {watched.url}"
            self.judge.found("callback-disagrees", submit, "callbacks", title, answer, fact, what="result")
        return str(status)
