"""What the spec says, for findings: the schemas of the dialect that is checked; each fact with place and source."""

from collections.abc import Mapping, Sequence
from typing import Any

from contracts.provider_check.finding import STANDARD, Fact
from mock_server.compiled import Compiled
from mock_server.document import Pointer
from mock_server.problems import Problem
from mock_server.program import Program
from mock_server.rules import Rule, keyword_sources
from mock_server.spec import Delivery, Operation, best_confidence, source_names

_BRANCHES = ("allOf", "anyOf", "oneOf")


class Facts:
    """The facts of one spec, in one dialect."""

    def __init__(self, program: Program) -> None:
        self.program, self.spec = program, program.spec
        self.dialect = program.spec.dialects[program.dialect]

    # The parts of the spec that replies are held against

    def reply_schema(self, operation: Operation) -> Any:
        """Return the schema of an operation's success, None where the spec has none."""
        shape = self.dialect.shape_for(self.spec.task_types[operation.task_type], operation.role)
        return shape.schema if shape is not None else operation.response_schemas.get(str(operation.status))

    def reply_template(self, operation: Operation) -> Any:
        """Return the template of an operation's success."""
        task_type = self.spec.task_types[operation.task_type]
        shape = self.dialect.shape_for(task_type, operation.role)
        return shape.body if shape is not None else task_type.replies[task_type.reply_for(operation.role)]

    def refusal_schema(self, operation: Operation, status: int) -> Any:
        """Return the schema of a refusal with this status, None where the spec has none."""
        if self.dialect.problem_schema is not None:
            return self.dialect.problem_schema[1]
        return operation.response_schema(status)

    def is_documented(self, operation: Operation, status: int) -> bool:
        """Tell whether the spec lists a status for an operation, by itself or in a range."""
        responses = self._raw(operation).get("responses", {})
        return bool({str(status), f"{status // 100}XX", "default"} & set(responses))

    def callback_schema(self, delivery: Delivery, task_type: str) -> Any:
        """Return the schema of callbacks."""
        shape = self.dialect.callbacks.get(task_type)
        return shape.schema if shape is not None else delivery.schema

    def callback_template(self, delivery: Delivery, task_type: str) -> Any:
        """Return the template of callbacks."""
        shape = self.dialect.callbacks.get(task_type)
        return shape.body if shape is not None else delivery.body

    def problem(self, event: str) -> tuple[Problem, Any, Fact]:
        """Return the problem that answers an event, the template of its body, and the fact."""
        name = self.spec.refusals[event]
        problem, _ = self.program.problems[self.dialect.name][name]
        refusal = self.dialect.problems.get(name, self.dialect.otherwise)
        body = refusal.body if refusal is not None else self.spec.problems[name].body
        says = f"{problem.about} ({event}): status {problem.status}, body {body}"
        if refusal is None:
            return problem, body, self._fact(("x-problems", name), says, problem.sources, problem.confidence)
        # In a dialect's own words, it is as sure as the dialect.
        sources = source_names(self._at(refusal.pointer[:3]).get("source"))
        return problem, body, self._fact(refusal.pointer, says, sources)

    # Facts

    def operation(self, operation: Operation, says: str, *, confidence: str | None = None) -> Fact:
        """Return a fact that an operation as a whole states; `confidence` where its own is too sure for it."""
        return self._fact(operation.pointer, says, self._sources(operation), confidence)

    def rule(self, operation: Operation, rule: Rule) -> Fact:
        """Return what a rule says."""
        says = f"rule {rule.id}: {rule.message}"
        return self._fact(operation.body_schema_pointer, says, rule.sources, rule.confidence)

    def body_keyword(self, operation: Operation, path: Sequence[str], keyword: str, says: str) -> Fact:
        """Return what a keyword of the request's schema says, at a path of `properties` and `items`."""
        schema = operation.body_schema
        for part in path:
            schema = schema[part]
        pointer = (*operation.body_schema_pointer, *path, keyword)
        return self._fact(pointer, says, keyword_sources(schema, keyword))

    def parameter(self, operation: Operation, name: str, says: str) -> Fact:
        """Return what is said of a query parameter."""
        sources = keyword_sources(operation.query_parameters.get(name), "type") or self._sources(operation)
        return self._fact((*operation.pointer, "parameters"), says, sources)

    def schema_path(self, operation: Operation, schema: Any, path: Sequence[str | int], says: str) -> Fact:
        """Return what a place in a reply's schema says; the nearest source around it counts."""
        sources = self._sources(operation)
        node = schema
        for part in path:
            sources = keyword_sources(node, str(part)) or sources
            node = _inner(node, part)
        return self._fact((*operation.pointer, "responses"), says, sources)

    def reply_place(self, operation: Operation, schema: Any, parts: Sequence[str], says: str) -> Fact:
        """Return what the schema of a reply says of a place in it; the nearest source around it counts."""
        sources = _nearest(schema, parts) or self._sources(operation)
        return self._fact((*operation.pointer, "responses"), says, sources)

    def lifecycle(self, task_type: str, status: str, says: str) -> Fact:
        """Return what is said of a status."""
        pointer = (*self.spec.task_types[task_type].pointer, "statuses", status)
        return self._fact(pointer, says, source_names(self._at(pointer).get("source")))

    def result(self, task_type: str, says: str) -> Fact:
        """Return what is said of results."""
        pointer = (*self.spec.task_types[task_type].pointer, "result")
        return self._fact(pointer, says, source_names(self._at(pointer).get("source")))

    def delivery(self, delivery: Delivery, says: str) -> Fact:
        """Return what is said of when callbacks are sent."""
        pointer = (*delivery.pointer, "send")
        return self._fact(pointer, says, source_names(self._at(pointer).get("source")))

    def callback(self, operation: Operation, delivery: Delivery, says: str) -> Fact:
        """Return what is said of a callback's body."""
        around = self._at(delivery.pointer[:-1])
        sources = source_names(around.get("x-source")) or self._sources(operation)
        return self._fact(delivery.pointer, says, sources)

    def silent(self, operation: Operation, says: str) -> Fact:
        """Return the fact that the spec does not say something."""
        return Fact(*self._where(operation.pointer), says, "nothing in the spec", "")

    def standard(self, operation: Operation, says: str, source: str) -> Fact:
        """Return a fact that a standard says, whatever the spec."""
        return Fact(*self._where(operation.pointer), says, source, STANDARD)

    def _fact(self, pointer: Pointer, says: str, sources: tuple[str, ...], confidence: str | None = None) -> Fact:
        titles = "; ".join(self.spec.sources[name].title for name in sources) or "no source is named"
        sure = confidence or best_confidence(sources, self.spec.sources)
        return Fact(*self._where(pointer), says, titles, sure)

    def _where(self, pointer: Pointer) -> tuple[str, int]:
        return "/".join(map(str, pointer)), self.spec.document.line(pointer)

    def _raw(self, operation: Operation) -> Mapping[str, Any]:
        raw = self._at(operation.pointer)
        assert isinstance(raw, dict)
        return raw

    def _sources(self, operation: Operation) -> tuple[str, ...]:
        return source_names(self._raw(operation).get("x-source"))

    def _at(self, pointer: Pointer) -> Any:
        node = self.spec.document.root
        for part in pointer:
            node = _inner(node, part)
        return node if isinstance(node, dict) else {}


