"""What comes by itself: a callback is verified where there is a secret, and wakes the job that it is about.

It is believed in nothing else: whoever knows the address can send one, and copies, late ones and early ones come from
the provider itself. The woken job asks the API, whose answer counts. So a web framework needs no more than this:

    status = callbacks.take(request.headers, raw_body)      # and answers with that status, at once
"""

import base64
import binascii
import contextlib
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING

from omni_video.answers import parsed, task

if TYPE_CHECKING:
    from omni_video.job import OmniJob

# How old, or how far in the future, a signature may be: the vendor says 5 minutes.
TOLERANCE_SECONDS = 300
# A sender may sign with an old secret and a new one; more than a few is an attempt to keep us busy.
_SIGNATURES_MAX = 10

# The provider has four statuses; a stranger who makes some up gets no more polls than this out of us.
_STATUSES_MAX = 10

_GOOD, _NOT_JSON, _NOT_SIGNED = 200, 400, 401


class Callbacks:
    """The callbacks of one key; `take` may be called from any thread."""

    def __init__(self, secret: str | None = None, *, wall: Callable[[], float] = time.time) -> None:
        """With a secret (`whsec_…`), only what is signed with it is taken."""
        self._secret = _secret_bytes(secret) if secret else None
        self._wall = wall
        self._lock = threading.Lock()
        self._watched: list[_Watched] = []

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """Wake the job that a callback is about, and return the HTTP status to answer with."""
        if self._secret is not None and not self.is_signed(headers, body):
            return _NOT_SIGNED
        document = parsed(body)
        if document is None:
            return _NOT_JSON
        told = task(document)
        ids = [found for found in (told.get("task_id"), told.get("external_id")) if found]
        with self._lock:
            meant = [each for each in self._watched if each.is_news(ids, told.get("status", ""))]
        for each in meant:
            each.wake()
        return _GOOD

    def is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Tell whether a body, byte by byte as it came, is signed with our secret, and lately (Standard Webhooks)."""
        lower = {name.lower(): value for name, value in headers.items()}
        message_id, timestamp = lower.get("webhook-id", ""), lower.get("webhook-timestamp", "")
        if not message_id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
            return False
        if abs(self._wall() - int(timestamp)) > TOLERANCE_SECONDS:
            return False
        signed = f"{message_id}.{timestamp}.".encode() + body
        expected = base64.b64encode(hmac.digest(self._secret or b"", signed, hashlib.sha256))
        signatures = lower.get("webhook-signature", "").split()[:_SIGNATURES_MAX]
        return any(
            hmac.compare_digest(signature.removeprefix("v1,").encode(), expected)
            for signature in signatures
            if signature.startswith("v1,")
        )

    @contextlib.contextmanager
    def watched(self, job: "OmniJob", wake: Callable[[], None]) -> Iterator[None]:
        """Wake a job while it runs."""
        entry = _Watched(job, wake)
        with self._lock:
            self._watched.append(entry)
        try:
            yield
        finally:
            with self._lock:
                self._watched.remove(entry)


class _Watched:
    """A job that runs. A copy of what it was told already is no reason to ask again."""

    def __init__(self, job: "OmniJob", wake: Callable[[], None]) -> None:
        self._job, self.wake = job, wake
        self._told: set[str] = set()

    def is_news(self, ids: Collection[str], status: str) -> bool:
        if not {self._job.task_id, self._job.external_id}.intersection(ids):
            return False
        if status in self._told or len(self._told) >= _STATUSES_MAX:
            return False
        self._told.add(status)
        return True


def _secret_bytes(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("a callback secret is whsec_ and Base64") from None
