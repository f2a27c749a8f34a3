"""The two clients, for asyncio and for threads: they send, wait, and decide nothing.

async with AsyncOmniVideo("https://api.deerapi.com", key) as client:
    video = await client.generate({"prompt": "A lighthouse.", "aspect_ratio": "16:9", "duration": 5})
"""

import asyncio
import contextlib
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, Self

import httpx

from omni_video.answers import Answer, Lost
from omni_video.callbacks import Callbacks
from omni_video.job import OmniJob, api_root, checked_key
from omni_video.steps import Send, Settings, Video, Wait

# What is raised before anything was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
_FAILURES = (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError)


class Clock(Protocol):
    """The time of a sync client; the module `time` is one."""

    def monotonic(self) -> float:
        """Tell the time, in seconds from anywhere."""

    def sleep(self, seconds: float, /) -> None:
        """Wait."""


class _Client:
    """What both have: whom to ask, with which key, and how."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        settings: Settings | None = None,
        callbacks: Callbacks | None = None,
        job_class: type[OmniJob] = OmniJob,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self.base_url = api_root(base_url)
        self.settings = settings or Settings()
        self.callbacks = callbacks
        self._api_key = checked_key(api_key)
        self._job_class = job_class
        self._verify = verify

    def _job(self, request: Mapping[str, Any], callback_url: str | None, now: Callable[[], float]) -> OmniJob:
        return self._job_class(
            request,
            base_url=self.base_url,
            api_key=self._api_key,
            settings=self.settings,
            callback_url=callback_url,
            now=now,
        )

    def _http_settings(self) -> dict[str, Any]:
        """How httpx behaves. Certificates are loaded only where they are needed; that takes as long as a request."""
        secure = self.base_url.startswith("https:")
        verify = (self._verify or True) if secure else False
        return {"verify": verify, "trust_env": secure, "follow_redirects": False, "timeout": None}

    @contextlib.contextmanager
    def _watched(self, job: OmniJob, wake: Callable[[], None]) -> Iterator[None]:
        if self.callbacks is None:
            yield
            return
        with self.callbacks.watched(job, wake):
            yield


class AsyncOmniVideo(_Client):
    """The client for asyncio. Its jobs may run side by side."""

    def __init__(
        self, base_url: str, api_key: str, *, transport: httpx.AsyncBaseTransport | None = None, **more: Any
    ) -> None:
        """Take the base URL and the key; `more` are settings, callbacks, job_class and verify."""
        super().__init__(base_url, api_key, **more)
        self._http = httpx.AsyncClient(transport=transport, **self._http_settings())

    async def generate(self, request: Mapping[str, Any], *, callback_url: str | None = None) -> Video:
        """Return the video of a request; raise an OmniVideoError that says what became of it instead."""
        loop = asyncio.get_running_loop()
        job = self._job(request, callback_url, loop.time)
        woken = asyncio.Event()
        steps = job.steps()
        answer: Answer | Lost | None = None
        with self._watched(job, lambda: _wake_from_any_thread(loop, woken)):
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    video: Video = end.value
                    return video
                if isinstance(step, Send):
                    answer = await self._send(step)
                else:
                    await self._wait(step, woken)
                    answer = None

    async def _send(self, step: Send) -> Answer | Lost:
        """The time-out is for all of it: one for each read never ends an answer that drips."""
        try:
            async with asyncio.timeout(step.timeout_seconds):
                return await self._exchange(step)
        except TimeoutError:
            return Lost(f"no whole answer within {step.timeout_seconds:.1f} s")
        except _FAILURES as error:
            return _lost(error)

    async def _exchange(self, step: Send) -> Answer:
        request = self._http.build_request(
            step.method, step.url, headers=step.headers, content=step.body, timeout=step.timeout_seconds
        )
        response = await self._http.send(request, stream=True)
        try:
            body = bytearray()
            _check(response, 0, self.settings.answer_bytes_max)
            async for part in response.aiter_bytes():
                body += part
                _check(response, len(body), self.settings.answer_bytes_max)
            return _answer(response, bytes(body))
        finally:
            await response.aclose()

    async def _wait(self, step: Wait, woken: asyncio.Event) -> None:
        if not step.wakes or self.callbacks is None:
            await asyncio.sleep(step.seconds)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(step.seconds):
                await woken.wait()
        woken.clear()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.aclose()


class OmniVideo(_Client):
    """The client for threads. Its jobs may run side by side, each in a thread of its own."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Clock = time,
        **more: Any,
    ) -> None:
        """Take the base URL and the key; `more` are settings, callbacks, job_class and verify."""
        super().__init__(base_url, api_key, **more)
        self._clock = clock
        self._http = httpx.Client(transport=transport, **self._http_settings())

    def generate(self, request: Mapping[str, Any], *, callback_url: str | None = None) -> Video:
        """Return the video of a request; raise an OmniVideoError that says what became of it instead."""
        job = self._job(request, callback_url, self._clock.monotonic)
        woken = threading.Event()
        steps = job.steps()
        answer: Answer | Lost | None = None
        with self._watched(job, woken.set):
            while True:
                try:
                    step = steps.send(answer)
                except StopIteration as end:
                    video: Video = end.value
                    return video
                if isinstance(step, Send):
                    answer = self._send(step)
                else:
                    self._wait(step, woken)
                    answer = None

    def _send(self, step: Send) -> Answer | Lost:
        try:
            return self._exchange(step)
        except _FAILURES as error:
            return _lost(error)

    def _exchange(self, step: Send) -> Answer:
        """Threads cannot be cut short, so the time is looked at with each part that comes."""
        ends_at = self._clock.monotonic() + step.timeout_seconds
        request = self._http.build_request(
            step.method, step.url, headers=step.headers, content=step.body, timeout=step.timeout_seconds
        )
        response = self._http.send(request, stream=True)
        try:
            body = bytearray()
            _check(response, 0, self.settings.answer_bytes_max)
            for part in response.iter_bytes():
                body += part
                _check(response, len(body), self.settings.answer_bytes_max)
                if self._clock.monotonic() > ends_at:
                    raise httpx.ReadTimeout(f"no whole answer within {step.timeout_seconds:.1f} s")
            return _answer(response, bytes(body))
        finally:
            response.close()

    def _wait(self, step: Wait, woken: threading.Event) -> None:
        if not step.wakes or self.callbacks is None:
            self._clock.sleep(step.seconds)
            return
        woken.wait(step.seconds)
        woken.clear()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _check(response: httpx.Response, body_bytes: int, body_bytes_max: int) -> None:
    """Refuse an answer that could fill the memory."""
    if response.headers.get("content-encoding", "identity") != "identity":
        raise httpx.DecodingError("the answer is compressed, which was not asked for")
    if body_bytes > body_bytes_max:
        raise httpx.DecodingError(f"the answer has more than {body_bytes_max} bytes")


def _answer(response: httpx.Response, body: bytes) -> Answer:
    return Answer(response.status_code, {name.lower(): value for name, value in response.headers.items()}, body)


def _lost(error: Exception) -> Lost:
    """The name of an error says more than its text, which may be empty."""
    return Lost(f"{type(error).__name__}: {error}", sent=not isinstance(error, _UNSENT))


def _wake_from_any_thread(loop: asyncio.AbstractEventLoop, woken: asyncio.Event) -> None:
    with contextlib.suppress(RuntimeError):  # A callback that comes after the loop has closed wakes nobody.
        loop.call_soon_threadsafe(woken.set)
