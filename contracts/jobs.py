"""What is asked of a client under test, and what it answers: the values of the driver protocol, version 1.

A *job* is one thing asked of the client: generate this video, and say what became of it. docs/driver-protocol.md is
the protocol as users read it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, get_args

import msgspec

from mock_server.names import nearest

if TYPE_CHECKING:
    import httpx

PROTOCOL = 1

Outcome = Literal["succeed", "failed", "refused", "rejected", "timeout", "unknown", "error"]
OUTCOMES: tuple[str, ...] = get_args(Outcome)

Capability = Literal[
    "polling",
    "callbacks",
    "callback-relay",
    "parallel",
    "images",
    "videos",
    "elements",
    "multi-shot",
    "local-validation",
    "cancel",
]
CAPABILITIES: tuple[str, ...] = get_args(Capability)
# What a client is taken to be able to do where nobody says it, over exec and in process.
USUAL_CAPABILITIES = frozenset(("polling", "images"))


class Wishes(msgspec.Struct, frozen=True):
    """How a client is asked to spend its time, in seconds. One that cannot follow says what it does instead."""

    poll_interval_seconds: float = 0.1
    # For one HTTP request.
    request_timeout_seconds: float = 1.0
    # For a job from its beginning to its result.
    deadline_seconds: float = 8.0


WISHES: tuple[str, ...] = tuple(Wishes.__struct_fields__)


class Job(msgspec.Struct, frozen=True):
    """One job. `request` is in the client's input space: the client may refuse it, correct it, or send it.

    `callback_url` None means: the client's choice. Where `callback_secret` is set, callbacks are signed with it.
    In process there is a transport of httpx as well, for sync and async clients.
    """

    job: str
    base_url: str
    api_key: str
    request: dict[str, Any]
    settings: Wishes = Wishes()
    operation: str = "generate"
    callback_url: str | None = None
    callback_secret: str | None = None
    transport: "httpx.BaseTransport | httpx.AsyncBaseTransport | None" = None

    def message(self) -> dict[str, Any]:
        """Return the job as drivers write it in JSON."""
        return {
            "job": self.job,
            "operation": self.operation,
            "base_url": self.base_url,
            "api_key": self.api_key,
            "request": self.request,
            "settings": msgspec.structs.asdict(self.settings),
            "callback_url": self.callback_url,
            "callback_secret": self.callback_secret,
        }


class Result(msgspec.Struct, frozen=True):
    """What a client says became of a job. Everything but the outcome is optional."""

    outcome: Outcome
    task_id: str | None = None
    url: str | None = None
    reason: str | None = None
    code: int | str | None = None
    http_status: int | None = None
    request_id: str | None = None
    job: str | None = None


class BadResult(ValueError):
    """A result that is not one: what came, and what was expected."""


def result_from(message: Mapping[str, Any]) -> Result | None:
    """Return the result that a message tells; None where it has no outcome. Members that nobody knows are ignored.

    Raise BadResult where the outcome is not one of the protocol, or a member is of the wrong type.
    """
    outcome = message.get("outcome")
    if outcome is None:
        return None
    if outcome not in OUTCOMES:
        known = nearest(outcome, OUTCOMES) if isinstance(outcome, str) else f"one of {', '.join(OUTCOMES)}"
        raise BadResult(f"there is no outcome {outcome!r:.200}; {known}")
    try:
        return msgspec.convert(message, Result)
    except msgspec.ValidationError as error:
        raise BadResult(f"a result has a member of the wrong type: {error}") from None
