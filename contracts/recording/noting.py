"""Writes an exchange down: inspected, scrubbed, and as a value that a file can hold."""

from collections.abc import Container, Sequence
from typing import Any

import msgspec

from contracts.recording.forwarding import RawHeaders, unpacked
from contracts.recording.inspecting import Inspector, Place
from contracts.recording.named_secrets import GONE
from contracts.recording.recorded import Body, Breach, Exchange, Loss, Reply, Request, Told
from contracts.recording.scrubbing import Scrubber, pairs_of
from mock_server.compiled import Compiled
from mock_server.pointers import MISSING, lookup, parse
from mock_server.validation import shown

_LINE_CHARACTERS_MAX = 600
_PATH_CHARACTERS_MAX = 200


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


class Notes:
    """Writes exchanges down."""

    def __init__(self, inspector: Inspector, scrubber: Scrubber, began_ns: int) -> None:
        """`began_ns` is the moment from which times are counted."""
        self._began_ns = began_ns
        self.inspector, self._scrubber = inspector, scrubber

    def shown(self, text: str) -> str:
        """Return a text as it may be shown: on one line, without secrets and control characters."""
        line = " ".join(self._scrubber.text(text).split())
        line = "".join(each if each.isprintable() else "�" for each in line)
        return line if len(line) <= _LINE_CHARACTERS_MAX else f"{line[:_LINE_CHARACTERS_MAX]}… ({len(line)})"

    def exchange(self, number: int, passed: Passed, place: Place | None, used: Container[str]) -> tuple[Exchange, Any]:
        """Return an exchange as it is recorded, and the JSON body of its request. `used` are external ids."""
        headers, query = pairs_of(passed.headers), passed.query.decode("latin-1")
        breaches: list[Breach] = list(place.breaches) if place is not None else []
        compiled = place.compiled if place is not None else None
        value, told, refusal, plain = MISSING, None, None, unpacked(passed.reply_headers, passed.reply_body)
        if compiled is not None and not passed.body_cut:
            breaches_of_request, value = self.inspector.request(compiled, headers, query, passed.body, used)
            breaches += breaches_of_request
        if compiled is not None and passed.status is not None and not passed.loss and plain is not None:
            found, told, refusal = self.inspector.reply(
                compiled, passed.status, pairs_of(passed.reply_headers), plain if not passed.reply_cut else b""
            )
            breaches += found if not passed.reply_cut else []
        exchange = self._scrubbed(number, passed, breaches, told, plain)
        return msgspec.structs.replace(
            exchange,
            operation=compiled.id if compiled is not None else "",
            role=compiled.role if compiled is not None else "",
            refusal=self._scrubbed_struct(refusal) if refusal is not None else None,
        ), value

    def callback(self, number: int, passed: Passed, submit: Compiled) -> Exchange:
        """Return a callback as it is recorded; `submit` is the operation that it follows."""
        headers, plain = pairs_of(passed.headers), unpacked(passed.headers, passed.body)
        breaches, told = self.inspector.callback(submit, headers, plain or b"", passed.status)
        return msgspec.structs.replace(
            self._scrubbed(number, passed, breaches, told, unpacked(passed.reply_headers, passed.reply_body)),
            kind="callback",
        )

    def _scrubbed(
        self, number: int, passed: Passed, breaches: Sequence[Breach], told: Told | None, reply_body: bytes | None
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
            number=number,
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
        elif breach.pointer == "path":
            came = self._scrubber.text(passed.path.decode("latin-1"))[:_PATH_CHARACTERS_MAX]
        elif breach.pointer.startswith("?") and self._scrubber.hides(breach.pointer[1:]):
            came = GONE
        return Breach(
            breach.who,
            self._scrubber.text(breach.pointer),
            self._scrubber.cut(came) if "…" in came else self._scrubber.text(came),
            self._scrubber.text(breach.expected),
            breach.rule,
            breach.source,
            breach.warning,
        )

    def _scrubbed_struct(self, value: Any) -> Any:
        return msgspec.convert(self._texts(msgspec.to_builtins(value)), type(value))

    def again(self, exchange: Exchange) -> Exchange:
        """Return an exchange without the secrets that have become known since."""
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
