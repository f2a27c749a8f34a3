"""One operation of the spec, compiled under a profile: what the endpoint needs to answer it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from mock_server.document import Pointer
from mock_server.media import Library, MediaFile
from mock_server.parameters import Parameters
from mock_server.pointers import parse, reader
from mock_server.reply import Replies
from mock_server.roles import Role
from mock_server.rules import Profile
from mock_server.schemas import missing_member
from mock_server.spec import Delivery, Operation, Spec, TaskType
from mock_server.templates import Template
from mock_server.validation import Validation

Reader = Callable[[Any], Any]


class Submission(msgspec.Struct, frozen=True):
    """What only a submit needs to know of the body."""

    validation: Validation
    external_id: Reader
    directive: Reader
    callback_url: Reader
    callback_statuses: Callable[[Any], tuple[str, ...]]
    slot_group: Reader
    media: Callable[[Any], tuple[MediaFile | None, str]]
    inputs: Callable[[Any], tuple[Any, ...]]
    delivery: Delivery | None


class Compiled(msgspec.Struct, frozen=True):
    """One operation, ready to be answered: with `status`, and one of the `replies`, which are by dialect."""

    id: str
    role: Role
    task_type: TaskType
    operation: Operation
    status: int
    replies: Mapping[str, Template]
    parameters: Parameters
    submission: Submission | None


def compile_operation(
    spec: Spec, operation: Operation, replies: Replies, profile: Profile, library: Library
) -> Compiled:
    """Return an operation, ready to be answered; raise SpecError where it cannot be."""
    task_type = spec.task_types[operation.task_type]
    return Compiled(
        id=operation.id,
        role=operation.role,
        task_type=task_type,
        operation=operation,
        status=operation.status,
        replies={dialect: templates[operation.role] for dialect, templates in replies.templates.items()},
        parameters=Parameters(spec, operation),
        submission=_submission(spec, operation, replies, profile, library) if operation.role == "submit" else None,
    )


def _submission(spec: Spec, operation: Operation, replies: Replies, profile: Profile, library: Library) -> Submission:
    if operation.body_schema is None:
        raise spec.document.error(operation.pointer, "has no application/json requestBody to submit")
    task_type = spec.task_types[operation.task_type]
    for expression, pointer in _body_parts(task_type, operation.delivery):
        if expression is not None and (reason := missing_member(operation.body_schema, _parts(expression))):
            raise spec.document.error(pointer, reason)
    concurrency = task_type.concurrency
    return Submission(
        validation=Validation(spec, operation, profile),
        external_id=text_reader(task_type.external_id),
        directive=text_reader(task_type.directive),
        callback_url=text_reader(operation.delivery.url if operation.delivery else None),
        callback_statuses=_status_chooser(operation.delivery),
        slot_group=_reader(concurrency.per if concurrency else None, operation.body_schema),
        media=_media_chooser(task_type, operation.body_schema, library),
        inputs=replies.inputs,
        delivery=operation.delivery,
    )


def _body_parts(task_type: TaskType, delivery: Delivery | None) -> Iterator[tuple[str | None, Pointer]]:
    """Give each part of the body that the spec names outside of its templates, and where it does so."""
    place, result, concurrency = task_type.pointer, task_type.result, task_type.concurrency
    yield task_type.external_id, (*place, "external-id")
    yield task_type.directive, (*place, "scenario-directive")
    yield concurrency.per if concurrency else None, (*place, "concurrency", "per")
    if result is not None:
        yield result.seconds, (*place, "result", "seconds")
        yield result.aspect_ratio, (*place, "result", "aspect-ratio")
        yield result.sound[0] if result.sound else None, (*place, "result", "sound", "at")
        yield result.watermark, (*place, "result", "watermark")
    if delivery is not None:
        yield delivery.url, delivery.pointer[:-2]
        yield delivery.filter.at if delivery.filter else None, (*delivery.pointer, "send", "filter", "at")


def _media_chooser(task_type: TaskType, schema: Any, library: Library) -> Callable[[Any], tuple[MediaFile | None, str]]:
    result = task_type.result
    if result is None:
        return lambda body: (None, "")
    seconds, ratio = _reader(result.seconds, schema), _reader(result.aspect_ratio, schema)
    choose = library.choose
    if result.sound is None:
        return lambda body: choose(ratio(body), seconds(body), False)
    sound, on = _reader(result.sound[0], schema), result.sound[1]
    return lambda body: choose(ratio(body), seconds(body), sound(body) == on)


def _status_chooser(delivery: Delivery | None) -> Callable[[Any], tuple[str, ...]]:
    """Tell for which statuses a client wants to be called back."""
    if delivery is None:
        return lambda body: ()
    if delivery.filter is None:
        return lambda body: delivery.statuses
    asked, events, otherwise = _reader(delivery.filter.at, {}), delivery.filter.events, delivery.filter.otherwise

    def choose(body: Any) -> tuple[str, ...]:
        names = asked(body)
        if not isinstance(names, list):
            return otherwise
        wanted = dict.fromkeys(status for name in names if isinstance(name, str) for status in events.get(name, ()))
        return tuple(wanted)

    return choose


def _reader(expression: str | None, schema: Any) -> Reader:
    """Read a part of the body, or its default in the schema where it is not there."""
    if expression is None:
        return lambda body: None
    parts = _parts(expression)
    default: Any = schema
    for step in (*(each for part in parts for each in ("properties", part)), "default"):
        default = default.get(step) if isinstance(default, dict) else None
    return reader(parts, default)


def _parts(expression: str) -> tuple[str, ...]:
    return parse(expression.removeprefix("$request.body#"))


def text_reader(expression: str | None) -> Callable[[Any], str | None]:
    """Return a function that reads a text of the body; an empty one counts as absent."""
    if expression is not None and len(parts := _parts(expression)) == 1:
        # As nearly always; each submit reads several, and one call is quicker than three.
        name = parts[0]

        def member(body: Any) -> str | None:
            value = body.get(name) if body.__class__ is dict else None
            return value if value.__class__ is str and value else None

        return member
    read = _reader(expression, {})

    def text(body: Any) -> str | None:
        value = read(body)
        return value if value and isinstance(value, str) else None

    return text
