"""How much of a request schema is enforced: its rules, and the profile that takes them in or leaves them out.

Rules stand in the request schema itself (see docs/spec-extensions.md). A profile keeps the constraints whose source
is sure enough for it, and the rules that hold on its day. What a profile drops is dropped from the schema, so that
one validator does all the work; rules of severity `warn` go into a second schema, whose violations only warn.
"""

import datetime
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from mock_server.spec import Operation, ProfileEntry, Source, Spec, best_confidence, source_names

Severity = Literal["refuse", "warn"]

# Members of a schema that constrain nothing by themselves, or are made of names.
_STRUCTURE = frozenset(("properties", "items", "description", "title", "default", "examples", "allOf"))


class Rule(msgspec.Struct, frozen=True):
    """A constraint across fields: what it says, where it is known from, and when it holds."""

    id: str
    at: str
    models: tuple[str, ...]
    severity: Severity
    since: str
    until: str
    sources: tuple[str, ...]
    confidence: str
    message: str
    wire: str
    schema: dict[str, Any] | None
    check: str | None
    when: dict[str, Any] | None
    arguments: Mapping[str, Any]


class Profile(msgspec.Struct, frozen=True):
    """How much is enforced: facts of the kept confidences, as they stood on `date`."""

    entry: ProfileEntry
    date: str

    @property
    def name(self) -> str:
        """The profile as one writes it: its name, and the day after an @."""
        return f"{self.entry.name}@{self.date}" if self.date else self.entry.name

    def keeps(self, sources: tuple[str, ...], known: Mapping[str, Source]) -> bool:
        """Tell whether a fact from any of these sources is enforced; one without a source always is."""
        return not sources or any(known[name].confidence in self.entry.keeps for name in sources)

    def holds(self, rule: Rule) -> bool:
        """Tell whether the rule is in force on the day of the profile."""
        return (not self.date or rule.since <= self.date) and (not rule.until or self.date < rule.until)


class Enforced(msgspec.Struct, frozen=True):
    """A request schema as a profile enforces it.

    `schema["allOf"][n]` is the schema of `rules[n]`, and the same for `warnings` and `warning_rules`.
    """

    schema: dict[str, Any]
    rules: tuple[Rule, ...]
    warnings: dict[str, Any]
    warning_rules: tuple[Rule, ...]
    checks: tuple[Rule, ...]


def choose_profile(spec: Spec, text: str | None) -> Profile:
    """Return the profile that `text` names, such as `page` or `page@2026-05-01`; raise ValueError for another."""
    name, at, date = (text or spec.default_profile).partition("@")
    if name not in spec.profiles:
        raise ValueError(f"there is no profile {name!r}; there are {', '.join(spec.profiles)}")
    if at and not _is_day(date):
        raise ValueError(f"{text!r}: after the @ stands a date such as 2026-05-01")
    profile = Profile(spec.profiles[name], date or newest_date(spec))
    if not at and not any(profile.keeps(rule.sources, spec.sources) for rule in all_rules(spec)):
        return Profile(spec.profiles[name], "")
    return profile


def _is_day(text: str) -> bool:
    try:
        return datetime.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def newest_date(spec: Spec) -> str:
    """Return the newest day on which any rule of the spec changes; empty where none has a date."""
    return max((date for rule in all_rules(spec) for date in (rule.since, rule.until)), default="")


def all_rules(spec: Spec) -> tuple[Rule, ...]:
    """Return every rule of the spec, in force or held, once, in the order of the file."""
    rules: dict[str, Rule] = {}
    for operation in spec.operations:
        if operation.body_schema is not None:
            rules |= {rule.id: rule for rule in operation_rules(spec, operation)}
    return tuple(rules.values())


def operation_rules(spec: Spec, operation: Operation) -> list[Rule]:
    """Return the rules of one operation, in force or held, in the order of the file."""
    schema = operation.body_schema
    found: list[Rule] = []
    for place in ("allOf", "x-held-rules", "x-checks"):
        for index, member in enumerate(schema.get(place, ())):
            if not isinstance(member, dict) or "x-rule" not in member:
                pointer = (*operation.body_schema_pointer, place, index)
                raise spec.document.error(pointer, "stands among the rules without an `x-rule` that names it")
            rule = _rule(spec, member)
            if any(other.id == rule.id for other in found):
                pointer = (*operation.body_schema_pointer, place, index, "x-rule", "id")
                raise spec.document.error(pointer, f"a second rule with the id {rule.id!r}")
            found.append(rule)
    return found


def enforce(spec: Spec, operation: Operation, profile: Profile) -> Enforced:
    """Return the request schema of `operation` as `profile` has it."""
    refused: list[Rule] = []
    warned: list[Rule] = []
    checks: list[Rule] = []
    for rule in operation_rules(spec, operation):
        if not profile.holds(rule) or not profile.keeps(rule.sources, spec.sources):
            continue
        (checks if rule.check else warned if rule.severity == "warn" else refused).append(rule)
    return Enforced(
        schema={**_prune(operation.body_schema, profile, spec.sources), **_all_of(refused)},
        rules=tuple(refused),
        warnings=_all_of(warned),
        warning_rules=tuple(warned),
        checks=tuple(checks),
    )


def _all_of(rules: list[Rule]) -> dict[str, Any]:
    """An empty `allOf` is no JSON Schema."""
    return {"allOf": [rule.schema for rule in rules]} if rules else {}


def _rule(spec: Spec, member: Mapping[str, Any]) -> Rule:
    raw = member["x-rule"]
    sources = source_names(raw["source"])
    check = member.get("check")
    return Rule(
        id=raw["id"],
        at=raw.get("at", ""),
        models=tuple(raw.get("models", ())),
        severity=raw.get("severity", "refuse"),
        since=raw.get("since", ""),
        until=raw.get("until", ""),
        sources=sources,
        confidence=raw.get("confidence") or best_confidence(sources, spec.sources),
        message=raw["message"],
        wire=raw.get("wire", ""),
        schema=None if check else {key: value for key, value in member.items() if key != "x-rule"},
        check=check,
        when=member.get("when"),
        arguments=member.get("with", {}),
    )


def _prune(schema: Any, profile: Profile, known: Mapping[str, Source]) -> Any:
    """Leave out each constraint that the profile does not keep; `x-source` says where each is known from."""
    if not isinstance(schema, dict):
        return schema
    kept = {}
    for key, value in schema.items():
        if key == "properties":
            kept[key] = {name: _prune(each, profile, known) for name, each in value.items()}
        elif key == "items":
            kept[key] = _prune(value, profile, known)
        elif key in _STRUCTURE or key.startswith("x-"):
            continue
        elif profile.keeps(keyword_sources(schema, key), known):
            kept[key] = value
    return kept


def keyword_sources(schema: Any, keyword: str) -> tuple[str, ...]:
    """Return the sources that a schema object names for one of its keywords."""
    said = schema.get("x-source") if isinstance(schema, dict) else None
    return source_names(said.get(keyword) if isinstance(said, dict) else said)
