"""That the client stops where a task has ended, and knows how it ended."""

from collections.abc import Mapping

from contracts.checks.base import Check, PooledCheck

CHECKS: Mapping[str, Check] = {}
POOLED: Mapping[str, PooledCheck] = {}
