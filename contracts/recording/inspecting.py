"""Holds what passes against the spec, in both directions, and reads what it says of tasks.

The request is checked as the twin checks it, by the schema and the rules of the profile; the reply by the documented
status, the content type and the schema, as `omnimock verify` does.
"""

from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any

import msgspec

from contracts.provider_check.facts import Facts
from contracts.provider_check.judging import differences, unknown_members
from contracts.provider_check.shapes import Shape
from contracts.recording.recorded import Breach, Refusal, Told
from contracts.recording.scrubbing import header_of
from mock_server.compiled import Compiled
from mock_server.decoding import NotJson, WrongMediaType, check_media_type, decode_body
from mock_server.names import nearest
from mock_server.pointers import MISSING, join, lookup
from mock_server.program import Program
from mock_server.routes import slot_text
from mock_server.rules import keyword_sources
from mock_server.schemas import compile_schema
from mock_server.spec import best_confidence
from mock_server.validation import Violation, allowed, shown

# Of one body, as many wrong places as a person reads.
_ERRORS_MAX = 10
_JSON = "application/json"

Headers = Iterable[tuple[str, str]]


class Place(msgspec.Struct, frozen=True):
    """Where a request leads: an operation, and the text in its path's slot; or why it leads nowhere."""

    compiled: Compiled | None
    name: str | None = None
    breaches: tuple[Breach, ...] = ()


