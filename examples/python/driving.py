"""What every driver of the client needs: a job of the driver protocol to call it with, and its result to report."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from omni_video.callbacks import Callbacks
from omni_video.client import AsyncOmniVideo, OmniVideo
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob
from omni_video.receiver import Receiver
from omni_video.steps import Settings, Video

_WISHES = ("poll_interval_seconds", "request_timeout_seconds", "deadline_seconds")


def settings_of(job: Mapping[str, Any]) -> Settings:
    """Return the settings that a job wishes for."""
    wishes = job.get("settings") or {}
    wished: dict[str, Any] = {name: float(wishes[name]) for name in _WISHES if wishes.get(name) is not None}
    return Settings(**wished)


def succeeded(job: str, video: Video) -> dict[str, Any]:
    """Return the result of a job that came to a video."""
    return {
        "job": job,
        "outcome": "succeed",
        "task_id": video.task_id,
        "url": video.url,
        "request_id": video.request_id,
    }


def ended(job: str, error: OmniVideoError) -> dict[str, Any]:
    """Return the result of a job that came to none. The provider's words are part of the reason."""
    return {
        "job": job,
        "outcome": error.outcome,
        "task_id": error.task_id,
        "reason": error.reason,
        "code": error.code,
        "http_status": error.http_status,
        "request_id": error.request_id,
    }


@dataclass(frozen=True)
class Parts:
    """What a driver puts together. Another client may have parts of its own."""

    job: type[OmniJob] = OmniJob
    client: type[AsyncOmniVideo] = AsyncOmniVideo
    sync_client: type[OmniVideo] = OmniVideo
    callbacks: type[Callbacks] = Callbacks
    receiver: type[Receiver] = Receiver


def parts(name: str | None) -> Parts:
    """Return the client's own parts, with the one named as `module:Class` in place of the one that it derives from."""
    if name is None:
        return Parts()
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    for field in fields(Parts):
        if isinstance(found, type) and issubclass(found, field.default):  # type: ignore[arg-type]
            return Parts(**{field.name: found})
    raise ValueError(f"{name} is no part of a client; a subclass of OmniJob, say, is expected (see Parts)")
