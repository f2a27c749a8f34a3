"""Finds in a text what a name beside it tells to be a secret.

It reads no grammar to its end: what it sees may be cut, or be none at all. So it knows how a name and a value stand
side by side: in URLs and forms, in JSON and what looks like it, in XML, in the parts of a form with files. Where the
end of a value is in doubt, too much goes rather than too little.
"""

import re
from collections.abc import Iterator

from contracts.recording.secret_names import SecretNames

GONE = "[gone]"

_USER = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{0,20}:(?:\\?/){2})[^\s/?#\"<>\\]+@")
_FIELD = re.compile(r"(?<![^\s=&;#?\"'<>(),{}:/|])([^\s=&;#?\"'<>(),{}:/|]{1,200})=")
# The scheme names it. A word in small letters is one of a sentence: `Bearer authentication`.
_SCHEME = re.compile(r"\b((?i:bearer|basic)\s{1,4})(?=\S{0,200}[0-9=]|\S{1,200}[A-Z])[\w.~+/=-]{8,}", re.ASCII)
# An apostrophe, a comma and a semicolon may be in a value. One that begins with a quote goes on until the next.
_FIELD_VALUE = re.compile(r"(?:\"[^\"\n]*\"?|'[^'\n]*'?)?[^&#\s]*")
_MEMBER = re.compile(
    r"(?:\"((?:[^\"\\\n]|\\.){1,200})\"|'((?:[^'\\\n]|\\.){1,200})')\s{0,20}(?::|=>)\s{0,200}(?=[^\s,}\]])"
)
_STRING = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|'(?:[^'\\]|\\.)*(?:'|\\?\Z)", re.DOTALL)
_MARK = re.compile(r"\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)|[\[\]{}]", re.DOTALL)
# A number or a word of its own; what goes on is a sentence.
_BARE = re.compile(r"[^\s,}\]]*(?=[^\S\n]*(?:[,}\]\n\r]|\Z))")
_ELEMENT = re.compile(r"<([A-Za-z_][\w.:-]{0,200})(?:\s[^<>]{0,1000})?(?<!/)>")
_PART = re.compile(
    r"(?:(?<=\n)|^)(--[^\r\n]{1,200})(\r?\n(?:[^\r\n]{1,1000}\r?\n){1,20}\r?\n)(.*?)(?=\r?\n\1|\Z)", re.DOTALL
)
_PART_NAME = re.compile(r"\bname\*?\s*=\s*(?:[\w-]*'[\w-]*')?(?:\"([^\"]*)|([^\s\";]+))", re.IGNORECASE)


def without_named(text: str, names: SecretNames) -> str:
    """Return a text without what is a secret by its name."""
    if "@" in text:
        text = _USER.sub(rf"\1{GONE}@", text)
    text = _SCHEME.sub(rf"\1{GONE}", text)
    if "name" in text.lower() and "--" in text:
        text = _PART.sub(lambda match: _part(match, names), text)
    if ":" in text or "=>" in text:
        text = "".join(_members(text, names))
    if "<" in text:
        text = "".join(_elements(text, names))
    if "=" in text:
        text = "".join(_fields(text, names))
    return text


def without_fields(form: str, names: SecretNames) -> str:
    """Return a form, or a query, without the fields that are secrets: whatever is in them, but for the next `&`."""
    return "&".join(_field(each, names) for each in form.split("&"))


def is_form(text: str) -> bool:
    """Whether a body looks like a form."""
    return bool(re.match(r"[^\s=&?#:/\"'<>{}]{1,200}=", text))


def _field(field: str, names: SecretNames) -> str:
    name, _, value = field.partition("=")
    return f"{name}={GONE}" if value and names.hide(name, value, address=True) else field


def _fields(text: str, names: SecretNames) -> Iterator[str]:
    done = place = 0
    while match := _FIELD.search(text, place):
        # In the value of another one may be the next.
        place = match.end()
        if not names.hide(match[1], None, address=True):
            continue
        value = _FIELD_VALUE.match(text, place)
        if value and value[0] and names.hide(match[1], value[0], address=True):
            yield text[done:place]
            yield GONE
            done = place = value.end()
    yield text[done:]


def _members(text: str, names: SecretNames) -> Iterator[str]:
    done = place = 0
    while match := _MEMBER.search(text, place):
        place, name = match.end(), match[1] or match[2]
        if not names.hide(name, None):
            continue
        end = _end(text, place)
        plain = text[place:end].strip("\"'")
        if plain not in ("", "null", "None") and names.hide(name, plain):
            yield text[done:place]
            yield f'"{GONE}"'
            done = place = end
    yield text[done:]


def _end(text: str, place: int) -> int:
    """Where a value ends that begins at a place: at its quote, its bracket, or with the text."""
    if text[place] in "\"'":
        match = _STRING.match(text, place)
        return match.end() if match else len(text)
    if text[place] not in "[{":
        match = _BARE.match(text, place)
        return match.end() if match else place
    depth = 0
    for mark in _MARK.finditer(text, place):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(mark[0], 0)
        if depth == 0:
            return mark.end()
    return len(text)


def _elements(text: str, names: SecretNames) -> Iterator[str]:
    done = 0
    while match := _ELEMENT.search(text, done):
        begin, name = match.end(), match[1]
        yield text[done:begin]
        done = begin
        if names.hide(name, None):
            end = text.find(f"</{name}", begin)
            done = end if end >= 0 else len(text)
            yield GONE if done > begin else ""
    yield text[done:]


def _part(match: re.Match[str], names: SecretNames) -> str:
    boundary, head, value = match.groups()
    found = (each[1] or each[2] or "" for each in _PART_NAME.finditer(head))
    return (
        f"{boundary}{head}{GONE}"
        if value and any(names.hide(each, value, address=True) for each in found)
        else match[0]
    )
