"""Reads a spec from its file: checks it, resolves its references, and returns it as the values of `spec.py`."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.document import Document, Pointer
from mock_server.durations import parse_duration_ms, parse_range_ms
from mock_server.extensions import check_extensions
from mock_server.lifecycle import Lifecycle, Status
from mock_server.problems import Problem
from mock_server.resources import resource
from mock_server.schemas import compile_schema
from mock_server.spec import (
    CONFIDENCES,
    Concurrency,
    Delivery,
    Failure,
    Operation,
    ProfileEntry,
    Result,
    Source,
    Spec,
    TaskType,
    best_confidence,
    source_names,
)

METHODS = ("get", "put", "post", "delete", "patch", "head", "options", "trace")
# In these members of an `x-` member, `source` would be a word of the provider's.
_TEMPLATES_AND_SCHEMAS = frozenset(("body", "replies", "when", "with"))


def load_spec(path: Path) -> Spec:
    """Read and check a spec; raise SpecError with file, line and reason where it cannot be used."""
    return _Reader(Document(path)).read()


class _Reader:
    def __init__(self, document: Document) -> None:
        self.document = document
        self.root: Any = document.root
        shape = resource("fixtures/schemas/openapi-shape.schema.json").read_bytes()
        self.shape: dict[str, Any] = {key: value for key, value in msgspec.json.decode(shape).items() if key != "$id"}

    def read(self) -> Spec:
        self.check_openapi()
        check_extensions(self.document)
        if "x-dialects" in self.root:
            raise self.document.error(("x-dialects",), "is described but not served by this version: take it out")
        sources = {
            name: Source(name, value["title"], value.get("url", ""), value["confidence"])
            for name, value in self.root.get("x-sources", {}).items()
        }
        self.check_sources(self.root, (), sources)
        problems = self.problems(sources)
        refusals = {key: value for key, value in self.root["x-refusals"].items() if key != "messages"}
        for event, name in refusals.items():
            self.known(name, problems, ("x-refusals", event), "problem")
        task_types = {name: self.task_type(name, problems) for name in self.root["x-task-types"]}
        profiles = self.root.get("x-profiles") or {
            "default": "all",
            "profiles": {"all": {"about": "Everything.", "keeps": [*CONFIDENCES, "disputed"]}},
        }
        self.known(profiles["default"], profiles["profiles"], ("x-profiles", "default"), "profile")
        return Spec(
            document=self.document,
            title=self.root.get("info", {}).get("title", "untitled"),
            operations=tuple(self.operations(task_types)),
            task_types=task_types,
            problems=problems,
            refusals=refusals,
            messages={
                key: value
                for key, value in self.root["x-refusals"]["messages"].items()
                if key not in ("source", "confidence")
            },
            mounts=tuple(self.root.get("x-mounts", {"prefixes": [""]})["prefixes"]),
            world_claim=self.world_claim(),
            profiles={
                name: ProfileEntry(name, value["about"], tuple(value["keeps"]))
                for name, value in profiles["profiles"].items()
            },
            default_profile=profiles["default"],
            sources=sources,
        )

    def check_openapi(self) -> None:
        """What is read below is there, and of the right kind."""
        if not isinstance(self.root, dict) or not re.fullmatch(r"3\.1\.\d+", str(self.root.get("openapi"))):
            raise self.document.error((), "is not an OpenAPI 3.1 file: it starts with `openapi: 3.1.0`")
        for name in ("paths", "x-task-types", "x-problems", "x-refusals"):
            if name not in self.root:
                raise self.document.error((), f"has no `{name}`; see docs/spec-extensions.md")
        self.check_shape(self.root, self.shape, ())

    def check_shape(self, value: Any, shape: Any, pointer: Pointer) -> None:
        """The deepest complaint is the one that names the slip."""
        errors = jsonschema_rs.Draft202012Validator(shape).iter_errors(value)
        for error in sorted(errors, key=lambda each: -len(each.instance_path)):
            raise self.document.error((*pointer, *error.instance_path), error.message)

    def duration(self, text: str, pointer: Pointer) -> int:
        try:
            return parse_duration_ms(text)
        except ValueError as error:
            raise self.document.error(pointer, str(error)) from None

    def range(self, text: str, pointer: Pointer) -> tuple[int, int]:
        try:
            return parse_range_ms(text)
        except ValueError as error:
            raise self.document.error(pointer, str(error)) from None

    def schema(self, value: Any, pointer: Pointer) -> Any:
        """Return a schema with its references resolved, and known to be sound."""
        resolved = self.resolved(value, pointer)
        if not isinstance(resolved, dict):
            raise self.document.error(pointer, "is a schema that is not an object")
        compile_schema(self.document, resolved, pointer)
        return resolved

    def known(self, name: str, among: Mapping[str, Any], pointer: Pointer, kind: str) -> None:
        if name not in among:
            raise self.document.error(pointer, f"names the {kind} {name!r}; there are {', '.join(among)}")

    def check_sources(self, value: Any, pointer: tuple[str | int, ...], sources: Mapping[str, Source]) -> None:
        """Every source that a fact names is one of the list."""
        for place, name in _named_sources(value, pointer, inside=False):
            self.known(name, sources, place, "source")

    def problems(self, sources: Mapping[str, Source]) -> dict[str, Problem]:
        problems = {}
        for name, value in self.root["x-problems"].items():
            names = source_names(value["source"])
            confidence = value.get("confidence") or best_confidence(names, sources)
            problems[name] = Problem(
                name, value["status"], value["retry"], value["about"], value["body"], names, confidence
            )
        return problems

    def task_type(self, name: str, problems: Mapping[str, Problem]) -> TaskType:
        pointer = ("x-task-types", name)
        raw = self.root["x-task-types"][name]
        statuses = {
            key: Status(key, tuple(value.get("next", ())), value.get("final")) for key, value in raw["statuses"].items()
        }
        try:
            lifecycle = Lifecycle(statuses)
        except ValueError as error:
            raise self.document.error((*pointer, "statuses"), str(error)) from None
        pace_ms = {key: self.range(value["for"], (*pointer, "pace", key, "for")) for key, value in raw["pace"].items()}
        for key in pace_ms:
            self.known(key, statuses, (*pointer, "pace", key), "status")
        for key, status in statuses.items():
            if not status.final and key not in pace_ms:
                raise self.document.error((*pointer, "pace"), f"does not say how long a task stays {key!r}")
        failures = {}
        for key, value in raw.get("failures", {}).items():
            pace = {
                status: self.range(text, (*pointer, "failures", key, "pace", status))
                for status, text in value.get("pace", {}).items()
            }
            for status in pace:
                self.known(status, statuses, (*pointer, "failures", key, "pace", status), "status")
            failures[key] = Failure(key, value.get("message", ""), {**pace_ms, **pace}, source_names(value["source"]))
        concurrency = None
        if value := raw.get("concurrency"):
            self.known(value["problem"], problems, (*pointer, "concurrency", "problem"), "problem")
            concurrency = Concurrency(value.get("per"), value["problem"])
        page = raw.get("list")
        return TaskType(
            name=name,
            id_format=raw["id"]["format"],
            id_length=raw["id"].get("length", 18),
            external_id=raw.get("external-id"),
            lifecycle=lifecycle,
            pace_ms=pace_ms,
            failures=failures,
            concurrency=concurrency,
            result=self.result(raw.get("result"), (*pointer, "result")),
            units_per_second=tuple((row["units"], row["when"]) for row in raw.get("units", {}).get("per-second", ())),
            replies=raw["replies"],
            page_parameters=(page["page"], page["size"]) if page else None,
            pointer=pointer,
        )

    def result(self, raw: Any, pointer: Pointer) -> Result | None:
        if raw is None:
            return None
        sound = raw.get("sound")
        return Result(
            seconds=raw["seconds"],
            aspect_ratio=raw["aspect-ratio"],
            sound=(sound["at"], sound["is"]) if sound else None,
            watermark=raw.get("watermark"),
            expires_after_ms=self.duration(raw["expires"]["after"], (*pointer, "expires", "after")),
        )

    def operations(self, task_types: Mapping[str, TaskType]) -> list[Operation]:
        found = []
        for path, item in self.root["paths"].items():
            for method in METHODS:
                raw = item.get(method)
                if raw is None:
                    continue
                pointer = ("paths", path, method)
                task = raw.get("x-task")
                if task is None:
                    raise self.document.error(pointer, "has no `x-task`, so the twin cannot know what to do with it")
                self.known(task["type"], task_types, (*pointer, "x-task", "type"), "task type")
                if task["role"] not in task_types[task["type"]].replies:
                    raise self.document.error(
                        (*task_types[task["type"]].pointer, "replies"), f"has no template for the role {task['role']!r}"
                    )
                if task["role"] == "query" and path.count("{") != 1:
                    raise self.document.error(pointer, "a query has one slot in its path: the id of the task")
                found.append(self.operation(path, method, raw, pointer))
        if not found:
            raise self.document.error(("paths",), "has no operation")
        return found

    def operation(self, path: str, method: str, raw: Any, pointer: tuple[str, ...]) -> Operation:
        body = self.shared(raw.get("requestBody", {}), "body", (*pointer, "requestBody"))
        body = body.get("content", {}).get("application/json", {})
        schema_pointer: Pointer = (*pointer, "requestBody", "content", "application/json", "schema")
        if isinstance(ref := body.get("schema", {}).get("$ref"), str):
            schema_pointer = tuple(ref.removeprefix("#/").split("/"))
        parameters = [
            self.shared(each, "parameter", (*pointer, "parameters", index))
            for index, each in enumerate(raw.get("parameters", []))
        ]
        return Operation(
            id=raw.get("operationId", f"{method} {path}"),
            method=method.upper(),
            path=path,
            role=raw["x-task"]["role"],
            task_type=raw["x-task"]["type"],
            body_schema=self.schema(body["schema"], schema_pointer) if "schema" in body else None,
            body_schema_pointer=schema_pointer,
            examples={
                name: self.shared(value, "example", (*pointer, "requestBody")).get("value")
                for name, value in body.get("examples", {}).items()
            },
            query_parameters={
                each["name"]: self.schema(each["schema"], (*pointer, "parameters", index, "schema"))
                for index, each in enumerate(parameters)
                if each["in"] == "query"
            },
            response_schemas=self.response_schemas(raw, pointer),
            delivery=self.delivery(raw, pointer),
            pointer=pointer,
        )

    def response_schemas(self, raw: Any, pointer: tuple[str, ...]) -> dict[str, Any]:
        schemas = {}
        for status, value in raw.get("responses", {}).items():
            place = (*pointer, "responses", status)
            content = self.shared(value, "body", place).get("content", {}).get("application/json", {})
            if "schema" in content:
                schemas[status] = self.schema(content["schema"], place)
        return schemas

    def delivery(self, raw: Any, pointer: tuple[str, ...]) -> Delivery | None:
        for name, callback in raw.get("callbacks", {}).items():
            for expression, item in callback.items():
                for method, operation in item.items():
                    if method not in METHODS:
                        continue
                    place = (*pointer, "callbacks", name, expression, method)
                    if "x-delivery" not in operation:
                        raise self.document.error(place, "has no `x-delivery`, so the twin cannot send it")
                    if method != "post":
                        raise self.document.error(place, "is not a POST; the twin sends no other callbacks")
                    return self._delivery(expression, operation, (*place, "x-delivery"))
        return None

    def _delivery(self, expression: str, operation: Any, place: tuple[str, ...]) -> Delivery:
        raw = operation["x-delivery"]
        if not (expression.startswith("{$request.body#/") and expression.endswith("}")):
            raise self.document.error(place[:-2], "the address of a callback is {$request.body#/…}")
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        return Delivery(
            url=expression[1:-1],
            statuses=tuple(raw["send"]["statuses"]),
            timeout_ms=self.duration(raw["timeout"]["after"], (*place, "timeout", "after")),
            retries_ms=tuple(self.duration(text, (*place, "retries", "after")) for text in raw["retries"]["after"]),
            signed="signature" in raw,
            body=raw["body"],
            schema=self.schema(body.get("schema", {}), place),
            pointer=place,
        )

    def world_claim(self) -> str | None:
        for scheme in self.root.get("components", {}).get("securitySchemes", {}).values():
            if "x-auth" in scheme:
                claim = scheme["x-auth"].get("world-claim")
                return str(claim) if claim else None
        return None

    def shared(self, value: Any, kind: str, pointer: Pointer) -> Any:
        """Return a part, or the shared component that stands for it, which must have the shape of its kind too."""
        if "$ref" not in value:
            return value
        resolved = self.resolved(value, pointer)
        self.check_shape(resolved, {"$defs": self.shape["$defs"], "$ref": f"#/$defs/{kind}"}, pointer)
        return resolved

    def resolved(self, value: Any, pointer: Pointer, inside: tuple[str, ...] = ()) -> Any:
        """Put what each `$ref` names in its place."""
        if isinstance(value, list):
            return [self.resolved(item, pointer, inside) for item in value]
        if not isinstance(value, dict):
            return value
        ref = value.get("$ref")
        if not isinstance(ref, str):
            return {key: self.resolved(member, pointer, inside) for key, member in value.items()}
        if ref in inside:
            raise self.document.error(pointer, f"the reference {ref!r} runs in a circle, which is not supported")
        target = self.root
        for part in ref.removeprefix("#/").split("/") if ref.startswith("#/") else [ref]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if target is None:
            raise self.document.error(pointer, f"the reference {ref!r} names nothing in this file")
        resolved = self.resolved(target, pointer, (*inside, ref))
        beside = {key: self.resolved(member, pointer, inside) for key, member in value.items() if key != "$ref"}
        return {**resolved, **beside} if beside else resolved


def _named_sources(value: Any, pointer: Pointer, *, inside: bool) -> Iterator[tuple[Pointer, str]]:
    """Give each source that is named, and where. A member `source` counts only inside an `x-` member."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named_sources(item, (*pointer, index), inside=inside)
    elif isinstance(value, dict):
        for key, member in value.items():
            place = (*pointer, key)
            if key == "x-source" or (key == "source" and inside):
                for group in member.values() if isinstance(member, dict) else [member]:
                    yield from ((place, name) for name in source_names(group))
            elif key not in _TEMPLATES_AND_SCHEMAS:
                yield from _named_sources(member, place, inside=inside or key.startswith("x-"))
