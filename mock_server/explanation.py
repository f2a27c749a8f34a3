"""The mock's own words to the developer, beside what it says as the provider: the header `X-Mock-Explanation`."""

import json
from typing import Any

HEADER = b"x-mock-explanation"

# Common clients and proxies take 8 KB of headers in all.
BYTES_MAX = 4_096
_TEXT_CHARACTERS_MAX = 600


def to_header(explanation: dict[str, Any]) -> bytes:
    """Return an explanation as ASCII JSON of at most 4 KB.

    Where it is longer, violations and warnings are left out from the end; `cut` says how many, and `journal`
    names the entry that has them all.
    """
    text = _dumped(explanation)
    if len(text) <= BYTES_MAX:
        return text
    short = {key: _shortened(value) for key, value in explanation.items()}
    found = [(name, each) for name in ("violations", "warnings") for each in short.pop(name, None) or ()]
    # The frame holds the largest count, so that what is put in afterwards never makes it longer.
    room = BYTES_MAX - len(_dumped({**short, "violations": [], "warnings": [], "cut": len(found)}))
    if room < 0:
        return _dumped({"journal": explanation.get("journal"), "cut": "all"})
    kept: dict[str, list[Any]] = {}
    for count, (name, each) in enumerate(found):
        room -= len(_dumped(each)) + 1
        if room < 0:
            return _dumped({**short, **kept, "cut": len(found) - count})
        kept.setdefault(name, []).append(each)
    return _dumped({**short, **kept, "cut": 0})


def _dumped(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _TEXT_CHARACTERS_MAX:
        return value[:_TEXT_CHARACTERS_MAX] + "…"
    return list(value) if isinstance(value, list) else value
