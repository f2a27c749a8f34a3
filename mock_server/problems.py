"""Problems: the refusals a provider can make, as the spec lists them; and the exception that leads to one."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

# When to send the same request again: never, after backing off, or at once for reads alone (a submit may have worked).
Retry = Literal["never", "backoff", "reads"]

# What can be wrong with a request: the events that the spec's `x-refusals` answers. Each that it does not list is
# answered like the one behind it, which it is a case of; those without one must be listed.
REFUSALS: Mapping[str, str] = {
    "authorization-missing": "",
    "authorization-malformed": "authorization-missing",
    "authorization-unknown": "authorization-malformed",
    "token-not-yet-valid": "authorization-unknown",
    "token-expired": "authorization-unknown",
    "path-unknown": "",
    "method-unknown": "path-unknown",
    "task-unknown": "",
    "violation": "",
    "scenario-unknown": "violation",
    "request-malformed": "violation",
    "headers-too-large": "request-malformed",
    "body-too-large": "request-malformed",
    "body-not-json": "request-malformed",
    "media-type-wrong": "body-not-json",
    "crash": "",
}


class Problem(msgspec.Struct, frozen=True):
    """One refusal: HTTP status, body template, whether a retry helps, and where this is known from."""

    name: str
    status: int
    retry: Retry
    about: str
    body: Any
    sources: tuple[str, ...]
    confidence: str


class Refused(Exception):
    """The request cannot be served.

    `event` is what is wrong (a key of the spec's `x-refusals`, or `problem:NAME`), `detail` the message on the wire
    where the problem has room for one, `explanation` what the developer is told, `task_id` the task that it is about,
    `dialect` the wire shape of the refusal where it is not the twin's own, `befallen` what spoils it besides, `first`
    what goes out before it.
    """

    def __init__(
        self,
        event: str,
        explanation: dict[str, Any],
        *,
        detail: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        task_id: str | None = None,
        dialect: str | None = None,
        befallen: Any = None,
        first: Any = None,
    ) -> None:
        super().__init__(event)
        self.event, self.explanation, self.detail, self.headers = event, explanation, detail, headers
        self.task_id, self.dialect, self.befallen, self.first = task_id, dialect, befallen, first
