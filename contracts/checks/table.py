"""The checks by the names that the catalogue uses."""

from collections.abc import Mapping

from contracts.checks import (
    backoff,
    bodies,
    callbacks,
    connections,
    counts,
    endings,
    heads,
    money,
    outcomes,
    polls,
    secrecy,
)
from contracts.checks.base import Check, PooledCheck

_MODULES = (backoff, bodies, callbacks, connections, counts, endings, heads, money, outcomes, polls, secrecy)

CHECKS: Mapping[str, Check] = {name: check for each in _MODULES for name, check in each.CHECKS.items()}
POOLED: Mapping[str, PooledCheck] = {name: check for each in _MODULES for name, check in each.POOLED.items()}
