"""The pages of the journal: look at it, wait for what comes, clear it. Streaming it is in `stream.py`."""

import asyncio
from http import HTTPStatus

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from mock_server.clock import ManualClock
from mock_server.control.base import JSON, Asked, ControlError
from mock_server.control.entries import Shower, iso
from mock_server.control.filters import Filter, read_filter
from mock_server.journal import ENTRIES_MAX, Entry
from mock_server.readers import Follower, TooManyReaders

# A world is closed by a reset, and when it was not used for long and others need its room.
CLOSED = "this world was reset or closed"

_LIMIT = 100
WAIT_MS = 5_000
# Longer than any step of a test takes; whoever wants to wait for longer asks again.
WAIT_MS_MAX = 60_000
# An answer ends after so many bytes; the rest comes with the next one.
_ANSWER_BYTES_MAX = 4 * 1024 * 1024
# So often a wait looks whether what it waits for can still come: a task that is cancelled tells nobody.
_GLANCE_SECONDS = 1.0
# Showing an entry takes up to a millisecond: after so many, others have their turn.
_SHOWN_AT_ONCE = 20


async def listed(asked: Asked) -> Response:
    """Answer with the entries that a query asks for, oldest first."""
    world = asked.world
    wanted, after = read_filter(asked.query, asked.twin.program), read_after(asked)
    limit = asked.query.number("limit", _LIMIT, least=1, most=ENTRIES_MAX)
    found: list[Entry] = []
    reached = world.journal.next_number - 1
    for entry in world.journal.after(after):
        if wanted.matches(entry, world):
            if len(found) == limit:
                reached = found[-1].number
                break
            found.append(entry)
    return Response(await _page(asked, found, reached, after), media_type=JSON)


async def cleared(asked: Asked) -> Response:
    """Forget the entries of the world."""
    count = len(asked.world.journal)
    asked.world.journal.clear()
    return asked.json({"cleared": count, "next": asked.world.journal.next_number - 1})


async def waited(asked: Asked) -> Response:
    """Answer as soon as `count` entries match; else after the time-out, or when it is sure that they never will."""
    wanted, after = read_filter(asked.query, asked.twin.program), read_after(asked)
    count = asked.query.number("count", 1, least=1, most=ENTRIES_MAX)
    timeout_ms = asked.query.duration_ms("timeout", WAIT_MS, most_ms=WAIT_MS_MAX)
    try:
        with asked.twin.readers.follow(asked.world) as follower:
            found, failure = await _Wait(asked, wanted, follower, after).entries(count, timeout_ms / 1_000)
    except TooManyReaders as error:
        raise too_many(error) from None
    reached = found[-1].number if found else after
    page = await _page(asked, found, reached, after)
    if failure is None:
        return Response(page, media_type=JSON)
    return _with_entries(failure, asked, page)


def read_after(asked: Asked) -> int:
    """Return the number of the entry that the query goes on from; raise ControlError for one that is yet to come."""
    after = asked.query.number("after", 0, least=0, most=10**15)
    check_after(asked, after)
    return after


def check_after(asked: Asked, after: int) -> None:
    """Raise ControlError for a number that the journal has not come to: what is asked for would be left out."""
    last = asked.world.journal.next_number - 1
    if after > last:
        raise ControlError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"the journal has come to number {last}, and {after} is after it (was this world reset?); "
            f"use a number that an answer gave as `next`",
        )


def too_many(error: TooManyReaders) -> ControlError:
    """Return what to raise where there is no place for one reader more."""
    return ControlError(HTTPStatus.TOO_MANY_REQUESTS, f"{error}; end one of them, then ask again")


