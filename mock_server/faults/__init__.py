"""Faults: deliberate misbehaviour, one family a file. No I/O happens here, and chance comes from the caller.

A fault takes the reply that would have been sent and returns the one that is sent instead: another body or status, or
a `Wire` that tells the shell how its bytes go out. To add a family: a file with a function `make`, a line in `FAULTS`,
its arguments in fixtures/schemas/scenario.schema.json, and a row in docs/scenarios.md.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mock_server.faults import (
    close,
    drip,
    empty_body,
    garbage,
    hang,
    html_page,
    http_error,
    malformed_json,
    redirect,
    reset,
    stale_read,
    truncated_body,
    unknown_status,
    wrong_shape,
)
from mock_server.faults.base import Around, Fault

__all__ = ["FAULTS", "Around", "Fault"]

# What stands behind a fault's name in a scenario (None where nothing does) → the fault; ValueError where it cannot be.
FAULTS: Mapping[str, Callable[[Any], Fault]] = {
    "http-error": http_error.make,
    "wrong-shape": wrong_shape.make,
    "malformed-json": malformed_json.make,
    "html-page": html_page.make,
    "empty-body": empty_body.make,
    "truncated-body": truncated_body.make,
    "reset": reset.make,
    "close": close.make,
    "drip": drip.make,
    "hang": hang.make,
    "garbage": garbage.make,
    "redirect": redirect.make,
    "unknown-status": unknown_status.make,
    "stale-read": stale_read.make,
}
