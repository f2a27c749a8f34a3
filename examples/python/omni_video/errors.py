"""What a job can end with besides a video, and what may be said of it: never the key, never raw control characters.

OmniVideoError
├── Refused           the request breaks a documented rule; nothing was sent
├── Rejected          the provider refused the request; there is no task
├── TaskFailed        there was a task, and it failed
├── TimedOut          the deadline has passed; `task_id` is kept where there is a task
└── OutcomeUnknown    a task may exist, and nobody could tell
"""

import base64

TEXT_CHARACTERS_MAX = 500
# What is looked at of a text before it is shortened: a key must not escape by standing across the cut.
_LOOKED_AT_MAX = 20_000
# A tail of the key gives it away as well.
_TAIL = 12
_SECRET_CHARACTERS_MIN = 4


class OmniVideoError(Exception):
    """A job that came to no video. Its texts are safe to log."""

    outcome = "error"

    def __init__(
        self,
        reason: str,
        *,
        code: int | str | None = None,
        http_status: int | None = None,
        message: str = "",
        request_id: str | None = None,
        task_id: str | None = None,
    ) -> None:
        self.reason = reason
        self.code = code
        self.http_status = http_status
        self.message = message
        self.request_id = request_id
        self.task_id = task_id
        known = {"HTTP": http_status, "code": code, "request id": request_id, "task": task_id}
        details = ", ".join(f"{name} {value}" for name, value in known.items() if value is not None)
        super().__init__(f"{reason} ({details})" if details else reason)


class Refused(OmniVideoError):
    """The request breaks a documented rule, so it was not sent."""

    outcome = "refused"


class Rejected(OmniVideoError):
    """The provider refused the request, and there is no task."""

    outcome = "rejected"


class TaskFailed(OmniVideoError):
    """The provider ended the task as failed; `reason` is the provider's."""

    outcome = "failed"


class TimedOut(OmniVideoError):
    """The deadline has passed."""

    outcome = "timeout"


class OutcomeUnknown(OmniVideoError):
    """A task may exist, and may cost money; ask for it by the external id in `reason`."""

    outcome = "unknown"


class Cleaner:
    """Makes texts of others safe to show: short, on one line, and without the key in any of its forms."""

    def __init__(self, key: str) -> None:
        forms = {key, key[-_TAIL:], *_base64_forms(key.encode())}
        self._secrets = sorted((form for form in forms if len(form) >= _SECRET_CHARACTERS_MIN), key=len, reverse=True)

    def __call__(self, text: str, characters_max: int = TEXT_CHARACTERS_MAX) -> str:
        """Return the text as it may be shown."""
        text = text[:_LOOKED_AT_MAX]
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        shown = "".join(_visible(each) for each in text[: characters_max + 1])
        return shown if len(shown) <= characters_max else shown[: characters_max - 1] + "…"


def _visible(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode()


def _base64_forms(key: bytes) -> list[str]:
    """The key in Base64, whatever stands before and behind it there."""
    forms = []
    for before, shared_characters in ((0, 0), (1, 2), (2, 3)):
        whole = b"\0" * before + key
        encoded = base64.b64encode(whole).decode().rstrip("=")
        form = encoded[shared_characters : len(encoded) if len(whole) % 3 == 0 else -1]
        forms += [form, form.replace("+", "-").replace("/", "_")]
    return forms
