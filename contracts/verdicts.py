"""From findings to verdicts: of each channel, of a case, and what the exit status of a run is.

    findings ─▶ wire verdict, outcome verdict ─▶ level ─▶ verdict of the case ─▶ baseline ─▶ red or not

Nothing passes because nothing was seen: without a finding that passed, a channel is not exercised.
"""

from collections.abc import Iterable, Sequence

from contracts.case import Level
from contracts.report.model import Channel, Finding, Verdict


def channel_verdict(findings: Iterable[Finding], channel: Channel) -> Verdict | None:
    """Return the verdict of one channel; None where no check looked at it. What fails for information does not fail."""
    kinds = [
        "info" if each.verdict == "failed" and each.level == "info" else each.verdict
        for each in findings
        if each.channel == channel
    ]
    if not kinds:
        return None
    if "failed" in kinds:
        return "failed"
    if "passed" in kinds:
        return "passed"
    return "not exercised" if "not exercised" in kinds else "info"


def case_verdict(findings: Sequence[Finding], level: Level) -> Verdict:
    """Return the verdict of a case by its findings. What fails at the level should is a warning.

    A wire that is right carries a case whose outcome was not reported. It is not so the other way round: what the wire
    was to show and did not show has not been exercised, whatever the client says came of it.
    """
    each = [channel_verdict(findings, "wire"), channel_verdict(findings, "outcome")]
    if level == "info":
        return "info" if any(verdict in ("passed", "failed", "info") for verdict in each) else "not exercised"
    levels = {finding.level or level for finding in findings if finding.verdict == "failed"}
    if level == "must" and "must" in levels:
        return "failed"
    if levels - {"info"}:
        # A warning must not hide that what must be so was not seen at all.
        unseen = level == "must" and any(each.verdict == "not exercised" for each in findings)
        return "not exercised" if unseen and not any(each.verdict == "passed" for each in findings) else "warned"
    if each[0] == "not exercised":
        return "not exercised"
    if "passed" in each:
        return "passed"
    return "info" if "info" in each and "not exercised" not in each else "not exercised"


def only_late(findings: Iterable[Finding]) -> bool:
    """Whether everything that failed did so because it took too long, which a busy machine can cause."""
    failed = [each for each in findings if each.verdict == "failed"]
    return bool(failed) and all(each.upper for each in failed)


def is_red(verdict: Verdict, level: Level, *, strict: bool = False) -> bool:
    """Whether a case makes the run red. `strict` counts should as must."""
    counts = level == "must" or (strict and level == "should")
    match verdict:
        case "failed" | "unexpectedly passing" | "harness error":
            return True
        case "warned":
            return strict
        case "intermittent":
            return counts
        case "not exercised":
            return level != "info"
        case _:
            return False
