"""Tells by its name what is a secret: a header, a parameter, a member of a body, a field of a form.

One list of words for all of them, whatever their value is. A word counts as one, however the name is put together:
`access_token`, `X-Access-Token`, `accessToken`, `accesstoken`. That a name has such letters in it (`design`, `monkey`,
`secretary`) is not enough. What is counted (`max_tokens`, `token_count`) keeps its numbers.
"""

import html
import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import unquote_plus

# Words that are enough, wherever they stand; the first ones may be the end of a longer word.
_ENOUGH = re.compile(
    r".*(?:token|secrets?|passwords?|passwd|passphrase|passcode|credentials?|signature|authorization|jwt"
    r"|(?:api|access|secret|private|auth|signing|encryption)keys?|accessid)(?:id|\d)*"
    r"|(?:auth|session|cookies?|bearer|pwd|hmac|assertion)\d*"
)
# Words that have other meanings too are enough at the end: a `key` is one, `key_frame` is none.
_ENOUGH_LAST = frozenset(("key", "sign", "sig", "pass", "ak", "sk"))
_SAYS_NOTHING = re.compile(r"\d+|v\d+|id|pair|value|raw|hash|data|text|pem|b64|base64|hex")
# Of addresses: what they are signed with.
_SIGNS_AN_ADDRESS = frozenset(("expires", "policy", "md5", "hdnts", "hdnea", "hdntl"))
_SIGNED_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-cos-", "q-sign", "q-ak", "q-key", "q-signature")
# What signs a callback tells no secret, that stays at home; and an idempotency key is not what its name says.
_STAY = frozenset(
    """webhook-signature svix-signature idempotency-key x-idempotency-key cache-key surrogate-key public-key
    sec-websocket-key access-control-allow-credentials""".split()  # noqa: SIM905
)
# What is a secret, but none that would be looked for elsewhere: it is another one in each message.
_NO_KEYS = frozenset(("cookie", "cookies", "signature", "sign", "sig", "session", "hmac"))
_COUNTS = frozenset(
    """at in count used usage limit max min budget total remaining length size age ttl ms
    seconds""".split()  # noqa: SIM905
)
_COUNT_CHARACTERS_MAX = 12


class SecretNames:
    """The names that are secrets, those that were given included."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._given = frozenset(each.casefold() for each in given)

    def hide(self, name: str, value: Any, *, address: bool = False) -> bool:
        """Tell whether a value is a secret by its name; `address`: the name is that of a parameter or a field."""
        if self.given(name):
            return True
        plain = plain_name(name).casefold()
        if address and (plain.startswith(_SIGNED_PREFIXES) or not _SIGNS_AN_ADDRESS.isdisjoint(_words(plain))):
            return True
        return _is_secret(name) and not (is_count(value) and counts(name))

    def bring_key(self, name: str, value: str) -> bool:
        """Tell whether a header or a parameter brings a key, which is to be found elsewhere too."""
        return self.hide(name, value) and (self.given(name) or _NO_KEYS.isdisjoint(_words(plain_name(name))))

    def given(self, name: str) -> bool:
        """Tell whether a name is one of those that were given."""
        return name.casefold() in self._given or plain_name(name).casefold() in self._given


def plain_name(name: str) -> str:
    """Return a name without what URLs, JSON and HTML write for its characters."""
    return html.unescape(unquote_plus(unescaped(name)))


def unescaped(text: str) -> str:
    """Return a text without the escapes of JSON."""
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def is_count(value: Any) -> bool:
    """Whether a value may be one that was counted."""
    if isinstance(value, str):
        return len(value) <= _COUNT_CHARACTERS_MAX and value.isascii() and value.isdigit()
    return isinstance(value, int | float) and not isinstance(value, bool)


@lru_cache(4_096)
def counts(name: str) -> bool:
    """Whether a name is one for what was counted, or measured."""
    words = _words(plain_name(name))
    return words[-1] in _COUNTS or any(each.endswith("tokens") for each in words)


@lru_cache(4_096)
def _is_secret(name: str) -> bool:
    words = _words(plain_name(name))
    if "-".join(words) in _STAY:
        return False
    together = ("".join(words), *(one + other for one, other in pairwise(words)))
    if any(_ENOUGH.fullmatch(each) or each.endswith("tokens") for each in (*words, *together)):
        return True
    while len(words) > 1 and _SAYS_NOTHING.fullmatch(words[-1]):
        words = words[:-1]
    return words[-1].rstrip("0123456789") in _ENOUGH_LAST


def _words(name: str) -> tuple[str, ...]:
    """Return the words that a name is made of: those of `X-Auth-Token`, `authToken`, `AWSAccessKeyId`."""
    parted = re.sub(r"([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])", r"\1\3-\2\4", name)
    return tuple(each for each in re.split(r"[^a-z0-9]+", parted.casefold()) if each) or ("",)


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|([\"\\/bfnrt']))")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _unescaped(match: re.Match[str]) -> str:
    code, character = match.groups()
    return chr(int(code, 16)) if code else _SHORT.get(character, character)
