"""Takes what has passed: inspects it, scrubs it, finds out whose it is, writes it, and tells what is wrong with it.

Submits that came to nothing are kept with what belongs to no task, until the same is accepted: then they move to that
task, because they are part of its story.
"""

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from contracts.recording.folder import Folder
from contracts.recording.forwarding import RawHeaders
from contracts.recording.inspecting import Inspector, Place
from contracts.recording.noting import Notes, Passed
from contracts.recording.recorded import (
    FORMAT,
    Breach,
    Exchange,
    Recording,
    TaskTold,
    recording_bytes,
)
from contracts.recording.retelling import retold, scenario_bytes
from contracts.recording.scrubbing import Scrubber, pairs_of
from mock_server import __version__
from mock_server.auth import account_in
from mock_server.compiled import Compiled
from mock_server.pointers import MISSING
from mock_server.validation import shown

# Files that are still added to. A task of an older one begins a new file.
_OPEN_MAX = 1_000
# Beyond so many exchanges polls without news are counted alone, and beyond so many everything.
_EXCHANGES_MAX, _EXCHANGES_OF_NEWS_MAX = 2_000, 4_000
# A file without a task is rewritten whole with each exchange, so it is not to grow for ever.
_WITHOUT_TASK_MAX = 500
_WITHOUT_TASK = "without-task"
# Submits that came to nothing, and callbacks of tasks that are not known yet.
_WAITING_MAX = 500
# External ids that are known to be in use.
_USED_MAX = 10_000

Mark = tuple[str, ...]


class Kept(msgspec.Struct):
    """One file of this run, as it is in memory. `status` is what a query has told last."""

    wanted: str
    task: TaskTold | None = None
    name: str = ""
    exchanges: list[Exchange] = msgspec.field(default_factory=list)
    left_out: int = 0
    status: str | None = None


class _Waiting(msgspec.Struct, frozen=True):
    marks: frozenset[Mark]
    exchange: Exchange
    kept: Kept


