"""What was found, ratios first: a table for people, and the same as JSON."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.measure import Speeds

# What is to be reached, by the server that is compared with: at least so many times its requests/s.
CREATE_MIN = {"bare": 1.0, "aimock": 3.0, "prism": 8.0, "wiremock": 8.0}
QUERY_MIN = {"bare": 1.8, "aimock": 3.0, "prism": 8.0, "wiremock": 8.0}
PLAIN_MIN = {"create": 0.5, "fresh": 0.5, "query": 0.8}
START_MAX = 1.5
TASK_BYTES_MAX = 1_200
PAUSE_MS_MAX = 50
IN_PROCESS_MAX = 1.3


@dataclass(frozen=True, slots=True)
class Finding:
    """One measured value: what it is, how it stands to its target, and what it was worked out from."""

    name: str
    value: float | None
    unit: str
    target: str = ""
    reached: bool | None = None
    detail: str = ""


@dataclass(slots=True)
class Report:
    """Everything that one run has found."""

    conditions: dict[str, Any]
    findings: list[Finding] = field(default_factory=list)
    speeds: list[dict[str, Any]] = field(default_factory=list)
    missing: dict[str, str] = field(default_factory=dict)

    def at_least(self, name: str, value: float, unit: str, least: float | None, detail: str = "") -> None:
        """Add a value that is good where it is large."""
        target = f"≥ {least:g}" if least is not None else ""
        self.findings.append(Finding(name, value, unit, target, value >= least if least is not None else None, detail))

    def at_most(self, name: str, value: float, unit: str, most: float, detail: str = "") -> None:
        """Add a value that is good where it is small."""
        self.findings.append(Finding(name, value, unit, f"≤ {most:g}", value <= most, detail))

    def not_there(self, name: str, target: str, reason: str) -> None:
        """Add a value that could not be measured."""
        self.findings.append(Finding(name, None, "", target, None, reason))

    def add_speeds(self, found: Speeds) -> None:
        """Add the ratios of the twin to each other server, and the values behind them."""
        others = dict.fromkeys(name for name, _ in found if name not in ("twin", "raw"))
        for operation, targets in (("create", CREATE_MIN), ("fresh", CREATE_MIN), ("query", QUERY_MIN)):
            twin = found.get(("twin", operation))
            for other in others:
                theirs = found.get((other, operation))
                if twin and theirs and other != "plain":
                    ratio = twin.per_second / theirs.per_second
                    cpu = theirs.cpu_seconds_per_1000 / (twin.cpu_seconds_per_1000 or 1)
                    detail = f"by processor time {cpu:.2f}"
                    self.at_least(f"{operation}: twin ÷ {other}", ratio, "×", targets.get(other), detail)
            plain, bare = found.get(("plain", operation)), found.get(("bare", operation))
            if plain and bare:
                ratio = plain.per_second / bare.per_second
                self.at_least(f"{operation}: twin through plain ASGI ÷ bare", ratio, "×", PLAIN_MIN[operation])
        self.speeds = [{"server": name, "operation": each, **asdict(speed)} for (name, each), speed in found.items()]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return asdict(self)

    def as_text(self) -> str:
        """Return everything as tables."""
        ratios = [(each.name, _shown(each), each.target, _word(each.reached), each.detail) for each in self.findings]
        rates = [
            (
                each["server"],
                each["operation"],
                f"{each['per_second']:,.0f}",
                f"{each['cpu_seconds_per_1000']:.4f}",
                f"{each['p50_ms']:.3f}",
                f"{each['p99_ms']:.3f}",
            )
            for each in self.speeds
        ]
        parts = [
            _table(("what", "value", "target", "", ""), ratios),
            _table(("server", "operation", "requests/s", "CPU-s/1000", "p50 ms", "p99 ms"), rates),
            "\n".join(f"not there: {name}: {reason}" for name, reason in self.missing.items()),
            ", ".join(f"{name} {value}" for name, value in self.conditions.items()),
        ]
        return "\n\n".join(part for part in parts if part)


def _shown(finding: Finding) -> str:
    if finding.value is None:
        return "not there"
    return (
        f"{finding.value:.2f} {finding.unit}" if finding.unit in ("×", "s") else f"{finding.value:,.0f} {finding.unit}"
    )


def _word(reached: bool | None) -> str:
    return "" if reached is None else "reached" if reached else "NOT REACHED"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    rows = [head, *rows]
    if len(rows) == 1:
        return ""
    widths = [max(len(row[index]) for row in rows) for index in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def names(report: Mapping[str, Any]) -> list[str]:
    """Return what a report, as plain values, has findings of."""
    return [finding["name"] for finding in report["findings"]]
