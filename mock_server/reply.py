"""What reply templates may say: the expressions over a task, and the templates compiled and tried against the spec.

$task.id  $task.external_id  $task.status  $task.status_message  $task.succeeded  $task.failed  $task.cancelled
$task.created_at_*  $task.updated_at_*  $task.ended_at_*  $task.reached_at_*/STATUS      (* is ms, s or iso)
$task.units
$result.id  $result.url  $result.watermark  $result.watermark_url  $result.duration
$request.body  $request.body#/POINTER  $mock.request_id  $mock.base_url
$each: $tasks  $page.next_cursor  $mock.request_id  $mock.base_url                       in a list
$problem.detail  $problem.body  $mock.request_id                                         in the body of a problem
"""

import datetime
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import msgspec

from mock_server.clock import CLOCK_MS_MAX
from mock_server.document import Pointer
from mock_server.identifiers import derived_uuid
from mock_server.lifecycle import step_index
from mock_server.names import nearest
from mock_server.pointers import parse, reader
from mock_server.roles import ROLES
from mock_server.schemas import compile_schema, missing_member
from mock_server.spec import Delivery, Spec, TaskType
from mock_server.task import Task
from mock_server.templates import Expression, Language, Template, TemplateError, inline

# Below this path the twin serves what is its own; no provider has it.
MEDIA_PATH = "/_mock/media"
_BODY = "$request.body#"


class Scene(msgspec.Struct, frozen=True, gc=False):
    """What a reply about a task is rendered from: the task at one step of its plan, or a page of such scenes.

    `media_url` is where its result is, if that is not the usual place.
    """

    task: Task
    step: int
    world_tag: str
    request_id: str = ""
    media_url: str = ""


class PageScene(msgspec.Struct, frozen=True, gc=False):
    """What the reply to a list is rendered from."""

    scenes: list[Scene]
    request_id: str
    base_url: str
    next_cursor: str | None = None


class ProblemScene(msgspec.Struct, frozen=True, gc=False):
    """What the body of a problem is rendered from."""

    detail: str
    request_id: str


class Replies:
    """The compiled templates of one type of task in every dialect, and the parts of the body that they repeat.

    `templates` are by dialect and role, `callbacks` by dialect; there are none where nothing is delivered.
    """

    def __init__(self, spec: Spec, task_type: TaskType, delivery: Delivery | None) -> None:
        """Compile; raise SpecError for an unknown expression."""
        self._inputs: dict[tuple[str, ...], Callable[[Any], Any]] = {}
        # What a success costs, as an exact decimal number in text; None where the spec does not say.
        self.units = _units(spec, task_type)
        language = _task_language(spec, task_type, self._input_index)
        page_language = _page_language(language)

        def compiled(role: str, source: Any, pointer: Pointer) -> Template:
            return _compiled(spec, source, page_language if role == "list" else language, pointer)

        place = (*task_type.pointer, "replies")
        usual = {role: compiled(role, source, (*place, role)) for role, source in task_type.replies.items()}
        callback = compiled("", delivery.body, (*delivery.pointer, "body")) if delivery else None
        self.templates: dict[str, Mapping[str, Template]] = {}
        self.callbacks: dict[str, Template] = {}
        for dialect in spec.dialects.values():
            templates = dict(usual)
            for role in ROLES:
                if (shape := dialect.shape_for(task_type, role)) is not None:
                    templates[role] = compiled(role, shape.body, shape.pointer)
                elif (like := task_type.reply_for(role)) in usual:
                    templates[role] = usual[like]
            self.templates[dialect.name] = templates
            if callback is not None:
                shape = dialect.callbacks.get(task_type.name)
                self.callbacks[dialect.name] = compiled("", shape.body, shape.pointer) if shape else callback
        self._nothing: tuple[Any, ...] | None = None
        self._repeated = frozenset(parts[0] for parts in self._inputs if parts)
        if () not in self._inputs:
            self._nothing = self.inputs({})

    def _input_index(self, pointer: str) -> int:
        parts = parse(pointer)
        self._inputs.setdefault(parts, reader(parts))
        return list(self._inputs).index(parts)

    def inputs(self, body: Any) -> tuple[Any, ...]:
        """Return the parts of a request's body that its replies will repeat."""
        if self._nothing is not None and body.__class__ is dict and self._repeated.isdisjoint(body):
            # Nearly every body says none of them, and what is kept of it is the same for all.
            return self._nothing
        return tuple([read(body) for read in self._inputs.values()])


def compile_problem(spec: Spec, source: Any, pointer: Pointer, usual: Template | None = None) -> Template:
    """Compile the body of a problem. `usual` is how the default dialect says it, for `$problem.body`."""
    return _compiled(spec, source, _problem_language(usual), pointer)


def scene_at(task: Task, now_ms: int, world_tag: str, request_id: str = "") -> Scene:
    """Return the task as it is at `now_ms`."""
    return Scene(task, step_index(task.plan, now_ms), world_tag, request_id)


def _compiled(spec: Spec, source: Any, language: Language, pointer: Pointer) -> Template:
    try:
        return Template(source, language)
    except TemplateError as error:
        raise spec.document.error((*pointer, *error.place), error.reason) from None


def _problem_language(usual: Template | None) -> Language:
    names = {
        "$mock.request_id": inline("scene.request_id"),
        "$problem.detail": inline("scene.detail"),
    }
    if usual is not None:
        names["$problem.body"] = Expression(lambda scene: usual.render(scene).decode())
    return Language(names, {}, {})


