"""What came of a run, as plain values that all reports are made from. Keys are taken out of all of it."""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from contracts.case import Basis, Level

FORMAT = 1

Verdict = Literal[
    "passed",
    "failed",
    "warned",
    "info",
    "not exercised",
    "unsupported",
    "intermittent",
    "harness error",
    "known failing",
    "unexpectedly passing",
]
Channel = Literal["wire", "outcome"]


class Finding(msgspec.Struct, frozen=True):
    """What one check saw. `lines` are the places of wire lines in its session that show it.

    `upper` says that it went red because something took too long, which a busy machine can cause.
    """

    channel: Channel
    verdict: Literal["passed", "failed", "info", "not exercised"]
    expected: str
    seen: str
    session: int = 0
    lines: tuple[int, ...] = ()
    upper: bool = False
    # The level of what failed, where it is not that of the case.
    level: Level | None = None


class WireLine(msgspec.Struct, frozen=True):
    """One line of a wire log: a request with its reply, a callback with its answer, or a request to a stranger.

    Times are seconds since the session began; `gap_seconds` is since the one of the same operation before it ended.
    """

    at_seconds: float
    kind: Literal["exchange", "callback", "stranger"]
    title: str
    status: int | None
    told: str | None = None
    took_seconds: float | None = None
    gap_seconds: float | None = None
    request: str = ""
    response: str = ""
    # What the twin did on purpose, and what it had to say of the request.
    note: str = ""


class JobReport(msgspec.Struct, frozen=True):
    """A job with what the client said of it. `ended` says how, in words."""

    job: str
    request: dict[str, Any]
    settings: dict[str, float]
    result: dict[str, Any] | None
    ended: str
    seconds: float
    exit_status: int | None = None


class SessionReport(msgspec.Struct, frozen=True):
    """One session of a case. `scenario` is YAML that replays it."""

    name: str
    scenario: str
    jobs: tuple[JobReport, ...]
    wire: tuple[WireLine, ...]
    log: str = ""


class CaseReport(msgspec.Struct, frozen=True):
    """What came of one case. `wire` and `outcome` are its two verdicts; `reason` says why where it is not plain."""

    id: str
    title: str
    group: str
    group_title: str
    requirement: str
    level: Level
    basis: Basis
    source: str
    why: str
    fix: str
    verdict: Verdict
    wire: Verdict
    outcome: Verdict
    reason: str = ""
    findings: tuple[Finding, ...] = ()
    sessions: tuple[SessionReport, ...] = ()
    replay: str = ""
    seconds: float = 0.0
    # Whether this verdict makes the run red, by the levels and the baseline of the run.
    red: bool = False

    @property
    def failed_findings(self) -> list[Finding]:
        """Those that are wrong."""
        return [each for each in self.findings if each.verdict == "failed"]


class Client(msgspec.Struct, frozen=True):
    """The client under test: its name, how it was driven, and what it declared."""

    name: str
    driver: Literal["exec", "worker", "in process", "observe"]
    command: tuple[str, ...]
    capabilities: tuple[str, ...]
    settings: dict[str, float] = {}


class ShownCell(msgspec.Struct, frozen=True):
    """What a client was shown, and how often: an operation (or `callback`), its answer, and what went with it.

    `state` is the status of the task then, `faults` are those of the reply, `callbacks` what the callbacks of the task
    had suffered by then. `-` stands for no operation, and for no task.
    """

    operation: str
    answer: str
    state: str
    faults: tuple[str, ...]
    callbacks: tuple[str, ...]
    count: int


class Dimension(msgspec.Struct, frozen=True):
    """One dimension: how many exchanges or callbacks showed each of its members, and which none did."""

    name: str
    shown: dict[str, int]
    missing: tuple[str, ...] = ()

    @property
    def total(self) -> int:
        """How many members it has."""
        return len(self.shown) + len(self.missing)


class Coverage(msgspec.Struct, frozen=True):
    """Which behaviour of the server a client was shown, and which it was not. Without dimensions nobody looked."""

    exchanges: int = 0
    callbacks: int = 0
    dimensions: tuple[Dimension, ...] = ()
    cells: tuple[ShownCell, ...] = ()


class Report(msgspec.Struct, frozen=True):
    """A whole run. `status` is the exit status: 0 right, 1 wrong, 2 could not run."""

    client: Client
    cases: tuple[CaseReport, ...]
    status: int
    started: str
    seconds: float
    profile: str
    spec: str
    version: str
    strict: bool = False
    # Complaints that belong to no case: stale entries of a baseline, say.
    complaints: tuple[str, ...] = ()
    seed: int = 0
    # Over all sessions of all cases, those that were run again included.
    coverage: Coverage = Coverage()
    format: int = FORMAT

    def counts(self) -> Counter[Verdict]:
        """Return how many cases have each verdict."""
        return Counter(each.verdict for each in self.cases)


def red_cases(cases: Iterable[CaseReport]) -> list[CaseReport]:
    """Return those that make the run red."""
    return [each for each in cases if each.red]
