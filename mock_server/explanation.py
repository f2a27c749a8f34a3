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
    cut = 0
    while len(text := _dumped({**short, "cut": cut})) > BYTES_MAX:
        longest = max(("violations", "warnings"), key=lambda name: len(short.get(name) or ()))
        if not short.get(longest):
            return _dumped({"journal": explanation.get("journal"), "cut": "all"})
        short[longest] = short[longest][:-1]
        cut += 1
    return text


def _dumped(explanation: dict[str, Any]) -> bytes:
    return json.dumps(explanation, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _TEXT_CHARACTERS_MAX:
        return value[:_TEXT_CHARACTERS_MAX] + "…"
    return list(value) if isinstance(value, list) else value
