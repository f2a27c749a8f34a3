"""Dialects: other wire shapes of the same answers. Reads `x-dialects`, and shows the spec as one of them has it."""

from collections.abc import Mapping
from typing import Any

from mock_server.document import Pointer
from mock_server.names import nearest
from mock_server.problems import Problem
from mock_server.reading import Reading
from mock_server.spec import Dialect, Operation, Refusal, Shape, Spec, TaskType

# What a spec speaks that lists no dialects.
_ONLY = "default"


def read_dialects(
    reading: Reading, task_types: Mapping[str, TaskType], problems: Mapping[str, Problem]
) -> tuple[dict[str, Dialect], str]:
    """Return the dialects by name, and the name of the default; raise SpecError for a name that there is not."""
    raw = reading.root.get("x-dialects")
    if raw is None:
        return {_ONLY: Dialect(_ONLY)}, _ONLY
    default = raw["default"]
    reading.known(default, raw["dialects"], ("x-dialects", "default"), "dialect")
    dialects = {}
    for name, value in raw["dialects"].items():
        pointer = ("x-dialects", "dialects", name)
        if name == default and (
            own := {"replies", "callbacks", "problems", "otherwise", "problem-schema"} & set(value)
        ):
            reason = "the default dialect is what x-task-types and x-problems say: it has no shapes of its own"
            raise reading.error((*pointer, min(own)), reason)
        dialects[name] = _dialect(reading, name, value, task_types, problems, pointer)
    return dialects, default


def choose_dialect(spec: Spec, name: str | None) -> str:
    """Return the name of the dialect that is asked for; raise ValueError for one that there is not."""
    if name is not None and name not in spec.dialects:
        raise ValueError(f"there is no dialect {name!r}; {nearest(name, spec.dialects)}")
    return name or spec.default_dialect


def document_in(spec: Spec, dialect: str) -> dict[str, Any]:
    """Return the OpenAPI document as `dialect` has it: with its response schemas in place of the default's."""
    root: dict[str, Any] = spec.document.root
    chosen = spec.dialects[dialect]
    if dialect == spec.default_dialect:
        return root
    paths = {path: dict(item) for path, item in root["paths"].items()}
    for operation in spec.operations:
        item, method = paths[operation.path], operation.method.lower()
        shape = chosen.shape_for(spec.task_types[operation.task_type], operation.role)
        item[method] = _operation_in(root, item[method], operation, chosen, shape)
    return {**root, "paths": paths}


def _operation_in(root: Any, raw: Any, operation: Operation, dialect: Dialect, reply: Shape | None) -> Any:
    responses = dict(raw["responses"])
    for status, response in responses.items():
        if status == str(operation.status):
            schema = reply.raw_schema if reply else None
        else:
            schema = dialect.problem_schema[0] if dialect.problem_schema and not status.startswith("2") else None
        if schema is not None:
            responses[status] = {**_named(root, response), "content": {"application/json": {"schema": schema}}}
    changed = {**raw, "responses": responses}
    if (callback := dialect.callbacks.get(operation.task_type)) and operation.delivery is not None:
        changed["callbacks"] = _callbacks_in(raw["callbacks"], callback)
    return changed


def _callbacks_in(raw: Any, shape: Shape) -> Any:
    body = {"required": True, "content": {"application/json": {"schema": shape.raw_schema}}}
    return {
        name: {
            url: {method: {**operation, "requestBody": body} for method, operation in item.items()}
            for url, item in callback.items()
        }
        for name, callback in raw.items()
    }


def _named(root: Any, response: Any) -> Any:
    """The response itself, where a reference stands for it: what is changed in it is for this operation alone."""
    target = response
    if "$ref" in response:
        target = root
        for part in response["$ref"].removeprefix("#/").split("/"):
            target = target[part]
    return {key: value for key, value in target.items() if key != "content"}


def _dialect(
    reading: Reading,
    name: str,
    raw: Any,
    task_types: Mapping[str, TaskType],
    problems: Mapping[str, Problem],
    pointer: Pointer,
) -> Dialect:
    for kind in ("replies", "callbacks"):
        for task_type in raw.get(kind, {}):
            reading.known(task_type, task_types, (*pointer, kind, task_type), "task type")
    for problem in raw.get("problems", {}):
        reading.known(problem, problems, (*pointer, "problems", problem), "problem")
    schema, otherwise = raw.get("problem-schema"), raw.get("otherwise")
    return Dialect(
        name=name,
        about=raw.get("about", ""),
        replies={
            task_type: {
                role: _shape(reading, value, (*pointer, "replies", task_type, role)) for role, value in roles.items()
            }
            for task_type, roles in raw.get("replies", {}).items()
        },
        callbacks={
            task_type: _shape(reading, value, (*pointer, "callbacks", task_type))
            for task_type, value in raw.get("callbacks", {}).items()
        },
        problems={
            problem: _refusal(value, (*pointer, "problems", problem))
            for problem, value in raw.get("problems", {}).items()
        },
        otherwise=_refusal(otherwise, (*pointer, "otherwise")) if otherwise else None,
        problem_schema=(schema, reading.schema(schema, (*pointer, "problem-schema"))) if schema else None,
    )


def _shape(reading: Reading, raw: Any, pointer: Pointer) -> Shape:
    return Shape(raw["body"], raw["schema"], reading.schema(raw["schema"], (*pointer, "schema")), (*pointer, "body"))


def _refusal(raw: Any, pointer: Pointer) -> Refusal:
    return Refusal(raw.get("status"), raw["body"], (*pointer, "body"))
