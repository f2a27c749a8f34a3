"""What came over the wire while a client was examined: each request with its reply, and when each part of them came.

The twin's journal has what was said; a `Sighting` adds when, by a clock that never goes back, in seconds. All sightings
of one session are in a `WireLog`, in the order in which the requests were whole.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from mock_server.exchange import Exchange


class Sighting(msgspec.Struct):
    """One request as it was on the wire.

    Seconds by the clock of the session. `began` is its first byte, `whole` its last. `replied` is when the twin was
    done with the reply: out to its end, or cut off as a fault has it (None before that). `left` is when the client
    closed the connection before that.
    """

    exchange: Exchange
    connection: int
    began: float
    whole: float
    replied: float | None = None
    left: float | None = None
    # The operation's role in the spec (submit, query, list, cancel), or None where it matched none.
    role: str | None = None
    # The status that the reply told of the task, as the twin meant it, before any fault; None where it told none.
    told: str | None = None

    @property
    def ended(self) -> float:
        """When the exchange was over, whoever ended it: the moment from which a gap is counted."""
        return self.replied if self.replied is not None else self.left if self.left is not None else self.whole

    @property
    def number(self) -> int:
        """Its number in the journal."""
        return self.exchange.number

    @property
    def status(self) -> int:
        """The HTTP status of the reply; 0 where none was sent."""
        reply = self.exchange.reply
        if reply is None or (reply.wire is not None and not reply.wire.head):
            return 0
        return reply.status

    def header(self, name: str) -> list[str]:
        """Return all values of a request header; `name` in lower case."""
        wanted = name.encode("ascii")
        return [value.decode("latin-1") for key, value in self.exchange.incoming.headers if key == wanted]

    def body(self) -> Any:
        """Return the JSON of the request's body, or None where it is none."""
        try:
            return msgspec.json.decode(self.exchange.incoming.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return None


class WireLog:
    """The sightings of one session."""

    def __init__(self) -> None:
        self.sightings: list[Sighting] = []

    def add(self, sighting: Sighting) -> None:
        """Note a request."""
        self.sightings.append(sighting)

    def __iter__(self) -> Iterator[Sighting]:
        return iter(self.sightings)

    def __len__(self) -> int:
        return len(self.sightings)

    def of(self, role: str) -> list[Sighting]:
        """Return those of one role, such as submit."""
        return [each for each in self.sightings if each.role == role]
