"""The commands that need no server: `rules`, `problems` and `validate`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mock_server.options import json_option, one_line_errors, print_rows, profile_option, spec_option
from mock_server.settings import Settings

if TYPE_CHECKING:
    from mock_server.compiled import Submission
    from mock_server.program import Program
    from mock_server.spec import Spec
    from mock_server.validation import Violation


@click.command()
@spec_option
@profile_option
@json_option
def rules(spec: Path | None, profile: str | None, as_json: bool) -> None:
    """Show every rule, with its source, and whether the profile enforces it."""
    with one_line_errors():
        from mock_server.reader import load_spec
        from mock_server.resources import resource
        from mock_server.rules import all_rules, choose_profile

        loaded = load_spec(spec or resource("openapi.yaml"))
        chosen = choose_profile(loaded, profile)
        rows = []
        for rule in all_rules(loaded):
            in_force = chosen.holds(rule) and chosen.keeps(rule.sources, loaded.sources)
            rows.append(
                {
                    "id": rule.id,
                    "state": rule.severity if in_force else "off",
                    "confidence": rule.confidence,
                    "models": list(rule.models),
                    "since": rule.since,
                    "until": rule.until,
                    "message": rule.message,
                    "source": list(rule.sources),
                    "sources": _sources(loaded, rule.sources),
                }
            )
        title = f"Rules under the profile {chosen.name}"
        print_rows(title, rows, ("id", "state", "message", "since", "until", "confidence", "source"), as_json)


@click.command()
@spec_option
@json_option
def problems(spec: Path | None, as_json: bool) -> None:
    """Show every refusal that the provider can make."""
    with one_line_errors():
        from mock_server.reader import load_spec
        from mock_server.resources import resource

        loaded = load_spec(spec or resource("openapi.yaml"))
        rows = [
            {
                "name": each.name,
                "status": each.status,
                "code": each.body.get("code", ""),
                "retry": each.retry,
                "about": each.about,
                "confidence": each.confidence,
                "source": list(each.sources),
                "sources": _sources(loaded, each.sources),
            }
            for each in loaded.problems.values()
        ]
        print_rows("Problems", rows, ("name", "status", "code", "retry", "about", "confidence", "source"), as_json)


@click.command()
@click.argument("body", type=click.File("rb"))
@spec_option
@profile_option
@click.option("--operation", metavar="ID", help="The operation that the body is for.  [default: the first submit]")
@json_option
def validate(body: Any, spec: Path | None, profile: str | None, operation: str | None, as_json: bool) -> None:
    """Check a request body (a file, or - for standard input), offline.

    Exit status 0 where the provider would take it, 1 where not, 2 where it could not be checked.
    """
    with one_line_errors():
        from mock_server.decoding import NotJson, decode_body
        from mock_server.twin import load_program

        program = load_program(Settings(spec=spec, profile=profile))
        submission = _submission(program, operation)
        try:
            value = decode_body(body.read())
            violations, warnings = submission.validation.check(value, None, ())
        except NotJson as error:
            raise ValueError(f"{body.name}: {error}") from None
    if as_json:
        import msgspec

        result = {"profile": program.profile.name, "violations": violations, "warnings": warnings}
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        for kind, found in (("violation", violations), ("warning", warnings)):
            for each in found:
                click.echo(_paragraph(kind, each))
        counts = f"{_count(violations, 'violation')}, {_count(warnings, 'warning')}"
        click.echo(f"{counts} under the profile {program.profile.name}")
    sys.exit(1 if violations else 0)


def _submission(program: "Program", operation: str | None) -> "Submission":
    from mock_server.names import nearest

    submissions = {each.id: each.submission for each in program.operations if each.submission is not None}
    if operation is not None and operation not in submissions:
        raise ValueError(f"there is no submit operation {operation!r}; {nearest(operation, submissions)}")
    return submissions[operation or next(iter(submissions))]


def _count(found: Sequence[Any], word: str) -> str:
    return f"{len(found)} {word}" if len(found) == 1 else f"{len(found)} {word}s"


def _sources(spec: "Spec", names: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"title": spec.sources[name].title, "url": spec.sources[name].url} for name in names]


def _paragraph(kind: str, violation: "Violation") -> str:
    return (
        f"{kind} at {violation.pointer or 'the whole body'} (rule {violation.rule})\n"
        f"  came     {violation.came}\n"
        f"  allowed  {violation.allowed}\n"
        f"  source   {violation.source or 'none'} ({violation.confidence})"
    )
