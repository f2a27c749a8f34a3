"""Takes secrets out of what is recorded, before anything of it is written or shown.

Keys are learned from the headers and query parameters that bring them, and are taken out wherever else they occur: as
they are, as URLs, forms, JSON and HTML write them, and in Base64. What is a secret by its name (a cookie, a password,
the signature of an address) goes whole. Pictures in Base64 are replaced by their digest: nobody reads them.
"""

import hashlib
import html
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal
from urllib.parse import unquote, unquote_plus

from contracts.recording.learned_keys import LearnedKeys, keys_in
from contracts.recording.named_secrets import GONE, is_form, without_fields, without_named
from contracts.recording.recorded import Body
from contracts.recording.secret_names import SecretNames, counts, is_count, unescaped
from mock_server.decoding import NotJson, decode_body
from mock_server.redaction import SHOWN_KEY, shown_header

# A longer text without blanks is no text for people.
_INLINE_CHARACTERS_MAX = 1_024
# What is longer is told by its beginning.
_TEXT_CHARACTERS_MAX = 65_536
_TEXT_CHARACTERS_KEPT = 1_024
_BODY_BYTES_KEPT = 1_048_576
# Taking a key out may put another one together, if somebody means it to.
_ROUNDS_MAX = 8
# A URL in a parameter of a URL in a text in JSON.
_READINGS_MAX = 3

_INLINE = re.compile(r"(?:data:[^,]{0,200},)?[A-Za-z0-9+/_=-]+")
# JSON behind what may stand before it: a byte order mark, a record separator, the word of an event stream.
_JSON_TEXT = re.compile(r"([\ufeff\x1e\s]*(?:data:)?\s*)(?=[\[{])(.*?)(\s*)", re.DOTALL)
_READERS: tuple[Callable[[str], str], ...] = (unescaped, unquote, html.unescape)

Below = Literal["", "counts", "secret"]


