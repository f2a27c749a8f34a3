"""Takes keys out of what the twin says of itself: its control answers and its log.

A key is a secret wherever it stands: in the header that brings it, and in a path, a query, another header or a body
that a client has put it into by mistake. It is found as it is, and as URLs and JSON write its characters.
"""

import re
from collections.abc import Iterable
from typing import Any

SHOWN_KEY = "[key]"
SHOWN_TOKEN = "[token]"  # noqa: S105  What stands in the place of one.

# A shorter key is no secret, and taking it out everywhere would blot the text.
SECRET_CHARACTERS_MIN = 8
# A key stands alone, or behind the word of its scheme.
_KEY = re.compile(r"(?:([A-Za-z]+) +)?(\S+)")
# Headers that bring keys, whatever the spec at hand says.
_KEY_HEADERS = frozenset(("authorization", "proxy-authorization", "x-api-key", "api-key"))


def key_in(header: str | None) -> str | None:
    """Return what a header such as Authorization names as the key."""
    match = _KEY.fullmatch(header.strip()) if header else None
    return match[2] if match else None


def shown_header(name: str, value: str, key_header: str) -> str | None:
    """Return what is shown in the place of a header that is a secret as a whole, or None where it is none.

    `key_header` is the one that the spec at hand wants the key in.
    """
    if name == key_header or name in _KEY_HEADERS:
        match = _KEY.fullmatch(value.strip())
        return f"{match[1]} {SHOWN_KEY}" if match and match[1] else SHOWN_KEY
    return SHOWN_TOKEN if name == "x-control-token" else None


class Redactor:
    """Takes these secrets out of texts and values."""

    def __init__(self, secrets: Iterable[str | None]) -> None:
        # The longest first: one may be a part of another.
        wanted = {each for each in secrets if each and len(each) >= SECRET_CHARACTERS_MIN}
        self._secrets = sorted(wanted, key=len, reverse=True)
        self._patterns: dict[str, re.Pattern[str]] = {}

    def text(self, text: str) -> str:
        """Return a text without the secrets."""
        encoded = "%" in text or "\\" in text
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, SHOWN_KEY)
            if encoded:
                text = self._pattern(secret).sub(SHOWN_KEY, text)
        return text

    def bytes(self, data: bytes) -> bytes:
        """Return bytes that are no text without the secrets."""
        for secret in self._secrets:
            data = data.replace(secret.encode("ascii", "replace"), SHOWN_KEY.encode("ascii"))
        return data

    def value(self, value: Any, *, names: bool = False) -> Any:
        """Return a JSON value whose texts are without the secrets; with `names`, its members' names and numbers too."""
        if not self._secrets:
            return value
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key) if names else key: self.value(each, names=names) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(each, names=names) for each in value]
        if names and isinstance(value, int | float) and any(each in str(value) for each in self._secrets):
            return SHOWN_KEY
        return value

    def _pattern(self, secret: str) -> re.Pattern[str]:
        pattern = self._patterns.get(secret)
        if pattern is None:
            pattern = self._patterns[secret] = re.compile("".join(map(_written, secret)))
        return pattern


def _written(character: str) -> str:
    """Return a pattern of all that URLs and JSON write for a character."""
    code = f"{ord(character):02x}"
    digits = "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in code)
    return rf"(?:{re.escape(character)}|%{digits}|\\u00{digits}|\\{re.escape(character)})"
