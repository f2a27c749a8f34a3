"""Tells a person what was found, and what was not looked at."""

from collections.abc import Iterator

from contracts.provider_check.finding import MOVERS, Finding, Verification


def text_of(verification: Verification) -> str:
    """Return the whole report as text."""
    lines: list[str] = []
    for number, finding in enumerate(verification.findings, 1):
        lines += [*_finding(number, finding), ""]
    if verification.not_exercised:
        lines += ["Not looked at:", *(f"  - {each}" for each in verification.not_exercised), ""]
    done = ", ".join(f"{count} {name}" for name, count in verification.done.items())
    lines.append(f"{verification.requests} requests to {verification.url} ({done})")
    lines.append(f"{verification.tasks_created} tasks were created, of {verification.tasks_max} allowed")
    lines.append(f"{verification.title} (profile {verification.profile}): {_summary(verification)}")
    return "\n".join(lines)


def _finding(number: int, finding: Finding) -> Iterator[str]:
    fact = finding.fact
    place = f"{fact.pointer} (line {fact.line})"
    yield f"{number}. {finding.operation}: {finding.title} [{finding.code}]"
    yield f"   {MOVERS[finding.mover]}"
    yield f"   sent   {finding.sent}"
    yield f"   spec   {place}: {fact.says}"
    yield f"          {fact.source}{f'; {fact.confidence}' if fact.confidence else ''}"
    yield f"   came   {finding.came}"


def _summary(verification: Verification) -> str:
    if not verification.findings:
        return "nothing was found"
    counts = {mover: sum(each.mover == mover for each in verification.findings) for mover in MOVERS}
    names = {"service": "the service moved", "mock": "the mock is wrong", "silent": "the spec is silent"}
    told = ", ".join(f"{count} {names[mover]}" for mover, count in counts.items() if count)
    return f"{len(verification.findings)} findings: {told}"
