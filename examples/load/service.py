"""What the load knows of a service: where it asks, how it reads the answers, and how long it waits after a refusal.

Nothing here does I/O besides reading `service.toml`, and nothing knows Locust.
"""

import dataclasses
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

# Refused for now, and surely not accepted: these alone are asked again.
TRY_AGAIN = (429, 503)
BACKOFF_FIRST_SECONDS = 0.5
BACKOFF_SECONDS_MAX = 30.0
# A longer Retry-After is as good as none: no run lasts a day.
RETRY_AFTER_SECONDS_MAX = 86_400.0

End = Literal["succeeded", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service, as `service.toml` describes it. Its comments say what each member means."""

    submit: str
    query: str
    list: str
    key_header: str
    key_value: str
    id: str
    status: str
    succeeded: tuple[str, ...]
    failed: tuple[str, ...]
    callback_url: str
    callback_status: str
    body: Mapping[str, Any]

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers of a request with this key."""
        return {self.key_header: self.key_value.format(key=key)}

    def submission(self, receiver: str | None) -> dict[str, Any]:
        """Return the body of a submit; with a receiver, callbacks are asked for."""
        return {**self.body, **({self.callback_url: receiver} if receiver else {})}

    def end(self, status: Any) -> End | None:
        """Return how a task with this status has ended, None where it has not."""
        if status in self.succeeded:
            return "succeeded"
        return "failed" if status in self.failed else None


def load_service(path: Path) -> Service:
    """Read a service's description; raise ValueError, naming the file and the member, where it is not one."""
    try:
        read = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None
    values = {name.replace("-", "_"): value for name, value in read.items()}
    known = {each.name: each.type for each in dataclasses.fields(Service)}
    for name in known.keys() ^ values.keys():
        reason = "is missing" if name in known else f"is not known; there are {', '.join(sorted(known))}"
        raise ValueError(f"{path}: {name.replace('_', '-')} {reason}")
    for name, value in values.items():
        if name in ("succeeded", "failed"):
            if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
                raise ValueError(f"{path}: {name} is {value!r}; a list of texts is expected")
            values[name] = tuple(value)
        elif not isinstance(value, dict if name == "body" else str):
            wanted = "a table" if name == "body" else "a text"
            raise ValueError(f"{path}: {name.replace('_', '-')} is {value!r}; {wanted} is expected")
    return Service(**values)


def find(body: Any, place: str) -> Any:
    """Return what stands at a place of a JSON body, None where there is nothing."""
    for name in place.split("."):
        body = body.get(name) if isinstance(body, dict) else None
    return body


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return how long a `Retry-After` asks to wait (seconds, or a date); None where it says nothing that counts."""
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        # A number of any length can come: one that is too long to be read is longer than the longest wait.
        return min(float(text[:20]), RETRY_AFTER_SECONDS_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - now).total_seconds()), RETRY_AFTER_SECONDS_MAX)


def pause_seconds(tried: int, retry_after: str | None, now: datetime, chance: float) -> float:
    """Return how long to wait after the refusal of try `tried`: as long as it says and a little, else ever longer.

    `chance` is from 0 to 1: clients that were refused together do not come back together.
    """
    told = retry_after_seconds(retry_after, now)
    if told is not None:
        return told * (1 + chance / 10)
    return float(min(BACKOFF_SECONDS_MAX, BACKOFF_FIRST_SECONDS * 2 ** min(tried - 1, 10))) * (0.5 + chance / 2)
