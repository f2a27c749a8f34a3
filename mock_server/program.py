"""The spec, compiled under a profile: everything the endpoint needs and that never changes.

Compiling also tries the spec out: each of its examples is submitted, each reply is rendered for each step of each way,
and a reply that does not fit its own schema is an error with file and line. So a twin that starts keeps its contract.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from mock_server.lifecycle import Plan, Way
from mock_server.media import Library, MediaFile
from mock_server.parameters import Parameters
from mock_server.pointers import join, parse, reader
from mock_server.problems import Problem
from mock_server.reply import PageScene, ProblemScene, Replies, Scene, compile_problem
from mock_server.routes import Routes
from mock_server.rules import Profile, choose_profile
from mock_server.schemas import compile_schema
from mock_server.spec import Delivery, Operation, Role, Spec, TaskType
from mock_server.task import Task
from mock_server.templates import Template
from mock_server.validation import Validation, WireMessages

Reader = Callable[[Any], Any]
_SAMPLE_REQUEST_ID = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Submission:
    """What only a submit needs to know of the body."""

    validation: Validation
    external_id: Reader
    callback_url: Reader
    slot_group: Reader
    media: Callable[[Any], tuple[MediaFile | None, str]]
    inputs: Callable[[Any], tuple[Any, ...]]
    delivery: Delivery | None


@dataclass(frozen=True, slots=True)
class Compiled:
    """One operation, ready to be answered."""

    id: str
    role: Role
    task_type: TaskType
    operation: Operation
    reply: Template
    parameters: Parameters
    submission: Submission | None


class Program:
    """A compiled spec."""

    def __init__(self, spec: Spec, profile: Profile, library: Library, *, mounts: tuple[str, ...] = ()) -> None:
        """Compile and try out; raise SpecError where the spec does not hold together. `mounts` adds prefixes."""
        self.spec, self.profile, self.library = spec, profile, library
        self.wire_messages = WireMessages(spec)
        self.deliveries = {each.task_type: each.delivery for each in spec.operations if each.delivery}
        self.replies = {name: Replies(spec, each, self._callback(name)) for name, each in spec.task_types.items()}
        self.problems: Mapping[str, tuple[Problem, Template]] = {
            name: (problem, compile_problem(spec, name, problem.body)) for name, problem in spec.problems.items()
        }
        self.operations = [self._compile(operation) for operation in spec.operations]
        # By task type: the operation that its tasks come from.
        self.submits = {each.task_type.name: each for each in self.operations if each.role == "submit"}
        try:
            self.routes = Routes(
                [(each.operation.path, each.operation.method, each) for each in self.operations],
                (*spec.mounts, *mounts),
            )
        except ValueError as error:
            raise spec.document.error(("x-mounts",), str(error)) from None
        self._validators: dict[int, Any] = {}
        self._try_out()

    def problem_for(self, event: str) -> tuple[Problem, Template]:
        """Return the problem that answers an event of `x-refusals`; `problem:NAME` is that problem."""
        kind, _, name = event.partition(":")
        return self.problems[name if kind == "problem" else self.spec.refusals[event]]

    def _callback(self, task_type: str) -> tuple[Any, tuple[str | int, ...]] | None:
        delivery = self.deliveries.get(task_type)
        return (delivery.body, (*delivery.pointer, "body")) if delivery else None

    def _compile(self, operation: Operation) -> Compiled:
        task_type = self.spec.task_types[operation.task_type]
        replies = self.replies[task_type.name]
        return Compiled(
            id=operation.id,
            role=operation.role,
            task_type=task_type,
            operation=operation,
            reply=replies.templates[operation.role],
            parameters=Parameters(self.spec, operation),
            submission=self._submission(operation, task_type, replies) if operation.role == "submit" else None,
        )

    def _submission(self, operation: Operation, task_type: TaskType, replies: Replies) -> Submission:
        if operation.body_schema is None:
            raise self.spec.document.error(operation.pointer, "has no application/json requestBody to submit")
        if operation.delivery is not None:
            for status in operation.delivery.statuses:
                if status not in task_type.lifecycle.statuses:
                    raise self.spec.document.error((*operation.delivery.pointer, "send"), f"no status {status!r}")
        concurrency = task_type.concurrency
        return Submission(
            validation=Validation(self.spec, operation, self.profile),
            external_id=_text_reader(task_type.external_id),
            callback_url=_text_reader(operation.delivery.url if operation.delivery else None),
            slot_group=_reader(concurrency.per if concurrency else None, operation.body_schema),
            media=self._media_chooser(task_type, operation.body_schema),
            inputs=replies.inputs,
            delivery=operation.delivery,
        )

    def _media_chooser(self, task_type: TaskType, schema: Any) -> Callable[[Any], tuple[MediaFile | None, str]]:
        result = task_type.result
        if result is None:
            return lambda body: (None, "")
        seconds, ratio = _reader(result.seconds, schema), _reader(result.aspect_ratio, schema)
        choose = self.library.choose
        if result.sound is None:
            return lambda body: choose(ratio(body), seconds(body), False)
        sound, on = _reader(result.sound[0], schema), result.sound[1]
        return lambda body: choose(ratio(body), seconds(body), sound(body) == on)

    # Trying the spec out

    def _try_out(self) -> None:
        for name, (problem, template) in self.problems.items():
            self._fits_everywhere(name, problem, template.render(ProblemScene("detail", _SAMPLE_REQUEST_ID)))
        for compiled in self.operations:
            self._try_examples(compiled)
            schema = compiled.operation.response_schemas.get("200")
            for scene in self._samples(compiled.task_type):
                body = compiled.reply.render(
                    PageScene([scene], _SAMPLE_REQUEST_ID) if compiled.role == "list" else scene
                )
                self._fits(schema, body, (*compiled.task_type.pointer, "replies", compiled.role))
        for name, delivery in self.deliveries.items():
            callback = self.replies[name].callback
            for scene in self._samples(self.spec.task_types[name]):
                assert callback is not None
                self._fits(delivery.schema, callback.render(scene), (*delivery.pointer, "body"))

    def _try_examples(self, compiled: Compiled) -> None:
        # On an older day, or under a profile that somebody chose, the examples may break what they keep today.
        if compiled.submission is None or self.profile != choose_profile(self.spec, None):
            return
        for name, body in compiled.operation.examples.items():
            violations, _ = compiled.submission.validation.check(body, None, ())
            if violations:
                place = (*compiled.operation.pointer, "requestBody", "content", "application/json", "examples", name)
                first = violations[0]
                raise self.spec.document.error(
                    place,
                    f"does not keep rule {first.rule} at {first.pointer}: {first.came} came, allowed: {first.allowed}",
                )

    def _samples(self, task_type: TaskType) -> Iterator[Scene]:
        """Every step of every way, for each example and for a request that says nothing."""
        bodies: list[Any] = [{}]
        for operation in self.spec.operations:
            if operation.task_type == task_type.name and operation.role == "submit":
                bodies += [*operation.examples.values()]
        for way in self._ways(task_type):
            for body in bodies:
                task = self._sample_task(task_type, way, body)
                for step in range(len(way.steps)):
                    yield Scene(task, step, "0" * 16, _SAMPLE_REQUEST_ID)

    def _ways(self, task_type: TaskType) -> Iterator[Way]:
        yield task_type.lifecycle.succeeding(task_type.pace_ms)
        for failure in task_type.failures.values():
            yield task_type.lifecycle.failing(failure.message, failure.pace_ms)

    def _sample_task(self, task_type: TaskType, way: Way, body: Any) -> Task:
        external_id = _text_reader(task_type.external_id)(body)
        media = None if task_type.result is None else self.library.choose(None, None, False)[0]
        return Task(
            id="8" * task_type.id_length,
            external_id=external_id,
            type=task_type.name,
            created_at_ms=1_000,
            plan=Plan(way.steps, tuple(range(1_000, 1_000 + len(way.steps)))),
            body=msgspec.json.encode(body),
            inputs=self.replies[task_type.name].inputs(body),
            media=media,
            base_url="http://127.0.0.1",
        )

    def _fits_everywhere(self, name: str, problem: Problem, body: bytes) -> None:
        for operation in self.spec.operations:
            schema = operation.response_schemas.get(str(problem.status))
            self._fits(schema, body, ("x-problems", name, "body"))

    def _fits(self, schema: Any, body: bytes, pointer: tuple[str | int, ...]) -> None:
        if schema is None:
            return
        validator = self._validators.get(id(schema))
        if validator is None:
            validator = self._validators[id(schema)] = compile_schema(self.spec.document, schema, pointer)
        for error in validator.iter_errors(msgspec.json.decode(body)):
            place = join(tuple(error.instance_path))
            raise self.spec.document.error(pointer, f"does not fit its own schema at {place!r}: {error.message}")


def _reader(expression: str | None, schema: Any) -> Reader:
    """Read a part of the body, or its default in the schema where it is not there."""
    if expression is None:
        return lambda body: None
    parts = parse(expression.removeprefix("$request.body#"))
    default: Any = schema
    for step in (*(each for part in parts for each in ("properties", part)), "default"):
        default = default.get(step) if isinstance(default, dict) else None
    return reader(parts, default)


def _text_reader(expression: str | None) -> Callable[[Any], str | None]:
    """Read a text of the body; an empty one counts as absent."""
    read = _reader(expression, {})

    def text(body: Any) -> str | None:
        value = read(body)
        return value if value and isinstance(value, str) else None

    return text
