"""The free probes: what must be refused, and reads. None of them can create a task where the service keeps the spec."""

from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from contracts.provider_check.bodies import WrongBody, right_body, wrong_by_rule, wrong_by_schema
from contracts.provider_check.calling import Answer, Budget, Caller, Unreachable
from contracts.provider_check.facts import Facts, operation_of
from contracts.provider_check.judging import Judge
from contracts.provider_check.shapes import Shape
from mock_server.compiled import Compiled
from mock_server.identifiers import ids, stream
from mock_server.operations import METHODS
from mock_server.pointers import MISSING
from mock_server.rules import enforce

# No service has given out this key.
BAD_KEY = "omnimock-this-is-no-key-0000000000"
_CUT_JSON = b'{"cut": '
# Methods that no service takes for a wish to remove or to make something, the most harmless first.
_HARMLESS = ("PATCH", "PUT", "POST", "GET")
# A budget that is larger may be risked for what is only assumed to be refused.
_RISKED_ABOVE = 5


class FreeProbes:
    """Sends what must be refused, and reads, and has all of it judged."""

    def __init__(self, facts: Facts, caller: Caller, judge: Judge, budget: Budget, *, seed: int) -> None:
        self.facts, self.caller, self.judge, self.budget = facts, caller, judge, budget
        self.done = Counter[str]()
        self.not_exercised: list[str] = []
        self._operations = facts.program.operations
        self._chance = stream(seed, "unknown ids")
        self._stopped: set[str] = set()

    def greet(self) -> None:
        """See whether the service is there and takes the key; raise Unreachable where not."""
        compiled = next((each for each in self._operations if each.role in ("list", "query")), None)
        if compiled is None:
            return
        answer = self._read(compiled)
        if not answer.status:
            raise Unreachable(f"{self.caller.url} does not answer: {answer.error}")
        if answer.status in (401, 403):
            raise Unreachable(f"the service refuses the key: {self.caller.came(answer)}")

    def run(self) -> None:
        """Send every free probe."""
        reads = [each for each in self._operations if each.role in ("list", "query", "cancel")]
        for compiled in reads:
            self._keys(compiled)
            self._path(compiled)
            if compiled.role == "list":
                self._list(compiled)
            else:
                self._unknown_task(compiled)
        for compiled in self._operations:
            if compiled.role == "submit":
                self._method(compiled)
                self._unreadable(compiled)
                self._wrong_bodies(compiled)

    def may_submit(self, kind: str) -> bool:
        """Tell whether a body that must be refused may still be sent."""
        return kind not in self._stopped and self.budget.may_probe

    def refuse_submit(self, compiled: Compiled, kind: str, wrong: WrongBody, answer: Answer, event: str) -> None:
        """Judge the reply to a body that must be refused; where it was accepted, stop sending such."""
        self.done[kind] += 1
        if answer.accepted:
            self.budget.created += 1
            self._stopped.add(kind)
            self.judge.not_refused(compiled, wrong.name, answer, wrong.fact, wrong.what)
            self.not_exercised.append(
                f"{operation_of(compiled)}: no more of {kind}, since {wrong.what} was accepted (a task was created)"
            )
            return
        if not answer.status or answer.status >= 500:
            self._stopped.add(kind)
        self.judge.refusal(compiled, wrong.name, answer, event)

    def unknown_id(self, compiled: Compiled) -> str:
        """Return an id that has the form of the provider's, and that it has not given out."""
        return ids(compiled.task_type.id, self._chance)()

    # The probes

    def _keys(self, compiled: Compiled) -> None:
        for probe, key, event in (
            ("no-key", None, "authorization-missing"),
            ("bad-key", BAD_KEY, "authorization-unknown"),
        ):
            answer = self._read(compiled, key=key)
            self.done[probe] += 1
            if answer.accepted:
                _, _, fact = self.facts.problem(event)
                told = "a request without a key" if key is None else "a key that nobody has"
                self.judge.not_refused(compiled, probe, answer, fact, told)
            else:
                self.judge.refusal(compiled, probe, answer, event)

    def _path(self, compiled: Compiled) -> None:
        if compiled.role != "query":
            return
        path = f"{_path(compiled, self.unknown_id(compiled))}/omnimock-no-such-path"
        answer = self.caller.send("GET", path)
        self.done["unknown-path"] += 1
        if answer.accepted:
            _, _, fact = self.facts.problem("path-unknown")
            self.judge.not_refused(compiled, "unknown-path", answer, fact, "a path that is not in the spec")
        else:
            self.judge.refusal(compiled, "unknown-path", answer, "path-unknown")

    def _unknown_task(self, compiled: Compiled) -> None:
        path = _path(compiled, self.unknown_id(compiled))
        answer = self.caller.send(compiled.operation.method, path)
        self.done["unknown-task"] += 1
        if answer.accepted:
            _, _, fact = self.facts.problem("task-unknown")
            self.judge.not_refused(compiled, "unknown-task", answer, fact, "the id of a task that is not there")
        else:
            self.judge.refusal(compiled, "unknown-task", answer, "task-unknown")

    def _list(self, compiled: Compiled) -> None:
        value = self.judge.success(compiled, "list", self._read(compiled), valid="a list")
        self.done["list"] += 1
        paging, shape = compiled.task_type.paging, Shape(self.facts.reply_template(compiled.operation))
        size = paging.size if isinstance(paging.size, str) else None
        if value is not MISSING and size is not None:
            answer = self._read(compiled, query={size: 1})
            value = self.judge.success(compiled, "list-size", answer, valid=f"a list with {size}=1")
            self.done["list"] += 1
            if len(shape.rows(value)) > 1:
                fact = self.facts.parameter(compiled.operation, size, f"{size} is how many come")
                title = f"{len(shape.rows(value))} tasks come where {size}=1 was asked"
                self.judge.found("list-size", compiled, "list-size", title, answer, fact)
        for name, schema in compiled.operation.query_parameters.items():
            for keyword, step in (("minimum", -1), ("maximum", 1)):
                if keyword in schema:
                    wrong = schema[keyword] + step
                    self._wrong_parameter(compiled, name, wrong, f"{name}: {keyword} {schema[keyword]}")

    def _wrong_parameter(self, compiled: Compiled, name: str, value: Any, says: str) -> None:
        answer = self._read(compiled, query={name: value})
        self.done["wrong-parameter"] += 1
        if answer.accepted:
            fact = self.facts.parameter(compiled.operation, name, says)
            self.judge.not_refused(compiled, f"parameter-{name}", answer, fact, f"{name}={value}")
        else:
            self.judge.refusal(compiled, "wrong-parameter", answer, "violation")

    def _method(self, compiled: Compiled) -> None:
        path = compiled.operation.path
        taken = {each.operation.method for each in self._operations if each.operation.path == path}
        assert taken <= {each.upper() for each in METHODS}
        method = next((each for each in _HARMLESS if each not in taken), None)
        if method is None:
            return
        answer = self.caller.send(method, path)
        self.done["wrong-method"] += 1
        if answer.accepted:
            _, _, fact = self.facts.problem("method-unknown")
            self.judge.not_refused(compiled, "wrong-method", answer, fact, f"the method {method}")
        else:
            self.judge.refusal(compiled, "wrong-method", answer, "method-unknown")

    def _unreadable(self, compiled: Compiled) -> None:
        """Bodies that cannot be read. None of them holds what would be a right body, were it read all the same."""
        path, method = compiled.operation.path, compiled.operation.method
        for probe, event, content, media_type in (
            ("malformed-json", "body-not-json", _CUT_JSON, "application/json"),
            ("wrong-media-type", "media-type-wrong", b"not a body", "text/plain"),
        ):
            if not self.may_submit(probe):
                continue
            answer = self.caller.send(method, path, raw=content, content_type=media_type)
            _, _, fact = self.facts.problem(event)
            wrong = WrongBody(probe, f"a body that is {probe.replace('-', ' ')}", None, fact)
            self.refuse_submit(compiled, probe, wrong, answer, event)

    def _wrong_bodies(self, compiled: Compiled) -> None:
        body = right_body(compiled)
        if body is None:
            self.not_exercised.append(f"{operation_of(compiled)}: no example of the spec is a right body to spoil")
            return
        if not any(wrong_by_schema(self.facts, compiled, body)):
            self.not_exercised.append(f"{operation_of(compiled)}: under this profile no body breaks the schema")
        for wrong in wrong_by_schema(self.facts, compiled, body):
            self._wrong_body(compiled, "wrong-body", wrong)
        # Without a key nothing can be paid for; what is sent besides is wrong as well.
        first = next(wrong_by_schema(self.facts, compiled, body), None)
        if first is not None:
            self._submit_without_key(compiled, first)
        broken = 0
        for wrong in wrong_by_rule(self.facts, compiled, body):
            broken += self._wrong_body(compiled, "broken-rule", wrong)
        enforced = enforce(self.facts.spec, compiled.operation, self.facts.program.profile)
        if (there := len(enforced.rules) + len(enforced.checks)) > broken:
            self.not_exercised.append(
                f"{operation_of(compiled)}: {there - broken} of {there} rules (no body was found that breaks one "
                "alone, or the rule is not documented, so that a task might be created)"
            )

    def _wrong_body(self, compiled: Compiled, kind: str, wrong: WrongBody) -> bool:
        """Send a body that must be refused, and tell whether it was: what is only assumed is not worth a task."""
        if not self.may_submit(kind) or not (wrong.fact.documented or self.budget.left > _RISKED_ABOVE):
            return False
        answer = self.caller.send(compiled.operation.method, compiled.operation.path, body=wrong.body)
        self.refuse_submit(compiled, kind, wrong, answer, "violation")
        return True

    def _submit_without_key(self, compiled: Compiled, wrong: WrongBody) -> None:
        """A submit without a key is refused for the one or for the other."""
        if not self.may_submit("no-key"):
            return
        answer = self.caller.send(compiled.operation.method, compiled.operation.path, body=wrong.body, key=None)
        _, _, fact = self.facts.problem("authorization-missing")
        named = WrongBody("submit-no-key", "a submit without a key", wrong.body, fact)
        self.refuse_submit(compiled, "no-key", named, answer, "authorization-missing")

    def _read(self, compiled: Compiled, *, key: str | None = "", query: Mapping[str, Any] | None = None) -> Answer:
        path = _path(compiled, self.unknown_id(compiled))
        return self.caller.send(compiled.operation.method, path, key=key, query=urlencode(query or {}))


def task_path(compiled: Compiled, name: str) -> str:
    """Return the path of an operation, with the id of a task in its slot."""
    return _path(compiled, name)


def _path(compiled: Compiled, name: str) -> str:
    before, brace, rest = compiled.operation.path.partition("{")
    return f"{before}{quote(name, safe='')}{rest.partition('}')[2]}" if brace else before
