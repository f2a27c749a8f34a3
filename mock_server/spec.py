"""The spec as typed values: what `openapi.yaml` says, with its references resolved.

`reader.py` makes them. What of it is enforced is for `rules.py`, what is answered for `program.py`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mock_server.document import Document, Pointer
from mock_server.identifiers import IdFormat
from mock_server.lifecycle import Lifecycle
from mock_server.problems import Problem
from mock_server.roles import Role

Paces = Mapping[str, tuple[int, int]]

# The surest first. A rule may be `disputed` as well: then its sources contradict each other.
CONFIDENCES = ("documented-by-provider", "documented-by-vendor", "observed", "assumed")


class Source(msgspec.Struct, frozen=True):
    """Where facts are known from, and how sure they are for it."""

    name: str
    title: str
    url: str
    confidence: str


class AuthScheme(msgspec.Struct, frozen=True):
    """In which header a key comes, after which word (perhaps none), and which claim of a JWT stands for it."""

    header: str = "authorization"
    word: str = "Bearer"
    world_claim: str | None = None

    @property
    def header_name(self) -> str:
        """The header as one writes it, such as `X-Api-Key`."""
        return "-".join(part.capitalize() for part in self.header.split("-"))

    def header_line(self, key: str) -> str:
        """Return the header with a key, such as `Authorization: Bearer KEY`."""
        return f"{self.header_name}: {self.word} {key}" if self.word else f"{self.header_name}: {key}"


class Failure(msgspec.Struct, frozen=True):
    """A reason for which a task can fail, as the provider words it, and how fast."""

    name: str
    message: str
    pace_ms: Paces
    sources: tuple[str, ...]


class Concurrency(msgspec.Struct, frozen=True):
    """With which problem the provider refuses one task too many at once; counted apart for each value of `per`."""

    per: str | None
    problem: str


class Result(msgspec.Struct, frozen=True):
    """Which parts of the request choose the video that a task ends in, and how long it is there, if not always."""

    seconds: str | None
    aspect_ratio: str | None
    sound: tuple[str, Any] | None
    watermark: str | None
    expires_after_ms: int | None


class Paging(msgspec.Struct, frozen=True):
    """How a list is read page by page: by the number of the page, or by a cursor that each page gives for the next.

    `page`, `cursor` and a `size` in text are names of query parameters; a `size` in number is that of every page.
    """

    page: str | None = None
    cursor: str | None = None
    size: str | int = 30


class TaskType(msgspec.Struct, frozen=True):
    """One type of task.

    `directive` is the part of the body where a client may name its scenario; `cancel_finished` the problem that
    answers a cancel which comes too late, where there is one.
    """

    name: str
    id: IdFormat
    external_id: str | None
    directive: str | None
    lifecycle: Lifecycle
    pace_ms: Paces
    failures: Mapping[str, Failure]
    concurrency: Concurrency | None
    rate_problem: str | None
    quota_problem: str | None
    result: Result | None
    units_per_second: tuple[tuple[str, dict[str, Any]], ...]
    replies: Mapping[str, Any]
    paging: Paging
    cancel_finished: str | None
    pointer: Pointer

    def reply_for(self, role: Role) -> Role:
        """Return which of the `replies` answers a role: many providers answer a query, and a cancel, like a submit."""
        if role in self.replies or role == "list":
            return role
        return "query" if role == "cancel" and "query" in self.replies else "submit"


class EventFilter(msgspec.Struct, frozen=True):
    """Where in the body a client names the callbacks it wants, and what statuses each name stands for.

    `otherwise` are the statuses that are sent where it names none.
    """

    at: str
    events: Mapping[str, tuple[str, ...]]
    otherwise: tuple[str, ...]


class Delivery(msgspec.Struct, frozen=True):
    """How callbacks are sent: to which address, when, how often tried, signed or not, with which body."""

    url: str
    statuses: tuple[str, ...]
    filter: EventFilter | None
    timeout_ms: int
    retries_ms: tuple[int, ...]
    signed: bool
    body: Any
    schema: Any
    pointer: Pointer


class Operation(msgspec.Struct, frozen=True):
    """One method and path. `status` is the HTTP status of its success."""

    id: str
    method: str
    path: str
    role: Role
    task_type: str
    status: int
    body_schema: Any
    body_schema_pointer: Pointer
    examples: Mapping[str, Any]
    query_parameters: Mapping[str, Any]
    response_schemas: Mapping[str, Any]
    delivery: Delivery | None
    pointer: Pointer

    def response_schema(self, status: int) -> Any:
        """Return the schema of responses with this status: its own, else that of its range, else the default."""
        keys = (str(status), f"{status // 100}XX", "default")
        return next((self.response_schemas[key] for key in keys if key in self.response_schemas), None)


class Shape(msgspec.Struct, frozen=True):
    """How a dialect says one thing: the template, and the schema that it keeps, as it stands and resolved."""

    body: Any
    raw_schema: Any
    schema: Any
    pointer: Pointer


class Refusal(msgspec.Struct, frozen=True):
    """How a dialect says a problem: perhaps with another HTTP status, and with which body."""

    status: int | None
    body: Any
    pointer: Pointer


class Dialect(msgspec.Struct, frozen=True):
    """One wire shape of the same answers. What it does not say is said as in the default dialect.

    `replies` are by task type and role, `callbacks` by task type. `otherwise` is how problems are said that have no
    entry of their own in `problems`; `problem_schema` is what all of them keep, as it stands and resolved.
    """

    name: str
    about: str = ""
    replies: Mapping[str, Mapping[str, Shape]] = msgspec.field(default_factory=dict)
    callbacks: Mapping[str, Shape] = msgspec.field(default_factory=dict)
    problems: Mapping[str, Refusal] = msgspec.field(default_factory=dict)
    otherwise: Refusal | None = None
    problem_schema: tuple[Any, Any] | None = None

    def shape_for(self, task_type: TaskType, role: Role) -> Shape | None:
        """Return how this dialect answers a role, where it does so in its own way."""
        own = self.replies.get(task_type.name, {})
        return own.get(role) or (None if role in task_type.replies else own.get(task_type.reply_for(role)))


class ProfileEntry(msgspec.Struct, frozen=True):
    """A profile as the spec lists it: facts of which confidence it keeps."""

    name: str
    about: str
    keeps: tuple[str, ...]


class Spec(msgspec.Struct, frozen=True):
    """Everything that the file says."""

    document: Document
    title: str
    operations: tuple[Operation, ...]
    task_types: Mapping[str, TaskType]
    problems: Mapping[str, Problem]
    refusals: Mapping[str, str]
    messages: Mapping[str, str]
    mounts: tuple[str, ...]
    auth: AuthScheme
    profiles: Mapping[str, ProfileEntry]
    default_profile: str
    dialects: Mapping[str, Dialect]
    default_dialect: str
    sources: Mapping[str, Source]

    def __repr__(self) -> str:
        """The whole file would say no more, at great length."""
        return f"<Spec {self.title!r} of {self.document.path.name}>"


def source_names(value: Any) -> tuple[str, ...]:
    """Return the names in a `source` member: one name or several."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def best_confidence(names: tuple[str, ...], sources: Mapping[str, Source]) -> str:
    """Return the surest confidence among these sources; without any, a fact is assumed."""
    found = {sources[name].confidence for name in names}
    return next((each for each in CONFIDENCES if each in found), "assumed")