def _page_language(of_an_item: Language) -> Language:
    return Language(
        names={
            "$mock.request_id": Expression(lambda page: page.request_id),
            "$mock.base_url": Expression(lambda page: page.base_url),
            "$page.next_cursor": Expression(lambda page: page.next_cursor, optional=True),
        },
        prefixed={},
        items={"$tasks": lambda page: page.scenes},
        item_language=of_an_item,
    )


def _task_language(spec: Spec, task_type: TaskType, input_index: Callable[[str], int]) -> Language:
    units = _units(spec, task_type)

    request = next(
        each.body_schema for each in spec.operations if (each.task_type, each.role) == (task_type.name, "submit")
    )

    def from_body(pointer: str) -> Expression:
        if reason := missing_member(request, parse(pointer)):
            raise ValueError(reason)
        index = input_index(pointer)
        return inline(f"scene.task.inputs[{index}]", optional=True)

    def whole_body(rest: str) -> Expression:
        if rest:
            raise ValueError(f"after $request.body comes # and a JSON pointer, not {rest!r}")
        return from_body("")

    def reached(show: Callable[[int], Any]) -> Callable[[str], Expression]:
        def expression(status: str) -> Expression:
            if status not in task_type.lifecycle.statuses:
                raise ValueError(f"no status {status!r}; {nearest(status, task_type.lifecycle.statuses)}")
            return Expression(lambda scene: _shown(_reached_at_ms(scene, status), show), optional=True)

        return expression

    names = {
        "$task.id": inline("scene.task.id"),
        "$task.external_id": inline("scene.task.external_id", optional=True),
        "$task.status": msgspec.structs.replace(
            inline("scene.task.plan.steps[scene.step].status"), values=frozenset(task_type.lifecycle.statuses)
        ),
        "$task.status_message": inline("scene.task.plan.steps[scene.step].message"),
        "$task.succeeded": inline('scene.task.plan.steps[scene.step].final == "success"'),
        "$task.failed": inline('scene.task.plan.steps[scene.step].final == "failure"'),
        "$task.cancelled": inline('scene.task.plan.steps[scene.step].final == "cancelled"'),
        "$task.created_at_ms": inline("scene.task.created_at_ms"),
        "$task.updated_at_ms": inline("scene.task.plan.at_ms[scene.step]"),
        "$task.ended_at_ms": Expression(_ended_at_ms, optional=True),
        "$task.units": Expression(lambda scene: units(scene.task), optional=True),
        "$result.id": Expression(lambda scene: derived_uuid(scene.task.id)),
        "$result.url": Expression(lambda scene: _result_url(scene, ".mp4")),
        "$result.watermark_url": Expression(lambda scene: _result_url(scene, "-watermark.mp4")),
        "$result.duration": inline("scene.task.media and scene.task.media.duration", optional=True),
        "$mock.request_id": inline("scene.request_id"),
        "$mock.base_url": inline("scene.task.base_url"),
    }
    for moment in ("created", "updated", "ended"):
        names |= _other_units(f"$task.{moment}_at", names[f"$task.{moment}_at_ms"])
    if task_type.result is not None and task_type.result.watermark is not None:
        names["$result.watermark"] = from_body(task_type.result.watermark.removeprefix(_BODY))
    prefixed = {f"$task.reached_at_{unit}/": reached(show) for unit, show in _TIMES.items()}
    return Language(names, {_BODY: from_body, "$request.body": whole_body, **prefixed}, {})


def _other_units(name: str, in_ms: Expression) -> dict[str, Expression]:
    def converted(show: Callable[[int], Any]) -> Expression:
        return Expression(lambda scene: _shown(in_ms.read(scene), show), in_ms.optional)

    return {f"{name}_{unit}": converted(show) for unit, show in _TIMES.items() if unit != "ms"}


def _ended_at_ms(scene: Scene) -> int | None:
    plan = scene.task.plan
    return plan.at_ms[scene.step] if plan.steps[scene.step].final is not None else None


def _reached_at_ms(scene: Scene, status: str) -> int | None:
    """When the task first came to a status, as far as it has come."""
    plan = scene.task.plan
    for step, at_ms in zip(plan.steps[: scene.step + 1], plan.at_ms, strict=False):
        if step.status == status:
            return at_ms
    return None


def _shown(at_ms: int | None, show: Callable[[int], Any]) -> Any:
    return None if at_ms is None else show(at_ms)


def _iso(at_ms: int) -> str:
    # A clock that runs fast may get past the last moment that a date can name.
    at_ms = min(at_ms, CLOCK_MS_MAX)
    moment = datetime.datetime.fromtimestamp(at_ms // 1_000, datetime.UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at_ms % 1_000:03d}Z"


def _result_url(scene: Scene, ending: str) -> str:
    return scene.media_url or f"{scene.task.base_url}{MEDIA_PATH}/{scene.world_tag}/{scene.task.id}{ending}"


def _units(spec: Spec, task_type: TaskType) -> Callable[[Task], str | None]:
    """The units of a task are worked out when somebody asks: most replies do not."""
    place = (*task_type.pointer, "units", "per-second")
    rows = [
        (Decimal(units), compile_schema(spec.document, when, (*place, index, "when")).is_valid)
        for index, (units, when) in enumerate(task_type.units_per_second)
    ]

    def units(task: Task) -> str | None:
        body = msgspec.json.decode(task.body)
        for per_second, fits in rows:
            if fits(body):
                return format((per_second * (task.media.seconds if task.media else 0)).normalize(), "f")
        return None

    return units


# How a moment is told: milliseconds or seconds since 1970, or ISO 8601 in UTC.
_TIMES: Mapping[str, Callable[[int], Any]] = {"ms": lambda at_ms: at_ms, "s": lambda at_ms: at_ms // 1_000, "iso": _iso}
