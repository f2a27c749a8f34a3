"""Faults: deliberate misbehaviour, one family a file. No I/O happens here, and chance comes from the caller.

A fault takes the reply that would have been sent and returns the one that is sent instead: another body or status, or
a `Wire` that tells the shell how its bytes go out. To add a family: a file with a function `make`, a line in `FAULTS`,
and its arguments in fixtures/schemas/scenario.schema.json.
"""

from collections.abc import Callable, Mapping
from typing import Any

from mock_server.faults.base import Around, Fault

__all__ = ["FAULTS", "Around", "Fault"]

# What stands behind a fault's name in a scenario (None where nothing does) → the fault; ValueError where it cannot be.
FAULTS: Mapping[str, Callable[[Any], Fault]] = {}
