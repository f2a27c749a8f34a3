"""Keeps the keys that clients bring, and takes them out wherever they occur, however they are written."""

import html
import re
from base64 import b64decode
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from contracts.checks.secrecy import base64_forms
from mock_server.redaction import SECRET_CHARACTERS_MIN, SHOWN_KEY, Redactor, key_in

# More keys than one client has. The oldest are forgotten; each request's own are always known.
_KEYS_MAX = 256
# Of what is cut, an end that begins a key as this long or longer is taken for one.
_BEGINNING_CHARACTERS_MIN = 4

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
# What may stand behind the end of a text that was cut: `'… (300 characters)`.
_CUT_MARK = re.compile(r"['\"]?(?:…[^…]{0,40})?\Z")


class LearnedKeys:
    """The keys of one run."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self._forms: list[str] = []
        self._redactor = Redactor(())
        self._base64 = re.compile("(?!)")

    def learn(self, found: Iterable[str]) -> bool:
        """Take in keys; tell whether any of them is new. A short one is none that could be looked for."""
        found = [each for each in found if len(each) >= SECRET_CHARACTERS_MIN]
        new = not self._keys.keys() >= set(found)
        for each in found:
            self._keys.pop(each, None)
            self._keys[each] = None
        if new:
            while len(self._keys) > _KEYS_MAX:
                del self._keys[next(iter(self._keys))]
            self._forms = sorted({form for each in self._keys for form in _written_forms(each)}, key=len, reverse=True)
            self._redactor = Redactor(self._forms)
            forms = {
                form.decode("ascii") for each in self._keys for data in _encodings(each) for form in base64_forms(data)
            }
            self._base64 = re.compile("|".join(sorted(map(re.escape, forms), key=len, reverse=True)))
        return new

    def text(self, text: str) -> str:
        """Return a text without the keys."""
        return self._without_base64(self._redactor.text(text))

    def cut(self, text: str) -> str:
        """Return a text that was cut without the half of a key at its end."""
        mark = _CUT_MARK.search(text)
        place = mark.start() if mark else len(text)
        for form in self._forms:
            if form[:_BEGINNING_CHARACTERS_MIN] not in text[max(0, place - len(form)) : place]:
                continue
            for length in range(min(len(form), place), _BEGINNING_CHARACTERS_MIN - 1, -1):
                if text.endswith(form[:length], 0, place):
                    return f"{text[: place - length]}{SHOWN_KEY}{text[place:]}"
        return text

    def _without_base64(self, text: str) -> str:
        """Without the words of Base64 that have a key in them, each as a whole: its ends tell of the key as well."""
        parts, done = [], 0
        while match := self._base64.search(text, done):
            begin, end = match.span()
            while begin > done and text[begin - 1] in _BASE64:
                begin -= 1
            while end < len(text) and text[end] in _BASE64:
                end += 1
            parts += [text[done:begin], SHOWN_KEY]
            done = end
        return "".join([*parts, text[done:]])


def keys_in(header: str) -> list[str]:
    """Return what a header names as the key: all of it, what stands behind its scheme, and the password in that."""
    whole = header.strip()
    key, (word, _, behind) = key_in(whole), whole.partition(" ")
    found = [whole, key or "", behind.strip()]
    if word.lower() == "basic":
        found += _of_basic(behind.strip())
    return [each for each in dict.fromkeys(found) if each]


def _of_basic(encoded: str) -> list[str]:
    """Return user and password, and the password alone, in each alphabet they may be in."""
    try:
        data = b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return []
    texts = {data.decode("utf-8", "ignore"), data.decode("latin-1")}
    return [part for each in texts for part in (each, each.partition(":")[2])]


def _encodings(secret: str) -> list[bytes]:
    """The bytes that a key may be. Headers are read as Latin-1."""
    found = [secret.encode()]
    if not secret.isascii():
        found.append(secret.encode("latin-1", "ignore"))
        try:
            secret.encode("latin-1").decode()
        except (UnicodeDecodeError, UnicodeEncodeError):
            return found
    return found


def _written_forms(secret: str) -> set[str]:
    """How a key may be written. That URLs and JSON write some characters otherwise, the redactor knows itself."""
    forms = {secret, html.escape(secret), quote_plus(secret), quote(secret, safe=""), secret.replace(" ", "+")}
    if not secret.isascii():
        raw = secret.encode("latin-1", "ignore")
        forms |= {raw.decode("utf-8", "ignore"), quote(raw, safe=""), quote_plus(raw)}
        forms |= {secret.encode("ascii", "backslashreplace").decode()}
    forms |= {re.sub("%[0-9A-F]{2}", lambda match: match[0].lower(), each) for each in forms}
    return {each for each in forms if len(each) >= SECRET_CHARACTERS_MIN}