class Scrubber:
    """Knows the secrets of one run."""

    def __init__(self, key_header: str, names: Iterable[str] = ()) -> None:
        """`names` are further headers, query parameters and members of bodies that are secrets."""
        self._key_header = key_header
        self._names, self._keys = SecretNames(names), LearnedKeys()

    def learn(self, headers: Iterable[tuple[str, str]], query: str = "") -> bool:
        """Take in the keys that a request brings; tell whether any of them is new."""
        found = [secret for name, value in headers if self._brings_key(name, value) for secret in keys_in(value)]
        for name, value in _pairs(query):
            if self._names.bring_key(name, value):
                found += [unquote_plus(value), unquote_plus(value, "latin-1")]
        return self._keys.learn(found)

    def hides(self, name: str) -> bool:
        """Tell whether a parameter is a secret by its name."""
        return self._names.hide(name, None, address=True)

    def text(self, text: str) -> str:
        """Return a text without secrets. What hides one by how it is written is told as it reads."""
        for _ in range(_ROUNDS_MAX):
            text = self._rounds(text)
            read = self._read(text)
            if read is None:
                return text
            text = read
        return GONE

    def query(self, query: str) -> str:
        """Return the query of a request without secrets."""
        return self.text(without_fields(self._keys.text(query), self._names)) if query else ""

    def headers(self, headers: Iterable[tuple[str, str]]) -> tuple[str, ...]:
        """Return headers without secrets, each as a line."""
        return tuple(f"{self.text(name)}: {self._header(name, value)}" for name, value in headers)

    def value(self, value: Any, *, below: Below = "") -> Any:
        """Return a JSON value without secrets, and without pictures. `below` a secret member nothing is left."""
        if isinstance(value, dict):
            return {
                self.text(key): self.value(each, below=self._below(key, each, below)) for key, each in value.items()
            }
        if isinstance(value, list):
            return [self.value(each, below=below) for each in value]
        if below and value not in (None, "") and not (below == "counts" and is_count(value)):
            return GONE
        if isinstance(value, str):
            return self._shortened(value)
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
            # The last character may be cut too.
            text = body.decode(errors="ignore") if cut and _ends_in_a_character(body) else body.decode()
        except UnicodeDecodeError:
            return Body("digest", None, size, digest, cut)
        if "\0" in text:
            # In UTF-16 nothing would be found, and everybody could read it.
            return Body("digest", None, size, digest, cut)
        return Body("text", self._shortened(text, body=True, cut=cut), size, "", cut)

    def cut(self, text: str) -> str:
        """Return a text without secrets that was cut before: half a key at its end is none that would be found."""
        return self.text(self._keys.cut(self._keys.text(text)))

    def _rounds(self, text: str) -> str:
        for _ in range(_ROUNDS_MAX):
            # The keys first: what else is looked for may end in the middle of one.
            scrubbed = without_named(self._within_json(self._keys.text(text)), self._names)
            if scrubbed == text:
                return text
            text = scrubbed
        return GONE

    def _read(self, text: str) -> str | None:
        """Return a text as it reads where a secret is seen in it only then, without that."""
        seen, readings = {text}, [text]
        for _ in range(_READINGS_MAX):
            # What is written in which order is not known: one reader too many takes the end of a value apart.
            readings = [read for each in readings for reader in _READERS if (read := reader(each)) not in seen]
            for read in dict.fromkeys(readings):
                scrubbed = self._rounds(read)
                if scrubbed != read:
                    return scrubbed
            seen.update(readings)
        return None

    def _within_json(self, text: str) -> str:
        """Without the secrets of a text that is JSON, or whose lines are."""
        if "{" not in text and "[" not in text:
            return text
        whole = self._of_json(text)
        return "\n".join(map(self._of_json, text.split("\n"))) if whole == text and "\n" in text else whole

    def _of_json(self, text: str) -> str:
        match = _JSON_TEXT.fullmatch(text)
        if match is None:
            return text
        before, inside, behind = match.groups()
        try:
            value = decode_body(inside.encode())
            scrubbed = self.value(value)
        except (NotJson, RecursionError, UnicodeEncodeError):
            return text
        if scrubbed == value:
            return text
        return f"{before}{json.dumps(scrubbed, ensure_ascii=False, separators=(',', ':'))}{behind}"

    def _below(self, name: str, value: Any, below: Below) -> Below:
        if below == "secret" or not self._names.hide(name, value):
            return below
        return "counts" if counts(name) and not self._names.given(name) else "secret"

    def _brings_key(self, name: str, value: str) -> bool:
        return shown_header(name, value, self._key_header) is not None or self._names.bring_key(name, value)

    def _header(self, name: str, value: str) -> str:
        shown = shown_header(name, value, self._key_header)
        if shown is not None:
            return self.text(shown)
        return GONE if value and self._names.hide(name, value) else self.text(value)

    def _shortened(self, text: str, *, body: bool = False, cut: bool = False) -> str:
        """Without secrets; a picture by its digest, a very long text by its beginning."""
        characters = len(text)
        if characters > _INLINE_CHARACTERS_MAX and _INLINE.fullmatch(text):
            digest = hashlib.sha256(text.encode()).hexdigest()
            return f"[{characters} characters of Base64, SHA-256 {digest}]"
        # Far more is scrubbed than is kept: half a secret would not be found.
        long = characters > _TEXT_CHARACTERS_MAX
        text = self._keys.text(text[:_TEXT_CHARACTERS_MAX])
        text = self._keys.cut(text) if cut or long else text
        text = self.text(without_fields(text, self._names) if body and is_form(text) else text)
        return f"{text[:_TEXT_CHARACTERS_KEPT]}… [{characters} characters]" if long else text


def _ends_in_a_character(body: bytes) -> bool:
    """Whether all of a body is UTF-8 but for a character that is cut at its end."""
    try:
        body.decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return False


def _pairs(query: str) -> Iterator[tuple[str, str]]:
    """The parameters of a query, whether or not a semicolon ends them."""
    for each in dict.fromkeys((*query.split("&"), *re.split("[&;]", query))):
        name, _, value = each.partition("=")
        if value:
            yield name, value


def pairs_of(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """Return headers as texts, their names in lower case."""
    return [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]


def header_of(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    """Return the value of a header, by its name in lower case."""
    found: Mapping[str, str] = dict(headers)
    return found.get(name)
