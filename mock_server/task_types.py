"""Reads `x-task-types`: the ids, the lifecycle, the pace, the results and the paging of each type of task."""

from collections.abc import Mapping
from typing import Any

from mock_server.document import Pointer
from mock_server.identifiers import IdFormat
from mock_server.lifecycle import Lifecycle, Status
from mock_server.problems import Problem
from mock_server.reading import Reading
from mock_server.spec import Concurrency, Failure, Paces, Paging, Result, TaskType, source_names


def read_task_types(reading: Reading, problems: Mapping[str, Problem]) -> dict[str, TaskType]:
    """Return the types of task by name; raise SpecError for what does not hold together."""
    types = reading.root["x-task-types"]
    return {name: _task_type(reading, name, raw, problems) for name, raw in types.items()}


def _task_type(reading: Reading, name: str, raw: Any, problems: Mapping[str, Problem]) -> TaskType:
    pointer = ("x-task-types", name)
    lifecycle = _lifecycle(reading, raw["statuses"], (*pointer, "statuses"))
    pace_ms = _pace(reading, raw["pace"], lifecycle, (*pointer, "pace"))
    concurrency = None
    if value := raw.get("concurrency"):
        reading.known(value["problem"], problems, (*pointer, "concurrency", "problem"), "problem")
        concurrency = Concurrency(value.get("per"), value["problem"])
    limits = {key: raw[key]["problem"] if key in raw else None for key in ("rate", "quota")}
    for key, problem in limits.items():
        if problem is not None:
            reading.known(problem, problems, (*pointer, key, "problem"), "problem")
    cancel_finished = raw.get("cancel", {}).get("finished")
    if cancel_finished is not None:
        reading.known(cancel_finished, problems, (*pointer, "cancel", "finished"), "problem")
    paging = raw.get("list")
    return TaskType(
        name=name,
        id=_id_format(reading, raw["id"], (*pointer, "id")),
        external_id=raw.get("external-id"),
        directive=raw.get("scenario-directive"),
        lifecycle=lifecycle,
        pace_ms=pace_ms,
        failures=_failures(reading, raw.get("failures", {}), pace_ms, lifecycle, (*pointer, "failures")),
        concurrency=concurrency,
        rate_problem=limits["rate"],
        quota_problem=limits["quota"],
        result=_result(reading, raw.get("result"), (*pointer, "result")),
        units_per_second=tuple((row["units"], row["when"]) for row in raw.get("units", {}).get("per-second", ())),
        replies=raw["replies"],
        paging=Paging(paging.get("page"), paging.get("cursor"), paging["size"]) if paging else Paging(),
        cancel_finished=cancel_finished,
        pointer=pointer,
    )


def _lifecycle(reading: Reading, raw: Any, pointer: Pointer) -> Lifecycle:
    statuses = {key: Status(key, tuple(value.get("next", ())), value.get("final")) for key, value in raw.items()}
    try:
        return Lifecycle(statuses)
    except ValueError as error:
        raise reading.error(pointer, str(error)) from None


def _pace(reading: Reading, raw: Any, lifecycle: Lifecycle, pointer: Pointer) -> Paces:
    pace_ms = {key: reading.range(value["for"], (*pointer, key, "for")) for key, value in raw.items()}
    for key in pace_ms:
        reading.known(key, lifecycle.statuses, (*pointer, key), "status")
    for key, status in lifecycle.statuses.items():
        if not status.final and key not in pace_ms:
            raise reading.error(pointer, f"does not say how long a task stays {key!r}")
    return pace_ms


def _failures(reading: Reading, raw: Any, pace_ms: Paces, lifecycle: Lifecycle, pointer: Pointer) -> dict[str, Failure]:
    failures = {}
    for key, value in raw.items():
        own = {
            status: reading.range(text, (*pointer, key, "pace", status))
            for status, text in value.get("pace", {}).items()
        }
        for status in own:
            reading.known(status, lifecycle.statuses, (*pointer, key, "pace", status), "status")
        failures[key] = Failure(key, value.get("message", ""), {**pace_ms, **own}, source_names(value["source"]))
    return failures


def _id_format(reading: Reading, raw: Any, pointer: Pointer) -> IdFormat:
    try:
        return IdFormat(**{key: raw[key] for key in ("format", "length", "prefix", "alphabet") if key in raw})
    except ValueError as error:
        raise reading.error(pointer, str(error)) from None


def _result(reading: Reading, raw: Any, pointer: Pointer) -> Result | None:
    if raw is None:
        return None
    sound, expires = raw.get("sound"), raw.get("expires")
    return Result(
        seconds=raw.get("seconds"),
        aspect_ratio=raw.get("aspect-ratio"),
        sound=(sound["at"], sound["is"]) if sound else None,
        watermark=raw.get("watermark"),
        expires_after_ms=reading.duration(expires["after"], (*pointer, "expires", "after")) if expires else None,
    )
