"""One job, from its request to its video: every decision, and no input or output.

    steps ──▶ Send ──▶ Answer or Lost ──▶ … ──▶ Wait ──▶ … ──▶ Video, or an OmniVideoError

`OmniJob.steps` is a generator: it yields what to do next and is sent what came of it. Runners (client.py) do it, for
asyncio and for threads. A task costs money, so three rules come before all others:

- A job has one external id, on every submit of it. The provider takes an external id once.
- After a submit whose answer is lost or unclear, the task is asked for by that id before anything is submitted again.
- Once there is a task, nothing is submitted any more, whatever becomes of it.
"""

import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from omni_video.answers import FAILED, SUCCEEDED, Answer, Lost, Reading, read
from omni_video.errors import Cleaner, OmniVideoError, OutcomeUnknown, Refused, Rejected, TaskFailed, TimedOut
from omni_video.patience import Patience
from omni_video.rules import broken_rules, normalised
from omni_video.steps import Asking, Send, Settings, Step, Steps, Tries, Video

PATH = "/kling/v1/videos/omni-video"
# A base URL may have been copied with more than the host.
_ENDINGS = (PATH, "/kling/v1/videos", "/kling/v1", "/kling")
# What the provider's own words may not say.
_HINTS = {
    401: "authentication failed, look at the key",
    403: "the key has no right to this",
    429: "waiting does not mend this (balance, quota, account or address; code {code})",
}


