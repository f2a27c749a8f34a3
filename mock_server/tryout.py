"""Tries a compiled spec out: a twin that starts sends nothing that does not fit its own spec, in any dialect.

Each example of a request must keep the rules, and each reply, callback and problem is rendered for each step of each
way and must fit its schema. What does not is an error with file and line.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from mock_server.compiled import Compiled, text_reader
from mock_server.document import Pointer
from mock_server.identifiers import ids, stream
from mock_server.lifecycle import Plan, Way
from mock_server.media import Library
from mock_server.pointers import join
from mock_server.problems import Problem
from mock_server.reply import PageScene, ProblemScene, Replies, Scene
from mock_server.rules import Profile, choose_profile
from mock_server.schemas import compile_schema
from mock_server.spec import Dialect, Operation, Spec, TaskType
from mock_server.task import Task
from mock_server.templates import Template

_REQUEST_ID = "00000000-0000-4000-8000-000000000000"
_BASE_URL = "http://127.0.0.1"

Problems = Mapping[str, Mapping[str, tuple[Problem, Template]]]


def try_out(
    spec: Spec,
    profile: Profile,
    library: Library,
    operations: Sequence[Compiled],
    replies: Mapping[str, Replies],
    problems: Problems,
) -> None:
    """Raise SpecError for the first thing that does not hold together. `problems` are by dialect and name."""
    for compiled in operations:
        _try_examples(spec, profile, compiled)
    trial = _Trial(spec, library, replies)
    for dialect in spec.dialects.values():
        trial.problems(dialect, problems[dialect.name])
    scenes = {name: list(trial.scenes(task_type, operations)) for name, task_type in spec.task_types.items()}
    for compiled in operations:
        for dialect in spec.dialects.values():
            trial.reply(dialect, compiled, scenes[compiled.task_type.name])
            if compiled.operation.delivery is not None:
                trial.callback(dialect, compiled, scenes[compiled.task_type.name])


def _try_examples(spec: Spec, profile: Profile, compiled: Compiled) -> None:
    # On an older day, or under a profile that somebody chose, the examples may break what they keep today.
    if compiled.submission is None or profile != choose_profile(spec, None):
        return
    for name, body in compiled.operation.examples.items():
        violations, _ = compiled.submission.validation.check(body, None, ())
        if violations:
            place = (*compiled.operation.pointer, "requestBody", "content", "application/json", "examples", name)
            first = violations[0]
            raise spec.document.error(
                place,
                f"does not keep rule {first.rule} at {first.pointer}: {first.came} came, allowed: {first.allowed}",
            )


class _Trial:
    def __init__(self, spec: Spec, library: Library, replies: Mapping[str, Replies]) -> None:
        self.spec, self.library, self.replies = spec, library, replies
        self.validators: dict[int, Any] = {}
        # What fits already: many scenes give the same reply.
        self.fitting: set[tuple[int, bytes]] = set()

    def problems(self, dialect: Dialect, problems: Mapping[str, tuple[Problem, Template]]) -> None:
        for name, (problem, template) in problems.items():
            body = template.render(ProblemScene("detail", _REQUEST_ID))
            refusal = dialect.problems.get(name, dialect.otherwise)
            place = refusal.pointer if refusal else ("x-problems", name, "body")
            if dialect.problem_schema is not None:
                self.fits(dialect.problem_schema[1], body, place)
                continue
            for operation in self.spec.operations:
                self.fits(operation.response_schema(problem.status), body, place)

    def reply(self, dialect: Dialect, compiled: Compiled, scenes: Sequence[Scene]) -> None:
        role, task_type = compiled.role, compiled.task_type
        schema = compiled.operation.response_schema(compiled.status)
        place: Pointer = (*task_type.pointer, "replies", task_type.reply_for(role))
        if (shape := dialect.shape_for(task_type, role)) is not None:
            schema, place = shape.schema, shape.pointer
        elif dialect.name != self.spec.default_dialect:
            return
        template = compiled.replies[dialect.name]
        for scene in scenes:
            page = PageScene([scene], _REQUEST_ID, _BASE_URL)
            self.fits(schema, template.render(page if role == "list" else scene), place)

    def callback(self, dialect: Dialect, compiled: Compiled, scenes: Sequence[Scene]) -> None:
        delivery, name = compiled.operation.delivery, compiled.task_type.name
        assert delivery is not None
        shape = dialect.callbacks.get(name)
        schema, place = (shape.schema, shape.pointer) if shape else (delivery.schema, (*delivery.pointer, "body"))
        for scene in scenes:
            self.fits(schema, self.replies[name].callbacks[dialect.name].render(scene), place)

    def scenes(self, task_type: TaskType, operations: Sequence[Compiled]) -> Iterator[Scene]:
        """Every step of every way, for each example and for a request that says no more than it must."""
        bodies = [
            body
            for compiled in operations
            if compiled.task_type is task_type and compiled.role == "submit"
            for body in _bodies(compiled.operation)
        ]
        for way in _ways(task_type):
            for body in bodies:
                task = self.task(task_type, way, body)
                for step in range(len(way.steps)):
                    yield Scene(task, step, "0" * 16, _REQUEST_ID)

    def task(self, task_type: TaskType, way: Way, body: Any) -> Task:
        return Task(
            id=ids(task_type.id, stream(0, "samples"))(),
            external_id=text_reader(task_type.external_id)(body),
            type=task_type.name,
            created_at_ms=1_000,
            plan=Plan(way.steps, tuple(range(1_000, 1_000 + len(way.steps)))),
            body=msgspec.json.encode(body),
            inputs=self.replies[task_type.name].inputs(body),
            media=None if task_type.result is None else self.library.choose(None, None, False)[0],
            base_url=_BASE_URL,
        )

    def fits(self, schema: Any, body: bytes, pointer: Pointer) -> None:
        if schema is None or (id(schema), body) in self.fitting:
            return
        validator = self.validators.get(id(schema))
        if validator is None:
            validator = self.validators[id(schema)] = compile_schema(self.spec.document, schema, pointer)
        value = msgspec.json.decode(body)
        if validator.is_valid(value):
            self.fitting.add((id(schema), body))
            return
        error = next(validator.iter_errors(value))
        place = join(tuple(error.instance_path))
        reason = f"does not fit its own schema at {place!r}: {error.message}; change the template or the schema"
        raise self.spec.document.error(pointer, reason)


def _bodies(operation: Operation) -> list[Any]:
    examples = list(operation.examples.values())
    first = examples[0] if examples and isinstance(examples[0], dict) else {}
    return [{name: first[name] for name in operation.body_schema.get("required", ()) if name in first}, *examples]


def _ways(task_type: TaskType) -> Iterator[Way]:
    yield task_type.lifecycle.succeeding(task_type.pace_ms)
    for failure in task_type.failures.values():
        yield task_type.lifecycle.failing(failure.message, failure.pace_ms)
    yield from task_type.lifecycle.cancelling(task_type.pace_ms)
