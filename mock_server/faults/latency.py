"""How long an answer takes: fixed, uniform in a range, lognormal, or by a table of percentiles."""

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from typing import Any

from mock_server.durations import parse_duration_ms, parse_range_ms

# Milliseconds, for a chance below 1.
Latency = Callable[[float], int]

# Of a lognormal latency nothing beyond this share is drawn: the tail has no end, and a test should.
_SHARE_MAX = 0.9999


def make(source: Any) -> Latency:
    """Return what draws a latency; raise ValueError where the source does not say one."""
    if isinstance(source, str):
        return _uniform(*parse_range_ms(source))
    if "lognormal" in source:
        said = source["lognormal"]
        return _lognormal(parse_duration_ms(said["median"]), parse_duration_ms(said["p99"]))
    return _percentiles(source["percentiles"])


def _uniform(shortest: int, longest: int) -> Latency:
    return lambda chance: shortest + int(chance * (longest - shortest + 1)) if longest > shortest else shortest


def _lognormal(median_ms: int, p99_ms: int) -> Latency:
    if not 0 < median_ms < p99_ms:
        raise ValueError(f"a lognormal latency has a median above 0 and a larger p99, not {median_ms} and {p99_ms} ms")
    # Few scenarios need it, and a start without it is quicker.
    from statistics import NormalDist

    spread = math.log(p99_ms / median_ms) / NormalDist().inv_cdf(0.99)
    normal = NormalDist(math.log(median_ms), spread)
    return lambda chance: round(math.exp(normal.inv_cdf(min(max(chance, 1 - _SHARE_MAX), _SHARE_MAX))))


def _percentiles(table: Mapping[str, str]) -> Latency:
    """Between two lines of the table the latency grows evenly; below the first it starts at 0."""
    points = sorted((float(share) / 100, parse_duration_ms(text)) for share, text in table.items())
    if points[0][0] > 0:
        points.insert(0, (0.0, 0))
    shares = [share for share, _ in points]
    delays = [delay for _, delay in points]
    if delays != sorted(delays):
        raise ValueError("the latencies of the percentiles must not fall")

    def draw(chance: float) -> int:
        index = bisect_left(shares, chance)
        if index == 0 or index == len(points):
            return delays[min(index, len(points) - 1)]
        (low, shortest), (high, longest) = points[index - 1], points[index]
        return round(shortest + (longest - shortest) * (chance - low) / (high - low))

    return draw
