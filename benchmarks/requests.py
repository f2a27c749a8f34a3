"""What is sent: the example that the spec shows first, without its receiver, and queries of the tasks it makes."""

import re
from dataclasses import dataclass
from typing import Any

import msgspec

from mock_server.reader import load_spec
from mock_server.resources import resource

_KEY = "sk-benchmark"
_TASK_ID = re.compile(rb'"task_id" *: *"([^"]+)"')
# Fresh is a create whose body never came before.
OPERATIONS = ("create", "fresh", "query")
_FRESH = 2_000


@dataclass(frozen=True, slots=True)
class Submission:
    """The path and the body of a submit."""

    path: str
    body: bytes

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of its request."""
        return [
            (b"host", b"127.0.0.1"),
            (b"authorization", b"Bearer " + _KEY.encode()),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(self.body)),
        ]

    @property
    def create(self) -> bytes:
        """The whole request."""
        head = b"".join([b"%b: %b\r\n" % header for header in self.headers])
        return b"POST %b HTTP/1.1\r\n%b\r\n%b" % (self.path.encode(), head, self.body)

    @property
    def fresh(self) -> list[bytes]:
        """So many requests, each with a body of its own: more than the twin remembers."""
        body = msgspec.json.decode(self.body)
        longest = max(
            (name for name, value in body.items() if isinstance(value, str)), key=lambda name: len(body[name])
        )
        other = [{**body, longest: f"{body[longest]} {number}"} for number in range(1_000, 1_000 + _FRESH)]
        return [Submission(self.path, msgspec.json.encode(each)).create for each in other]

    def query(self, answer: bytes) -> bytes:
        """Return the request for the task that a submit was answered with; raise ValueError where it names none."""
        found = _TASK_ID.search(answer)
        if found is None:
            raise ValueError(f"the answer to a submit names no task: {answer[-300:]!r}")
        head = b"".join([b"%b: %b\r\n" % header for header in self.headers[:2]])
        return b"GET %b/%b HTTP/1.1\r\n%b\r\n" % (self.path.encode(), found[1], head)


def read_submission() -> Submission:
    """Return the submission that the spec shows first."""
    spec = load_spec(resource("openapi.yaml"))
    operation = next(each for each in spec.operations if each.role == "submit" and each.examples)
    body: dict[str, Any] = dict(next(iter(operation.examples.values())))
    if operation.delivery is not None:
        body.pop(operation.delivery.url.rpartition("/")[2], None)
    return Submission(operation.path, msgspec.json.encode(body))
