"""Creates tasks, as many as are allowed, follows each to its end, and holds all that comes against the lifecycle."""

import itertools
import secrets
from typing import Any

from contracts.provider_check.bodies import WrongBody, right_body, with_member
from contracts.provider_check.callbacks import Callbacks
from contracts.provider_check.calling import Answer, Exhausted
from contracts.provider_check.facts import operation_of
from contracts.provider_check.receiver import Receiver
from contracts.provider_check.refusals import FreeProbes, task_path
from contracts.provider_check.watching import Watched, Watcher
from mock_server.compiled import Compiled
from mock_server.pointers import MISSING
from mock_server.rules import Rule, enforce

# How long to wait between polls: a service on this machine is a twin, perhaps a fast one.
_POLL_SECONDS, _POLL_SECONDS_LOOPBACK = 5.0, 0.02
# The check by which a spec says that an external id is used once.
_USED_ONCE = "unused-external-id"
_POLLS_MAX = 10_000
# A status that nobody knows may be an end; so often it is looked at before that is taken for granted.
_STRANGE_POLLS_MAX = 10


class Tasks:
    """Creates tasks and follows them."""

    def __init__(self, probes: FreeProbes, receiver: Receiver | None) -> None:
        self.probes, self.receiver = probes, receiver
        self.facts, self.caller = probes.facts, probes.caller
        self.judge, self.budget = probes.judge, probes.budget
        self.watcher = Watcher(self.facts, self.judge)
        self.callbacks = Callbacks(probes, receiver)

    def run(self) -> None:
        """Spend the budget: a whole life first, then a second use of its external id, a cancel, the other types."""
        if not self.budget.left:
            tried = "it is 0" if not self.budget.tasks_max else "it is spent"
            self.probes.not_exercised.append(f"the life of tasks, their callbacks and results: --max-tasks, {tried}")
            return
        submits = [each for each in self.facts.program.operations if each.role == "submit"]
        for number, submit in enumerate(submits):
            if not self.budget.left:
                rest = ", ".join(operation_of(each) for each in submits[number:])
                self.probes.not_exercised.append(f"the life of tasks of {rest}: --max-tasks is spent")
                return
            if (watched := self._create(submit)) is None:
                continue
            if watched.id:
                self._follow(watched)
                self._look_up(watched)
                self.callbacks.check(watched)
            self._create_again(watched)
            if watched.id:
                self._list(watched, others=len(submits) - number - 1)
            self._cancel(submit)

    # Creating

    def _create(self, submit: Compiled) -> Watched | None:
        """Create one task; None where there is no body for it, or none is accepted."""
        body = right_body(submit)
        if body is None:
            self.probes.not_exercised.append(f"{operation_of(submit)}: no example of the spec is a right body")
            return None
        name = secrets.token_hex(8)
        external_id = f"omnimock-{name}" if submit.task_type.external_id else None
        if external_id is not None:
            body = with_member(body, submit.task_type.external_id, external_id)
        if self.receiver is not None and submit.operation.delivery is not None:
            body = with_member(body, submit.operation.delivery.url, self.receiver.url(name))
        # It counts before it is sent: whatever is answered, a task may be there.
        self.budget.created += 1
        answer = self.caller.send(submit.operation.method, submit.operation.path, body=body)
        if 400 <= answer.status < 500:
            self.budget.created -= 1
        self.probes.done["create"] += 1
        value = self.judge.success(submit, "create", answer, valid="a right body")
        if value is MISSING:
            return None
        watched = Watched(submit, body, name, external_id, answer)
        found = self.watcher.shape(submit).read(value, "$task.id")
        watched.id = str(found) if isinstance(found, str | int) and not isinstance(found, bool) else ""
        if not watched.id:
            fact = self.facts.operation(submit.operation, "the reply to a submit has the id of the task")
            self.judge.found("id-missing", submit, "create", "a task is created, and its id is not told", answer, fact)
        self.watcher.see(watched, submit, answer, value)
        return watched

    def _create_again(self, watched: Watched) -> None:
        """Use an external id a second time, where the spec says that it is refused and a task may be risked."""
        submit = watched.submit
        rule = self._rule(submit, _USED_ONCE)
        if rule is None or watched.external_id is None:
            return
        if not self.budget.left:
            self.probes.not_exercised.append(f"{operation_of(submit)}: an external id used twice: --max-tasks is spent")
            return
        answer = self.caller.send(submit.operation.method, submit.operation.path, body=watched.body)
        self.probes.done["external-id-twice"] += 1
        fact = self.facts.rule(submit.operation, rule)
        if answer.accepted:
            self.budget.created += 1
            title = "an external id is accepted a second time"
            self.judge.found("external-id-twice", submit, "external-id-twice", title, answer, fact)
        else:
            wrong = WrongBody("external-id-twice", "an external id used twice", watched.body, fact)
            self.judge.refusal(submit, wrong.name, answer, "violation")

    def _cancel(self, submit: Compiled) -> None:
        cancel = self._other(submit, "cancel")
        if cancel is None:
            return
        if not self.budget.left:
            self.probes.not_exercised.append(f"{operation_of(cancel)}: --max-tasks is spent")
            return
        watched = self._create(submit)
        if watched is None or not watched.id:
            return
        answer = self.caller.send(cancel.operation.method, task_path(cancel, watched.id))
        self.probes.done["cancel"] += 1
        value = self.judge.success(cancel, "cancel", answer, valid="the cancel of a task that lives")
        if value is not MISSING:
            self.watcher.see(watched, cancel, answer, value)
        self._follow(watched)

    # Following

    def _follow(self, watched: Watched) -> None:
        """Poll a task to its end, or to that of the check."""
        query = self._other(watched.submit, "query")
        if query is None:
            self.probes.not_exercised.append(f"the life of tasks of {operation_of(watched.submit)}: there is no query")
            return
        pause = _POLL_SECONDS_LOOPBACK if self.caller.loopback else _POLL_SECONDS
        answer = watched.created
        try:
            for _ in range(_POLLS_MAX):
                answer = self.caller.send(query.operation.method, task_path(query, watched.id))
                self.probes.done["poll"] += 1
                value = self.judge.success(query, "poll", answer, valid="the query of a task that was created")
                if value is MISSING:
                    return
                self.watcher.see(watched, query, answer, value)
                if watched.strange > _STRANGE_POLLS_MAX:
                    return
                if self.watcher.final(watched):
                    watched.final = answer
                    self._result(watched, query, answer, value)
                    self._stays(watched, query)
                    return
                self.caller.wait(pause)
        except Exhausted as error:
            last = watched.statuses[-1] if watched.statuses else "no status"
            self.probes.not_exercised.append(
                f"{operation_of(query)}: the end of a task, which was {last} when {error}; a longer --for may show it"
            )
            raise

    def _stays(self, watched: Watched, query: Compiled) -> None:
        """Look once more: what has ended does not move."""
        answer = self.caller.send(query.operation.method, task_path(query, watched.id))
        self.probes.done["poll"] += 1
        value = self.judge.success(query, "poll", answer, valid="the query of a task that has ended")
        if value is not MISSING:
            self.watcher.see(watched, query, answer, value)

    # Afterwards

    def _result(self, watched: Watched, query: Compiled, answer: Answer, value: Any) -> None:
        name = watched.submit.task_type.name
        final = self.watcher.final(watched)
        if final == "cancelled":
            return
        if final != "success":
            self.probes.not_exercised.append(f"a result: the task ended as {watched.statuses[-1]}")
            return
        shape = self.watcher.shape(query)
        if not shape.places("$result.url"):
            return
        url = shape.read(value, "$result.url")
        if not isinstance(url, str):
            fact = self.facts.result(name, "a task that succeeds has the address of its result")
            self.judge.found("result-missing", query, "poll", "a task succeeds without a result", answer, fact)
            return
        watched.url = url
        if not url.startswith(("http://", "https://")):
            return
        came = self.caller.fetch(url)
        self.probes.done["result"] += 1
        if came.status not in (200, 206) or not came.body:
            fact = self.facts.result(name, "the result is at its address, and a part of it can be asked for (Range)")
            self.judge.found("result-unreachable", query, "result", "the result cannot be loaded", came, fact)

    def _look_up(self, watched: Watched) -> None:
        """Ask by the external id."""
        query = self._other(watched.submit, "query")
        if query is None or watched.external_id is None:
            return
        answer = self.caller.send(query.operation.method, task_path(query, watched.external_id))
        self.probes.done["external-id"] += 1
        value = answer.value if answer.accepted else MISSING
        if value is MISSING or str(self.watcher.shape(query).read(value, "$task.id")) != watched.id:
            fact = self.facts.operation(query.operation, "a task is found by its external id as well")
            title = "a task is not found by its external id"
            self.judge.found("external-id-lookup", query, "external-id", title, answer, fact)

    def _list(self, watched: Watched, *, others: int) -> None:
        """Look for a task in its list; where the budget is enough for `others` as well, let there be two of them."""
        listing = self._other(watched.submit, "list")
        if listing is None:
            return
        if self.budget.left > others and (younger := self._create(watched.submit)) is not None and younger.id:
            watched = younger
        answer = self.caller.send(listing.operation.method, listing.operation.path)
        self.probes.done["list"] += 1
        value = self.judge.success(listing, "list", answer, valid="a list")
        shape = self.watcher.shape(listing)
        if value is MISSING or shape.item is None:
            return
        rows = shape.rows(value)
        if watched.id not in [str(shape.item.read(row, "$task.id")) for row in rows]:
            fact = self.facts.operation(listing.operation, "the list has the tasks, the newest on its first page")
            self.judge.found("list-lacks", listing, "list", f"the task {watched.id} is not listed", answer, fact)
        moments = [moment for row in rows if (moment := shape.item.moment(row, "$task.created_at")) is not None]
        times = [each.ms for each in moments if each.ms is not None]
        if len(times) < 2:
            self.probes.not_exercised.append(f"{operation_of(listing)}: the order, since only {len(times)} is listed")
        elif any(one < other for one, other in itertools.pairwise(times)):
            fact = self.facts.operation(listing.operation, "the newest task comes first", confidence="assumed")
            self.judge.found("list-order", listing, "list", "the newest task does not come first", answer, fact)

    # What the spec has

    def _other(self, submit: Compiled, role: str) -> Compiled | None:
        operations = self.facts.program.operations
        return next((each for each in operations if (each.role, each.task_type) == (role, submit.task_type)), None)

    def _rule(self, submit: Compiled, check: str) -> Rule | None:
        enforced = enforce(self.facts.spec, submit.operation, self.facts.program.profile)
        return next((each for each in enforced.checks if each.check == check), None)
