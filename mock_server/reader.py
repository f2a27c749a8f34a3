"""Reads a spec from its file: checks it, resolves its references, and returns it as the values of `spec.py`.

`reading.py` has what all parts need; `task_types.py`, `operations.py` and `dialects.py` read theirs.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mock_server.dialects import read_dialects
from mock_server.document import Document, Pointer
from mock_server.extensions import check_extensions
from mock_server.operations import read_operations
from mock_server.problems import REFUSALS, Problem
from mock_server.reading import Reading
from mock_server.spec import CONFIDENCES, AuthScheme, ProfileEntry, Source, Spec, best_confidence, source_names
from mock_server.task_types import read_task_types

# In these members of an `x-` member, `source` would be a word of the provider's.
_TEMPLATES_AND_SCHEMAS = frozenset(("body", "schema", "problem-schema", "when", "with"))
# What a violation is called on the wire where the spec does not say.
_MESSAGES = {"rule": "{$violation.message}", "otherwise": "{$violation.name}: {$violation.message}"}


def load_spec(path: Path) -> Spec:
    """Read and check a spec; raise SpecError with file, line and reason where it cannot be used."""
    reading = Reading(Document(path))
    _check_openapi(reading)
    check_extensions(reading.document)
    root = reading.root
    sources = {
        name: Source(name, value["title"], value.get("url", ""), value["confidence"])
        for name, value in root.get("x-sources", {}).items()
    }
    for place, name in _named_sources(root, (), inside=False):
        reading.known(name, sources, place, "source")
    problems = _problems(root, sources)
    task_types = read_task_types(reading, problems)
    operations = read_operations(reading, task_types)
    dialects, default_dialect = read_dialects(reading, task_types, problems)
    profiles, default_profile = _profiles(reading)
    return Spec(
        document=reading.document,
        title=root.get("info", {}).get("title", "untitled"),
        operations=operations,
        task_types=task_types,
        problems=problems,
        refusals=_refusals(reading, problems),
        messages=_messages(root),
        mounts=tuple(root.get("x-mounts", {"prefixes": [""]})["prefixes"]),
        auth=_auth(reading),
        profiles=profiles,
        default_profile=default_profile,
        dialects=dialects,
        default_dialect=default_dialect,
        sources=sources,
    )


def _check_openapi(reading: Reading) -> None:
    """What is read below is there, and of the right kind."""
    root = reading.root
    if not isinstance(root, dict) or not re.fullmatch(r"3\.1\.\d+", str(root.get("openapi"))):
        raise reading.error((), "is not an OpenAPI 3.1 file: it starts with `openapi: 3.1.0`")
    for name in ("paths", "x-task-types", "x-problems", "x-refusals"):
        if name not in root:
            raise reading.error((), f"has no `{name}`; see docs/spec-extensions.md")
    reading.check_shape(root, reading.shape, ())


def _problems(root: Any, sources: Mapping[str, Source]) -> dict[str, Problem]:
    problems = {}
    for name, value in root["x-problems"].items():
        names = source_names(value.get("source"))
        confidence = value.get("confidence") or best_confidence(names, sources)
        problems[name] = Problem(
            name, value["status"], value["retry"], value["about"], value["body"], names, confidence
        )
    return problems


def _refusals(reading: Reading, problems: Mapping[str, Problem]) -> dict[str, str]:
    """The problem that answers each event; one that is not listed is answered like the event it is a case of."""
    raw = {event: name for event, name in reading.root["x-refusals"].items() if event != "messages"}
    for event, name in raw.items():
        reading.known(name, problems, ("x-refusals", event), "problem")
    refusals: dict[str, str] = {}
    for event, general in REFUSALS.items():
        refusals[event] = raw[event] if event in raw else refusals[general]
    return refusals


def _messages(root: Any) -> dict[str, str]:
    raw = root["x-refusals"].get("messages", {})
    return _MESSAGES | {key: value for key, value in raw.items() if key not in ("source", "confidence")}


def _profiles(reading: Reading) -> tuple[dict[str, ProfileEntry], str]:
    raw = reading.root.get("x-profiles") or {
        "default": "all",
        "profiles": {"all": {"about": "Everything.", "keeps": [*CONFIDENCES, "disputed"]}},
    }
    reading.known(raw["default"], raw["profiles"], ("x-profiles", "default"), "profile")
    entries = {
        name: ProfileEntry(name, value["about"], tuple(value["keeps"])) for name, value in raw["profiles"].items()
    }
    return entries, raw["default"]


def _auth(reading: Reading) -> AuthScheme:
    """The scheme that has an `x-auth`, else the first; without any, a bearer key is asked for."""
    schemes = reading.root.get("components", {}).get("securitySchemes", {})
    if not schemes:
        return AuthScheme()
    name = next((name for name, each in schemes.items() if "x-auth" in each), next(iter(schemes)))
    scheme, extension = schemes[name], schemes[name].get("x-auth", {})
    claim = extension.get("world-claim")
    match scheme:
        case {"type": "http", "scheme": str(word)} if word.lower() == "bearer":
            return AuthScheme(word=extension.get("word", "Bearer"), world_claim=claim)
        case {"type": "apiKey", "in": "header", "name": str(header)}:
            return AuthScheme(header.lower(), extension.get("word", ""), claim)
    reason = "is a key that the twin cannot read: it takes `type: http, scheme: bearer`, or `type: apiKey, in: header`"
    raise reading.error(("components", "securitySchemes", name), reason)


def _named_sources(value: Any, pointer: Pointer, *, inside: bool) -> Iterator[tuple[Pointer, str]]:
    """Give each source that is named, and where. A member `source` counts only inside an `x-` member."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _named_sources(item, (*pointer, index), inside=inside)
    elif isinstance(value, dict):
        for key, member in value.items():
            place = (*pointer, key)
            if key == "x-source" or (key == "source" and inside):
                for group in member.values() if isinstance(member, dict) else [member]:
                    yield from ((place, name) for name in source_names(group))
            elif key not in _TEMPLATES_AND_SCHEMAS and not (key == "replies" and pointer[:1] == ("x-task-types",)):
                yield from _named_sources(member, place, inside=inside or key.startswith("x-"))
