"""Another address, in place of the reply: of this server, or of another, which must not get the key."""

from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from mock_server.exchange import Incoming, Reply
from mock_server.faults.base import Around, Fault, answered, said

_SAME = "same"
# The one that asks for the same method and body.
_USUAL_STATUS = 307


def make(arguments: Any) -> Fault:
    """`to`: `same` (the address that was called, again), an origin, or a whole address; and the `status` (307)."""
    given = said(arguments, "to")
    to: str = given.get("to", _SAME)
    status: int = given.get("status", _USUAL_STATUS)
    if to != _SAME:
        _check(to)

    def spoil(reply: Reply, around: Around) -> Reply:
        spoiled = answered(reply, status, b"")
        location = (b"location", _location(to, around).encode("ascii"))
        return msgspec.structs.replace(spoiled, headers=(*reply.headers, location))

    return Fault("redirect", spoil)


def _check(to: str) -> None:
    try:
        parts = urlsplit(to)
        good = parts.scheme in ("http", "https") and parts.hostname and to.isascii() and to.isprintable()
    except ValueError:
        good = False
    if not good or " " in to:
        raise ValueError(f"a redirect leads to `same` or to an address such as http://127.0.0.1:9000, not {to!r}")


def _location(to: str, around: Around) -> str:
    """An origin alone is filled up with the path and the query of the request."""
    if to != _SAME and (urlsplit(to).path not in ("", "/") or urlsplit(to).query):
        return to
    return (around.base_url if to == _SAME else to).rstrip("/") + _path(around.incoming)


def _path(incoming: Incoming) -> str:
    query = b"?" + incoming.query if incoming.query else b""
    return quote(incoming.path + query, safe="/?%:@!$&'()*+,;=~-._")
