"""What every part of the reader needs of the file: references resolved, names checked, errors that have a line."""

from collections.abc import Iterable
from typing import Any

import jsonschema_rs
import msgspec

from mock_server.document import Document, Pointer, SpecError
from mock_server.durations import parse_duration_ms, parse_range_ms
from mock_server.names import nearest
from mock_server.resources import resource
from mock_server.schemas import compile_schema


class Reading:
    """A spec file that is being read."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.root: Any = document.root
        shape = resource("fixtures/schemas/openapi-shape.schema.json").read_bytes()
        self.shape: dict[str, Any] = {key: value for key, value in msgspec.json.decode(shape).items() if key != "$id"}
        # A component that many operations share is resolved once, and so is compiled once.
        self._components: dict[str, Any] = {}
        self._schemas: dict[int, tuple[Any, Any]] = {}

    def error(self, pointer: Pointer, reason: str) -> SpecError:
        """Return the error that names the file, the line of `pointer` and the reason."""
        return self.document.error(pointer, reason)

    def check_shape(self, value: Any, shape: Any, pointer: Pointer) -> None:
        """Raise SpecError where a part lacks its shape; the deepest complaint is the one that names the slip."""
        errors = jsonschema_rs.Draft202012Validator(shape).iter_errors(value)
        for error in sorted(errors, key=lambda each: -len(each.instance_path)):
            raise self.error((*pointer, *error.instance_path), error.message)

    def known(self, name: str, among: Iterable[str], pointer: Pointer, kind: str) -> None:
        """Raise SpecError for a name that is not among those there are."""
        if name not in (names := list(among)):
            raise self.error(pointer, f"names the {kind} {name!r}; {nearest(name, names)}")

    def duration(self, text: str, pointer: Pointer) -> int:
        """Return a duration in milliseconds."""
        try:
            return parse_duration_ms(text)
        except ValueError as error:
            raise self.error(pointer, str(error)) from None

    def range(self, text: str, pointer: Pointer) -> tuple[int, int]:
        """Return the shortest and the longest of a range of durations, in milliseconds."""
        try:
            return parse_range_ms(text)
        except ValueError as error:
            raise self.error(pointer, str(error)) from None

    def schema(self, value: Any, pointer: Pointer) -> Any:
        """Return a schema with its references resolved, and known to be sound."""
        if id(value) in self._schemas:
            return self._schemas[id(value)][1]
        resolved = self.resolved(value, pointer)
        if not isinstance(resolved, dict):
            raise self.error(pointer, "is a schema that is not an object")
        if id(resolved) not in self._schemas:
            compile_schema(self.document, resolved, pointer)
        self._schemas[id(value)] = self._schemas[id(resolved)] = (value, resolved)
        return resolved

    def shared(self, value: Any, kind: str, pointer: Pointer) -> Any:
        """Return a part, or the shared component that stands for it, which must have the shape of its kind too."""
        if "$ref" not in value:
            return value
        resolved = self.resolved(value, pointer)
        self.check_shape(resolved, {"$defs": self.shape["$defs"], "$ref": f"#/$defs/{kind}"}, pointer)
        return resolved

    def resolved(self, value: Any, pointer: Pointer, inside: tuple[str, ...] = ()) -> Any:
        """Put what each `$ref` names in its place."""
        if isinstance(value, list):
            return [self.resolved(item, pointer, inside) for item in value]
        if not isinstance(value, dict):
            return value
        ref = value.get("$ref")
        if not isinstance(ref, str):
            return {key: self.resolved(member, pointer, inside) for key, member in value.items()}
        if ref in inside:
            raise self.error(pointer, f"the reference {ref!r} runs in a circle, which is not supported")
        target = self.root
        for part in ref.removeprefix("#/").split("/") if ref.startswith("#/") else [ref]:
            target = target.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(target, dict) else None
        if target is None:
            raise self.error(pointer, f"the reference {ref!r} names nothing in this file")
        if ref not in self._components:
            self._components[ref] = self.resolved(target, pointer, (*inside, ref))
        resolved = self._components[ref]
        beside = {key: self.resolved(member, pointer, inside) for key, member in value.items() if key != "$ref"}
        return {**resolved, **beside} if beside else resolved
