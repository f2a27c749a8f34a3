"""Steers one world by the control API, and reads what happened in it. Works on a server and in process alike."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import httpx

from contracts.plugin.lines import LINES_MAX, lines

# Where something fails, the reader wants the line of the test, not ours.
__tracebackhide__ = True

# Longer than the twin lets anybody wait (60 s), and than an advance takes whose receivers are slow.
TIMEOUT_SECONDS = 90.0
_PAGE_MAX = 1_000


class PageRefused(Exception):
    """The twin did not do what it was asked; the text is what it said."""


class TwinGone(Exception):
    """Nobody answers at the twin's address."""


class Pages:
    """The pages of the twin, for the world of one key.

    Every method waits for the answer. In an async test whose callbacks go to an application in the same event loop,
    `await asyncio.to_thread(omnimock.advance, "5m")` leaves the loop free to receive them.
    """

    def __init__(self, http: httpx.Client, base_url: str, key: str) -> None:
        """`http` reaches the twin; the key of a client under test is `key`, and its base URL `base_url`."""
        self._http = http
        self.base_url, self.key = base_url, key

    @property
    def headers(self) -> dict[str, str]:
        """The header by which a request belongs to this world."""
        return {"Authorization": f"Bearer {self.key}"}

    def scenario(self, scenario: str | Mapping[str, Any], *, times: int | str = "always") -> dict[str, Any]:
        """Arm a scenario, such as `maintenance; on=query`, or one given whole as in a file, for so many plays."""
        chosen = scenario if isinstance(scenario, str) else dict(scenario)
        return self.ask("PUT", "scenario", json={"scenario": chosen, "times": times})

    def advance(self, by: str) -> list[dict[str, Any]]:
        """Move the manual clock, such as by `5m`; return what happened on the way, in order."""
        fired: list[dict[str, Any]] = self.ask("POST", "clock/advance", json={"by": by})["fired"]
        return fired

    def finish(self, task_id: str, outcome: str = "success", *, message: str | None = None) -> dict[str, Any]:
        """End a task now, by its id or external id: `success`, the name of a failure, or `failure` with a message."""
        body = {"outcome": outcome, **({"message": message} if message is not None else {})}
        return self.ask("POST", f"tasks/{quote(task_id, safe='')}/finish", json=body)

    def redeliver(self, delivery: str | None = None) -> dict[str, Any]:
        """Send a callback again, now: the one that was tried last, unless its delivery is named. Return the attempt."""
        if delivery is None:
            tried = [each for each in self.callbacks() if each["attempts"] and each["outcome"] != "booked"]
            if not tried:
                raise PageRefused("no callback of this world was tried yet, so none can be sent again")
            delivery = str(max(tried, key=lambda each: int(each["attempts"][-1]["number"]))["delivery"])
        return self.ask("POST", f"callbacks/{quote(delivery, safe='')}/redeliver")

    def reset(self) -> None:
        """Begin the world anew: no tasks, no journal, no callbacks, and a manual clock at its start."""
        self.ask("POST", "reset")

    def tasks(self, **filters: Any) -> list[dict[str, Any]]:
        """Return the tasks, oldest first; filters are `status`, `type` and `external_id`."""
        return self._all("tasks", filters)

    def callbacks(self, **filters: Any) -> list[dict[str, Any]]:
        """Return the deliveries with their attempts; filters are `task_id` and `outcome`."""
        return self._all("callbacks", filters)

    def ledger(self, external_id: str | None = None) -> dict[str, Any]:
        """Return what the provider would have charged: `total`, and for each external id (at most 1,000) `accounts`."""
        return self.ask("GET", "ledger", external_id=external_id, limit=_PAGE_MAX)

    def journal(self, **filters: Any) -> list[dict[str, Any]]:
        """Return the entries that pass the filters, oldest first: the exchanges, and the attempts of callbacks."""
        entries: list[dict[str, Any]] = []
        after = filters.pop("after", 0)
        while True:
            answer = self.ask("GET", "journal", **filters, after=after, limit=_PAGE_MAX)
            if not answer["entries"]:
                return entries
            entries += answer["entries"]
            after = answer["next"]

    def wait(self, *, count: int = 1, timeout: str = "5s", **filters: Any) -> list[dict[str, Any]]:
        """Wait, in real time, until so many entries pass the filters, and return them.

        Raise AssertionError when the time is over, or at once where they can never come.
        """
        answer = self._send("GET", "journal/wait", params=_given({**filters, "count": count, "timeout": timeout}))
        if answer.status_code in (408, 409):
            text = "\n".join((f"the wait for {_shown(filters) or 'an entry'} is over: {_detail(answer)}", self.text()))
            raise AssertionError(text)
        entries: list[dict[str, Any]] = _read(answer)["entries"]
        return entries

    def text(self, *, most: int = LINES_MAX) -> str:
        """Return the journal as people read it: its last entries, a line each, without keys."""
        entries = self.journal()
        return "\n".join(lines(entries, most=most)) if entries else "(the journal is empty: no request came)"

    def ask(self, method: str, path: str, /, *, json: Any = None, **query: Any) -> dict[str, Any]:
        """Ask a page below `/_mock/`, and return its answer. Raise PageRefused with the twin's words."""
        return _read(self._send(method, path, params=_given(query), json=json))

    def _send(self, method: str, page: str, **more: Any) -> httpx.Response:
        try:
            return self._http.request(method, f"/_mock/{page}", headers=self.headers, **more)
        except httpx.TransportError as error:
            raise TwinGone(f"no twin answers at {self.base_url} any more: {error!r}") from None

    def _all(self, name: str, filters: Mapping[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for page in range(1, 1_000):
            answer = self.ask("GET", name, **filters, page=page, limit=_PAGE_MAX)
            found += answer[name]
            if not answer[name] or len(found) >= answer["total"]:
                break
        return found


def _given(query: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value) for name, value in query.items() if value is not None}


def _shown(filters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in filters.items())


def _read(answer: httpx.Response) -> dict[str, Any]:
    if answer.is_success:
        told: dict[str, Any] = answer.json()
        return told
    raise PageRefused(_detail(answer))


def _detail(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        return f"{answer.status_code}: {answer.text[:200]}"
