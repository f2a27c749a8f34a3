"""Bodies of submits: the smallest that is right, and wrong ones that break one keyword of the schema, or one rule."""

import copy
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from contracts.provider_check.facts import Facts
from contracts.provider_check.finding import Fact
from mock_server.compiled import Compiled
from mock_server.pointers import parse
from mock_server.rules import Rule, enforce

# A text that is longer is no probe but a load.
_LENGTH_MAX = 10_000
# Where rules are looked for: pairs of changes to the smallest body, at most so many.
_PAIRS_MAX = 6_000
_NO_SUCH = "omnimock-no-such-value"
_WRONG_TYPES = ("a text", 12345, True, ["a text"], {"a": "text"}, None)


class WrongBody(msgspec.Struct, frozen=True):
    """A body that must be refused: what is wrong with it, and which fact says so."""

    name: str
    what: str
    body: Any
    fact: Fact


def right_body(compiled: Compiled) -> dict[str, Any] | None:
    """Return the smallest right body that the examples of the spec give, without callbacks; None for none."""
    submission = compiled.submission
    assert submission is not None
    examples = [copy.deepcopy(each) for each in compiled.operation.examples.values() if isinstance(each, dict)]
    required = compiled.operation.body_schema.get("required", ())
    smallest = [{name: each[name] for name in required if name in each} for each in examples]
    for body in (*smallest, *examples):
        for pointer in _own(compiled):
            without(body, pointer)
        if not submission.validation.check(body, None, ())[0]:
            return body
    return None


def with_member(body: Any, expression: str | None, value: Any) -> Any:
    """Return a body with a value at the place that an expression such as `$request.body#/a/b` names."""
    changed = copy.deepcopy(body)
    if expression is None:
        return changed
    *around, last = parse(expression.partition("#")[2])
    node = changed
    for part in around:
        node = node.setdefault(part, {})
    node[last] = value
    return changed


def without(body: Any, expression: str | None) -> None:
    """Take out what stands at the place that an expression names."""
    if expression is None:
        return
    *around, last = parse(expression.partition("#")[2])
    node = body
    for part in around:
        node = node.get(part, {}) if isinstance(node, dict) else {}
    if isinstance(node, dict):
        node.pop(last, None)


def wrong_by_schema(facts: Facts, compiled: Compiled, body: dict[str, Any]) -> Iterator[WrongBody]:
    """Give bodies that break one keyword each, the surest to be refused first."""
    schema, operation = compiled.operation.body_schema, compiled.operation
    for name in schema.get("required", ()):
        fewer = {key: each for key, each in body.items() if key != name}
        fact = facts.body_keyword(operation, (), "required", f"{name} is required")
        yield from _if_wrong(compiled, WrongBody(f"without-{name}", f"a body without {name}", fewer, fact))
    changes = [
        (keyword, name, value)
        for name, member in schema.get("properties", {}).items()
        for keyword, value in _wrong_values(member)
    ]
    for keyword, name, value in sorted(changes, key=lambda each: each[0] != "type"):
        limit = schema["properties"][name].get(keyword)
        fact = facts.body_keyword(operation, ("properties", name), keyword, f"{name}: {keyword} {limit}")
        what = f"{name} against its {keyword}"
        yield from _if_wrong(compiled, WrongBody(f"{name}-{keyword}", what, {**body, name: value}, fact))
    if schema.get("additionalProperties") is False:
        fact = facts.body_keyword(operation, (), "additionalProperties", "no other member is taken")
        more = {**body, "omnimock_no_such_member": 1}
        yield from _if_wrong(compiled, WrongBody("unknown-member", "a body with an unknown member", more, fact))


def wrong_by_rule(facts: Facts, compiled: Compiled, body: dict[str, Any]) -> Iterator[WrongBody]:
    """Give a body for each rule that can be broken alone by changing one or two members of a right one."""
    assert compiled.submission is not None
    enforced = enforce(facts.spec, compiled.operation, facts.program.profile)
    wanted: dict[str, Rule] = {each.id: each for each in (*enforced.rules, *enforced.checks)}
    check = compiled.submission.validation.check
    for candidate in _variations(compiled, body):
        if not wanted:
            return
        broken = {each.rule for each in check(candidate, None, ())[0]}
        if len(broken) == 1 and (rule := wanted.pop(broken.pop(), None)) is not None:
            yield WrongBody(
                f"rule-{rule.id}", f"a body against {rule.id}", candidate, facts.rule(compiled.operation, rule)
            )


def _variations(compiled: Compiled, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Right and wrong bodies near the right ones."""
    submission = compiled.submission
    assert submission is not None
    examples = [each for each in compiled.operation.examples.values() if isinstance(each, dict)]
    changes = list(_changes(compiled, examples))
    for start in (body, *examples):
        clean = copy.deepcopy(start)
        for pointer in _own(compiled):
            without(clean, pointer)
        yield from (_changed(clean, [each]) for each in changes)
    pairs = ([one, other] for one, other in itertools.combinations(changes, 2) if one[0] != other[0])
    yield from (_changed(body, pair) for pair in itertools.islice(pairs, _PAIRS_MAX))


def _changes(compiled: Compiled, examples: Sequence[dict[str, Any]]) -> Iterator[tuple[str, Any, bool]]:
    """Values that the members of a body can have, and their absence: name, value, whether it is there."""
    own = {pointer.partition("#/")[2] for pointer in _own(compiled)}
    for name, member in compiled.operation.body_schema.get("properties", {}).items():
        if name in own:
            continue
        values = [*member.get("enum", ()), *(each[name] for each in examples if name in each)]
        values += [True, False] if member.get("type") == "boolean" else []
        values += [""] if member.get("type") == "string" else []
        seen = {repr(each): each for each in values}
        yield from ((name, value, True) for value in seen.values())
        yield name, None, False


def _changed(body: dict[str, Any], changes: Sequence[tuple[str, Any, bool]]) -> dict[str, Any]:
    changed = dict(body)
    for name, value, there in changes:
        if there:
            changed[name] = value
        else:
            changed.pop(name, None)
    return changed


def _wrong_values(schema: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(schema, dict):
        return
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds:
        yield "type", next(each for each in _WRONG_TYPES if not set(_kinds(each)) & set(kinds))
    if schema.get("enum"):
        yield "enum", _NO_SUCH
    if 0 < schema.get("maxLength", 0) <= _LENGTH_MAX:
        yield "maxLength", "x" * (schema["maxLength"] + 1)
    if schema.get("minLength", 0) > 0:
        yield "minLength", ""
    if "pattern" in schema:
        yield "pattern", _NO_SUCH
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + 1


def _kinds(value: Any) -> tuple[str, ...]:
    match value:
        case bool():
            return ("boolean",)
        case int():
            return ("integer", "number")
        case str():
            return ("string",)
        case list():
            return ("array",)
        case dict():
            return ("object",)
    return ("null",)


def _if_wrong(compiled: Compiled, wrong: WrongBody) -> Iterator[WrongBody]:
    """Under a profile that leaves the keyword out, the body is right, and no probe."""
    assert compiled.submission is not None
    if compiled.submission.validation.check(wrong.body, None, ())[0]:
        yield wrong


def _own(compiled: Compiled) -> list[str]:
    """The members that a check fills in itself, or leaves out: the external id, and the callbacks."""
    delivery = compiled.operation.delivery
    found = [compiled.task_type.external_id, delivery.url if delivery else None]
    found += [delivery.filter.at] if delivery and delivery.filter else []
    return [each for each in found if each is not None]
