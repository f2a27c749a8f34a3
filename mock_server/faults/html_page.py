"""A page for people, in place of the reply: of a gateway, a login or a captive portal."""

from http import HTTPStatus
from typing import Any

from mock_server.exchange import Reply
from mock_server.faults.base import Around, Fault, answered, said

_CONTENT_TYPE = b"text/html; charset=utf-8"


def make(arguments: Any) -> Fault:
    """`status`; without it the page comes with that of the reply, which is the worse."""
    status: int | None = said(arguments, "status").get("status")

    def spoil(reply: Reply, around: Around) -> Reply:
        shown = reply.status if status is None else status
        return answered(reply, shown, _page(shown).encode("ascii"), _CONTENT_TYPE)

    return Fault("html-page", spoil)


def _page(status: int) -> str:
    refused = status >= HTTPStatus.BAD_REQUEST
    title = f"{status} {HTTPStatus(status).phrase if status in set(HTTPStatus) else 'Error'}" if refused else "Sign in"
    return f"<!DOCTYPE html>\n<html>\n<head><title>{title}</title></head>\n<body><h1>{title}</h1></body>\n</html>\n"
