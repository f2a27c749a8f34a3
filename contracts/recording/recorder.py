"""Takes what has passed: inspects it, scrubs it, finds out whose it is, writes it, and tells what is wrong with it.

Submits that came to nothing are kept with what belongs to no task, until the same is accepted: then they move to that
task, because they are part of its story.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from contracts.recording.folder import Folder
from contracts.recording.forwarding import RawHeaders, unpacked
from contracts.recording.inspecting import Inspector, Place
from contracts.recording.recorded import (
    FORMAT,
    Body,
    Breach,
    Exchange,
    Loss,
    Recording,
    Reply,
    Request,
    TaskTold,
    Told,
    recording_bytes,
)
from contracts.recording.retelling import retold, scenario_bytes
from contracts.recording.scrubbing import GONE, Scrubber, pairs_of
from mock_server import __version__
from mock_server.pointers import MISSING, lookup, parse
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
_LINE_CHARACTERS_MAX = 600

Mark = tuple[str, ...]


class Passed(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange as it passed, raw. `token` is of the address that its callbacks, or this callback, come to."""

    method: str
    path: bytes
    query: bytes
    headers: RawHeaders
    body: bytes
    began_ns: int
    ended_ns: int
    body_cut: bool = False
    head_ns: int | None = None
    status: int | None = None
    reply_headers: RawHeaders = ()
    reply_body: bytes = b""
    reply_cut: bool = False
    loss: Loss = ""
    why: str = ""
    token: str = ""
    callback: bool = False


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
        self._began_ns = began_ns
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
        self._used: set[tuple[str, str]] = set()
        self.count = 0
        # What was told of each kind of trouble with files, so that a full disk is told once.
        self._troubles: set[str] = set()

    def learn(self, headers: RawHeaders, query: bytes) -> None:
        """Take in the keys of a request; where there is a new one, look for it in what was written before."""
        if self._scrubber.learn(pairs_of(headers), query.decode("latin-1")):
            for kept in {id(each): each for each in (*self._tasks.values(), self._without_task)}.values():
                again = [self._scrubbed_again(each) for each in kept.exchanges]
                if again != kept.exchanges:
                    kept.exchanges = again
                    self._write(kept)

    def shown(self, text: str) -> str:
        """Return a text as it may be shown: on one line, without secrets and control characters."""
        line = " ".join(self._scrubber.text(text).split())
        line = "".join(each if each.isprintable() else "�" for each in line)
        return line if len(line) <= _LINE_CHARACTERS_MAX else f"{line[:_LINE_CHARACTERS_MAX]}… ({len(line)})"

    def take(self, passed: Passed, place: Place | None, submit: Any = None) -> None:
        """Record an exchange. `place` is where its request led; of a callback, `submit` is the operation it follows."""
        self.learn(passed.headers, passed.query)
        self.count += 1
        exchange, body = self._callback(passed, submit) if passed.callback else self._exchange(passed, place)
        compiled = submit if passed.callback else place.compiled if place is not None else None
        kept = self._kept(exchange, passed, place, compiled, body)
        exchange = self._with_moves(kept, exchange)
        self._add(kept, exchange)
        self._say(kept, exchange)

    # What came

    def _exchange(self, passed: Passed, place: Place | None) -> tuple[Exchange, Any]:
        headers, query = pairs_of(passed.headers), passed.query.decode("latin-1")
        breaches: list[Breach] = list(place.breaches) if place is not None else []
        compiled = place.compiled if place is not None else None
        value, told, refusal, plain = MISSING, None, None, unpacked(passed.reply_headers, passed.reply_body)
        if compiled is not None and not passed.body_cut:
            used = {external for type_, external in self._used if type_ == compiled.task_type.name}
            breaches_of_request, value = self.inspector.request(compiled, headers, query, passed.body, used)
            breaches += breaches_of_request
        if compiled is not None and passed.status is not None and not passed.loss and plain is not None:
            found, told, refusal = self.inspector.reply(
                compiled, passed.status, pairs_of(passed.reply_headers), plain if not passed.reply_cut else b""
            )
            breaches += found if not passed.reply_cut else []
        exchange = self._scrubbed(passed, breaches, told, plain)
        return msgspec.structs.replace(
            exchange,
            operation=compiled.id if compiled is not None else "",
            role=compiled.role if compiled is not None else "",
            refusal=self._scrubbed_struct(refusal) if refusal is not None else None,
        ), value

    def _callback(self, passed: Passed, submit: Any) -> tuple[Exchange, Any]:
        headers, plain = pairs_of(passed.headers), unpacked(passed.headers, passed.body)
        breaches, told = self.inspector.callback(submit, headers, plain or b"", passed.status)
        return msgspec.structs.replace(
            self._scrubbed(passed, breaches, told, unpacked(passed.reply_headers, passed.reply_body)), kind="callback"
        ), MISSING

    def _scrubbed(
        self, passed: Passed, breaches: Sequence[Breach], told: Told | None, reply_body: bytes | None
    ) -> Exchange:
        scrubber = self._scrubber
        request_body = unpacked(passed.headers, passed.body)
        body = scrubber.body(request_body or passed.body, encoded=request_body is None)
        reply = None
        if passed.status is not None:
            reply = Reply(
                passed.status,
                scrubber.headers(pairs_of(passed.reply_headers)),
                scrubber.body(
                    passed.reply_body if reply_body is None else reply_body,
                    cut=passed.reply_cut or passed.loss == "cut",
                    encoded=reply_body is None,
                ),
            )
        return Exchange(
            number=self.count,
            at_ms=(passed.began_ns - self._began_ns) // 1_000_000,
            took_ms=(passed.ended_ns - passed.began_ns) // 1_000_000,
            head_ms=(passed.head_ns - passed.began_ns) // 1_000_000 if passed.head_ns is not None else None,
            request=Request(
                passed.method,
                scrubber.text(passed.path.decode("latin-1")),
                scrubber.query(passed.query.decode("latin-1")),
                scrubber.headers(pairs_of(passed.headers)),
                body,
            ),
            reply=reply,
            lost=passed.loss,
            why=self.shown(passed.why) if passed.why else "",
            told=self._scrubbed_struct(told) if told is not None else None,
            violations=tuple(
                self._breach(each, body if each.who == "client" else reply.body if reply else None, passed)
                for each in breaches
            ),
        )

    def _breach(self, breach: Breach, body: Body | None, passed: Passed) -> Breach:
        """What came is shown as it is in the scrubbed body: cut from the raw one, it may end in half a secret."""
        came = breach.came
        if passed.callback and breach.who == "service":
            body = None
            came = came if len(came) < 100 else f"{len(came)} characters"
        elif breach.pointer.startswith("/") and body is not None and body.form == "json" and came != "nothing":
            parts = parse(breach.pointer)
            there = lookup(body.value, parts)
            came = GONE if there is MISSING else shown(there)
        return Breach(
            breach.who,
            self._scrubber.text(breach.pointer),
            self._scrubber.text(came),
            self._scrubber.text(breach.expected),
            breach.rule,
            breach.source,
            breach.warning,
        )

    def _scrubbed_struct(self, value: Any) -> Any:
        return msgspec.convert(self._texts(msgspec.to_builtins(value)), type(value))

    def _scrubbed_again(self, exchange: Exchange) -> Exchange:
        body, reply = exchange.request.body, exchange.reply
        again: Exchange = self._scrubbed_struct(exchange)
        request = msgspec.structs.replace(again.request, body=self._body_again(body))
        if reply is not None and again.reply is not None:
            again = msgspec.structs.replace(
                again, reply=msgspec.structs.replace(again.reply, body=self._body_again(reply.body))
            )
        return msgspec.structs.replace(again, request=request)

    def _body_again(self, body: Body) -> Body:
        return msgspec.structs.replace(body, value=self._scrubber.value(body.value))

    def _texts(self, value: Any) -> Any:
        if isinstance(value, str):
            return self._scrubber.text(value)
        if isinstance(value, list | tuple):
            return [self._texts(each) for each in value]
        return {key: self._texts(each) for key, each in value.items()} if isinstance(value, dict) else value

    # Whose it is

    def _kept(self, exchange: Exchange, passed: Passed, place: Place | None, compiled: Any, body: Any) -> Kept:
        if compiled is None:
            return self._without_task
        type_ = compiled.task_type.name
        told, name = exchange.told, place.name if place is not None else None
        marks = self._marks(exchange, passed, compiled, body)
        if passed.callback:
            kept = self._tasks.get(("token", passed.token))
            return kept or self._later(marks, exchange)
        if compiled.role == "submit":
            if told is None or not told.id or not exchange.accepted:
                return self._later(marks, exchange)
            self._note_external_id(type_, compiled, body)
        kept = None
        if name is not None and compiled.role != "submit":
            # What was asked for counts: an answer may be about another task, by mistake.
            named = self._scrubber.text(name)
            kept = self._tasks.get(("id", type_, named)) or self._tasks.get(("external", type_, named))
        if kept is None and told is not None and told.id:
            kept = self._tasks.get(("id", type_, told.id))
        if kept is None and told is not None and told.id and exchange.accepted:
            kept = Kept(f"task-{told.id}", TaskTold(told.id, type_, told.external_id))
        if kept is None:
            return self._without_task
        assert kept.task is not None
        if told is not None and told.external_id is not None:
            marks |= {("external", type_, told.external_id)}
        self._index(kept, {*marks, ("id", type_, kept.task.id)})
        return kept

    def _marks(self, exchange: Exchange, passed: Passed, compiled: Any, body: Any) -> frozenset[Mark]:
        """What a submit that came to nothing has in common with one that is accepted later."""
        marks: set[Mark] = {("token", passed.token)} if passed.token else set()
        if compiled.role == "submit" and not passed.callback:
            key = dict(pairs_of(passed.headers)).get(self.inspector.spec.auth.header, "")
            digest = hashlib.sha256(f"{key}\n{compiled.id}\n".encode() + passed.body).hexdigest()
            marks.add(("body", digest))
            if body is not MISSING and (external_id := compiled.submission.external_id(body)):
                marks.add(("external", compiled.task_type.name, self._scrubber.text(external_id)))
        return frozenset(marks)

    def _note_external_id(self, type_: str, compiled: Any, body: Any) -> None:
        external_id = compiled.submission.external_id(body) if body is not MISSING else None
        if external_id and len(self._used) < _OPEN_MAX * 10:
            self._used.add((type_, external_id))

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
                self._add(kept, self._scrubbed_again(each.exchange))
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
            self._tell(self.shown(f"{who}: {what}: {exchange.lost}: {exchange.why} ({where})"))
        for each in exchange.violations:
            warning = " (warning)" if each.warning else ""
            rule = f" [{each.rule}]" if each.rule else ""
            place = each.pointer or "body"
            self._tell(
                self.shown(
                    f"{each.who}{warning}: {what}: {place}: {each.came} came; {each.expected} expected{rule} ({where})"
                )
            )
