"""Lengths of time as people write them: `500ms`, `2s`, `1.5m`, `1h`, `30d`, and ranges such as `2s..10s`."""

import re

_UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)

# A hundred years: beyond it a timestamp is a slip of the pen, and calendars run out.
DURATION_MS_MAX = 100 * 365 * _UNITS_MS["d"]


def parse_duration_ms(text: str) -> int:
    """Return the milliseconds that `text` says; raise ValueError where it is not a duration."""
    match = _DURATION.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, such as 500ms, 2s, 1.5m, 1h or 30d")
    number, unit = match.groups()
    milliseconds = float(number) * _UNITS_MS[unit]
    if milliseconds > DURATION_MS_MAX:
        raise ValueError(f"{text[:40]!r} is more than a hundred years")
    return round(milliseconds)


def parse_range_ms(text: str) -> tuple[int, int]:
    """Return the shortest and the longest milliseconds of `2s..10s`; a single duration is a range of one."""
    low_text, dots, high_text = text.partition("..")
    low = parse_duration_ms(low_text)
    high = parse_duration_ms(high_text) if dots else low
    if high < low:
        raise ValueError(f"{text!r} runs backwards: write the shorter duration first")
    return low, high
