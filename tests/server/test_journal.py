from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.exchange import Exchange, Headers, Incoming, Reply
from mock_server.journal import ENTRIES_MAX, Attempt, Journal
from mock_server.store import Room

ROOMY = 10**9


def write(
    journal: Journal,
    body: bytes = b"",
    answer: bytes | None = b"",
    *,
    path: bytes = b"/x",
    query: bytes = b"",
    headers: Headers | None = None,
    explanation: dict[str, Any] | None = None,
) -> None:
    incoming = Incoming("POST", path, query, headers or [], body)
    reply = None if answer is None else Reply(200, answer)
    head_bytes = len(path) + len(query) + sum(len(name) + len(value) for name, value in incoming.headers)
    journal.exchange(0, incoming, reply, "op", None, explanation, head_bytes=head_bytes)


def numbers(journal: Journal) -> list[int]:
    return [entry.number for entry in journal.entries]


def last(journal: Journal) -> Exchange:
    entry = journal.entries[-1]
    assert isinstance(entry, Exchange)
    return entry


def attempt(number: int, real_ms: int) -> Attempt:
    return Attempt(number, 0, "d", 1, "1", "submitted", "http://127.0.0.1/", "delivered", 200, "", True)


@given(sizes=st.lists(st.integers(0, 30_000), min_size=1, max_size=40), limit=st.integers(1, 200_000))
def test_the_newest_entries_are_kept_within_the_room(sizes: list[int], limit: int) -> None:
    room = Room(limit)
    journal = Journal(room)
    for size in sizes:
        write(journal, bytes(size), bytes(size // 3))
        kept = numbers(journal)
        assert kept == list(range(journal.next_number - len(kept), journal.next_number))
        assert len(kept) == 1 or room.used <= limit
    bodies = sum(
        len(each.incoming.body) + len(each.reply.body)
        for each in journal.entries
        if isinstance(each, Exchange) and each.reply is not None
    )
    assert bodies <= room.used


def test_no_more_entries_are_kept_than_the_bound() -> None:
    journal = Journal(Room(ROOMY))
    for _ in range(ENTRIES_MAX + 10):
        write(journal)
    assert numbers(journal) == list(range(11, ENTRIES_MAX + 11))


def test_of_a_long_body_the_beginning_is_kept() -> None:
    journal = Journal(Room(ROOMY))
    write(journal, b"abc" + bytes(50_000), b"xyz" + bytes(50_000))
    entry = last(journal)
    assert entry.reply is not None
    for body, start in ((entry.incoming.body, b"abc"), (entry.reply.body, b"xyz")):
        assert body.startswith(start)
        assert len(body) == 16_384


def test_a_short_body_is_kept_whole() -> None:
    journal = Journal(Room(ROOMY))
    write(journal, b"a" * 10_000, b"b" * 10_000)
    entry = last(journal)
    assert (entry.incoming.body, entry.reply) == (b"a" * 10_000, Reply(200, b"b" * 10_000))


@pytest.mark.parametrize("body", [b"", bytes(100_000)])
def test_a_client_that_left_has_an_entry_without_a_reply(body: bytes) -> None:
    journal = Journal(Room(ROOMY))
    write(journal, body, None)
    assert last(journal).reply is None


@pytest.mark.parametrize(
    "long",
    [
        {"path": b"/" + bytes(10_000)},
        {"query": bytes(10_000)},
        {"headers": [(b"x-long", bytes(10_000))]},
        {"explanation": {"violations": ["x" * 10_000]}},
    ],
    ids=["path", "query", "headers", "explanation"],
)
def test_every_part_of_an_exchange_takes_room(long: dict[str, Any]) -> None:
    """All journals together stay within their bytes, whatever part of an exchange is long."""
    room = Room(50_000)
    journal = Journal(room)
    for _ in range(20):
        write(journal, **long)
    assert len(journal.entries) <= 5


@settings(max_examples=50)
@given(sizes=st.lists(st.tuples(st.booleans(), st.integers(0, 5_000)), max_size=30), limit=st.integers(1, 20_000))
def test_two_journals_share_a_room_and_give_it_back(sizes: list[tuple[bool, int]], limit: int) -> None:
    room = Room(limit)
    journals = Journal(room), Journal(room)
    for which, size in sizes:
        write(journals[which], bytes(size))
        assert not room.over or len(journals[which].entries) == 1
    for journal in journals:
        journal.clear()
        assert journal.entries == []
    assert room.used == 0


def test_an_attempt_is_told_its_number_and_kept_among_the_exchanges() -> None:
    journal = Journal(Room(ROOMY))
    write(journal)
    made = journal.attempt(attempt)
    write(journal)
    assert made.number == 2
    assert journal.entries[1] is made
    assert numbers(journal) == [1, 2, 3]


def test_attempts_are_bounded_too() -> None:
    journal = Journal(Room(4_000))
    for _ in range(50):
        journal.attempt(attempt)
    assert numbers(journal) == list(range(41, 51))


@given(kept=st.integers(1, 30), left=st.integers(0, 40), cleared_after=st.none() | st.integers(0, 30))
def test_that_a_client_gave_up_is_noted_in_its_entry_and_no_other(
    kept: int, left: int, cleared_after: int | None
) -> None:
    now_ns = 7_000_000_000
    journal = Journal(Room(ROOMY), real_ns=lambda: now_ns)
    for number in range(kept):
        write(journal)
        if number == cleared_after:
            journal.clear()
    now_ns += 1_500_000_000
    journal.gave_up(left)
    noted = {entry.number: entry.gave_up_after_ms for entry in journal.entries if isinstance(entry, Exchange)}
    assert noted == {number: 1_500 if number == left else None for number in numbers(journal)}


def test_a_client_may_be_known_to_give_up_after_so_long() -> None:
    journal = Journal(Room(ROOMY))
    write(journal)
    journal.gave_up(1, 5_000)
    assert last(journal).gave_up_after_ms == 5_000
