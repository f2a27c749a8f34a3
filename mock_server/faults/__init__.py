"""Faults: deliberate misbehaviour, one family a file. No I/O happens here, and chance comes from the caller.

A fault takes the reply that would have been sent and returns the one that is sent instead: another body or status, or
a `Wire` that tells the shell how its bytes go out. To add a family: a file with a function `make`, a line in `FAULTS`,
its arguments in fixtures/schemas/scenario.schema.json, and a row in docs/scenarios.md.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from mock_server.faults.base import Around, Fault

__all__ = ["FAULTS", "Around", "Fault"]


def _family(name: str) -> Callable[[Any], Fault]:
    """Its file is read when a scenario first has it: a start without faults is quicker."""

    def make(arguments: Any) -> Fault:
        fault: Fault = import_module(f"mock_server.faults.{name.replace('-', '_')}").make(arguments)
        return fault

    return make


# What stands behind a fault's name in a scenario (None where nothing does) → the fault; ValueError where it cannot be.
FAULTS: Mapping[str, Callable[[Any], Fault]] = {
    name: _family(name)
    for name in (
        "http-error",
        "wrong-shape",
        "rewritten",
        "malformed-json",
        "html-page",
        "empty-body",
        "truncated-body",
        "reset",
        "close",
        "drip",
        "hang",
        "garbage",
        "redirect",
        "unknown-status",
        "stale-read",
    )
}
