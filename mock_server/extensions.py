"""Checks the `x-` members of a spec: each is known, stands where it may, and is well formed.

What there is, is said by `fixtures/schemas/spec-extensions.schema.json`; docs/spec-extensions.md explains it.
An unknown member is refused, because somebody wrote it and would believe that it works.
"""

import re
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.document import Document
from mock_server.names import nearest
from mock_server.resources import resource

# Below these keys the next level is made of the author's own names, not of OpenAPI's words.
_MAPS_OF_NAMES = frozenset(
    """$defs callbacks content dependentRequired dependentSchemas encoding examples headers links mapping parameters
    pathItems paths patternProperties properties requestBodies responses schemas scopes securitySchemes
    variables""".split()  # noqa: SIM905  A list of 19 quoted words would be harder to read.
)
# Below these keys stands anything at all.
_VALUES = frozenset(("example", "default", "enum", "const", "value"))

_REFERENCE = re.compile(r"'\$ref': '#/\$defs/([^'/]+)")

Pointer = tuple[str | int, ...]


def check_extensions(document: Document) -> None:
    """Raise SpecError for the first `x-` member that is unknown, misplaced or malformed."""
    definitions = msgspec.json.decode(resource("fixtures/schemas/spec-extensions.schema.json").read_bytes())["$defs"]
    _Walk(document, definitions).visit(document.root, (), names=False)


class _Walk:
    def __init__(self, document: Document, definitions: dict[str, Any]) -> None:
        self.document, self.definitions = document, definitions
        self.validators: dict[str, Any] = {}

    def visit(self, value: Any, pointer: Pointer, *, names: bool) -> None:
        if isinstance(value, list):
            for index, item in enumerate(value):
                self.visit(item, (*pointer, index), names=False)
        elif isinstance(value, dict):
            for key, member in value.items():
                if key.startswith("x-") and not names:
                    self.check(key, member, pointer)
                elif names or not (key in _VALUES or (key == "examples" and isinstance(member, list))):
                    self.visit(member, (*pointer, key), names=not names and key in _MAPS_OF_NAMES)

    def check(self, name: str, value: Any, parent: Pointer) -> None:
        pointer = (*parent, name)
        definition = self.definitions.get(name)
        if definition is None or "x-where" not in definition:
            known = sorted(key for key, each in self.definitions.items() if "x-where" in each)
            raise self.document.error(pointer, f"an unknown extension: {nearest(name, known)}")
        if not re.search(definition["x-where"], "".join(f"/{part}" for part in _escaped(parent))):
            raise self.document.error(pointer, "does not belong here; see docs/spec-extensions.md for its place")
        if errors := self.errors(name, value):
            place, reason = errors[0]
            raise self.document.error((*pointer, *place), reason)

    def errors(self, name: str, value: Any) -> list[tuple[Pointer, str]]:
        """The deepest complaint first: it is the one that names the slip. So does a member that is not known."""
        validator = self.validators.get(name)
        if validator is None:
            # Not all definitions: each schema would be compiled with all the others.
            needed = {each: self.definitions[each] for each in _reached(name, self.definitions)}
            schema = {"$ref": f"#/$defs/{name}", "$defs": needed}
            validator = self.validators[name] = jsonschema_rs.Draft202012Validator(schema)
        if validator.is_valid(value):
            return []
        found = sorted(
            validator.iter_errors(value),
            key=lambda error: (-len(error.instance_path), error.schema_path[-1] != "additionalProperties"),
        )
        return [(tuple(error.instance_path), _reason(error.message)) for error in found]


def _reached(name: str, definitions: dict[str, Any]) -> set[str]:
    """The definition and those that it refers to, directly or not."""
    reached, waiting = set[str](), [name]
    while waiting:
        if (each := waiting.pop()) not in reached:
            reached.add(each)
            waiting += _REFERENCE.findall(str(definitions[each]))
    return reached


def _escaped(pointer: Pointer) -> list[str]:
    return [str(part).replace("~", "~0").replace("/", "~1") for part in pointer]


def _reason(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:300]}…"
