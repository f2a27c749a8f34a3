"""Query parameters: read from the query string, checked against their schemas, with defaults filled in."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from mock_server.rules import keyword_sources
from mock_server.schemas import compile_schema
from mock_server.spec import Operation, Spec, best_confidence
from mock_server.validation import Violation, allowed, shown


class Parameters:
    """The query parameters of one operation."""

    def __init__(self, spec: Spec, operation: Operation) -> None:
        self._spec = spec
        self._schemas: Mapping[str, Any] = operation.query_parameters
        self._defaults = {name: schema["default"] for name, schema in self._schemas.items() if "default" in schema}
        self._validators = {
            name: compile_schema(spec.document, schema, (*operation.pointer, "parameters"))
            for name, schema in self._schemas.items()
        }

    def read(self, query: bytes) -> tuple[dict[str, Any], list[Violation]]:
        """Return the values by name, and every violation. Parameters that the spec does not know are ignored."""
        if not query:
            return self._defaults, []
        came: dict[str, list[str]] = {}
        for name, text in parse_qsl(query.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=None):
            if name in self._schemas:
                came.setdefault(name, []).append(text)
        values, violations = dict(self._defaults), []
        for name, texts in came.items():
            value = _typed(texts[0], self._schemas[name])
            if len(texts) > 1:
                violations.append(self._violation(name, "count", f"{len(texts)} times", "once"))
            for error in self._validators[name].iter_errors(value):
                keyword = str(error.schema_path[-1])
                limit = allowed(keyword, self._schemas[name].get(keyword))
                violations.append(self._violation(name, keyword, shown(value), limit))
            values[name] = value
        return values, violations

    def _violation(self, name: str, keyword: str, came: str, may: str) -> Violation:
        sources = keyword_sources(self._schemas[name], keyword)
        titles = "; ".join(self._spec.sources[each].title for each in sources)
        confidence = best_confidence(sources, self._spec.sources)
        return Violation(f"?{name}", came, may, f"{name}.{keyword}", titles, confidence)


def _typed(text: str, schema: Mapping[str, Any]) -> Any:
    """A number is written in plain digits: `1e3`, ` 7` or a huge one stay texts, which the schema refuses."""
    digits = text.removeprefix("-")
    if schema.get("type") == "integer" and digits.isascii() and digits.isdigit() and len(digits) < 19:
        return int(text)
    return text
