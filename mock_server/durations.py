"""Lengths of time as people write them: `500ms`, `2s`, `1.5m`, `1h`, `30d`, and ranges such as `2s..10s`."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_APART = re.compile(r"(\d+(?:\.\d+)?) *(ms|s|m|h|d)?", re.ASCII)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)

# A hundred years: beyond it a timestamp is a slip of the pen, and calendars run out.
DURATION_MS_MAX = 100 * 365 * _UNITS_MS["d"]


def parse_duration_ms(text: str) -> int:
    """Return the milliseconds that `text` says; raise ValueError where it is not a duration."""
    match = _DURATION.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        if hint := without_unit(text):
            raise ValueError(hint)
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, such as 500ms, 2s, 1.5m, 1h or 30d")
    number, unit = match.groups()
    milliseconds = float(number) * _UNITS_MS[unit]
    if milliseconds > DURATION_MS_MAX:
        raise ValueError(f"{text[:40]!r} is more than a hundred years")
    return round(milliseconds)


def without_unit(text: object) -> str:
    """Return what to say where a number stands without its unit, or apart from it; empty where it is something else."""
    match = _APART.fullmatch(str(text).strip()) if isinstance(text, str | int | float) else None
    if match is None or isinstance(text, bool):
        return ""
    number, unit = match.groups()
    return f"{text!r} is not a duration: write {number}{unit or 's'}"


def parse_range_ms(text: str) -> tuple[int, int]:
    """Return the shortest and the longest milliseconds of `2s..10s`; a single duration is a range of one."""
    low_text, dots, high_text = text.partition("..")
    low = parse_duration_ms(low_text)
    high = parse_duration_ms(high_text) if dots else low
    if high < low:
        raise ValueError(f"{text!r} runs backwards: write the shorter duration first")
    return low, high
