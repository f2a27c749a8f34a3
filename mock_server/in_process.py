"""A twin that no server carries: made from settings as a function takes them, with a receiver for its callbacks.

The receiver is a function, or any transport of httpx; it gets the callbacks of every address.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from mock_server.names import nearest
from mock_server.post import CUT, Manner, PostFailed
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import Twin, load_program, make_twin

# What a receiver may answer: a response, its status alone, or nothing, which is 200.
Answer = httpx.Response | int | None
# What a receiver of callbacks may be: a function, or any httpx transport (`httpx.ASGITransport(app)`, say).
Receiver = Callable[[httpx.Request], Answer | Awaitable[Answer]] | httpx.AsyncBaseTransport | httpx.BaseTransport

_PATHS = ("spec", "scenarios")
_OF_A_SERVER = frozenset(
    """host port allowed_hosts control_token callback_allow callback_ca
    tls tls_cert tls_key tls_names tls_dir tls_fault""".split()  # noqa: SIM905  A dozen quoted words are harder to read.
)
# A suite with another spec or profile in each test compiles more often than this keeps.
_PROGRAMS_KEPT = 8


def in_process_twin(receiver: Receiver | None, settings: Mapping[str, Any], **parts: Any) -> Twin:
    """Return a twin by fields of `Settings`; `parts` are what `make_twin` takes besides, such as a clock.

    Without a receiver no callback is sent. Raise ValueError, naming the setting, for one that is not known or cannot
    be.
    """
    chosen = _settings(dict(settings))
    program = _program(chosen.spec, chosen.profile, chosen.dialect, chosen.mounts)
    refusal = "there is no receiver: give one with receiver=…" if receiver is None else ""
    return make_twin(
        chosen, program, post=lambda: _InProcessPost(receiver), callback_refusal=lambda url: refusal, **parts
    )


def _settings(given: dict[str, Any]) -> Settings:
    """A path may be a text, and several values a list."""
    known = [name for name in Settings.__struct_fields__ if name not in _OF_A_SERVER]
    for name, value in given.items():
        if name in _OF_A_SERVER:
            raise ValueError(f"{name} is a setting of a server; here there is none")
        if name not in known:
            raise ValueError(f"there is no setting {name!r}; {nearest(name, known)}")
        if name in _PATHS and isinstance(value, str):
            given[name] = Path(value)
        elif isinstance(value, list):
            given[name] = tuple(value)
    return Settings(**given)


@lru_cache(maxsize=_PROGRAMS_KEPT)
def _program(spec: Any, profile: str | None, dialect: str | None, mounts: tuple[str, ...]) -> Program:
    return load_program(Settings(spec=spec, profile=profile, dialect=dialect, mounts=mounts))


class _InProcessPost:
    """Hands callbacks to the receiver."""

    def __init__(self, receiver: Receiver | None) -> None:
        self._receiver = receiver

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        timeout_seconds: float,
        manner: Manner | None = None,
    ) -> int:
        """Nothing is dripped here: a receiver gets a request as a whole, if only with a part of its body."""
        cut = manner is not None and manner.body_bytes is not None
        length = {"content-length": str(len(body))}
        content = body[: manner.body_bytes] if manner is not None else body
        request = httpx.Request("POST", url, content=content, headers={**headers, **length})
        assert self._receiver is not None  # Else nothing is sent.
        try:
            async with asyncio.timeout(timeout_seconds):
                response = await _received(self._receiver, request)
        except TimeoutError:
            raise PostFailed(f"no answer within {timeout_seconds:g} s") from None
        except Exception as error:
            raise PostFailed(f"the receiver raised {error!r}") from error
        if cut:
            raise PostFailed(CUT)
        return response.status_code

    async def close(self) -> None:
        """There is nothing to let go of."""


async def _received(receiver: Receiver, request: httpx.Request) -> httpx.Response:
    if isinstance(receiver, httpx.AsyncBaseTransport):
        return await receiver.handle_async_request(request)
    if isinstance(receiver, httpx.BaseTransport):
        return receiver.handle_request(request)
    answer = receiver(request)
    answer = await answer if inspect.isawaitable(answer) else answer
    if isinstance(answer, httpx.Response):
        return answer
    if answer is None or isinstance(answer, int):
        return httpx.Response(200 if answer is None else answer)
    raise TypeError(f"it returned {answer!r}; an httpx.Response, a status or nothing is expected")
