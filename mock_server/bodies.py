"""What the body of a submit says: decoded, checked, and read.

A load test sends the same few bodies over and over, and so does a client that tries again. What was found in a body
depends on nothing but its bytes, unless it has an external id, which must not be in use; so it is kept when it comes
for the second time. Every other body takes the whole way, and nothing is kept of it but its hash: to keep what is never
asked for again would cost more than a tenth of a submit.
"""

from collections.abc import Container
from typing import Any

import msgspec

from mock_server.compiled import Submission
from mock_server.decoding import decode_body
from mock_server.media import MediaFile
from mock_server.validation import Violation

# As many as one load test sends in turn; then it starts anew. With the decoded values, about two megabytes at most.
_KEPT_MAX = 200
_KEPT_BYTES_MAX = 4_096
_SEEN_MAX = 1_000


class Said(msgspec.Struct, frozen=True, gc=False):
    """What one body says. `note` is on its media; where there are violations, nothing else is read."""

    body: Any
    external_id: str | None
    violations: list[Violation]
    warnings: list[Violation]
    callback_url: str | None = None
    inputs: tuple[Any, ...] = ()
    media: MediaFile | None = None
    note: str = ""


class Bodies:
    """Reads the bodies of one operation."""

    def __init__(self, submission: Submission) -> None:
        self._submission = submission
        self._known: dict[bytes, Said] = {}
        # The hashes of bodies that came once.
        self._seen: set[int] = set()

    def read(self, raw: bytes, used: Container[str]) -> Said:
        """Return what a body says; raise NotJson where it says nothing. `used` are the external ids in use."""
        return self._known.get(raw) or self._read(raw, used)

    def _read(self, raw: bytes, used: Container[str]) -> Said:
        submission = self._submission
        body = decode_body(raw)
        external_id = submission.external_id(body)
        violations, warnings = submission.validation.check(body, external_id, used)
        if violations:
            return Said(body, external_id, violations, warnings)
        media, note = submission.media(body)
        url, inputs = submission.callback_url(body), submission.inputs(body)
        said = Said(body, external_id, violations, warnings, url, inputs, media, note)
        if external_id is None and len(raw) <= _KEPT_BYTES_MAX:
            self._keep(raw, said)
        return said

    def _keep(self, raw: bytes, said: Said) -> None:
        number = hash(raw)
        if number in self._seen:
            if len(self._known) >= _KEPT_MAX:
                self._known.clear()
            self._known[raw] = said
        else:
            if len(self._seen) >= _SEEN_MAX:
                self._seen.clear()
            self._seen.add(number)
