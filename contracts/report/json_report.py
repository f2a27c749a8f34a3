"""A report as JSON, and read back. `fixtures/schemas/report.schema.json` is its schema, made by `schema` below."""

from pathlib import Path
from typing import Any

import msgspec

from contracts.report.model import FORMAT, Report


class ReportError(ValueError):
    """A report that cannot be read, or a folder that cannot be written: what is wrong, and what to do."""


def render(report: Report) -> bytes:
    """Return the report as JSON, indented. Halves of surrogate pairs, which JSON cannot carry, become `?`."""
    try:
        packed = msgspec.json.encode(report)
    except UnicodeEncodeError:
        packed = msgspec.json.encode(_mended(msgspec.to_builtins(report)))
    return msgspec.json.format(packed, indent=1) + b"\n"


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_mended(key): _mended(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mended(each) for each in value]
    return value


def read_report(path: Path) -> Report:
    """Return the report in a file; raise ReportError where it is none, or one of another format."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from None
    return parse_report(content, str(path))


def parse_report(content: bytes, name: str) -> Report:
    """Return the report that is in the bytes; `name` is for errors."""
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ReportError(f"{name} is not a report of omnimock: it is not JSON ({error})") from None
    form = found.get("format") if isinstance(found, dict) else None
    if not isinstance(form, int) or isinstance(form, bool):
        raise ReportError(f"{name} is not a report of omnimock: it has no member `format`")
    if form != FORMAT:
        raise ReportError(
            f"{name} is a report of format {form}, and this omnimock reads format {FORMAT}; "
            "read it with the omnimock that wrote it, or run the check again into an empty folder"
        )
    try:
        return msgspec.convert(found, Report)
    except msgspec.ValidationError as error:
        raise ReportError(f"{name} is not a whole report of omnimock: {error}") from None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report. Members that it does not know are allowed: a later version may add some."""
    made = msgspec.json.schema(Report)
    report = made["$defs"]["Report"]
    report["properties"]["format"] = {"const": FORMAT, "description": "The format that this schema is about."}
    report["required"] = [*report["required"], "format"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A report of omnimock check",
        **made,
    }
