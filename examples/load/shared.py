"""What the users of one process share: the service, keys, trust, the receiver of callbacks, and the end of a run."""

import json
import os
import ssl
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from gevent.event import AsyncResult
from gevent.pywsgi import WSGIServer
from locust.env import Environment
from service import Service, find, load_service

# A service that keeps something for each key has to bear no more of them; more users than that share.
KEYS_MAX = 200
# Callbacks are small; whatever is larger is not one.
CALLBACK_BYTES_MAX = 1024 * 1024
RESET_SECONDS_MAX = 10.0


@dataclass
class Awaited:
    """A task that a user waits for: the address of its callbacks, and what they have told so far."""

    url: str | None
    fire: Callable[..., None]
    began: float = field(default_factory=time.perf_counter)
    told: AsyncResult = field(default_factory=AsyncResult)

    def count(self, kind: str, what: str) -> None:
        """Put a row's count up by one, with the time since the submit."""
        milliseconds = (time.perf_counter() - self.began) * 1_000
        self.fire(
            request_type=kind, name=what, response_time=milliseconds, response_length=0, exception=None, context={}
        )


class Load:
    """What the users of one process share."""

    def __init__(self, environment: Environment) -> None:
        options = environment.parsed_options
        assert options is not None
        self.options = options
        self.service: Service = load_service(Path(options.service))
        self.fire = environment.events.request.fire
        given = os.environ.get("LOAD_KEYS", "").split()
        self.keys = given or [f"sk-load-{uuid.uuid4().hex}" for _ in range(KEYS_MAX)]
        self._keys_given = bool(given)
        self._users = 0
        self.tls = _trusting(options.ca_file)
        # By the last part of the address: no more than there are users.
        self._awaited: dict[str, Awaited] = {}
        self._receiver: WSGIServer | None = None
        self._turns = 0
        self._on_finished: Callable[[], None] | None = None
        # How many tasks may still be submitted, and what happens when there are none and the last turn has ended.
        self.tasks_left = float(options.tasks or "inf")
        self.on_spent: Callable[[], None] = lambda: None

    @property
    def another_turn(self) -> bool:
        """Whether a user may begin another turn."""
        return self._on_finished is None and self.tasks_left > 0

    def finish(self, on_finished: Callable[[], None]) -> None:
        """Let users end their turns, and then call back, once."""
        self._on_finished = on_finished
        if not self._turns:
            on_finished()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Take a turn."""
        self._turns += 1
        try:
            yield
        finally:
            self._turns -= 1
            if not self._turns and not self.another_turn:
                (self._on_finished or self.on_spent)()

    def next_key(self) -> str:
        """Return the key of the next user."""
        self._users += 1
        return self.keys[(self._users - 1) % len(self.keys)]

    def listen(self) -> None:
        """Receive callbacks from now on."""
        self._receiver = WSGIServer((self.options.callback_host, 0), self._receive, log=None, error_log=None)
        self._receiver.start()

    def close(self) -> None:
        """Stop receiving."""
        if self._receiver is not None:
            self._receiver.stop(timeout=1)
            self._receiver = None

    @contextmanager
    def awaiting(self) -> Iterator[Awaited]:
        """Wait for a task, which is submitted in the course of this."""
        if self._receiver is None:
            yield Awaited(None, self.fire)
            return
        token = uuid.uuid4().hex
        base = self.options.callback_url.rstrip("/") or (
            f"http://{self._receiver.server_host}:{self._receiver.server_port}"
        )
        awaited = self._awaited[token] = Awaited(f"{base}/callbacks/{token}", self.fire)
        try:
            yield awaited
        finally:
            del self._awaited[token]

    def reset(self, host: str) -> None:
        """Let an omnimock forget what it keeps for the given keys. Only this is not for any service."""
        for key in self.keys if self._keys_given else ():
            request = Request(f"{host}/_mock/reset", data=b"", headers=self.service.headers(key), method="POST")  # noqa: S310  The host is the user's own.
            with urlopen(request, timeout=RESET_SECONDS_MAX, context=self.tls if host.startswith("https:") else None):  # noqa: S310  The same.
                pass

    def _receive(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Take a callback in. One for a task that nobody waits for any more is taken all the same, and counted."""
        body = environ["wsgi.input"].read(min(int(environ.get("CONTENT_LENGTH") or 0), CALLBACK_BYTES_MAX))
        awaited = self._awaited.get(environ["PATH_INFO"].rpartition("/")[2])
        if awaited is None:
            Awaited(None, self.fire).count("CALLBACK", "late")
        else:
            end = self.service.end(find(read_json(body), self.service.callback_status))
            awaited.count("CALLBACK", "end" if end else "under way")
            if end and not awaited.told.ready():
                awaited.told.set(end)
        start_response("200 OK", [("content-length", "0")])
        return []


def read_json(body: bytes | None) -> Any:
    """Return the value of a JSON body, None where it is none."""
    try:
        return json.loads(body or b"")
    except ValueError:
        return None


def _trusting(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:
        raise ValueError(f"--ca-file {ca_file}: {error.strerror or error}") from None