class OmniJob(Patience):
    """One job. Each decision is a method or an attribute of its own, so that another client can decide otherwise."""

    path = PATH
    recovers_by_query = True
    validates = True

    def __init__(
        self,
        request: Mapping[str, Any],
        *,
        base_url: str,
        api_key: str,
        settings: Settings | None = None,
        callback_url: str | None = None,
        now: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(settings or Settings(), now, wall, chance)
        self.base_url = api_root(base_url)
        self.clean = Cleaner(api_key)
        self._api_key = checked_key(api_key)
        self._request, self._callback_url = dict(request), callback_url
        brought = self._request.get("external_task_id")
        self.brings_id = bool(brought)
        self.external_id = str(brought) if brought else self.new_external_id()
        self.task_id: str | None = None
        self._asks_by_external_id = False
        self._body = b""
        # Whether a task may exist now that nobody has told us of, and whether that was ever so.
        self.in_doubt = self.was_in_doubt = False

    # The story.

    def steps(self) -> Steps:
        """Do the whole job."""
        self.begin()
        self._body = self.prepared()
        created = yield from self.create()
        self.task_id, self.in_doubt = created.task_id, False
        return (yield from self.follow(created))

    def create(self) -> Asking:
        """Submit until there is a task; wherever there may be one already, ask for it first."""
        tries = Tries()
        while True:
            reading = yield from self.ask(self.submit_step())
            if reading.kind == "fine" and reading.task_id:
                return reading
            if self.may_have_created(reading):
                self.in_doubt = True
                self.was_in_doubt = self.was_in_doubt or reading.kind != "exists"
                found = yield from self.recover(reading, tries)
                if found is not None:
                    return found
                self.in_doubt = False
                if tries.last or tries.failed >= self.settings.submits_max:
                    raise self.error(Rejected, f"given up after {tries.failed} submits", reading)
            elif self.submits_again(reading):
                yield from self.back_off(tries, reading, self.settings.submits_max)
            else:
                raise self.given_up(reading, "")

    def recover(self, doubtful: Reading, tries: Tries) -> Generator[Step, Any, Reading | None]:
        """Return the task that an unclear submit has made; None where there is none, and it may be submitted again."""
        reading, looks = doubtful, 0
        while True:
            yield from self.back_off(tries, reading, self.settings.submits_max)
            if not self.recovers_by_query:
                return None
            reading = yield from self.ask(self.query_step(self.external_id))
            if reading.kind == "fine" and reading.task_id:
                if self.is_ours(reading):
                    return reading
                raise self.error(Rejected, "the external id belongs to another job", doubtful)
            if reading.kind == "absent":
                looks += 1
                if not self.surely_created(doubtful):
                    return None
                if looks >= self.settings.absences_max - 1:
                    kind = OmniVideoError if doubtful.kind == "garbled" else Rejected
                    raise self.error(kind, "no task id came, and no task is known by the external id", doubtful)
            elif reading.kind == "refused":
                raise self.error(OutcomeUnknown, f"the external id {self.external_id} cannot be asked for", reading)

    def follow(self, reading: Reading) -> Steps:
        """Ask for the task until it has ended. Nothing here submits."""
        assert self.task_id is not None
        tries, empty = Tries(), -1
        while True:
            if reading.kind == "fine":
                tries = Tries()
                if self.is_failed(reading):
                    raise self.error(TaskFailed, self.failure_reason(reading), reading)
                if self.is_succeeded(reading):
                    if reading.url:
                        return Video(self.task_id, reading.url, reading.request_id)
                    empty += 1
                    if empty >= self.settings.empty_successes_max:
                        raise self.error(OmniVideoError, "the task succeeded, and no video came", reading)
                empty = max(empty, 0)
                yield from self.pause()
            elif self.polls_again(reading, tries):
                yield from self.back_off(tries, reading, self.settings.polls_max)
            else:
                raise self.error(OmniVideoError, "", reading)
            reading = yield from self.ask(self.query_step(self.poll_id(tries)))

    # Requests.

    def prepared(self) -> bytes:
        """Return the body of every submit, or raise Refused."""
        request = self.request_body()
        if self.validates and (broken := broken_rules(request)):
            raise Refused(self.clean("; ".join(broken)))
        try:
            return json.dumps(request, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
        except (TypeError, ValueError) as error:
            raise Refused(self.clean(f"the request is not JSON: {error}")) from None

    def request_body(self) -> dict[str, Any]:
        """Return what is submitted: the request in the documented types, with the external id and the callback URL."""
        body = normalised(self._request)
        if self._callback_url and "callback_url" not in body:
            body["callback_url"] = self._callback_url
        return {**body, "external_task_id": self.external_id}

    def new_external_id(self) -> str:
        """Return an id that nobody else has."""
        return f"omni-{uuid.uuid4().hex}"

    def submit_step(self) -> Send:
        """Return the submit: the same bytes each time."""
        return self.send_step("POST", self.submit_url(), self._body)

    def query_step(self, identifier: str) -> Send:
        """Return the query of a task, by its id or its external id."""
        return self.send_step("GET", self.poll_url(identifier))

    def send_step(self, method: str, url: str, body: bytes | None = None) -> Send:
        """Return a request that ends by the deadline."""
        seconds = min(self.settings.request_timeout_seconds, max(self.left_seconds(), 0.001))
        return Send(method, url, seconds, body, self.headers(body))

    def submit_url(self) -> str:
        """Return where to submit."""
        return self.base_url + self.path

    def poll_url(self, identifier: str) -> str:
        """Return where to ask. An id is text that may contain anything."""
        return f"{self.base_url}{self.path}/{quote(identifier, safe='')}"

    def poll_id(self, tries: Tries) -> str:
        """Return the id to ask for: our own, where the provider does not know the one that it gave."""
        self._asks_by_external_id = self._asks_by_external_id or tries.absent >= self.settings.absences_max - 1
        return self.external_id if self.task_id is None or self._asks_by_external_id else self.task_id

    def headers(self, body: bytes | None) -> dict[str, str]:
        """Return the headers of a request. Compressed answers are not asked for: their size could not be bounded."""
        headers = {
            "authorization": f"Bearer {self._api_key}",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
        return {**headers, "content-type": "application/json"} if body is not None else headers

    def ask(self, request: Send) -> Asking:
        """Send one request, unless the deadline has passed."""
        if self.left_seconds() <= 0:
            raise self.out_of_time(Reading("lost"))
        answer: Answer | Lost = yield request
        return self.read(answer)

    def read(self, answer: Answer | Lost) -> Reading:
        """Return what an answer says."""
        return read(answer)

    # Judgements of an answer.

    def may_have_created(self, reading: Reading) -> bool:
        """Tell whether there may be a task after this answer to a submit."""
        return reading.kind in ("lost", "garbled", "trouble", "exists") or reading.kind == "fine"

    def surely_created(self, reading: Reading) -> bool:
        """Tell whether a submit was taken although its answer does not say as what, so that it is not sent again."""
        return reading.kind in ("garbled", "exists", "fine")

    def submits_again(self, reading: Reading) -> bool:
        """Tell whether to submit again after an answer that has certainly created nothing."""
        if reading.kind == "unsent":
            # Whoever cannot show whose server it is will not be able to in a second.
            return "CERTIFICATE_VERIFY_FAILED" not in reading.message
        return reading.kind == "throttled"

    def polls_again(self, reading: Reading, tries: Tries) -> bool:
        """Tell whether to ask again after an answer that tells nothing of the task."""
        if reading.kind == "absent":
            tries.absent += 1
            return tries.absent <= self.settings.absences_max
        return reading.kind != "refused"

    def is_ours(self, found: Reading) -> bool:
        """Tell whether a task found by our external id is that of this job.

        Where the caller brought the id, and no submit of ours can have made a task, it is an older job's.
        """
        return found.external_id in (None, self.external_id) and (self.was_in_doubt or not self.brings_id)

    def is_succeeded(self, reading: Reading) -> bool:
        """Tell whether the task has succeeded."""
        return reading.status in SUCCEEDED

    def is_failed(self, reading: Reading) -> bool:
        """Tell whether the task has failed. A status that nobody knows is no end."""
        return reading.status in FAILED

    def failure_reason(self, reading: Reading) -> str:
        """Return why a task failed: what the task says, for the envelope speaks of the request."""
        return reading.reason or "the provider gives no reason"

    # Ends.

    def out_of_time(self, reading: Reading) -> OmniVideoError:
        """Return the error for the end of the deadline."""
        seconds = f"the deadline of {self.settings.deadline_seconds:g} s has passed"
        if self.in_doubt:
            return self.error(OutcomeUnknown, f"{seconds}; ask for the external id {self.external_id}", reading)
        if self.task_id is None and reading.http_status is not None:
            return self.error(Rejected, seconds, reading)
        return self.error(TimedOut, seconds, reading)

    def given_up(self, reading: Reading, why: str) -> OmniVideoError:
        """Return the error for a job that is tried no more."""
        if self.task_id is not None:
            return self.error(OmniVideoError, why, reading)
        if self.in_doubt:
            return self.error(OutcomeUnknown, f"{why}; ask for the external id {self.external_id}", reading)
        return self.error(OmniVideoError if reading.http_status is None else Rejected, why, reading)

    def error(self, kind: type[OmniVideoError], reason: str, reading: Reading) -> OmniVideoError:
        """Return an error that says all that is known, and that is safe to show."""
        # Where the answer tells of a task, its envelope says no more than that the query went well.
        fine = reading.kind == "fine"
        message = "" if fine else self.clean(reading.message)
        code = None if fine else self.clean(reading.code, 100) if isinstance(reading.code, str) else reading.code
        hint = _HINTS.get(reading.http_status or 0, "") if reading.kind == "refused" else ""
        parts = [reason, hint.format(code=code), message]
        return kind(
            self.clean(": ".join(part for part in parts if part) or f"an answer of the kind {reading.kind}"),
            code=code,
            http_status=reading.http_status,
            message=message,
            request_id=self.clean(reading.request_id, 200) if reading.request_id else None,
            task_id=self.task_id,
        )


def api_root(base_url: str) -> str:
    """Return the base URL without a slash at its end, or the path of the API; raise ValueError for what is none."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"a base URL is like https://api.example.com, not {base_url[:100]!r}")
    root = base_url.rstrip("/")
    for ending in _ENDINGS:
        if root.endswith(ending):
            return root.removesuffix(ending)
    return root


def checked_key(api_key: str) -> str:
    """Return the key; raise ValueError, which does not show it, for one that no header can carry."""
    if not api_key or not api_key.isascii() or not api_key.isprintable() or " " in api_key:
        raise ValueError("an API key is printable ASCII without spaces; look for a newline at its end")
    return api_key
