"""What clients see of each fault, over real sockets: the table of docs/faults.md. `python -m tests.live.client_view`

Each fault befalls a query. Two client libraries ask, under each protocol class that can carry the twin.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from mock_server.pointers import MISSING, lookup, parse
from mock_server.program import Program
from mock_server.protocol import TwinProtocol
from mock_server.settings import Settings
from mock_server.spoiled import H11WithTransport, HttpToolsWithTransport
from mock_server.twin import Twin, load_program, make_twin
from tests.live.support import PATIENCE_SECONDS, eventually
from tests.live.test_protocol import Served
from tests.support import MINIMAL, OMNI, Caller

PAGE = Path(__file__).parents[2] / "docs/faults.md"
START, END = "<!-- table: python -m tests.live.client_view -->\n", "<!-- end of the table -->\n"

SERVERS: dict[str, type[Any]] = {
    "ours": TwinProtocol,
    "httptools": HttpToolsWithTransport,
    "h11": H11WithTransport,
}
# The clients wait so long for a reply that never comes.
GIVES_UP_SECONDS = 0.25


@dataclass(frozen=True)
class Row:
    """One fault; `shows` is a pointer to what is looked at in the reply, `hangs` whether the clients must give up."""

    fault: Any
    shows: str | None = None
    hangs: bool = False

    @property
    def written(self) -> str:
        return json.dumps(self.fault).replace('"', "") if isinstance(self.fault, dict) else str(self.fault)


ROWS = [
    Row({"http-error": 503}),
    Row({"wrong-shape": {"at": "/data/task_status", "as": "missing"}}, "/data/task_status"),
    Row({"wrong-shape": {"at": "/data", "as": "array"}}, "/data/task_status"),
    Row("rewritten", "/data/task_status"),
    *(
        Row({"malformed-json": {"how": how}})
        for how in ("cut", "trailing-comma", "single-quotes", "nan", "two-documents")
    ),
    Row("html-page"),
    Row({"html-page": 502}),
    Row("empty-body"),
    Row({"empty-body": 204}),
    Row({"truncated-body": {"how": "short-length"}}),
    Row({"truncated-body": {"how": "cut-chunk"}}),
    Row({"reset": "before"}),
    Row({"reset": "inside"}),
    Row("close"),
    Row({"close": "after"}, "/data/task_status"),
    Row({"close": "announced"}, "/data/task_status"),
    Row({"drip": {"every": "1ms", "bytes": 20}}, "/data/task_status"),
    Row("hang", hangs=True),
    Row({"hang": "10ms"}),
    Row("garbage"),
    Row({"redirect": {"to": "same"}}, "/data/task_status"),
    Row({"redirect": {"to": "http://127.0.0.1:9"}}),
    Row("unknown-status", "/data/task_status"),
    Row({"unknown-status": {"status": None}}, "/data/task_status"),
    Row({"stale-read": "first"}, "/data/task_status"),
    Row({"stale-read": "nothing"}, "/data/task_status"),
]

Ask = Callable[[str, dict[str, str], float], tuple[int, bytes]]


def with_httpx(url: str, headers: dict[str, str], timeout_seconds: float) -> tuple[int, bytes]:
    with httpx.Client(timeout=timeout_seconds, trust_env=False, verify=False) as client:
        answer = client.get(url, headers=headers)
        return answer.status_code, answer.content


def with_urllib(url: str, headers: dict[str, str], timeout_seconds: float) -> tuple[int, bytes]:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=timeout_seconds) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read()


CLIENTS: dict[str, Ask] = {"httpx": with_httpx, "urllib": with_urllib}


def seen(ask: Ask, row: Row, url: str, key: str) -> str:
    """Tell in a few words what a client sees."""
    headers = {"authorization": f"Bearer {key}"}
    try:
        status, body = ask(url, headers, GIVES_UP_SECONDS if row.hangs else PATIENCE_SECONDS)
    except (httpx.HTTPError, http.client.HTTPException, OSError) as error:
        reason = getattr(error, "reason", None)
        inner = f" ({type(reason).__name__})" if isinstance(reason, Exception) else ""
        return f"`{type(error).__name__}`{inner}"
    try:
        value = json.loads(body)
    except json.JSONDecodeError:
        return f"{status}, `JSONDecodeError`"
    if row.shows is None:
        return f"{status}, JSON"
    there = lookup(value, parse(row.shows))
    return f"{status}, `{parse(row.shows)[-1]}` is {'missing' if there is MISSING else json.dumps(there)}"


@contextmanager
def serving(twin: Twin, kind: type[HttpToolsProtocol]) -> Iterator[Served]:
    served = Served(twin, kind)
    try:
        yield served
    finally:
        served.end()


def finished(caller: Caller) -> str:
    """Return a task that has ended: a read of it can be stale."""
    task_id = caller.created(MINIMAL)
    eventually(lambda: caller.task(task_id)["task_status"] == "succeed", "the end of the task")
    return task_id


def look(program: Program, kind: type[Any]) -> dict[str, dict[str, str]]:
    """Return, for each row and client, what is seen under a protocol class."""
    twin = make_twin(Settings(time_scale=1_000_000), program)
    found: dict[str, dict[str, str]] = {}
    with serving(twin, kind) as served:
        for number, row in enumerate(ROWS):
            for client, ask in CLIENTS.items():
                caller = Caller(twin, key=f"sk-{number}-{client}")
                task_id = finished(caller)
                story = {"name": "spoiled", "about": "A test.", "query": [{"fault": row.fault}]}
                caller.world.steering.arm(twin.catalogue.define(story), None, 0)
                url = f"http://127.0.0.1:{served.port}{OMNI}/{task_id}"
                found.setdefault(row.written, {})[client] = seen(ask, row, url, caller.key)
    return found


def table(found: dict[str, dict[str, str]]) -> str:
    """Return the table as Markdown."""
    lines = ["| fault | " + " | ".join(CLIENTS) + " |", "|---" * (len(CLIENTS) + 1) + "|"]
    lines += [f"| `{fault}` | " + " | ".join(saw[each] for each in CLIENTS) + " |" for fault, saw in found.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(START)
    made = table(look(load_program(Settings()), TwinProtocol))
    PAGE.write_text(before + START + "\n" + made + "\n" + END + rest.partition(END)[2], encoding="utf-8")
