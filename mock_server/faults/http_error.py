"""A status without the provider's body, as a gateway in between sends it."""

from http import HTTPStatus
from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said

# What gateways answer where the server behind them does not.
_STATUSES = (500, 502, 503, 504)
_CONTENT_TYPE = "text/plain; charset=utf-8"


def make(arguments: Any) -> Fault:
    """`status` (drawn from the usual ones), `body` (the status in words) and its `content-type`."""
    given = said(arguments, "status")
    status: int | None = given.get("status")
    body: str | None = given.get("body")
    content_type = given.get("content-type", _CONTENT_TYPE)
    if not (content_type.isascii() and content_type.isprintable()):
        raise ValueError(f"a content type is printable ASCII, not {content_type!r}")

    def spoil(reply: Reply, around: Around) -> Reply:
        chosen = _STATUSES[around.below(len(_STATUSES))] if status is None else status
        text = _in_words(chosen) if body is None else body
        return answered(reply, chosen, text.encode(), content_type.encode("ascii"))

    return Fault("http-error", spoil)


def _in_words(status: int) -> str:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else "Error"
    return f"{status} {phrase}\n"
