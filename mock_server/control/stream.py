"""The journal as a stream of server-sent events: what is there, then what comes.

    id: 12
    event: exchange            or callback
    data: {"number":12, …}

A comment comes when nothing else does, so that both sides know that the other is there. `event: dropped` says how many
entries were gone before they could be sent, `event: end` why nothing more comes.
"""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from mock_server.control.asking import BadInput, shown
from mock_server.control.base import Asked, problem
from mock_server.control.entries import Shower
from mock_server.control.filters import Filter, read_filter
from mock_server.control.journal import CLOSED, check_after, read_after, too_many, until_gone
from mock_server.journal import Attempt, Entry
from mock_server.readers import Follower, TooManyReaders

_NUMBER_CHARACTERS_MAX = 15


async def streamed(asked: Asked) -> "EventStream":
    """Answer with a stream of the entries that the query asks for."""
    return EventStream(asked, read_filter(asked.query, asked.twin.program), _start(asked))


def _start(asked: Asked) -> int:
    """A reader that comes back says in `Last-Event-ID` which entry it had last; that counts more than the query."""
    last = asked.request.headers.get("last-event-id")
    after = read_after(asked)
    if last is None:
        return after
    if not (last.isascii() and last.isdigit()) or len(last) > _NUMBER_CHARACTERS_MAX:
        raise BadInput(f"the header Last-Event-ID: {shown(last)} came, expected is the number of an entry")
    check_after(asked, int(last))
    return int(last)


class EventStream:
    """One reader's stream, as an ASGI application. It keeps no entries: what is unread stands in the journal."""

    def __init__(self, asked: Asked, wanted: Filter, after: int) -> None:
        self._asked, self._wanted, self._reached = asked, wanted, after
        self._world = asked.world
        self._shower = Shower(asked.world, asked.twin.key_header, [asked.twin.settings.control_token])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the client leaves, the world is closed, or the server stops."""
        try:
            with self._asked.twin.readers.follow(self._world) as follower:
                await self._run(follower, Request(scope, receive), send)
        except TooManyReaders as error:
            await problem(too_many(error), self._asked.redactor)(scope, receive, send)

    async def _run(self, follower: Follower, request: Request, send: Send) -> None:
        gone = asyncio.get_running_loop().create_task(until_gone(request))
        gone.add_done_callback(lambda _: follower.woken.set())

        async def write(text: bytes, *, more: bool = True) -> None:
            # Here a reader that has stopped holds up nobody but itself; the shell cuts it off.
            await send({"type": "http.response.body", "body": text, "more_body": more})

        try:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            await write(b": the journal of this world\n\n")
            while not gone.done():
                ended = follower.ended
                await self._write_news(gone, write)
                if ended:
                    reason = CLOSED if follower.journal.closed else "the server stops"
                    await write(_event("end", {"reason": reason}), more=False)
                    return
                if not await follower.news(self._asked.twin.readers.silent_seconds):
                    await write(b": nothing new\n\n")
        finally:
            gone.cancel()

    async def _write_news(self, gone: "asyncio.Task[None]", write: Callable[[bytes], Awaitable[None]]) -> None:
        journal = self._world.journal
        while not gone.done():
            if dropped := journal.dropped_after(self._reached):
                self._reached += dropped
                await write(_event("dropped", {"entries": dropped}))
            entry = self._next()
            if entry is None:
                return
            kind = b"callback" if isinstance(entry, Attempt) else b"exchange"
            data = self._shower.encoded(entry)
            await write(b"id: %d\nevent: %s\ndata: %s\n\n" % (entry.number, kind, data))

    def _next(self) -> Entry | None:
        for entry in self._world.journal.after(self._reached):
            self._reached = entry.number
            if self._wanted.matches(entry, self._world):
                return entry
        return None


def _event(name: str, data: dict[str, object]) -> bytes:
    return f"event: {name}\ndata: {msgspec.json.encode(data).decode()}\n\n".encode()


_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
