"""The mutants: broken clients, each a small subclass of a part of the example client, with the case that catches it.

The first line of a mutant's docstring says what is wrong with it.
"""

from tests.selfcheck.mutants import (
    auth,
    callbacks,
    create,
    cross_field,
    forward,
    idempotency,
    poll,
    rate,
    request,
    retry,
    security,
    terminal,
    transport,
)
from tests.selfcheck.mutants.base import MUTANTS, Mutant

__all__ = [
    "MUTANTS",
    "Mutant",
    "auth",
    "callbacks",
    "create",
    "cross_field",
    "forward",
    "idempotency",
    "poll",
    "rate",
    "request",
    "retry",
    "security",
    "terminal",
    "transport",
]
