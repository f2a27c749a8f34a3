"""The driver in process: the callables that the examiner is given, for asyncio and for threads.

Callbacks do not come here: there is nobody to receive them, and polling finishes every job.
"""

import time
from typing import Any

import httpx
from driving import Parts, ended, settings_of, succeeded
from omni_video.client import Clock
from omni_video.errors import OmniVideoError

from contracts.jobs import Job, Result

_OWN = Parts()


async def generate(job: Job, parts: Parts = _OWN) -> Result:
    """Do a job with the async client, by the time of the event loop."""
    transport = job.transport if isinstance(job.transport, httpx.AsyncBaseTransport) else None
    async with parts.client(job.base_url, job.api_key, transport=transport, **_more(job, parts)) as client:
        try:
            return _result(succeeded(job.job, await client.generate(job.request, callback_url=job.callback_url)))
        except OmniVideoError as error:
            return _result(ended(job.job, error))


def generate_sync(job: Job, clock: Clock = time, parts: Parts = _OWN) -> Result:
    """Do a job with the sync client, by a clock that has `monotonic()` and `sleep(seconds)`."""
    transport = job.transport if isinstance(job.transport, httpx.BaseTransport) else None
    with parts.sync_client(job.base_url, job.api_key, transport=transport, clock=clock, **_more(job, parts)) as client:
        try:
            return _result(succeeded(job.job, client.generate(job.request, callback_url=job.callback_url)))
        except OmniVideoError as error:
            return _result(ended(job.job, error))


def _more(job: Job, parts: Parts) -> dict[str, Any]:
    return {"settings": settings_of(job.message()), "job_class": parts.job}


def _result(message: dict[str, Any]) -> Result:
    return Result(**message)
