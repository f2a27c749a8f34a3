"""Reads `paths`: what each operation takes and gives, and the callbacks that follow from it."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from mock_server.document import Pointer
from mock_server.reading import Reading
from mock_server.spec import Delivery, EventFilter, Operation, TaskType

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")


def read_operations(reading: Reading, task_types: Mapping[str, TaskType]) -> tuple[Operation, ...]:
    """Return the operations in the order of the file; raise SpecError for one that cannot be acted out."""
    found = [
        _operation(reading, path, method, raw, task_types)
        for path, method, raw in _raw_operations(reading.root["paths"])
    ]
    if not found:
        raise reading.error(("paths",), "has no operation")
    submits = Counter(each.task_type for each in found if each.role == "submit")
    for name, task_type in task_types.items():
        if submits[name] != 1:
            there_are = "no operation submits" if not submits[name] else f"{submits[name]} operations submit"
            reason = f"{there_are} such tasks: give one of them `x-task: {{type: {name}, role: submit}}`"
            raise reading.error(task_type.pointer, reason)
    return tuple(found)


def _raw_operations(paths: Any) -> Iterator[tuple[str, str, Any]]:
    for path, item in paths.items():
        for method in METHODS:
            if method in item:
                yield path, method, item[method]


def _operation(reading: Reading, path: str, method: str, raw: Any, task_types: Mapping[str, TaskType]) -> Operation:
    pointer = ("paths", path, method)
    task_type, role = _task(reading, path, raw, task_types, pointer)
    body = reading.shared(raw.get("requestBody", {}), "body", (*pointer, "requestBody"))
    body = body.get("content", {}).get("application/json", {})
    schema_pointer: Pointer = (*pointer, "requestBody", "content", "application/json", "schema")
    if isinstance(ref := body.get("schema", {}).get("$ref"), str):
        schema_pointer = tuple(ref.removeprefix("#/").split("/"))
    parameters = [
        reading.shared(each, "parameter", (*pointer, "parameters", index))
        for index, each in enumerate(raw.get("parameters", []))
    ]
    return Operation(
        id=raw.get("operationId", f"{method} {path}"),
        method=method.upper(),
        path=path,
        role=role,
        task_type=task_type.name,
        status=_success(reading, raw, pointer),
        body_schema=reading.schema(body["schema"], schema_pointer) if "schema" in body else None,
        body_schema_pointer=schema_pointer,
        examples={
            name: reading.shared(value, "example", (*pointer, "requestBody")).get("value")
            for name, value in body.get("examples", {}).items()
        },
        query_parameters={
            each["name"]: reading.schema(each["schema"], (*pointer, "parameters", index, "schema"))
            for index, each in enumerate(parameters)
            if each["in"] == "query"
        },
        response_schemas=_response_schemas(reading, raw, pointer),
        delivery=_delivery_of(reading, raw, task_type, pointer),
        pointer=pointer,
    )


def _task(
    reading: Reading, path: str, raw: Any, task_types: Mapping[str, TaskType], pointer: Pointer
) -> tuple[TaskType, Any]:
    task = raw.get("x-task")
    if task is None:
        raise reading.error(pointer, "has no `x-task`, so the twin cannot know what to do with it")
    reading.known(task["type"], task_types, (*pointer, "x-task", "type"), "task type")
    task_type, role = task_types[task["type"]], task["role"]
    if task_type.reply_for(role) not in task_type.replies:
        raise reading.error((*task_type.pointer, "replies"), f"has no template for the role {role!r}")
    if role in ("query", "cancel") and path.count("{") != 1:
        raise reading.error(pointer, f"a {role} has one slot in its path: the id of the task")
    if role == "cancel" and task_type.lifecycle.cancelled is None:
        reason = "has no status that a cancelled task ends in: give one of them `final: cancelled`"
        raise reading.error((*task_type.pointer, "statuses"), reason)
    return task_type, role


def _success(reading: Reading, raw: Any, pointer: Pointer) -> int:
    """The first 2xx among the responses."""
    for status in raw.get("responses", {}):
        if len(status) == 3 and status.isdigit() and status.startswith("2"):
            return int(status)
    raise reading.error((*pointer, "responses"), "has no 2xx status that a success could have, such as '200'")


def _response_schemas(reading: Reading, raw: Any, pointer: Pointer) -> dict[str, Any]:
    schemas = {}
    for status, value in raw.get("responses", {}).items():
        place = (*pointer, "responses", status)
        content = reading.shared(value, "body", place).get("content", {}).get("application/json", {})
        if "schema" in content:
            schemas[status] = reading.schema(content["schema"], place)
    return schemas


def _delivery_of(reading: Reading, raw: Any, task_type: TaskType, pointer: Pointer) -> Delivery | None:
    for name, callback in raw.get("callbacks", {}).items():
        for expression, item in callback.items():
            for method, operation in item.items():
                if method not in METHODS:
                    continue
                place = (*pointer, "callbacks", name, expression, method)
                if "x-delivery" not in operation:
                    raise reading.error(place, "has no `x-delivery`, so the twin cannot send it")
                if method != "post":
                    raise reading.error(place, "is not a POST; the twin sends no other callbacks")
                return _delivery(reading, expression, operation, task_type, (*place, "x-delivery"))
    return None


def _delivery(reading: Reading, expression: str, operation: Any, task_type: TaskType, place: Pointer) -> Delivery:
    raw, send = operation["x-delivery"], operation["x-delivery"]["send"]
    if not (expression.startswith("{$request.body#/") and expression.endswith("}")):
        raise reading.error(place[:-2], "the address of a callback is {$request.body#/…}")
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for status in send["statuses"]:
        reading.known(status, task_type.lifecycle.statuses, (*place, "send", "statuses"), "status")
    return Delivery(
        url=expression[1:-1],
        statuses=tuple(send["statuses"]),
        filter=_filter(reading, send, (*place, "send")),
        timeout_ms=reading.duration(raw["timeout"]["after"], (*place, "timeout", "after")),
        retries_ms=tuple(reading.duration(text, (*place, "retries", "after")) for text in raw["retries"]["after"]),
        signed="signature" in raw,
        body=raw["body"],
        schema=reading.schema(body.get("schema", {}), place),
        pointer=place,
    )


def _filter(reading: Reading, send: Any, place: Pointer) -> EventFilter | None:
    raw = send.get("filter")
    if raw is None:
        return None
    for event, statuses in raw["events"].items():
        for status in statuses:
            reading.known(status, send["statuses"], (*place, "filter", "events", event), "status")
    for event in raw.get("otherwise", ()):
        reading.known(event, raw["events"], (*place, "filter", "otherwise"), "event")
    events = {name: tuple(statuses) for name, statuses in raw["events"].items()}
    unasked = [status for name in raw.get("otherwise", events) for status in events[name]]
    return EventFilter(raw["at"], events, tuple(dict.fromkeys(unasked)))
