"""The driver in process: the callables that the examiner is given, for asyncio and for threads.

Callbacks do not come here: there is nobody to receive them, and polling finishes every job.
"""

import time
from typing import Any

import httpx
from driving import ended, settings_of, succeeded
from omni_video.client import AsyncOmniVideo, Clock, OmniVideo
from omni_video.errors import OmniVideoError
from omni_video.job import OmniJob

from contracts.jobs import Job, Result


async def generate(job: Job, job_class: type[OmniJob] = OmniJob) -> Result:
    """Do a job with the async client, by the time of the event loop."""
    transport = job.transport if isinstance(job.transport, httpx.AsyncBaseTransport) else None
    async with AsyncOmniVideo(job.base_url, job.api_key, transport=transport, **_more(job, job_class)) as client:
        try:
            return _result(succeeded(job.job, await client.generate(job.request, callback_url=job.callback_url)))
        except OmniVideoError as error:
            return _result(ended(job.job, error))


def generate_sync(job: Job, clock: Clock = time, job_class: type[OmniJob] = OmniJob) -> Result:
    """Do a job with the sync client, by a clock that has `monotonic()` and `sleep(seconds)`."""
    transport = job.transport if isinstance(job.transport, httpx.BaseTransport) else None
    with OmniVideo(job.base_url, job.api_key, transport=transport, clock=clock, **_more(job, job_class)) as client:
        try:
            return _result(succeeded(job.job, client.generate(job.request, callback_url=job.callback_url)))
        except OmniVideoError as error:
            return _result(ended(job.job, error))


def _more(job: Job, job_class: type[OmniJob]) -> dict[str, Any]:
    return {"settings": settings_of(job.message()), "job_class": job_class}


def _result(message: dict[str, Any]) -> Result:
    return Result(**message)