class Inspector:
    """Inspects exchanges by one spec, under one profile, in one dialect."""

    def __init__(self, program: Program) -> None:
        self.program, self.facts, self.spec = program, Facts(program), program.spec
        self._shapes = {each.id: Shape(self.facts.reply_template(each.operation)) for each in program.operations}
        self._callback_shapes = {
            name: Shape(self.facts.callback_template(each, name)) for name, each in program.deliveries.items()
        }

    # Requests

    def place(self, method: str, path: str) -> Place:
        """Return where a request leads."""
        match = self.program.routes.match(path.encode("latin-1"))
        if match is None:
            near = nearest(path, sorted({each.operation.path for each in self.program.operations}))
            return Place(None, None, (Breach("client", "path", path[:200], f"a path of the spec; {near}"),))
        compiled = match.methods.get(method)
        if compiled is None:
            return Place(None, None, (Breach("client", "method", method, f"one of {match.allow}"),))
        return Place(compiled, slot_text(match.slots[0]) if match.slots else None)

    def request(
        self, compiled: Compiled, headers: Headers, query: str, body: bytes, used: Container[str]
    ) -> tuple[list[Breach], Any]:
        """Return what is wrong with a request, and its JSON body (MISSING where it has none, or is no submit).

        `used` are the external ids that were accepted before.
        """
        headers = list(headers)
        found = list(self._authorization(headers))
        found += [_of(each) for each in compiled.parameters.read(query.encode("latin-1"))[1]]
        if compiled.submission is None:
            return found, MISSING
        content_type, encoding = (header_of(headers, name) for name in ("content-type", "content-encoding"))
        try:
            if hint := check_media_type(_bytes(content_type), _bytes(encoding)):
                found.append(Breach("client", "header content-type", "nothing", _JSON, warning=True, rule=hint))
        except WrongMediaType as error:
            found.append(Breach("client", "header content-type", shown(content_type), f"{_JSON} ({error})"))
        try:
            value = decode_body(body)
            submission = compiled.submission
            violations, warnings = submission.validation.check(value, submission.external_id(value), used)
        except NotJson as error:
            return [*found, Breach("client", "body", str(error), "a JSON object in UTF-8")], MISSING
        found += [_of(each) for each in violations]
        found += [_of(each, warning=True) for each in warnings]
        return found, value

    def _authorization(self, headers: Headers) -> Iterator[Breach]:
        scheme = self.spec.auth
        came = header_of(headers, scheme.header)
        place, expected = f"header {scheme.header}", scheme.header_line("YOUR_KEY")
        if came is None or not came.strip():
            yield Breach("client", place, "nothing", expected)
            return
        word, _, key = came.strip().partition(" ") if scheme.word else ("", "", came.strip())
        if word.lower() != scheme.word.lower() or not key.strip() or " " in key.strip():
            yield Breach("client", place, f"{len(came)} characters of another form", expected)

    # Replies

    def reply(
        self, compiled: Compiled, status: int, headers: Headers, body: bytes
    ) -> tuple[list[Breach], Told | None, Refusal | None]:
        """Return what is wrong with a reply, what it says of a task, and which problem of the spec it is."""
        operation, success = compiled.operation, 200 <= status < 300
        found = []
        if not self.facts.is_documented(operation, status):
            listed = self.spec.document.root
            for part in (*operation.pointer, "responses"):
                listed = listed[part]
            found.append(Breach("service", "status", str(status), f"one of {', '.join(listed)}"))
        elif success and status != operation.status:
            found.append(Breach("service", "status", str(status), str(operation.status)))
        schema = self.facts.reply_schema(operation) if success else self.facts.refusal_schema(operation, status)
        value, wrong = self._json(headers, body)
        refusal = self.refusal(status, value) if value is not MISSING else None
        told = self._told(self._shapes[compiled.id], value) if success and compiled.role != "list" else None
        if success and refusal is not None and (told is None or told.status is None):
            schema = self.facts.refusal_schema(operation, self.spec.problems[refusal.problem].status)
            expected = f"the status of a refusal: it is the spec's {refusal.problem}"
            found.append(Breach("service", "status", str(status), expected))
        elif success:
            refusal = None
        found += wrong
        if value is not MISSING and schema is not None:
            found += self._fits(schema, value, compiled)
        return found, told, refusal

    def refusal(self, status: int, value: Any) -> Refusal | None:
        """Return the problem that a body is, None where the spec has none like it."""
        best: tuple[tuple[bool, int], Refusal] | None = None
        for name, (problem, _) in self.program.problems[self.facts.dialect.name].items():
            said = self.facts.dialect.problems.get(name, self.facts.dialect.otherwise)
            template = said.body if said is not None else self.spec.problems[name].body
            if next(differences(template, value, ""), ""):
                continue
            rank = (problem.status == status, _alike(template, value))
            if best is None or rank > best[0]:
                unusual = None if problem.status == status else status
                best = rank, Refusal(name, _detail(template, value), unusual, _other_words(template, value))
        return best[1] if best is not None else None

    # Callbacks

    def callback(
        self, submit: Compiled, headers: Headers, body: bytes, answer: int | None
    ) -> tuple[list[Breach], Told | None]:
        """Return what is wrong with a callback and its answer, and what it says of its task."""
        delivery = submit.operation.delivery
        assert delivery is not None
        value, found = self._json(headers, body)
        told = None
        if value is not MISSING:
            found += self._fits(self.facts.callback_schema(delivery, submit.task_type.name), value, submit)
            told = self._told(self._callback_shapes[submit.task_type.name], value)
        if answer is not None and not 200 <= answer < 300:
            found.append(Breach("client", "status", str(answer), "a 2xx: nothing else counts as received"))
        return found, told

    # Tasks

    def moved(self, task_type: str, before: str | None, now: str) -> list[Breach]:
        """Return what is wrong with a status that is told after another one."""
        lifecycle = self.spec.task_types[task_type].lifecycle
        if now not in lifecycle.statuses:
            expected = f"one of {', '.join(lifecycle.statuses)}"
            return [Breach("service", "status of the task", shown(now), expected)]
        if before is None or before == now or before not in lifecycle.statuses:
            return []
        try:
            lifecycle.between(before, now)
        except ValueError:
            allowed_next = ", ".join(lifecycle.statuses[before].next) or "nothing: it is final"
            expected = f"after {before} comes {allowed_next}"
            return [Breach("service", "status of the task", f"{now} after {before}", expected)]
        return []

    def _json(self, headers: Headers, body: bytes) -> tuple[Any, list[Breach]]:
        found = []
        content_type = header_of(headers, "content-type")
        if (content_type or "").partition(";")[0].strip().lower() != _JSON:
            found.append(Breach("service", "header content-type", shown(content_type or MISSING), _JSON))
        try:
            return decode_body(body), found
        except NotJson as error:
            return MISSING, [*found, Breach("service", "body", str(error), "JSON")]

    def _fits(self, schema: Any, value: Any, compiled: Compiled) -> Iterator[Breach]:
        validator = compile_schema(self.spec.document, schema, compiled.operation.pointer, mask="the value")
        try:
            errors = [] if validator.is_valid(value) else list(validator.iter_errors(value))
        except ValueError as deep:
            yield Breach("service", "", str(deep), "a body that can be checked")
            return
        for error in errors[:_ERRORS_MAX]:
            yield self._misfit(schema, value, error)
        for place in list(unknown_members(schema, value, ""))[:_ERRORS_MAX]:
            expected = "no such member is in the spec, which is silent about it"
            yield Breach("service", place, shown(lookup(value, tuple(place.split("/")[1:]))), expected, warning=True)

    def _misfit(self, schema: Any, value: Any, error: Any) -> Breach:
        path, instance = list(error.schema_path), tuple(error.instance_path)
        keyword, parent = str(path[-1]) if path else "", schema
        for part in path[:-1]:
            parent = parent[part] if isinstance(parent, list) else parent.get(part, {})
        if keyword == "required":
            instance = (*instance, error.kind.property)
        limit = parent.get(keyword) if isinstance(parent, dict) else None
        expected = error.message if keyword in ("anyOf", "oneOf", "not", "") else allowed(keyword, limit)
        sources = keyword_sources(parent, keyword) if isinstance(parent, dict) else ()
        return Breach(
            "service",
            join(instance),
            shown(lookup(value, tuple(map(str, instance)))),
            expected,
            rule=".".join(str(part) for part in path if part != "properties"),
            source=f"{best_confidence(sources, self.spec.sources)}" if sources else "",
        )

    @staticmethod
    def _told(shape: Shape, value: Any) -> Told | None:
        if value is MISSING or not isinstance(value, dict | list):
            return None
        id_, external_id, status = (shape.read(value, f"$task.{each}") for each in ("id", "external_id", "status"))
        message = shape.read(value, "$task.status_message")
        created, updated = (shape.moment(value, f"$task.{each}_at") for each in ("created", "updated"))
        return Told(
            id="" if id_ is None or isinstance(id_, dict | list) else str(id_),
            external_id=external_id if isinstance(external_id, str) and external_id else None,
            status=status if isinstance(status, str) else None,
            message=message if isinstance(message, str) else None,
            created_ms=created.ms if created is not None else None,
            updated_ms=updated.ms if updated is not None else None,
        )


