"""What every driver of the client needs: a job of the driver protocol to call it with, and its result to report."""

import importlib
from collections.abc import Mapping
from typing import Any

from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob
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


def job_class(name: str | None) -> type[OmniJob]:
    """Return the class that decides, named as `module:Class`; the client's own where none is named."""
    if name is None:
        return OmniJob
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if not (isinstance(found, type) and issubclass(found, OmniJob)):
        raise ValueError(f"{name} is not a class of jobs; a subclass of omni_video.OmniJob is expected")
    return found
