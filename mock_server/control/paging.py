"""Long lists, page by page: `page` counts from 1, `limit` is how many stand on one."""

import msgspec

from mock_server.control.asking import Query

NAMES = ("page", "limit")

_LIMIT = 100
LIMIT_MAX = 1_000
_PAGE_MAX = 1_000_000


class Paging(msgspec.Struct, frozen=True):
    """Which part of a list is asked for."""

    page: int
    limit: int

    @property
    def first(self) -> int:
        """The place in the list of the first one on the page."""
        return (self.page - 1) * self.limit

    def holds(self, place: int) -> bool:
        """Tell whether what stands at this place of the list is on the page."""
        return self.first <= place < self.first + self.limit


def read_paging(query: Query) -> Paging:
    """Return which page is asked for."""
    limit = query.number("limit", _LIMIT, least=1, most=LIMIT_MAX)
    return Paging(query.number("page", 1, least=1, most=_PAGE_MAX), limit)
