"""What stands in the bodies of creates: kept rules, types, members, text."""

from collections.abc import Mapping

from contracts.checks.base import Check, PooledCheck

CHECKS: Mapping[str, Check] = {}
POOLED: Mapping[str, PooledCheck] = {}
