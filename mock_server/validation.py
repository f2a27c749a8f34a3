"""The body of a request against its schema and rules: all violations, each with pointer, rule and source.

The usual request is valid, and is only asked whether it is. What exactly is wrong is found out afterwards.
"""

import itertools
import json
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any

import msgspec

from mock_server.checks import CHECKS, Check
from mock_server.decoding import NotJson
from mock_server.document import Pointer
from mock_server.names import nearest
from mock_server.pointers import MISSING, join, lookup, parse
from mock_server.rules import Profile, Rule, enforce, keyword_sources
from mock_server.schemas import compile_schema
from mock_server.spec import Operation, Spec, best_confidence
from mock_server.templates import Expression, Language, Template, TemplateError

# Beyond this many, a body is wrong as a whole, and nobody reads on.
VIOLATIONS_MAX = 500
_SHOWN_CHARACTERS_MAX = 120


class Violation(msgspec.Struct, frozen=True):
    """One way a request breaks the spec or a rule.

    `pointer` is where (a JSON pointer into the body, or `?name` for a query parameter), `came` what stands there,
    `allowed` what may, `rule` which constraint, `source` where that is known from and `confidence` how sure.
    """

    pointer: str
    came: str
    allowed: str
    rule: str
    source: str
    confidence: str


Check3 = tuple[Rule, Check, Callable[[Any], bool]]


class Validation:
    """The compiled schema and rules of one operation, under one profile."""

    def __init__(self, spec: Spec, operation: Operation, profile: Profile) -> None:
        """Compile; raise SpecError where a rule names an unknown check or a schema is not sound."""
        enforced = enforce(spec, operation, profile)
        self.spec = spec
        self.schema = enforced.schema
        self.rules, self.warning_rules = enforced.rules, enforced.warning_rules
        document, place = spec.document, operation.body_schema_pointer
        # Nearly every body has neither violations nor warnings, and one pass over everything tells.
        everything = {**enforced.schema, "allOf": [enforced.warnings, *enforced.schema.get("allOf", ())]}
        self._is_flawless = compile_schema(document, everything, place).is_valid
        shape = {key: value for key, value in enforced.schema.items() if key != "allOf"}
        self._shape, self._place = shape, place
        self._checks = [_compiled_check(spec, operation, rule) for rule in enforced.checks]
        self._original = operation.body_schema
        self.wire_messages = WireMessages(spec, (*enforced.rules, *enforced.checks), place)

    def check(
        self, body: Any, external_id: str | None, used: Container[str]
    ) -> tuple[list[Violation], list[Violation]]:
        """Return every violation, and every warning: what is disputed, or probably a slip.

        `used` are the external ids that this world has seen. Raise NotJson for a body nested too deep to be checked.
        """
        found: list[Violation] = []
        warnings: list[Violation] = []
        try:
            if not self._is_flawless(body):
                found, warnings = self._wrong(body)
        except ValueError as error:
            raise NotJson(f"the body is nested too deep to be checked: {error}") from None
        if body.__class__ is dict:
            for rule, check, applies in self._checks:
                broken = check(body, external_id, used)
                if broken and applies(body):
                    found += [self._rule_violation(rule, body, pointer, came) for pointer, came in broken]
        return found, warnings

    def _wrong(self, body: Any) -> tuple[list[Violation], list[Violation]]:
        """What is wrong with a body that is not flawless; the validators for that are compiled with the first one."""
        shape = compile_schema(self.spec.document, self._shape, self._place, mask="the value")
        errors = itertools.islice(shape.iter_errors(body), VIOLATIONS_MAX)
        found = [self._keyword_violation(error, body) for error in errors]
        return found + self._broken(self.rules, body), self._broken(self.warning_rules, body)

    def _broken(self, rules: Iterable[Rule], body: Any) -> list[Violation]:
        """One violation for each rule that is broken, however often the body breaks it."""
        from difflib import get_close_matches

        broken = []
        for rule in rules:
            # It is sound, as a part of what every body is checked against; alone it is compiled for a wrong one.
            validator = compile_schema(self.spec.document, rule.schema, self._place, mask="the value")
            if not validator.is_valid(body):
                error = next(validator.iter_errors(body))
                unknown = getattr(error.kind, "unexpected", ())[:1]
                pointer = join((*error.instance_path, *unknown))
                violation = self._rule_violation(rule, body, pointer, MISSING)
                if unknown and (near := get_close_matches(unknown[0], self._original["properties"], 1)):
                    violation = msgspec.structs.replace(violation, allowed=f"{rule.message} Is {near[0]} meant?")
                broken.append(violation)
        return broken

    def _rule_violation(self, rule: Rule, body: Any, pointer: str, came: Any) -> Violation:
        pointer = pointer or rule.at
        came = lookup(body, parse(pointer)) if came is MISSING else came
        return Violation(pointer, shown(came), rule.message, rule.id, self._titles(rule.sources), rule.confidence)

    def _keyword_violation(self, error: Any, body: Any) -> Violation:
        keyword, instance = str(error.schema_path[-1]), tuple(error.instance_path)
        limit = allowed(keyword, _parent(self.schema, error.schema_path).get(keyword))
        if keyword == "required":
            instance = (*instance, error.kind.property)
        elif keyword == "additionalProperties" and error.kind.unexpected:
            unknown, known = error.kind.unexpected[0], _parent(self.schema, error.schema_path).get("properties", {})
            instance, limit = (*instance, unknown), f"no such field; {nearest(unknown, known)}"
        sources = keyword_sources(_parent(self._original, error.schema_path), keyword)
        return Violation(
            pointer=join(instance),
            came=shown(lookup(body, tuple(map(str, instance)))),
            allowed=limit,
            rule=_constraint_name(error.schema_path),
            source=self._titles(sources),
            confidence=best_confidence(sources, self.spec.sources),
        )

    def _titles(self, names: tuple[str, ...]) -> str:
        return "; ".join(self.spec.sources[name].title for name in names)


