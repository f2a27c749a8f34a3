"""What stands in the heads of requests: keys, paths, content types."""

from collections.abc import Mapping

from contracts.checks.base import Check, PooledCheck

CHECKS: Mapping[str, Check] = {}
POOLED: Mapping[str, PooledCheck] = {}