class _Wait:
    """Waits for entries of one world."""

    def __init__(self, asked: Asked, wanted: Filter, follower: Follower, after: int) -> None:
        self._asked, self._wanted, self._follower = asked, wanted, follower
        self._world = asked.world
        self._reached = after
        self._found: list[Entry] = []

    async def entries(self, count: int, timeout_seconds: float) -> tuple[list[Entry], ControlError | None]:
        """Return what was found, and why it is not as many as asked for, where it is not."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + timeout_seconds
        gone = loop.create_task(until_gone(self._asked.request))
        gone.add_done_callback(lambda _: self._follower.woken.set())
        try:
            while True:
                self._look(count)
                left_seconds = ends_at - loop.time()
                if len(self._found) >= count:
                    return self._found, None
                if failure := self._failure(count, left_seconds):
                    return self._found, failure
                if gone.done():
                    return [], ControlError(HTTPStatus.REQUEST_TIMEOUT, "the client has left")
                await self._follower.news(min(left_seconds, _GLANCE_SECONDS))
        finally:
            gone.cancel()

    def _look(self, count: int) -> None:
        for entry in self._world.journal.after(self._reached):
            if len(self._found) == count:
                return
            self._reached = entry.number
            if self._wanted.matches(entry, self._world):
                self._found.append(entry)

    def _failure(self, count: int, left_seconds: float) -> ControlError | None:
        came = f"{len(self._found)} of {count} came"
        if self._follower.journal.closed:
            return ControlError(HTTPStatus.CONFLICT, f"{came}: {CLOSED} meanwhile")
        if self._follower.ended:
            return ControlError(HTTPStatus.SERVICE_UNAVAILABLE, f"{came}: the server stops")
        if reason := self._never():
            return ControlError(HTTPStatus.CONFLICT, f"{came}, and the rest never will: {reason}")
        if left_seconds <= 0:
            return ControlError(HTTPStatus.REQUEST_TIMEOUT, f"{came} in time; ask again with `after` to go on waiting")
        return None

    def _never(self) -> str:
        """Say why what is waited for cannot come by itself, or nothing where it may."""
        wanted, world = self._wanted, self._world
        if wanted.kind != "callback" or any(map(wanted.could_become, self._asked.twin.callbacks.under_way(world))):
            return ""
        due_ms = min((each.due_ms for each in world.outbox if wanted.could_become(each)), default=None)
        if due_ms is None:
            return self._no_callback_left()
        now_ms = world.clock.now_ms()
        if due_ms <= now_ms or not isinstance(world.clock, ManualClock):
            return ""
        return (
            f"the next such callback is due at {due_ms} ({iso(due_ms)}), and the manual clock stands at {now_ms}; "
            f'move it: POST /_mock/clock/advance {{"to_ms": {due_ms}}}'
        )

    def _no_callback_left(self) -> str:
        """What a new task may send is not known; what one that is there has left to send is."""
        name = self._wanted.task_id or self._wanted.external_id
        task = self._world.store.find(name) if name is not None else None
        if task is None:
            return ""
        return f"the task {task.id} has no such callback left to send; GET /_mock/callbacks?task_id={task.id} lists all"


async def until_gone(request: Request) -> None:
    """Wait until the client has left."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _page(asked: Asked, entries: list[Entry], reached: int, after: int) -> bytes:
    """Return entries as JSON: `next` is the number to go on from."""
    shower = Shower(asked.world, asked.twin.key_header, [asked.twin.settings.control_token])
    dropped = asked.world.journal.dropped_after(after)
    parts: list[bytes] = []
    room = _ANSWER_BYTES_MAX
    for index, entry in enumerate(entries):
        encoded = shower.encoded(entry)
        room -= len(encoded)
        if room < 0 and parts:
            reached = entries[index - 1].number
            break
        parts.append(encoded)
        if index % _SHOWN_AT_ONCE == _SHOWN_AT_ONCE - 1:
            await asyncio.sleep(0)
    return b'{"entries":[%s],"next":%d,"dropped":%d}' % (b",".join(parts), reached, dropped)


def _with_entries(failure: ControlError, asked: Asked, page: bytes) -> Response:
    """A problem document that holds what did come as well."""
    head = {
        "type": "about:blank",
        "title": failure.status.phrase,
        "status": int(failure.status),
        "detail": asked.redactor.text(failure.detail),
    }
    body = b"%s,%s" % (msgspec.json.encode(head)[:-1], page[1:])
    return Response(body, int(failure.status), media_type="application/problem+json")
