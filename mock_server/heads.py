"""What the head of a request says, whatever its body: read once, and kept where the same head comes again."""

import re

import msgspec

from mock_server.compiled import Compiled
from mock_server.exchange import Incoming
from mock_server.program import Program
from mock_server.routes import slot_text

_HOST = re.compile(rb"[A-Za-z0-9._~-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")
_KNOWN_HOSTS_MAX = 1_000


class Head(msgspec.Struct, frozen=True, gc=False):
    """One head, read.

    `key` is the value of the header that brings the key. `compiled` is the operation, None where path and method lead
    to none; `name` is the text in its path's slot, None where that is not UTF-8. `base_url` is the address that the
    client called: the media of its results are there too. `prefers` tells whether it has a preference, and `size`
    how much the journal keeps of it.
    """

    headers: dict[bytes, bytes]
    key: bytes | None
    compiled: Compiled | None
    name: str | None
    base_url: str
    prefers: bool
    size: int


class KnownHead(msgspec.Struct, frozen=True, gc=False):
    """A head that came in one piece with its body, and asked to keep the connection: the request without its body."""

    incoming: Incoming
    body_bytes: int
    head: Head


class Heads:
    """Reads heads."""

    def __init__(self, program: Program, key_header: bytes, *, media_base_url: str | None, own_base_url: str) -> None:
        """`own_base_url` serves where no good Host came, and `media_base_url` always, where there is one."""
        self.own_base_url = own_base_url
        self._match, self._key_header, self._media_base_url = program.routes.match, key_header, media_base_url
        self._base_urls: dict[tuple[str, bytes | None], str] = {}

    def read(self, incoming: Incoming) -> Head:
        """Return what the head of a request says."""
        pairs = incoming.headers
        headers = dict(pairs)
        key = headers.get(self._key_header)
        if len(headers) != len(pairs) and sum(name == self._key_header for name, _ in pairs) > 1:
            key = b"two of them"
        compiled = name = None
        match = self._match(incoming.path)
        if match is not None:
            compiled = match.methods.get(incoming.method)
            if match.slots:
                name = slot_text(match.slots[0])
        size = len(incoming.path) + len(incoming.query)
        for each, value in pairs:
            size += len(each) + len(value)
        base_url = self._base_url(incoming.scheme, headers.get(b"host"))
        return Head(headers, key, compiled, name, base_url, b"prefer" in headers, size)

    def _base_url(self, scheme: str, host: bytes | None) -> str:
        known = self._base_urls.get((scheme, host))
        if known is None:
            good = host is not None and _HOST.fullmatch(host)
            known = self._media_base_url or (f"{scheme}://{host.decode()}" if good and host else self.own_base_url)
            if len(self._base_urls) >= _KNOWN_HOSTS_MAX:
                self._base_urls.clear()
            self._base_urls[scheme, host] = known
        return known
