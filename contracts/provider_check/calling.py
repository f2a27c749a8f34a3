"""Calls the service that is checked: seldom, not for ever, never beyond the budget of tasks, and with the key untold.

Redirects are not followed, so the key goes to no other place. What is shown of a request has `[key]` in its place.
"""

import json
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from mock_server.pointers import MISSING
from mock_server.redaction import SECRET_CHARACTERS_MIN, SHOWN_KEY, Redactor
from mock_server.spec import AuthScheme

# A stranger's machine is asked at most so often.
_INTERVAL_SECONDS = 0.34
_SHOWN_CHARACTERS_MAX = 600
# Of a result, enough to know that it is there.
_RESULT_BYTES_MAX = 65_536
_REPLY_BYTES_MAX = 32 * 1024 * 1024


class Exhausted(Exception):
    """No further request may be sent; the message says which bound was reached."""


class Unreachable(ValueError):
    """The service cannot be checked at all; the message says why."""


class Answer(msgspec.Struct, frozen=True):
    """One reply. `status` is 0 where none came; then `error` says why. `sent` is the request, as a command for curl."""

    sent: str
    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes
    error: str = ""

    def header(self, name: str) -> str | None:
        """Return the value of a header, by its name in lower case."""
        return next((value for each, value in self.headers if each == name), None)

    @property
    def accepted(self) -> bool:
        """Whether it is a success."""
        return 200 <= self.status < 300

    @property
    def value(self) -> Any:
        """The JSON value of the body, MISSING where it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return MISSING


class Budget:
    """How many tasks may be created. What was accepted by mistake counts like what was meant to be."""

    def __init__(self, tasks_max: int) -> None:
        self.tasks_max, self.created = tasks_max, 0

    @property
    def left(self) -> int:
        """How many more may be created; 0 where too many have been."""
        return max(0, self.tasks_max - self.created)

    @property
    def may_probe(self) -> bool:
        """Whether a body may be sent that must be refused: not where accepting one more would pass the budget.

        Without any budget the first one that is accepted ends it.
        """
        return self.left > 0 or self.created == 0


class Caller:
    """One client of the service."""

    def __init__(
        self,
        url: str,
        key: str,
        auth: AuthScheme,
        *,
        requests_max: int,
        seconds_max: float,
        timeout_seconds: float = 30.0,
        verify: Any = True,
        transport: httpx.BaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Raise ValueError for an address or a key that cannot be used."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{url!r}: the address of a server is needed, such as http://127.0.0.1:4747")
        if len(key) < SECRET_CHARACTERS_MIN or not key.isascii() or any(not "!" <= each <= "~" for each in key):
            raise ValueError(
                f"the key is shorter than {SECRET_CHARACTERS_MIN} characters, or not printable ASCII without blanks: "
                "it could not be kept out of what is shown"
            )
        self.url, self.loopback = url.rstrip("/"), is_loopback(parts.hostname)
        self.redactor = Redactor([key])
        self._key, self._auth = key, auth
        self._requests_max, self.requests = requests_max, 0
        self._monotonic, self._sleep = monotonic, sleep
        self._seconds_max, self._ends_at = seconds_max, monotonic() + seconds_max
        self._next_at = monotonic()
        self._interval_seconds = 0.0 if self.loopback else _INTERVAL_SECONDS
        self._http = httpx.Client(
            timeout=timeout_seconds,
            follow_redirects=False,
            trust_env=not self.loopback,
            verify=verify,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def wait(self, seconds: float) -> None:
        """Wait; raise Exhausted where the time of the check would be over."""
        if self._monotonic() + seconds > self._ends_at:
            raise Exhausted(f"the time was over: --for {self._seconds_max:g}s")
        self._sleep(seconds)

    def send(
        self,
        method: str,
        path: str,
        *,
        body: Any = MISSING,
        raw: bytes | None = None,
        query: str = "",
        key: str | None = "",
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request to the service; an empty `key` is the right one, None sends none.

        Raise Exhausted where no more may be sent.
        """
        content = raw if raw is not None else None if body is MISSING else json.dumps(body).encode()
        sending = {"content-type": content_type} if content is not None else {}
        sending |= headers or {}
        if key is not None:
            name, _, value = self._auth.header_line(key or self._key).partition(": ")
            sending[name] = value
        return self._call(method, f"{self.url}{path}{'?' + query if query else ''}", sending, content)

    def fetch(self, url: str) -> Answer:
        """Ask for the first bytes of a result, without any key."""
        return self._call("GET", url, {"range": "bytes=0-99"}, None, at_most=_RESULT_BYTES_MAX)

    def _call(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        at_most: int = _REPLY_BYTES_MAX,
    ) -> Answer:
        if self.requests >= self._requests_max:
            raise Exhausted(f"so many requests were sent: --requests {self._requests_max}")
        if (early := self._next_at - self._monotonic()) > 0:
            self.wait(early)
        if self._monotonic() >= self._ends_at:
            raise Exhausted(f"the time was over: --for {self._seconds_max:g}s")
        self._next_at = self._monotonic() + self._interval_seconds
        self.requests += 1
        sent = self._curl(method, url, headers, content)
        try:
            with self._http.stream(method, url, headers=dict(headers), content=content) as response:
                body = b""
                for chunk in response.iter_bytes():
                    body += chunk
                    if len(body) >= at_most:
                        break
                pairs = [(name.lower(), value) for name, value in response.headers.multi_items()]
                return Answer(sent, response.status_code, pairs, body)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            return Answer(sent, 0, (), b"", self.redactor.text(f"{type(error).__name__}: {error}"))

    def shown(self, text: str) -> str:
        """Return a text as it may be shown: short, on one line, without the key."""
        text = " ".join(self.redactor.text(text).split())
        return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}… ({len(text)})"

    def came(self, answer: Answer) -> str:
        """Return a reply in one line."""
        if not answer.status:
            return self.shown(f"no reply: {answer.error}")
        kind = answer.header("content-type") or "no Content-Type"
        return self.shown(f"{answer.status} ({kind}) {answer.body.decode('utf-8', 'replace')}")

    def _curl(self, method: str, url: str, headers: Mapping[str, str], content: bytes | None) -> str:
        words = ["curl", "-i", "-X", method, url]
        for name, value in headers.items():
            secret = name.lower() == self._auth.header
            shown = value.replace(self._key, SHOWN_KEY) if secret else value
            words += ["-H", f"{name}: {shown}"]
        if content is not None:
            words += ["--data-binary", content.decode("utf-8", "backslashreplace")]
        return self.shown(shlex.join(words))


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, by its name or address alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
