"""What reply templates may say: the expressions over a task, and the templates compiled and tried against the spec.

$task.id  $task.external_id  $task.status  $task.status_message  $task.succeeded  $task.failed
$task.created_at_ms  $task.updated_at_ms  $task.units
$result.id  $result.url  $result.watermark  $result.watermark_url  $result.duration
$request.body#/POINTER  $mock.request_id            and `$each: $tasks` in a list
$problem.detail  $mock.request_id                   in the body of a problem
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from mock_server.identifiers import derived_uuid
from mock_server.lifecycle import step_index
from mock_server.pointers import parse, reader
from mock_server.schemas import compile_schema
from mock_server.spec import Spec, TaskType
from mock_server.task import Task
from mock_server.templates import Expression, Language, Template, TemplateError

# Below this path the twin serves what is its own; no provider has it.
MEDIA_PATH = "/_mock/media"


class Scene(msgspec.Struct, frozen=True, gc=False):
    """What a reply about a task is rendered from: the task at one step of its plan, or a page of such scenes."""

    task: Task
    step: int
    world_tag: str
    request_id: str = ""


class PageScene(msgspec.Struct, frozen=True, gc=False):
    """What the reply to a list is rendered from."""

    scenes: list[Scene]
    request_id: str


class ProblemScene(msgspec.Struct, frozen=True, gc=False):
    """What the body of a problem is rendered from."""

    detail: str
    request_id: str


class Replies:
    """The compiled templates of one type of task, and the parts of the body that they repeat."""

    def __init__(self, spec: Spec, task_type: TaskType, callback: tuple[Any, tuple[str | int, ...]] | None) -> None:
        """Compile; raise SpecError for an unknown expression. `callback` is a template and where it stands."""
        self._inputs: dict[tuple[str, ...], Callable[[Any], Any]] = {}
        # What a success costs, as an exact decimal number in text; None where the spec does not say.
        self.units = _units(spec, task_type)
        language = _task_language(spec, task_type, self._input_index)
        page_language = Language(
            names={"$mock.request_id": Expression(lambda page: page.request_id)},
            prefixed={},
            items={"$tasks": lambda page: page.scenes},
            item_language=language,
        )
        place = (*task_type.pointer, "replies")
        self.templates = {
            role: _compiled(spec, source, page_language if role == "list" else language, (*place, role))
            for role, source in task_type.replies.items()
        }
        self.callback = _compiled(spec, callback[0], language, callback[1]) if callback else None

    def _input_index(self, pointer: str) -> int:
        parts = parse(pointer)
        self._inputs.setdefault(parts, reader(parts))
        return list(self._inputs).index(parts)

    def inputs(self, body: Any) -> tuple[Any, ...]:
        """Return the parts of a request's body that its replies will repeat."""
        return tuple([read(body) for read in self._inputs.values()])


def compile_problem(spec: Spec, name: str, source: Any) -> Template:
    """Compile the body of a problem."""
    return _compiled(spec, source, _PROBLEM_LANGUAGE, ("x-problems", name, "body"))


def scene_at(task: Task, now_ms: int, world_tag: str, request_id: str = "") -> Scene:
    """Return the task as it is at `now_ms`."""
    return Scene(task, step_index(task.plan, now_ms), world_tag, request_id)


def _compiled(spec: Spec, source: Any, language: Language, pointer: tuple[str | int, ...]) -> Template:
    try:
        return Template(source, language)
    except TemplateError as error:
        raise spec.document.error((*pointer, *error.place), error.reason) from None


def _task_language(spec: Spec, task_type: TaskType, input_index: Callable[[str], int]) -> Language:
    units = _units(spec, task_type)

    def from_body(pointer: str) -> Expression:
        index = input_index(pointer)
        return Expression(lambda scene: scene.task.inputs[index], optional=True)

    prefix = "$request.body#"
    names = {
        "$task.id": Expression(lambda scene: scene.task.id),
        "$task.external_id": Expression(lambda scene: scene.task.external_id, optional=True),
        "$task.status": Expression(lambda scene: scene.task.plan.steps[scene.step].status),
        "$task.status_message": Expression(lambda scene: scene.task.plan.steps[scene.step].message),
        "$task.succeeded": Expression(lambda scene: scene.task.plan.steps[scene.step].final == "success"),
        "$task.failed": Expression(lambda scene: scene.task.plan.steps[scene.step].final == "failure"),
        "$task.created_at_ms": Expression(lambda scene: scene.task.created_at_ms),
        "$task.updated_at_ms": Expression(lambda scene: scene.task.plan.at_ms[scene.step]),
        "$task.units": Expression(lambda scene: units(scene.task), optional=True),
        "$result.id": Expression(lambda scene: derived_uuid(scene.task.id)),
        "$result.url": Expression(lambda scene: _result_url(scene, ".mp4")),
        "$result.watermark_url": Expression(lambda scene: _result_url(scene, "-watermark.mp4")),
        "$result.duration": Expression(lambda scene: scene.task.media and scene.task.media.duration, optional=True),
        "$mock.request_id": Expression(lambda scene: scene.request_id),
    }
    if task_type.result is not None and task_type.result.watermark is not None:
        names["$result.watermark"] = from_body(task_type.result.watermark.removeprefix(prefix))
    return Language(names, {prefix: from_body}, {})


def _result_url(scene: Scene, ending: str) -> str:
    return f"{scene.task.base_url}{MEDIA_PATH}/{scene.world_tag}/{scene.task.id}{ending}"


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


_PROBLEM_LANGUAGE = Language(
    names={
        "$mock.request_id": Expression(lambda scene: scene.request_id),
        "$problem.detail": Expression(lambda scene: scene.detail),
    },
    prefixed={},
    items={},
)
