"""Takes secrets out of what is recorded, before anything of it is written or shown.

Keys are learned from the headers and query parameters that bring them, and are taken out wherever else they occur: as
they are, as URLs, forms, JSON and HTML write them, and in Base64. What is a secret by its name (a cookie, the signature
of an address) goes whole. Pictures in Base64 are replaced by their digest: nobody reads them.
"""

import hashlib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, quote_plus, unquote_plus

from contracts.checks.secrecy import base64_forms
from contracts.recording.recorded import Body
from mock_server.decoding import NotJson, decode_body
from mock_server.redaction import SECRET_CHARACTERS_MIN, SHOWN_KEY, Redactor, key_in, shown_header

GONE = "[gone]"

# More keys than one client has. The oldest are forgotten; each request's own are always known.
_KEYS_MAX = 256
# A longer text without blanks is no text for people.
_INLINE_CHARACTERS_MAX = 1_024
# What is longer is told by its beginning.
_TEXT_CHARACTERS_MAX = 65_536
_TEXT_CHARACTERS_KEPT = 1_024
_BODY_BYTES_KEPT = 1_048_576
# Taking a key out may put another one together, if somebody means it to.
_ROUNDS_MAX = 8

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
_INLINE = re.compile(r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_=-]+")
_USER = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,20}:(?:\\?/){2})[^\s/?#@\"'<>\\]+@")
_QUERY = re.compile(r"([?&;])([^\s=&;#?\"'<>]{1,200})=([^\s&;#\"'<>]*)")
# Headers and parameters that are secrets whatever their value. What signs a callback is none: its secret stays at home.
_SECRET_HEADERS = frozenset(("cookie", "set-cookie", "x-amz-security-token", "x-amz-credential"))
_SECRET_WORDS = frozenset(
    """token secret password passwd apikey key auth authorization credential credentials session jwt sig sign signature
    expires policy accesskey accesskeyid awsaccesskeyid googleaccessid ossaccesskeyid""".split()  # noqa: SIM905
)
_KEY_WORDS = frozenset(("token", "secret", "password", "apikey", "key", "auth", "authorization", "jwt", "accesskey"))
_SIGNED_PREFIXES = ("x-amz-", "x-goog-", "x-oss-", "x-tos-", "x-cos-", "q-sign", "q-ak", "q-key", "q-signature")
_SECRET_MEMBERS = re.compile(
    r"(api|access|secret|private)[_-]?(key|token)|(client[_-]?)?secret|password|passwd|authorization|(id|refresh)[_-]token",
    re.IGNORECASE,
)


class Scrubber:
    """Knows the secrets of one run."""

    def __init__(self, key_header: str, names: Iterable[str] = ()) -> None:
        """`names` are further headers, query parameters and members of bodies that are secrets."""
        self._key_header = key_header
        self._names = frozenset(each.lower() for each in names)
        self._keys: dict[str, None] = {}
        self._redactor = Redactor(())
        self._base64 = re.compile("(?!)")

    # Learning

    def learn(self, headers: Iterable[tuple[str, str]], query: str = "") -> bool:
        """Take in the keys that a request brings; tell whether any of them is new."""
        found = [secret for name, value in headers if self._brings_key(name, value) for secret in _keys_in(value)]
        for name, value in _pairs(query):
            if name.lower() in self._names or _words(name) & _KEY_WORDS:
                found += [unquote_plus(value), unquote_plus(value, "latin-1")]
        new = {each for each in found if len(each) >= SECRET_CHARACTERS_MIN and each not in self._keys}
        for each in found:
            if len(each) >= SECRET_CHARACTERS_MIN:
                self._keys.pop(each, None)
                self._keys[each] = None
        if new:
            while len(self._keys) > _KEYS_MAX:
                del self._keys[next(iter(self._keys))]
            self._redactor = Redactor(form for each in self._keys for form in _written_forms(each))
            forms = {
                form.decode("ascii") for each in self._keys for data in _encodings(each) for form in base64_forms(data)
            }
            self._base64 = re.compile("|".join(sorted(map(re.escape, forms), key=len, reverse=True)))
        return bool(new)

    def _brings_key(self, name: str, value: str) -> bool:
        shown = shown_header(name, value, self._key_header)
        return shown is not None or name in self._names or bool(not _stays(name) and _words(name) & _KEY_WORDS)

    # Scrubbing

    def text(self, text: str) -> str:
        """Return a text without secrets."""
        text = _USER.sub(rf"\1{GONE}@", text)
        if "=" in text:
            text = _QUERY.sub(self._parameter, text)
        for _ in range(_ROUNDS_MAX):
            scrubbed = self._without_base64(self._redactor.text(text))
            if scrubbed == text:
                return text
            text = scrubbed
        return GONE

    def query(self, query: str) -> str:
        """Return the query of a request without secrets."""
        return self.text(f"?{query}")[1:] if query else ""

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return headers without secrets, each as a line."""
        return tuple(f"{self.text(name)}: {self._header(name, value)}" for name, value in headers)

    def value(self, value: Any, *, secret: bool = False) -> Any:
        """Return a JSON value without secrets, and without pictures. Below a secret member nothing is left."""
        if isinstance(value, dict):
            return {
                self.text(key): self.value(each, secret=secret or self._is_secret(key, each))
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self.value(each, secret=secret) for each in value]
        if isinstance(value, str):
            return GONE if secret and value else self._shortened(value)
        if secret and value is not None:
            return GONE
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
            return value if self.text(text) == text else SHOWN_KEY
        return value

    def body(self, body: bytes, *, cut: bool = False, encoded: bool = False) -> Body:
        """Return a body as it is recorded; one that is still `encoded` cannot be looked into."""
        if not body and not cut:
            return Body()
        size, digest = len(body), hashlib.sha256(body).hexdigest()
        if encoded or size > _BODY_BYTES_KEPT * 32:
            return Body("digest", None, size, digest, cut)
        try:
            value = self.value(decode_body(body))
            return Body("json", value, size, "", cut)
        except (NotJson, RecursionError):
            pass
        try:
            return Body("text", self._shortened(body.decode()), size, "", cut)
        except UnicodeDecodeError:
            return Body("digest", None, size, digest, cut)

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

    def _header(self, name: str, value: str) -> str:
        shown = shown_header(name, value, self._key_header)
        if shown is not None:
            return self.text(shown)
        if name in self._names or name in _SECRET_HEADERS or (not _stays(name) and _words(name) & _SECRET_WORDS):
            return GONE
        return self.text(value)

    def _is_secret(self, name: str, value: Any) -> bool:
        return name.lower() in self._names or (isinstance(value, str) and bool(_SECRET_MEMBERS.fullmatch(name)))

    def _parameter(self, match: re.Match[str]) -> str:
        before, name, value = match.groups()
        plain = unquote_plus(name).lower()
        secret = plain in self._names or plain.startswith(_SIGNED_PREFIXES) or _words(plain) & _SECRET_WORDS
        return f"{before}{name}={GONE if secret and value else value}"

    def _shortened(self, text: str) -> str:
        """Without secrets; a picture by its digest, a very long text by its beginning."""
        if len(text) > _INLINE_CHARACTERS_MAX and _INLINE.fullmatch(text):
            digest = hashlib.sha256(text.encode()).hexdigest()
            return f"[{len(text)} characters of Base64, SHA-256 {digest}]"
        if len(text) <= _TEXT_CHARACTERS_MAX:
            return self.text(text)
        # The whole is scrubbed before it is cut: half a secret would not be found.
        scrubbed = self.text(text)
        return f"{scrubbed[:_TEXT_CHARACTERS_KEPT]}… [{len(text)} characters]"


def _keys_in(header: str) -> list[str]:
    """What a header names as the key: all of it, and what stands behind the word of its scheme."""
    whole = header.strip()
    key, (_, _, behind) = key_in(whole), whole.partition(" ")
    return [each for each in dict.fromkeys((whole, key or "", behind.strip())) if each]


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


def _words(name: str) -> set[str]:
    """The words that a name is made of, the whole of it included: `access_token`, `X-Auth-Token`, `authToken`."""
    parts = re.split(r"[^a-z0-9]+", re.sub(r"([a-z])([A-Z])", r"\1-\2", name).lower())
    return {*parts, "".join(parts)}


def _stays(name: str) -> bool:
    """What signs a message tells no secret; and an idempotency key is not what its name says."""
    return (
        name.startswith(("webhook-", "svix-", "access-control-", "sec-"))
        or name.endswith("signature")
        or name in _NO_SECRETS
    )


_NO_SECRETS = frozenset(
    ("idempotency-key", "x-idempotency-key", "expires", "cache-key", "surrogate-key", "referrer-policy",
     "content-security-policy", "cross-origin-opener-policy", "cross-origin-embedder-policy", "permissions-policy",
     "cross-origin-resource-policy")
)  # fmt: skip


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (each.partition("=") for each in re.split("[&;]", query)) if value]


def pairs_of(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return headers as texts, their names in lower case."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def header_of(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the value of a header, by its name in lower case."""
    found: Mapping[str, str] = dict(headers)
    return found.get(name)
