"""The room for sessions: never too full, and nobody waits for ever."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.room import OVERTAKEN_MAX, Room

stays = st.lists(st.tuples(st.integers(1, 10), st.integers(0, 4)), max_size=120)


async def crowd(width: int, wishes: Sequence[tuple[int, int]]) -> list[int]:
    """Send in so many, each with how few it bears beside it and how long it stays; return the order of entry."""
    room, entered, used = Room(width), [], 0

    async def visit(number: int, side_by_side: int, turns: int) -> None:
        nonlocal used
        share = max(1, width // min(side_by_side, width))
        async with room.place(side_by_side):
            used += share
            assert used <= width
            entered.append(number)
            for _ in range(turns):
                await asyncio.sleep(0)
            used -= share

    async with asyncio.timeout(30):
        await asyncio.gather(*(visit(number, *each) for number, each in enumerate(wishes)))
    return entered


@given(st.integers(1, 8), stays)
def test_it_is_never_too_full_and_all_have_their_turn(width: int, wishes: list[tuple[int, int]]) -> None:
    entered = asyncio.run(crowd(width, wishes))
    assert sorted(entered) == list(range(len(wishes)))


@given(st.integers(1, 8), stays)
def test_nobody_is_overtaken_too_often(width: int, wishes: list[tuple[int, int]]) -> None:
    entered = asyncio.run(crowd(width, wishes))
    for place, number in enumerate(entered):
        assert sum(later > number for later in entered[:place]) <= OVERTAKEN_MAX


def test_one_that_must_be_alone_is_not_kept_out_by_a_stream_of_others() -> None:
    entered = asyncio.run(crowd(4, [(8, 3), (8, 3), (1, 1), *[(8, 3)] * 100]))
    assert entered.index(2) <= OVERTAKEN_MAX + 2


async def test_one_that_gives_up_leaves_no_gap() -> None:
    room = Room(2)
    async with room.place(1):
        waiting = asyncio.create_task(_visit(room, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        let_in = asyncio.create_task(_visit(room, 2))
        await asyncio.sleep(0)
    # Let in and given up at once.
    let_in.cancel()
    with pytest.raises(asyncio.CancelledError):
        await let_in
    async with asyncio.timeout(30), room.place(1):
        pass


async def _visit(room: Room, side_by_side: int) -> None:
    async with room.place(side_by_side):
        await asyncio.sleep(0)