def operation_of(compiled: Compiled) -> str:
    """Return an operation as findings name it."""
    return f"{compiled.operation.method} {compiled.operation.path}"


def _inner(node: Any, part: str | int) -> Any:
    """What stands in a node under a name or an index, None where nothing does."""
    if isinstance(node, dict):
        return node.get(part)
    return node[part] if isinstance(node, list) and isinstance(part, int) and part < len(node) else None


def _nearest(schema: Any, parts: Sequence[str]) -> tuple[str, ...]:
    """The sources of the innermost schema on the way to a place that names any."""
    if not isinstance(schema, dict):
        return ()
    found = keyword_sources(schema, "type")
    inner: tuple[str, ...] = ()
    if parts:
        first, rest = parts[0], parts[1:]
        if first in schema.get("properties", {}):
            inner = _nearest(schema["properties"][first], rest)
        elif "items" in schema and (first == "*" or first.isdigit()):
            inner = _nearest(schema["items"], rest)
    for branch in _BRANCHES:
        for each in schema.get(branch, ()):
            inner = inner or (_nearest(each, parts) if _leads(each, parts) else ())
    return inner or found


def _leads(schema: Any, parts: Sequence[str]) -> bool:
    """Whether a branch says anything of a place."""
    if not parts:
        return True
    if not isinstance(schema, dict):
        return False
    return parts[0] in schema.get("properties", {}) or any(
        _leads(each, parts) for branch in _BRANCHES for each in schema.get(branch, ())
    )
