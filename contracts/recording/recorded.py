"""What a recording holds, as values: exchanges with what was wrong about them, and the file of one task.

The file is JSON, `format: 1`. All in it is scrubbed already.
"""

from pathlib import Path
from typing import Any, Literal

import msgspec

FORMAT = 1

# Who does otherwise than the spec says.
Who = Literal["client", "service"]
# Why no whole reply came: told by the recorder, or by the client, who did not wait for it.
Loss = Literal["", "refused", "timeout", "reset", "closed", "tls", "failed", "cut", "left", "too-large", "stopped"]


class Breach(msgspec.Struct, frozen=True, omit_defaults=True):
    """One way in which an exchange does not fit the spec: who, where, what came, and what was expected.

    `pointer` is a JSON pointer into the body, `?name` a query parameter, or in words. A `warning` is disputed, or
    something that the spec does not have.
    """

    who: Who
    pointer: str
    came: str
    expected: str
    rule: str = ""
    source: str = ""
    warning: bool = False


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """A body: JSON where it is JSON, else text, else no more than its digest."""

    form: Literal["none", "json", "text", "digest"] = "none"
    value: Any = None
    bytes: int = 0
    sha256: str = ""
    cut: bool = False


class Request(msgspec.Struct, frozen=True, omit_defaults=True):
    """A request as it came. Each header is a line, its name in lower case."""

    method: str
    path: str
    query: str = ""
    headers: tuple[str, ...] = ()
    body: Body = Body()


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """A reply as it came, its headers as those of a request."""

    status: int
    headers: tuple[str, ...] = ()
    body: Body = Body()

    def header(self, name: str) -> str | None:
        """Return the value of a header, by its name in lower case."""
        return next((line.partition(": ")[2] for line in self.headers if line.startswith(f"{name}: ")), None)


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a reply or a callback says of its task. The moments are the service's own, in milliseconds since 1970."""

    id: str = ""
    external_id: str | None = None
    status: str | None = None
    message: str | None = None
    created_ms: int | None = None
    updated_ms: int | None = None


class Refusal(msgspec.Struct, frozen=True, omit_defaults=True):
    """A refusal as the spec knows it: the problem's name, its message where that is its own, its unusual status.

    In `other_words` it says something else than the problem, whose code it has.
    """

    problem: str
    message: str = ""
    status: int | None = None
    other_words: bool = False


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True):
    """One request with its reply, in milliseconds since the recorder started.

    `head_ms` is when the head of the reply came, `took_ms` when all was over, both counted from `at_ms`. Of a callback
    the request is the service's, and the reply that of the client's receiver.
    """

    number: int
    at_ms: int
    took_ms: int
    request: Request
    kind: Literal["exchange", "callback"] = "exchange"
    operation: str = ""
    role: str = ""
    head_ms: int | None = None
    reply: Reply | None = None
    lost: Loss = ""
    why: str = ""
    told: Told | None = None
    refusal: Refusal | None = None
    violations: tuple[Breach, ...] = ()

    @property
    def accepted(self) -> bool:
        """Whether it was answered with a success, whole."""
        return self.reply is not None and not self.lost and 200 <= self.reply.status < 300


class TaskTold(msgspec.Struct, frozen=True, omit_defaults=True):
    """The task that a recording is about."""

    id: str
    type: str
    external_id: str | None = None


class Recording(msgspec.Struct, frozen=True, omit_defaults=True):
    """One file: a task, or what belongs to none. `left_out` counts polls that brought no news, and have no room."""

    format: int
    made_by: str
    upstream: str
    spec: str
    profile: str
    dialect: str
    started: str
    callbacks_recorded: bool = False
    task: TaskTold | None = None
    left_out: int = 0
    exchanges: tuple[Exchange, ...] = ()


def recording_bytes(recording: Recording) -> bytes:
    """Return the content of a file."""
    return msgspec.json.format(msgspec.json.encode(recording), indent=2) + b"\n"


def read_recording(path: Path) -> Recording:
    """Read a file; raise ValueError where it is no recording, or one of another format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror or error}") from None
    try:
        head = msgspec.json.decode(content)
        came = head.get("format") if isinstance(head, dict) else None
        if came != FORMAT:
            raise ValueError(f"{path}: is no recording of the format {FORMAT} (`format` is {came!r}); record anew")
        return msgspec.json.decode(content, type=Recording)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: is no recording: {error}") from None
