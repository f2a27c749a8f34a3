"""Compiles the JSON Schemas of a spec, and says where one is not sound. The one door to jsonschema-rs for them."""

from typing import Any

import jsonschema_rs

from mock_server.document import Document, Pointer


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
