"""A client of Kling Omni Video through DeerAPI: it submits, waits, and never pays twice for one video.

Copy this folder. It needs httpx, and nothing of omnimock.
"""

from omni_video.callbacks import Callbacks
from omni_video.client import AsyncOmniVideo, OmniVideo
from omni_video.errors import OmniVideoError, OutcomeUnknown, Refused, Rejected, TaskFailed, TimedOut
from omni_video.job import OmniJob
from omni_video.receiver import Receiver
from omni_video.steps import Settings, Video

__all__ = [
    "AsyncOmniVideo",
    "Callbacks",
    "OmniJob",
    "OmniVideo",
    "OmniVideoError",
    "OutcomeUnknown",
    "Receiver",
    "Refused",
    "Rejected",
    "Settings",
    "TaskFailed",
    "TimedOut",
    "Video",
]