class WireMessages:
    """What the provider says of a violation, by the templates under `x-refusals/messages` and those of the rules."""

    def __init__(self, spec: Spec, rules: Iterable[Rule] = (), pointer: Pointer = ()) -> None:
        """Compile; raise SpecError for an unknown expression. `pointer` is the schema that the rules stand in."""
        self._by_keyword = {
            key: _compiled_message(spec, text, ("x-refusals", "messages", key)) for key, text in spec.messages.items()
        }
        self._by_rule = {
            rule.id: _compiled_message(spec, rule.wire, pointer) if rule.wire else self._by_keyword["rule"]
            for rule in rules
        }

    def text(self, violation: Violation) -> str:
        """Return the message: that of the rule, else that for the broken keyword, else the rest's."""
        keyword = violation.rule.rpartition(".")[2]
        otherwise = self._by_keyword.get(keyword, self._by_keyword["otherwise"])
        return str(json.loads(self._by_rule.get(violation.rule, otherwise).render(violation)))


def shown(value: Any) -> str:
    """Return a value as the developer is shown it: short, on one line, texts in quotes."""
    if value is MISSING:
        return "nothing"
    if isinstance(value, str):
        text = f"'{value[:_SHOWN_CHARACTERS_MAX]}'"
        return f"{text}… ({len(value)} characters)" if len(value) > _SHOWN_CHARACTERS_MAX else text
    if isinstance(value, list) and len(value) > 8:
        return f"an array of {len(value)} items"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _SHOWN_CHARACTERS_MAX else f"{text[:_SHOWN_CHARACTERS_MAX]}…"


def allowed(keyword: str, value: Any) -> str:
    """Return in words what a schema keyword allows."""
    match keyword:
        case "type":
            return " or ".join(value) if isinstance(value, list) else str(value)
        case "enum":
            return "one of " + ", ".join(map(shown, value))
        case "required":
            return "it is required"
        case "maxLength":
            return f"at most {value} characters"
        case "minLength":
            return f"at least {value} characters"
        case "maxItems":
            return f"at most {value} items"
        case "minItems":
            return f"at least {value} items"
        case "maximum":
            return f"at most {value}"
        case "minimum":
            return f"at least {value}"
        case "pattern":
            return f"a text that matches {value}"
        case _:
            return f"{keyword} {shown(value)}"


def _compiled_check(spec: Spec, operation: Operation, rule: Rule) -> Check3:
    assert rule.check is not None
    place = (*operation.body_schema_pointer, "x-checks")
    if rule.check not in CHECKS:
        raise spec.document.error(place, f"rule {rule.id}: no check {rule.check!r}; there are {', '.join(CHECKS)}")
    try:
        check = CHECKS[rule.check](rule.arguments)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise spec.document.error(place, f"rule {rule.id}: `with` does not suit the check: {error!r}") from None
    when = rule.when
    return rule, check, (lambda body: True) if when is None else compile_schema(spec.document, when, place).is_valid


_VIOLATION_LANGUAGE = Language(
    names={
        "$violation.name": Expression(lambda violation: violation.pointer.rpartition("/")[2].lstrip("?") or "body"),
        "$violation.pointer": Expression(lambda violation: violation.pointer),
        "$violation.came": Expression(lambda violation: violation.came),
        "$violation.message": Expression(lambda violation: violation.allowed),
    },
    prefixed={},
    items={},
)


def _compiled_message(spec: Spec, text: str, pointer: Pointer) -> Template:
    try:
        return Template(text, _VIOLATION_LANGUAGE)
    except TemplateError as error:
        raise spec.document.error(pointer, error.reason) from None


def _parent(schema: Any, path: list[str | int]) -> Mapping[str, Any]:
    for part in path[:-1]:
        schema = schema[part]
    return schema if isinstance(schema, dict) else {}


def _constraint_name(path: list[str | int]) -> str:
    """`properties/duration/enum` becomes `duration.enum`."""
    names = [str(part) for part in path if part != "properties"]
    return ".".join(names)
