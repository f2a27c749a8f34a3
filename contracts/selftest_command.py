"""`omnimock selftest`: holds a twin against its own spec, with requests that Schemathesis makes up."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contracts.kit import elsewhere, need_kit
from mock_server.options import fail, json_option, one_line_errors, spec_option

if TYPE_CHECKING:
    from contracts.schema_checks import SchemaReport


@click.command()
@click.option("--examples", type=click.IntRange(1, 100_000), default=50, show_default=True, help="How many for each.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="What the requests are drawn from.")
@click.option("--dialect", metavar="NAME", help="The wire shape of the answers.  [default: the spec's]")
@json_option
@spec_option
def selftest(examples: int, seed: int, dialect: str | None, as_json: bool, spec: Path | None) -> None:
    """Hold a twin against its own spec: every operation, every check of Schemathesis, and the links.

    Exit status 0 where it keeps the spec, 1 where it does not, 2 where that could not be told.
    """
    with one_line_errors():
        need_kit("selftest")
        try:
            from contracts.schema_checks import run_schema_checks

            with elsewhere():
                report = run_schema_checks(spec, dialect=dialect, examples=examples, seed=seed)
        except KeyboardInterrupt:
            fail("interrupted: nothing was told")
    click.echo(_json(report) if as_json else _text(report))
    sys.exit(2 if report.errors else 1 if report.failures else 0)


def _text(report: "SchemaReport") -> str:
    lines = []
    for number, each in enumerate(report.failures, 1):
        message = " ".join(each.message.split())
        lines += [f"{number}. {each.operation}: {message}", f"   found by {each.check} ({each.phase})"]
        lines += [f"   {each.request}"] if each.request else []
    lines += [f"could not be run: {' '.join(each.split())}" for each in report.errors]
    told = f"{len(report.failures)} ways in which it does not" if report.failures else "it keeps its spec"
    if report.errors and not report.failures:
        told = "part of it could not be run"
    operations = len({label for label, _ in report.drawn})
    lines.append(f"{report.title}: {report.requests} requests to {operations} operations; {told}")
    return "\n".join(lines)


def _json(report: "SchemaReport") -> str:
    def counts(answers: object) -> object:
        assert isinstance(answers, dict)
        return [{"operation": label, "status": status, "count": n} for (label, status), n in sorted(answers.items())]

    failures = [
        {
            "check": each.check,
            "kind": each.kind,
            "operation": each.operation,
            "phase": each.phase,
            "message": each.message,
            "request": each.request,
        }
        for each in report.failures
    ]
    told = {
        "title": report.title,
        "requests": report.requests,
        "drawn": counts(report.drawn),
        "linked": counts(report.linked),
        "failures": failures,
        "errors": list(report.errors),
    }
    return json.dumps(told, indent=2, ensure_ascii=False)
