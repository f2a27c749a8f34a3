"""Holds replies against the spec: successes, refusals and callbacks. Each difference becomes one finding, once."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.provider_check.calling import Answer, Caller
from contracts.provider_check.facts import Facts, operation_of
from contracts.provider_check.finding import Fact, Finding
from mock_server.compiled import Compiled
from mock_server.pointers import MISSING, join
from mock_server.schemas import compile_schema
from mock_server.validation import shown

# Of one reply, as many wrong places as a person reads.
_ERRORS_MAX = 5
_ALLOW = "a 405 lists in Allow what the path takes (RFC 9110, 15.5.6)"


class Judge:
    """Collects findings. The same difference at the same operation is told once."""

    def __init__(self, facts: Facts, caller: Caller) -> None:
        self.facts, self.caller = facts, caller
        self.findings: list[Finding] = []
        self._known: set[tuple[str, str, str]] = set()

    def found(
        self, code: str, compiled: Compiled, probe: str, title: str, answer: Answer, fact: Fact, *, what: str = ""
    ) -> None:
        """Note a difference; `what` tells apart several of one code at one operation."""
        mark = (code, compiled.id, what)
        if mark in self._known:
            return
        self._known.add(mark)
        shown_title = self.caller.shown(title)
        came = self.caller.came(answer)
        self.findings.append(Finding(code, operation_of(compiled), probe, shown_title, answer.sent, fact, came))

    # Successes

    def success(self, compiled: Compiled, probe: str, answer: Answer, *, valid: str) -> Any:
        """Return the value of a reply that must be a success, MISSING where it is none; `valid` says why it must be."""
        operation = compiled.operation
        if answer.status == operation.status:
            schema = self.facts.reply_schema(operation)
            return self.body(compiled, probe, answer, schema, "reply")
        if answer.accepted:
            fact = self.facts.operation(operation, f"a success has the status {operation.status}")
            self.found("reply-status", compiled, probe, f"a success has the status {answer.status}", answer, fact)
            return self.body(compiled, probe, answer, self.facts.reply_schema(operation), "reply")
        if self._unusual(compiled, probe, answer):
            return MISSING
        fact = self.facts.operation(operation, f"{valid} is answered with {operation.status}")
        self.found("refused-valid", compiled, probe, f"{valid} is refused", answer, fact, what=probe)
        return MISSING

    def body(self, compiled: Compiled, probe: str, answer: Answer, schema: Any, kind: str) -> Any:
        """Return the JSON value of a reply, held against its schema; MISSING where it is no JSON."""
        operation = compiled.operation
        says = f"the body of a {kind} is JSON, told as application/json"
        media_type = (answer.header("content-type") or "").partition(";")[0].strip().lower()
        if media_type != "application/json":
            title = f"the Content-Type of a {kind} is {media_type or 'missing'}"
            self.found("content-type", compiled, probe, title, answer, self.facts.operation(operation, says), what=kind)
        value = answer.value
        if value is MISSING:
            title = f"the body of a {kind} is no JSON"
            self.found("not-json", compiled, probe, title, answer, self.facts.operation(operation, says), what=kind)
        elif schema is not None:
            self.fits(compiled, probe, answer, schema, value, kind)
        return value

    def fits(self, compiled: Compiled, probe: str, answer: Answer, schema: Any, value: Any, kind: str) -> bool:
        """Tell whether a value fits its schema, and has no member that the schema does not have."""
        document = self.facts.spec.document
        validator = compile_schema(document, schema, compiled.operation.pointer)
        try:
            errors = list(validator.iter_errors(value)) if not validator.is_valid(value) else []
        except ValueError as deep:
            self._misfit(compiled, probe, answer, schema, kind, "", str(deep), ())
            return False
        for error in errors[:_ERRORS_MAX]:
            place = join(tuple(error.instance_path))
            self._misfit(compiled, probe, answer, schema, kind, place, error.message, tuple(error.schema_path))
        for place in unknown_members(schema, value, ""):
            fact = self.facts.silent(compiled.operation, f"no such member is in the schema of the {kind}")
            title = f"a {kind} has the member {place}"
            self.found(f"{kind}-member", compiled, probe, title, answer, fact, what=_general(place))
        return not errors

    def _misfit(
        self,
        compiled: Compiled,
        probe: str,
        answer: Answer,
        schema: Any,
        kind: str,
        place: str,
        message: str,
        path: Sequence[str | int],
    ) -> None:
        keyword = str(path[-1]) if path else ""
        says = f"the schema of a {kind}, at {place or 'its top'}: {'/'.join(map(str, path))}"
        fact = self.facts.schema_path(compiled.operation, schema, path, says)
        title = f"a {kind} does not fit at {place or 'its top'}: {message[:200]}"
        self.found(f"{kind}-schema", compiled, probe, title, answer, fact, what=f"{_general(place)} {keyword}")

    # Refusals

    def refusal(self, compiled: Compiled, probe: str, answer: Answer, event: str) -> None:
        """Hold a reply that is no success against the problem that answers `event`."""
        problem, template, fact = self.facts.problem(event)
        if self._unusual(compiled, probe, answer, expected=problem.status):
            return
        if answer.status == 405 and not answer.header("allow"):
            standard = self.facts.standard(compiled.operation, _ALLOW, "RFC 9110")
            self.found("allow-missing", compiled, probe, "a 405 comes without Allow", answer, standard)
        schema = self.facts.refusal_schema(compiled.operation, answer.status)
        value = self.body(compiled, probe, answer, schema, "refusal")
        if answer.status != problem.status:
            title = f"{_told(event)} is refused with {answer.status}, not with {problem.status}"
            self.found("refusal-status", compiled, probe, title + self._other(answer, value), answer, fact, what=event)
        elif value is not MISSING and (wrong := next(differences(template, value, ""), "")):
            title = f"{_told(event)} is refused in other words: {wrong}"
            self.found("refusal-body", compiled, probe, title + self._other(answer, value), answer, fact, what=event)

    def not_refused(self, compiled: Compiled, probe: str, answer: Answer, fact: Fact, what: str) -> None:
        """Note that something was accepted that must be refused."""
        self.found("not-refused", compiled, probe, f"{what} is accepted", answer, fact, what=probe)

    def _unusual(self, compiled: Compiled, probe: str, answer: Answer, expected: int = 0) -> bool:
        """Note a reply that no request deserves: none at all, an error of the server, a status of another world."""
        operation = compiled.operation
        if not answer.status:
            fact = self.facts.standard(operation, "a request is answered", "HTTP")
            self.found("no-answer", compiled, probe, "no reply came", answer, fact)
        elif answer.status != expected and answer.status >= 500:
            fact = self.facts.standard(operation, "a 5xx is for what the server cannot help", "RFC 9110, 15.6")
            self.found("server-error", compiled, probe, "the server fails", answer, fact, what=probe)
        elif not self.facts.is_documented(operation, answer.status):
            fact = self.facts.silent(operation, f"the status {answer.status} is not among the responses")
            title = f"the status {answer.status} comes, which is not in the spec"
            self.found("status-undocumented", compiled, probe, title, answer, fact, what=str(answer.status))
        else:
            return False
        return True

    def _other(self, answer: Answer, value: Any) -> str:
        """Say which other problem of the spec this is, where it is one."""
        if value is MISSING:
            return ""
        for name, (problem, _) in self.facts.program.problems[self.facts.dialect.name].items():
            refusal = self.facts.dialect.problems.get(name, self.facts.dialect.otherwise)
            template = refusal.body if refusal is not None else self.facts.spec.problems[name].body
            if problem.status == answer.status and not any(differences(template, value, "")):
                return f" (as the spec's {name})"
        return ""


def _told(event: str) -> str:
    return f"what is {event}" if event.endswith(("missing", "unknown", "wrong", "malformed")) else f"a {event}"


def differences(template: Any, value: Any, place: str) -> Iterator[str]:
    """Say where a body is not as its template has it. Texts for people, and what is filled in, may be any."""
    if isinstance(template, Mapping):
        if any(name.startswith("$") for name in template):
            return
        if not isinstance(value, dict):
            yield f"at {place or 'the top'} stands {shown(value)}, not an object"
            return
        for name, each in template.items():
            if name not in value:
                yield f"{place}/{name} is missing"
            else:
                yield from differences(each, value[name], f"{place}/{name}")
    elif isinstance(template, str):
        free = "$" in template or " " in template.strip() or not template.isascii()
        if not isinstance(value, str) or (not free and value != template):
            yield f"{place} is {shown(value)}, not {'a text' if free else shown(template)}"
    elif not isinstance(template, list) and (type(template) is not type(value) or template != value):
        yield f"{place} is {shown(value)}, not {shown(template)}"


def unknown_members(schema: Any, value: Any, place: str) -> Iterator[str]:
    """Give the place of each member that no branch of the schema lists, where it lists any."""
    if isinstance(value, list):
        inner = [each["items"] for each in _parts(schema) if isinstance(each.get("items"), dict)]
        for index, item in enumerate(value):
            if inner:
                yield from unknown_members({"allOf": inner}, item, f"{place}/{index}")
    elif isinstance(value, dict):
        known: dict[str, list[Any]] = {}
        for part in _parts(schema):
            for name, each in part.get("properties", {}).items():
                known.setdefault(name, []).append(each)
        for name, member in value.items():
            if name in known:
                yield from unknown_members({"allOf": known[name]}, member, f"{place}/{name}")
            elif known:
                yield f"{place}/{name}"


def _parts(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for branch in ("allOf", "anyOf", "oneOf"):
            for each in schema.get(branch, ()):
                yield from _parts(each)


def _general(place: str) -> str:
    """A place, with `*` for every index: items of one list are alike."""
    return "/".join("*" if part.isdigit() else part for part in place.split("/"))
