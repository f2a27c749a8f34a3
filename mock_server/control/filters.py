"""Which journal entries a query asks for. A filter that nothing could ever pass is refused."""

from typing import Literal, get_args
from urllib.parse import unquote

import msgspec

from mock_server.control.asking import BadInput, Query
from mock_server.exchange import Exchange
from mock_server.journal import Attempt, Entry, Outcome
from mock_server.outbox import Delivery
from mock_server.program import Program
from mock_server.worlds import World

Kind = Literal["exchange", "callback"]

# What only exchanges have, and what only callbacks have.
_OF_EXCHANGES = ("operation", "method", "problem", "path")
_OF_CALLBACKS = ("outcome", "status")
NAMES = ("kind", *_OF_EXCHANGES, "http_status", "task_id", "external_id", *_OF_CALLBACKS)

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")


class Filter(msgspec.Struct, frozen=True):
    """What an entry must have to be asked for; None asks nothing of it."""

    kind: Kind | None = None
    operation: str | None = None
    method: str | None = None
    problem: str | None = None
    path: str | None = None
    http_status: range | None = None
    task_id: str | None = None
    external_id: str | None = None
    outcome: str | None = None
    status: str | None = None

    def matches(self, entry: Entry, world: World) -> bool:
        """Tell whether an entry of `world` is asked for."""
        if self.task_id is not None and entry.task_id != self.task_id:
            return False
        if self.external_id is not None:
            task = world.store.find(entry.task_id) if entry.task_id is not None else None
            if task is None or task.external_id != self.external_id:
                return False
        return self._callback(entry) if isinstance(entry, Attempt) else self._exchange(entry)

    def could_become(self, delivery: Delivery) -> bool:
        """Tell whether an attempt of this delivery could be asked for; how it will end is not known yet."""
        task = delivery.task
        return (
            self.task_id in (None, task.id)
            and self.external_id in (None, task.external_id)
            and self.status in (None, task.plan.steps[delivery.step].status)
        )

    def _exchange(self, entry: Exchange) -> bool:
        status = entry.reply.status if entry.reply is not None else None
        return (
            self.kind != "callback"
            and self.operation in (None, entry.operation)
            and self.method in (None, entry.incoming.method)
            and (self.problem is None or (entry.explanation or {}).get("problem") == self.problem)
            and (self.http_status is None or status in self.http_status)
            and (self.path is None or _path_matches(self.path, entry.incoming.path))
        )

    def _callback(self, entry: Attempt) -> bool:
        return (
            self.kind != "exchange"
            and self.outcome in (None, entry.outcome)
            and self.status in (None, entry.status)
            and (self.http_status is None or entry.http_status in self.http_status)
        )


def read_filter(query: Query, program: Program) -> Filter:
    """Return the filter of a query; raise BadInput for a name that is not there, and for what excludes itself."""
    given = {name for name in (*_OF_EXCHANGES, *_OF_CALLBACKS) if query.text(name) is not None}
    kind = query.choice("kind", get_args(Kind))
    of_exchanges = sorted(given.intersection(_OF_EXCHANGES)) + ["kind=exchange"] * (kind == "exchange")
    of_callbacks = sorted(given.intersection(_OF_CALLBACKS)) + ["kind=callback"] * (kind == "callback")
    if of_exchanges and of_callbacks:
        raise BadInput(
            f"{of_exchanges[0]} is of exchanges and {of_callbacks[0]} of callbacks: no entry is both; leave one out"
        )
    statuses = {status for each in program.spec.task_types.values() for status in each.lifecycle.statuses}
    method = query.text("method")
    return Filter(
        kind="exchange" if of_exchanges else "callback" if of_callbacks else None,
        operation=query.choice("operation", [each.id for each in program.operations]),
        method=query.choice("method", _METHODS) if method != "-" else method,
        problem=query.choice("problem", list(program.spec.problems)),
        path=query.text("path"),
        http_status=_http_statuses(query),
        task_id=query.text("task_id"),
        external_id=query.text("external_id"),
        outcome=query.choice("outcome", get_args(Outcome)),
        status=query.choice("status", sorted(statuses)),
    )


def _http_statuses(query: Query) -> range | None:
    text = query.text("http_status")
    if text is None:
        return None
    if len(text) == 3 and text.isascii() and text[0] in "12345":
        if text[1:] == "xx":
            return range(int(text[0]) * 100, int(text[0]) * 100 + 100)
        if text.isdigit():
            return range(int(text), int(text) + 1)
    raise query.bad("http_status", "an HTTP status such as 429, or a class of them such as 4xx")


def _path_matches(pattern: str, path: bytes) -> bool:
    """Match a path as it came, or percent-decoded; `*` stands for anything, slashes too."""
    text = path.decode("latin-1")
    return _glob_matches(pattern, text) or _glob_matches(pattern, unquote(text))


def _glob_matches(pattern: str, text: str) -> bool:
    # Piece by piece, each at its first place: a pattern of many stars takes no longer for it.
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(first) + len(last) > len(text) or not text.startswith(first) or not text.endswith(last):
        return False
    at, end = len(first), len(text) - len(last)
    for piece in middle:
        at = text.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True
