"""What the client does when connections break, hang or drip."""

from collections.abc import Mapping

from contracts.checks.base import Check, PooledCheck

CHECKS: Mapping[str, Check] = {}
POOLED: Mapping[str, PooledCheck] = {}
