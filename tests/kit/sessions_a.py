"""Sessions made by hand, for tests of checks: requests as they might have come, and what became of the jobs."""

from collections.abc import Sequence
from typing import Any

import msgspec

from contracts.case import Case, Play
from contracts.checks.table import CHECKS
from contracts.drivers.base import Declared, Ending
from contracts.jobs import Job, Result
from contracts.observation import JobSeen, Session
from contracts.strangers import Shown
from contracts.wire import Sighting, WireLog
from mock_server.exchange import Exchange, Incoming, Reply
from tests.support import OMNI

KEY = "sk-omnimock-0123456789abcdef0123456789abcdef"
BEARER = (b"authorization", b"Bearer " + KEY.encode())
JSON = (b"content-type", b"application/json")
TASK = "866889456698785798"

CASE = Case(
    id="T-01",
    title="",
    requirement="",
    level="must",
    basis="ours",
    source="",
    why="",
    fix="",
    example="",
    plays=(Play(),),
    checks=(),
)


def exchange(
    method: str,
    path: str,
    *,
    role: str | None,
    query: str = "",
    headers: Sequence[tuple[bytes, bytes]] = (BEARER, JSON),
    body: Any = None,
    raw: bytes | None = None,
    reply: Any = None,
    status: int = 200,
    location: str = "",
    explanation: dict[str, Any] | None = None,
) -> Sighting:
    """Return a request with its reply."""
    sent = raw if raw is not None else b"" if body is None else msgspec.json.encode(body)
    incoming = Incoming(method, path.encode(), query.encode(), list(headers), sent)
    more = ((b"location", location.encode()),) if location else ()
    answer = Reply(status, msgspec.json.encode(reply), more)
    return Sighting(Exchange(1, 0, incoming, answer, None, None, explanation), 1, 0.0, 0.0, replied=0.1, role=role)


def create(body: Any = None, *, task_id: Any = TASK, **more: Any) -> Sighting:
    """Return a create, answered with a task."""
    reply = {"code": 0, "request_id": "r-fine", "data": {"task_id": task_id, "task_status": "submitted"}}
    sent = {"prompt": "A lighthouse."} if body is None and "raw" not in more else body
    return exchange("POST", OMNI, **{"role": "submit", "body": sent, "reply": reply, **more})


def refusal(**more: Any) -> Sighting:
    """Return a create that was refused."""
    reply = {"code": 1201, "message": "no", "request_id": "r-refused"}
    return create(**{"reply": reply, "status": 400, "explanation": {"problem": "invalid-value"}, **more})


def broken(rule: str, pointer: str) -> Sighting:
    """Return a create that breaks a rule."""
    violation = {"pointer": pointer, "rule": rule, "came": "this", "allowed": "that", "source": "a page"}
    return refusal(explanation={"problem": "invalid-value", "violations": [violation]})


def query(identifier: str, *, role: str | None = "query", **more: Any) -> Sighting:
    """Return a query, with the id as it is in the path."""
    return exchange("GET", f"{OMNI}/{identifier}", role=role, **more)


def session(
    *wire: Sighting,
    request: dict[str, Any] | None = None,
    result: Result | None = None,
    log: bytes = b"",
    exit_status: int | None = None,
    strangers: Sequence[bytes] = (),
    fills: dict[str, str] | None = None,
    tls_connections: int = 0,
) -> Session:
    """Return a session of one job."""
    seen = WireLog()
    for each in wire:
        seen.add(each)
    ending = Ending("answered" if result else "silent", 0.0, 1.0, result=result, log=log, exit_status=exit_status)
    job = Job("j-1", "http://127.0.0.1:1", KEY, request or {"prompt": "A lighthouse."})
    return Session(
        number=0,
        case=CASE,
        play=Play(),
        key=KEY,
        began=0.0,
        ended=1.0,
        watched_until=2.0,
        jobs=[JobSeen(job, ending)],
        wire=seen,
        tasks=[],
        attempts=[],
        posted=[],
        strangers=[Shown(0.5, each) for each in strangers],
        log=log,
        declared=Declared("a client", frozenset()),
        finals={},
        fills=fills or {},
        profile="kling",
        tls_connections=tls_connections,
    )


def verdict(name: str, argument: Any, seen: Session) -> str:
    """Return what a check finds: the worst of its verdicts."""
    found = [each.verdict for each in CHECKS[name](seen, argument)]
    return next((each for each in ("failed", "not exercised", "info", "passed") if each in found), "nothing")


def said(name: str, argument: Any, seen: Session) -> str:
    """Return what a check says that it has seen."""
    return " | ".join(each.seen for each in CHECKS[name](seen, argument))
