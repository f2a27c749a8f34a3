"""The addresses of the recorder's own that callbacks come to, and where they go on to.

In the body of a submit one stands in the place of the client's; every other byte stays as it is, where that can be.
"""

import base64
import json
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import msgspec

from contracts.provider_check.bodies import with_member
from contracts.recording.forwarding import RawHeaders, Target, target_of
from mock_server.compiled import Compiled
from mock_server.decoding import NotJson, decode_body

# Below it the recorder's own addresses stand; no provider has such paths.
OWN_PREFIX = "/_record/callbacks/"
# Addresses that callbacks may still come to; the oldest are forgotten.
_ADDRESSES_MAX = 10_000
_TOKEN_BYTES = 16


class Address(msgspec.Struct, frozen=True):
    """Where callbacks to one of the recorder's addresses go: the client's own, and the submit that named it."""

    url: str
    submit: Compiled

    @property
    def authorization(self) -> RawHeaders:
        """The header that user information in the address stands for."""
        parts = urlsplit(self.url)
        if parts.username is None and parts.password is None:
            return []
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        return [(b"authorization", b"Basic " + base64.b64encode(pair.encode()))]

    @property
    def target(self) -> tuple[Target, bytes]:
        """Where to connect, and with which path; raise ValueError for an address that leads nowhere."""
        return target_of(_origin(self.url), "callback_url"), _path_of(self.url)


class Addresses:
    """Gives out addresses, and knows where they lead."""

    def __init__(self, public_url: str | None, tell: Callable[[str], None]) -> None:
        """`public_url` is where the service reaches the recorder; without it none is given out, which is told once."""
        self.public_url = public_url.rstrip("/") if public_url else None
        self._tell, self._told = tell, False
        self._known: OrderedDict[str, Address] = OrderedDict()

    def at(self, path: bytes) -> tuple[str, Address | None] | None:
        """Return the token in a path, and what it leads to; None for a path that is not the recorder's own."""
        prefix = OWN_PREFIX.encode("ascii")
        if not path.startswith(prefix):
            return None
        token = path.removeprefix(prefix).decode("ascii", "replace")
        return token, self._known.get(token)

    def given(self, compiled: Compiled, body: bytes) -> tuple[str, bytes]:
        """Return a token and the body with its address in it; no token, and the body as it is, where none is given."""
        submission = compiled.submission
        if submission is None or submission.delivery is None:
            return "", body
        try:
            value = decode_body(body)
            url = submission.callback_url(value)
            wanted = url is not None and urlsplit(url).scheme in ("http", "https")
        except (NotJson, ValueError):
            return "", body
        if url is None or not wanted:
            return "", body
        if self.public_url is None:
            self._tell_once()
            return "", body
        token = secrets.token_hex(_TOKEN_BYTES)
        self._known[token] = Address(url, compiled)
        while len(self._known) > _ADDRESSES_MAX:
            self._known.popitem(last=False)
        return token, replaced(body, value, submission.delivery.url, f"{self.public_url}{OWN_PREFIX}{token}")

    def _tell_once(self) -> None:
        if not self._told:
            self._told = True
            self._tell(
                "callbacks are not recorded: callback_url passes as it is; with --public-url URL, where the service "
                "reaches this recorder, they would be (told once)"
            )


def replaced(body: bytes, value: Any, expression: str, new: str) -> bytes:
    """Return a JSON body with another text at a place: its other bytes as they are, where that can be."""
    name = expression.rpartition("/")[2]
    wanted = with_member(value, expression, new)
    member = re.compile(rb"(" + re.escape(json.dumps(name).encode()) + rb"\s*:\s*)\"(?:[^\"\\]|\\.)*\"")
    for match in member.finditer(body):
        changed = body[: match.start()] + match[1] + json.dumps(new).encode() + body[match.end() :]
        try:
            if decode_body(changed) == wanted:
                return changed
        except NotJson:
            continue
    return msgspec.json.encode(wanted)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _path_of(url: str) -> bytes:
    parts = urlsplit(url)
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    query = quote(parts.query, safe="/%:@!$&'()*+,;=~-._?")
    return (path + (f"?{query}" if query else "")).encode("ascii")