def _of(violation: Violation, *, warning: bool = False) -> Breach:
    return Breach(
        "client",
        violation.pointer,
        violation.came,
        violation.allowed,
        violation.rule,
        f"{violation.confidence}: {violation.source}" if violation.source else violation.confidence,
        warning,
    )


def _bytes(header: str | None) -> bytes | None:
    return header.encode("latin-1") if header is not None else None


def _alike(template: Any, value: Any) -> int:
    """How many plain members are the very same."""
    if isinstance(template, Mapping) and isinstance(value, Mapping):
        return sum(_alike(each, value.get(name)) for name, each in template.items())
    return int(isinstance(template, str | int) and template == value)


def _detail(template: Any, value: Any) -> str:
    """The message of a refusal, where its template leaves room for one and nothing else."""
    if isinstance(template, Mapping) and isinstance(value, Mapping):
        return next((found for name, each in template.items() if (found := _detail(each, value.get(name)))), "")
    return value if template in ("{$problem.detail}", "$problem.detail") and isinstance(value, str) else ""


def _other_words(template: Any, value: Any) -> bool:
    if isinstance(template, Mapping) and isinstance(value, Mapping):
        return any(_other_words(each, value.get(name)) for name, each in template.items())
    return isinstance(template, str) and "$" not in template and template != value
