"""The spec as typed values: what `openapi.yaml` says, with its references resolved.

`reader.py` makes them. What of it is enforced is for `rules.py`, what is answered for `program.py`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from mock_server.document import Document, Pointer
from mock_server.lifecycle import Lifecycle
from mock_server.problems import Problem

Role = Literal["submit", "query", "list"]
Paces = Mapping[str, tuple[int, int]]

# The surest first. A rule may be `disputed` as well: then its sources contradict each other.
CONFIDENCES = ("documented-by-provider", "documented-by-vendor", "observed", "assumed")


@dataclass(frozen=True, slots=True)
class Source:
    """Where facts are known from, and how sure they are for it."""

    name: str
    title: str
    url: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Failure:
    """A reason for which a task can fail, as the provider words it, and how fast."""

    name: str
    message: str
    pace_ms: Paces
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Concurrency:
    """With which problem the provider refuses one task too many at once; counted apart for each value of `per`."""

    per: str | None
    problem: str


@dataclass(frozen=True, slots=True)
class Result:
    """Which parts of the request choose the video that a task ends in, and how long it can be fetched."""

    seconds: str
    aspect_ratio: str
    sound: tuple[str, Any] | None
    watermark: str | None
    expires_after_ms: int


@dataclass(frozen=True, slots=True)
class TaskType:
    """One type of task."""

    name: str
    id_format: Literal["digits", "uuid"]
    id_length: int
    external_id: str | None
    lifecycle: Lifecycle
    pace_ms: Paces
    failures: Mapping[str, Failure]
    concurrency: Concurrency | None
    result: Result | None
    units_per_second: tuple[tuple[str, dict[str, Any]], ...]
    replies: Mapping[str, Any]
    page_parameters: tuple[str, str] | None
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class Delivery:
    """How callbacks are sent: to which address, when, how often tried, signed or not, with which body."""

    url: str
    statuses: tuple[str, ...]
    timeout_ms: int
    retries_ms: tuple[int, ...]
    signed: bool
    body: Any
    schema: Any
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class Operation:
    """One method and path."""

    id: str
    method: str
    path: str
    role: Role
    task_type: str
    body_schema: Any
    body_schema_pointer: Pointer
    examples: Mapping[str, Any]
    query_parameters: Mapping[str, Any]
    response_schemas: Mapping[str, Any]
    delivery: Delivery | None
    pointer: Pointer


@dataclass(frozen=True, slots=True)
class ProfileEntry:
    """A profile as the spec lists it: facts of which confidence it keeps."""

    name: str
    about: str
    keeps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Spec:
    """Everything that the file says."""

    document: Document
    title: str
    operations: tuple[Operation, ...]
    task_types: Mapping[str, TaskType]
    problems: Mapping[str, Problem]
    refusals: Mapping[str, str]
    messages: Mapping[str, str]
    mounts: tuple[str, ...]
    world_claim: str | None
    profiles: Mapping[str, ProfileEntry]
    default_profile: str
    sources: Mapping[str, Source]


def source_names(value: Any) -> tuple[str, ...]:
    """Return the names in a `source` member: one name or several."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def best_confidence(names: tuple[str, ...], sources: Mapping[str, Source]) -> str:
    """Return the surest confidence among these sources; without any, a fact is assumed."""
    found = {sources[name].confidence for name in names}
    return next((each for each in CONFIDENCES if each in found), "assumed")
