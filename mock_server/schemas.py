"""Compiles the JSON Schemas of a spec, and says where one is not sound. The one door to jsonschema-rs for them."""

from typing import Any

import jsonschema_rs

from mock_server.document import Document, Pointer
from mock_server.names import nearest


def compile_schema(
    document: Document, schema: Any, pointer: Pointer, *, mask: str | None = None
) -> jsonschema_rs.Draft202012Validator:
    """Return the validator of a schema, formats included; raise SpecError where it is not a JSON Schema 2020-12.

    With `mask`, error messages have it in place of the value, which may be megabytes long.
    """
    known = document.validators.get((id(schema), mask))
    if known is not None:
        validator: jsonschema_rs.Draft202012Validator = known[1]
        return validator
    try:
        validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True, mask=mask)
    except (ValueError, TypeError, jsonschema_rs.ValidationError) as error:
        raise document.error(pointer, f"is not a JSON Schema: {getattr(error, 'message', error)}") from None
    # The schema is kept too: while it lives, no other has its id.
    document.validators[id(schema), mask] = schema, validator
    return validator


def missing_member(schema: Any, parts: tuple[str, ...]) -> str:
    """Say why nothing can ever stand at a place in what fits a schema; empty where something may.

    A schema that lists no properties may have any, and what stands behind one of an array's items is not looked at.
    """
    for part in parts:
        properties = schema.get("properties") if isinstance(schema, dict) else None
        if not properties:
            return ""
        if part not in properties:
            return f"the request has no {part!r}; {nearest(part, properties)}"
        schema = properties[part]
    return ""
