"""How long the client waits after something went wrong, and when it gives up."""

from collections.abc import Mapping

from contracts.checks.base import Check, PooledCheck

CHECKS: Mapping[str, Check] = {}
POOLED: Mapping[str, PooledCheck] = {}