class Recorder:
    """Records one run."""

    def __init__(
        self,
        inspector: Inspector,
        scrubber: Scrubber,
        folder: Folder,
        *,
        upstream: str,
        started: str,
        began_ns: int,
        tell: Callable[[str], None],
        callbacks_recorded: bool = False,
    ) -> None:
        """`tell` says one line to the user."""
        self.inspector, self._scrubber, self._folder, self._tell = inspector, scrubber, folder, tell
        self._notes = Notes(inspector, scrubber, began_ns)
        self._head: dict[str, Any] = {
            "format": FORMAT,
            "made_by": f"omnimock {__version__}",
            "upstream": scrubber.text(upstream),
            "spec": inspector.spec.title,
            "profile": inspector.program.profile.name,
            "dialect": inspector.program.dialect,
            "started": started,
            "callbacks_recorded": callbacks_recorded,
        }
        self._tasks: dict[Mark, Kept] = {}
        self._without_task = Kept(_WITHOUT_TASK)
        self._waiting: deque[_Waiting] = deque(maxlen=_WAITING_MAX)
        # By the type of the task, and the account.
        self._used: dict[tuple[str, str], set[str]] = {}
        self.count = 0
        # What was told of each kind of trouble with files, so that a full disk is told once.
        self._troubles: set[str] = set()

    def learn(self, headers: RawHeaders, query: bytes) -> None:
        """Take in the keys of a request; where there is a new one, look for it in what was written before."""
        if self._scrubber.learn(pairs_of(headers), query.decode("latin-1")):
            for kept in {id(each): each for each in (*self._tasks.values(), self._without_task)}.values():
                again = [self._notes.again(each) for each in kept.exchanges]
                if again != kept.exchanges:
                    kept.exchanges = again
                    self._write(kept)

    def take(self, passed: Passed, place: Place | None, submit: Compiled | None = None) -> None:
        """Record an exchange. `place` is where its request led; of a callback, `submit` is the operation it follows."""
        self.learn(passed.headers, passed.query)
        self.count += 1
        body: Any = MISSING
        if passed.callback:
            assert submit is not None
            exchange = self._notes.callback(self.count, passed, submit)
        else:
            type_ = place.compiled.task_type.name if place is not None and place.compiled is not None else ""
            used = self._used.get((type_, self._owner(passed)), ())
            exchange, body = self._notes.exchange(self.count, passed, place, used)
        compiled = submit if passed.callback else place.compiled if place is not None else None
        kept = self._kept(exchange, passed, place, compiled, body)
        exchange = self._with_moves(kept, exchange)
        self._add(kept, exchange)
        self._say(kept, exchange)

    # Whose it is

    def _kept(
        self, exchange: Exchange, passed: Passed, place: Place | None, compiled: Compiled | None, body: Any
    ) -> Kept:
        if compiled is None:
            return self._without_task
        type_, owner = compiled.task_type.name, self._owner(passed)
        told, name = exchange.told, place.name if place is not None else None
        marks = self._marks(exchange, passed, compiled, body)
        if passed.callback:
            kept = self._tasks.get(("token", passed.token))
            return kept or self._later(marks, exchange)
        if compiled.role == "submit":
            if told is None or not told.id or not exchange.accepted:
                return self._later(marks, exchange)
            self._note_external_id((type_, owner), compiled, body)
        kept = None
        if name is not None and compiled.role != "submit":
            # What was asked for counts: an answer may be about another task, by mistake.
            named = self._scrubber.text(name)
            kept = self._tasks.get(("id", type_, owner, named)) or self._tasks.get(("external", type_, owner, named))
        if kept is None and told is not None and told.id:
            kept = self._tasks.get(("id", type_, owner, told.id))
        if kept is None and told is not None and told.id and exchange.accepted:
            kept = Kept(f"task-{told.id}", TaskTold(told.id, type_, told.external_id))
        if kept is None:
            return self._without_task
        assert kept.task is not None
        if told is not None and told.external_id is not None:
            marks |= {("external", type_, owner, told.external_id)}
        self._index(kept, {*marks, ("id", type_, owner, kept.task.id)})
        return kept

    def _marks(self, exchange: Exchange, passed: Passed, compiled: Compiled, body: Any) -> frozenset[Mark]:
        """What a submit that came to nothing has in common with one that is accepted later."""
        marks: set[Mark] = {("token", passed.token)} if passed.token else set()
        if compiled.role == "submit" and not passed.callback:
            owner = self._owner(passed)
            digest = hashlib.sha256(f"{owner}\n{compiled.id}\n".encode() + passed.body).hexdigest()
            marks.add(("body", digest))
            if external_id := _external_id(compiled, body):
                marks.add(("external", compiled.task_type.name, owner, self._scrubber.text(external_id)))
        return frozenset(marks)

    def _owner(self, passed: Passed) -> str:
        """Return what stands for the account of a request: others may have tasks of the same ids."""
        auth = self.inspector.spec.auth
        header = dict(pairs_of(passed.headers)).get(auth.header, "")
        return hashlib.sha256(account_in(header, auth.world_claim).encode("utf-8", "replace")).hexdigest()

    def _note_external_id(self, whose: tuple[str, str], compiled: Compiled, body: Any) -> None:
        external_id = _external_id(compiled, body)
        used = self._used.setdefault(whose, set())
        if external_id and len(used) < _USED_MAX:
            used.add(external_id)

    def _later(self, marks: frozenset[Mark], exchange: Exchange) -> Kept:
        if marks:
            self._waiting.append(_Waiting(marks, exchange, self._without_task))
        return self._without_task

    def _index(self, kept: Kept, marks: set[Mark]) -> None:
        """Note by what a task is known, and let those come to it who have waited for it."""
        for mark in marks:
            if mark[0] != "body":
                self._tasks.pop(mark, None)
                self._tasks[mark] = kept
        while len(self._tasks) > 3 * _OPEN_MAX:
            del self._tasks[next(iter(self._tasks))]
        mine = [each for each in self._waiting if each.marks & marks]
        for each in mine:
            self._waiting.remove(each)
            before = len(each.kept.exchanges)
            each.kept.exchanges = [one for one in each.kept.exchanges if one.number != each.exchange.number]
            if len(each.kept.exchanges) < before:
                self._add(kept, self._notes.again(each.exchange))
                self._write(each.kept)

    # What is written, and told

    def _with_moves(self, kept: Kept, exchange: Exchange) -> Exchange:
        told = exchange.told
        if kept.task is None or told is None or told.status is None:
            return exchange
        found = list(
            self.inspector.moved(kept.task.type, None if exchange.kind == "callback" else kept.status, told.status)
        )
        if told.id and told.id != kept.task.id:
            found.append(Breach("service", "id of the task", shown(told.id), kept.task.id))
        if exchange.kind != "callback":
            kept.status = told.status
        return msgspec.structs.replace(exchange, violations=(*exchange.violations, *found))

    def _add(self, kept: Kept, exchange: Exchange) -> None:
        size = len(kept.exchanges)
        last = kept.exchanges[-1].told if kept.exchanges else None
        news = (
            exchange.role != "query"
            or exchange.violations
            or last is None
            or last.status != (exchange.told or last).status
        )
        if kept.task is not None and (size >= _EXCHANGES_OF_NEWS_MAX or (size >= _EXCHANGES_MAX and not news)):
            kept.left_out += 1
        else:
            kept.exchanges.append(exchange)
            kept.exchanges.sort(key=lambda each: each.number)
        self._write(kept)
        if kept is self._without_task and size + 1 >= _WITHOUT_TASK_MAX:
            self._without_task = Kept(_WITHOUT_TASK)

    def _write(self, kept: Kept) -> None:
        recording = Recording(**self._head, task=kept.task, left_out=kept.left_out, exchanges=tuple(kept.exchanges))
        try:
            if not kept.name:
                kept.name = self._folder.first(kept.wanted, recording_bytes(recording))
            elif not kept.exchanges:
                self._folder.remove(kept.name, "json")
                kept.name = ""
                return
            else:
                self._folder.again(kept.name, recording_bytes(recording))
            if kept.task is not None and (source := retold(recording, self.inspector.spec, kept.name)) is not None:
                self._folder.again(kept.name, scenario_bytes(source), "yaml")
        except OSError as error:
            trouble = f"error: cannot write into {self._folder.path}: {error.strerror or error}; what passes goes on"
            if trouble not in self._troubles:
                self._troubles.add(trouble)
                self._tell(trouble)

    def _say(self, kept: Kept, exchange: Exchange) -> None:
        what = f"{'callback' if exchange.kind == 'callback' else exchange.request.method} {exchange.request.path}"
        where = f"{kept.name}.json #{exchange.number}"
        if exchange.lost:
            who = "client" if exchange.lost in ("left", "too-large") or exchange.kind == "callback" else "service"
            self._tell(self._notes.shown(f"{who}: {what}: {exchange.lost}: {exchange.why} ({where})"))
        for each in exchange.violations:
            warning = " (warning)" if each.warning else ""
            rule = f" [{each.rule}]" if each.rule else ""
            place = each.pointer or "body"
            self._tell(
                self._notes.shown(
                    f"{each.who}{warning}: {what}: {place}: {each.came} came; {each.expected} expected{rule} ({where})"
                )
            )


def _external_id(compiled: Compiled, body: Any) -> str | None:
    """The client's own id in the body of a submit."""
    submission = compiled.submission
    return submission.external_id(body) if submission is not None and body is not MISSING else None
