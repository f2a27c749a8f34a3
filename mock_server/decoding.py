"""From the bytes of a body to a plain value, or a sentence on what is wrong with them."""

import re
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
# An escape counts only where its backslash is not itself escaped.
_LONE_SURROGATE = re.compile(
    rb"(?<!\\)(?:\\\\)*(\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]..)"
)
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*"')
_NOT_A_NUMBER = re.compile(rb"\b(NaN|Infinity)\b")
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class NotJson(Exception):
    """The body is not UTF-8 JSON; the message says why and what to do."""


def decode_body(body: bytes) -> Any:
    """Return the value that the body holds; raise NotJson where it is not sound UTF-8 JSON."""
    try:
        return _decode(body)
    except RecursionError:
        raise NotJson("the body is nested too deep: a few levels are all that the spec asks for") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise NotJson(_reason(body, error)) from None


def _reason(body: bytes, error: Exception) -> str:
    if not body.strip():
        return "the body is empty: send a JSON object"
    if body.startswith(b"\xef\xbb\xbf"):
        return "the body starts with a byte order mark: send UTF-8 without it"
    if body.startswith(_UTF16_MARKS) or b"\x00" in body[:4]:
        return "the body looks like UTF-16 or UTF-32: send UTF-8"
    if isinstance(error, UnicodeDecodeError):
        return f"the body is not UTF-8 at byte {error.start} of a text: send UTF-8"
    if match := _NOT_A_NUMBER.search(_STRINGS.sub(b'""', body[:65_536])):
        return f"the body has the number {match[1].decode()}, which JSON does not know"
    if match := _LONE_SURROGATE.search(body[:65_536]):
        return f"the body has half a surrogate pair, {match[1].decode('ascii', 'replace')}, which is no character"
    return f"the body is not JSON: {error}"


class WrongMediaType(Exception):
    """The headers say that the body is something else than UTF-8 JSON; the message says what came and what to send."""


_CHARSETS = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))


def check_media_type(content_type: bytes | None, content_encoding: bytes | None) -> str:
    """Return a warning (or nothing) about the headers of a JSON body; raise WrongMediaType for another type."""
    if content_type == b"application/json" and content_encoding is None:
        return ""
    if content_encoding is not None and content_encoding.strip().lower() not in (b"", b"identity"):
        raise WrongMediaType(f"Content-Encoding {_ascii(content_encoding)} is not taken: send the body as it is")
    if content_type is None or not content_type.strip():
        return "no Content-Type came; the provider may insist: send Content-Type: application/json"
    media_type, _, rest = _ascii(content_type).lower().partition(";")
    if media_type.strip() != "application/json":
        raise WrongMediaType(f"Content-Type {_ascii(content_type)} is not taken: send Content-Type: application/json")
    for parameter in rest.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in _CHARSETS:
            raise WrongMediaType(f"the charset {value.strip()} is not taken: JSON is UTF-8")
    return ""


def _ascii(value: bytes) -> str:
    return value[:100].decode("ascii", "replace")
