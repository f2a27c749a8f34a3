"""Problems: the refusals a provider can make, as the spec lists them; and the exception that leads to one."""

from dataclasses import dataclass
from typing import Any, Literal

# When to send the same request again: never, after backing off, or at once for reads alone (a submit may have worked).
Retry = Literal["never", "backoff", "reads"]


@dataclass(frozen=True, slots=True)
class Problem:
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
    where the problem has room for one, `explanation` what the developer is told, `task_id` the task that it is about.
    """

    def __init__(
        self,
        event: str,
        explanation: dict[str, Any],
        *,
        detail: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        task_id: str | None = None,
    ) -> None:
        super().__init__(event)
        self.event, self.explanation, self.detail, self.headers = event, explanation, detail, headers
        self.task_id = task_id
