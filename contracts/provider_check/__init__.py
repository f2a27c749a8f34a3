"""Checks a server that claims to be the provider: does it keep the contract of the spec?

    free probes (refusals, reads) ─▶ generated ones (Schemathesis) ─▶ tasks, as many as are allowed ─▶ findings

Everything is driven by the spec; nothing here knows any provider.
"""

from contracts.provider_check.check import Plan, verify_provider
from contracts.provider_check.finding import Fact, Finding, Verification

__all__ = ["Fact", "Finding", "Plan", "Verification", "verify_provider"]
