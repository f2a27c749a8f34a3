"""What a check of a provider finds: what was sent, what the spec says and how sure it is, what came, and who moved."""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

# The service contradicts what is documented; the mock claims what is only observed or assumed; the spec says nothing.
Mover = Literal["service", "mock", "silent"]
MOVERS: Mapping[Mover, str] = {
    "service": "the service moved: this contradicts what is documented",
    "mock": "the mock is wrong: the spec only observed or assumed this",
    "silent": "the spec is silent: nothing in it says this",
}

# How sure a fact is that no source of the spec says, but HTTP itself, or a callback's own reply.
STANDARD = "standard"
_DOCUMENTED = ("documented-by-provider", "documented-by-vendor", STANDARD)


class Fact(msgspec.Struct, frozen=True):
    """One thing that the spec says: where, in which words, from whom. Without `confidence` it is silent."""

    pointer: str
    line: int
    says: str
    source: str
    confidence: str

    @property
    def documented(self) -> bool:
        """Whether whoever does otherwise contradicts a page."""
        return self.confidence in _DOCUMENTED

    @property
    def mover(self) -> Mover:
        """Who has moved, where the service does otherwise."""
        if not self.confidence:
            return "silent"
        return "service" if self.documented else "mock"


class Finding(msgspec.Struct, frozen=True):
    """One difference between the spec and the service. `code` names its kind, `probe` what it was found with."""

    code: str
    operation: str
    probe: str
    title: str
    sent: str
    fact: Fact
    came: str

    @property
    def mover(self) -> Mover:
        """Who has moved."""
        return self.fact.mover

    def as_json(self) -> dict[str, Any]:
        """Return it as reports in JSON have it."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return {**told, "mover": self.mover}


class Verification(msgspec.Struct, frozen=True):
    """What came of a check: all findings, what was done, and what was not, with the reason."""

    title: str
    url: str
    profile: str
    findings: tuple[Finding, ...]
    requests: int
    tasks_created: int
    tasks_max: int
    done: Mapping[str, int]
    not_exercised: tuple[str, ...]
    interrupted: bool = False

    @property
    def status(self) -> int:
        """The exit status: 1 where something was found, 2 where nobody can tell."""
        return 1 if self.findings else 2 if self.interrupted else 0

    def as_json(self) -> dict[str, Any]:
        """Return it as the report in JSON."""
        told: dict[str, Any] = msgspec.to_builtins(self)
        return {**told, "findings": [each.as_json() for each in self.findings]}
