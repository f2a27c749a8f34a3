"""The room in which sessions run side by side: many, or few of those that must not be disturbed, or one alone."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

# So many may go before one that has to wait for more room. Then all wait for it, so that its turn comes.
OVERTAKEN_MAX = 32


class _Waiting:
    def __init__(self, share: int) -> None:
        self.share, self.overtaken = share, 0
        self.let_in: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Room:
    """Lets in who fits, in the order in which they come; a small one may overtake those that need much, so often."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._used = 0
        self._line: deque[_Waiting] = deque()

    @asynccontextmanager
    async def place(self, side_by_side: int) -> AsyncIterator[None]:
        """Hold a place; a session that bears few beside it takes the room of many."""
        share = max(1, self._width // max(1, min(side_by_side, self._width)))
        await self._enter(share)
        try:
            yield
        finally:
            self._used -= share
            self._let_in()

    async def _enter(self, share: int) -> None:
        mine = _Waiting(share)
        self._line.append(mine)
        self._let_in()
        try:
            await mine.let_in
        except asyncio.CancelledError:
            if mine in self._line:
                self._line.remove(mine)
            else:
                # It was let in, and does not come.
                self._used -= share
            self._let_in()
            raise

    def _let_in(self) -> None:
        passed: list[_Waiting] = []
        for each in list(self._line):
            if self._used + each.share > self._width:
                passed.append(each)
                continue
            if any(one.overtaken >= OVERTAKEN_MAX for one in passed):
                return
            for one in passed:
                one.overtaken += 1
            self._line.remove(each)
            self._used += each.share
            # One that was cancelled just now gives its place back when it hears of it.
            if not each.let_in.done():
                each.let_in.set_result(None)
