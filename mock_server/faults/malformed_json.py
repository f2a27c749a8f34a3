"""A body that is not JSON, though the headers say so."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said
from mock_server.faults.places import placed, places_in


def make(arguments: Any) -> Fault:
    """`how` it is malformed; drawn where it is not said."""
    how: str | None = said(arguments, "how").get("how")

    def spoil(reply: Reply, around: Around) -> Reply:
        chosen = list(_HOW)[around.below(len(_HOW))] if how is None else how
        body = _HOW[chosen](reply.body, around)
        # An earlier fault, or an empty object, may have left nothing to take away: then something is added.
        return answered(reply, None, body + b"," if _is_json(body) else body)

    return Fault("malformed-json", spoil)


def _cut(body: bytes, around: Around) -> bytes:
    return body[: 1 + around.below(len(body) - 1)] if len(body) > 1 else body


def _trailing_comma(body: bytes, around: Around) -> bytes:
    return body[:-1] + b"," + body[-1:]


def _single_quotes(body: bytes, around: Around) -> bytes:
    return body.replace(b'"', b"'")


def _nan(body: bytes, around: Around) -> bytes:
    """One value is NaN, which Python's parser takes and others do not."""
    try:
        value = msgspec.json.decode(body)
    except msgspec.DecodeError:
        return body
    places = places_in(value)[1:] or [()]
    spoiled = placed(value, places[around.below(len(places))], lambda there: float("nan"))
    return json.dumps(spoiled, ensure_ascii=False, separators=(",", ":")).encode()


def _two_documents(body: bytes, around: Around) -> bytes:
    return body + body


def _is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return True


_HOW: Mapping[str, Callable[[bytes, Around], bytes]] = {
    "cut": _cut,
    "trailing-comma": _trailing_comma,
    "single-quotes": _single_quotes,
    "nan": _nan,
    "two-documents": _two_documents,
}
