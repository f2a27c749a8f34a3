"""The sender of callbacks without a socket: what it hands to its Post, what it records, what it reports at the end."""

import asyncio
import json
import logging
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from mock_server.callbacks import ADVANCE_TIMEOUT_SECONDS, TAKEN_AT_ONCE_MAX, Fired
from mock_server.clock import CLOCK_MS_MAX, SystemClock
from mock_server.journal import ENTRIES_MAX, Attempt
from mock_server.post import Manner, PostFailed
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.tries import IN_FLIGHT_MAX, IN_FLIGHT_PER_RECEIVER_MAX
from mock_server.twin import Twin, make_twin
from mock_server.worlds import Bounds, World
from tests.support import MINIMAL, Caller

URL = "http://127.0.0.1:9/callback"
STATUSES = ["submitted", "processing", "succeed"]
HOUR_MS = 3_600_000
# Only a failing test waits so long.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Sent:
    """One POST that was asked for."""

    url: str
    body: bytes
    headers: Mapping[str, str]
    timeout_seconds: float


@dataclass
class FakePost:
    """A Post that answers as its script says, else with 200; while it is held, no POST to a held address ends."""

    script: deque[int | Exception] = field(default_factory=deque)
    held: set[str] = field(default_factory=set)
    sent: list[Sent] = field(default_factory=list)
    in_flight: Counter[str] = field(default_factory=Counter)
    most_in_flight: Counter[str] = field(default_factory=Counter)
    closed: bool = False
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def send(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float, manner: Manner | None = None
    ) -> int:
        self.in_flight[url] += 1
        self.most_in_flight[url] = max(self.most_in_flight[url], self.in_flight[url])
        try:
            async with self._changed:
                self.sent.append(Sent(url, body, headers, timeout_seconds))
                self._changed.notify_all()
                await self._changed.wait_for(lambda: url not in self.held)
            answer = self.script.popleft() if self.script else 200
            if isinstance(answer, Exception):
                raise answer
            return answer
        finally:
            self.in_flight[url] -= 1

    async def close(self) -> None:
        self.closed = True

    async def release(self) -> None:
        """Let every POST end."""
        async with self._changed:
            self.held.clear()
            self._changed.notify_all()

    async def wait_for(self, count: int, url: str | None = None) -> None:
        """Wait until so many POSTs (to one address) were asked for."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: sum(url in (None, each.url) for each in self.sent) >= count)


@pytest.fixture
async def post() -> FakePost:
    return FakePost()


@pytest.fixture
async def twin(program: Program, post: FakePost) -> AsyncIterator[Twin]:
    """A twin with manual clocks, whose callbacks go to the fake."""
    one = make_twin(Settings(clock="manual"), program, bounds=Bounds(worlds=2), post=lambda: post)
    one.callbacks.start()
    yield one
    await one.callbacks.stop(0)


@pytest.fixture
async def caller(twin: Twin) -> Caller:
    return Caller(twin)


def submit(caller: Caller, url: str = URL) -> str:
    """Submit a task with an address, and return its id."""
    return caller.created({**MINIMAL, "callback_url": url})


async def advance(caller: Caller, by_ms: int = HOUR_MS) -> list[Fired]:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return await caller.twin.callbacks.advance(caller.world, caller.clock.now_ms() + by_ms)


def attempts(world: World) -> list[Attempt]:
    """Return the attempts in the journal of a world, oldest first."""
    return [entry for entry in world.journal.entries if isinstance(entry, Attempt)]


async def until(holds: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not holds():  # noqa: ASYNC110  What is looked at has no event to wait for.
            await asyncio.sleep(0)


# Attempts and deliveries


async def test_each_status_is_sent_once(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await advance(caller)
    assert [each.status for each in attempts(caller.world)] == STATUSES


async def test_a_delivery_keeps_its_id_over_its_attempts(caller: Caller, post: FakePost) -> None:
    post.script.extend([500, 500, 500])
    submit(caller)
    await advance(caller)
    first = [each for each in attempts(caller.world) if each.status == "submitted"]
    assert len({each.delivery for each in first}) == 1


async def test_attempts_count_from_1(caller: Caller, post: FakePost) -> None:
    post.script.extend([500] * 3)
    submit(caller)
    await post.wait_for(1)
    await advance(caller)
    first = [each.attempt for each in attempts(caller.world) if each.status == "submitted"]
    assert first == [*range(1, len(first) + 1)]


async def test_every_attempt_is_in_the_journal(caller: Caller, post: FakePost) -> None:
    post.script.extend([500, 404, PostFailed("no answer"), 302])
    submit(caller)
    await advance(caller)
    assert len(attempts(caller.world)) == len(post.sent)


async def test_numbers_in_the_journal_rise(caller: Caller, post: FakePost) -> None:
    post.script.extend([500] * 5)
    submit(caller)
    await advance(caller)
    numbers = [each.number for each in attempts(caller.world)]
    assert all(earlier < later for earlier, later in pairwise(numbers))


async def test_a_delivery_whose_answer_was_lost_is_sent_again(caller: Caller, post: FakePost) -> None:
    """The receiver has it and the sender cannot know: it arrives at least once."""
    post.script.append(PostFailed("the connection broke before the answer"))
    submit(caller)
    await post.wait_for(1)
    await advance(caller)
    first = [each.outcome for each in attempts(caller.world) if each.status == "submitted"]
    assert first == ["failed", "delivered"]


async def test_every_retry_sends_the_same_bytes(caller: Caller, post: FakePost) -> None:
    post.script.extend([500] * 3)
    submit(caller)
    await advance(caller)
    assert len({each.body for each in post.sent}) == len(STATUSES)


async def test_a_delivery_that_arrived_is_not_sent_again(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await advance(caller)
    await advance(caller, 24 * HOUR_MS)
    assert len(post.sent) == len(STATUSES)


async def test_the_reason_of_a_failure_is_in_the_journal(caller: Caller, post: FakePost) -> None:
    post.script.append(PostFailed("ConnectionRefusedError"))
    submit(caller)
    await advance(caller)
    assert attempts(caller.world)[0].reason == "ConnectionRefusedError"


async def test_what_the_guard_refuses_is_not_sent(caller: Caller, post: FakePost) -> None:
    submit(caller, "https://example.com/callback")
    await advance(caller)
    assert post.sent == []


async def test_what_the_guard_refuses_is_in_the_journal(caller: Caller) -> None:
    submit(caller, "https://example.com/callback")
    await advance(caller)
    assert [(each.outcome, each.final) for each in attempts(caller.world)] == [("refused", True)] * 3


async def test_a_refused_host_is_told_once_for_many_tasks(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(3):
        submit(caller, "https://example.com/callback")
    await advance(caller)
    assert sum("example.com is not this machine" in message for message in caplog.messages) == 1


# When they are sent


async def test_nothing_is_sent_by_itself_before_the_start(program: Program, post: FakePost) -> None:
    one = Caller(make_twin(Settings(clock="manual"), program, post=lambda: post))
    submit(one)
    await asyncio.sleep(0)
    assert post.sent == []


async def test_what_was_booked_before_the_start_is_sent_after_it(program: Program, post: FakePost) -> None:
    one = Caller(make_twin(Settings(clock="manual"), program, post=lambda: post))
    submit(one)
    assert post.sent == []
    one.twin.callbacks.start()
    await post.wait_for(1)
    await one.twin.callbacks.stop(0)
    assert len(post.sent) == 1


async def test_timers_send_where_the_clock_runs(program: Program, post: FakePost) -> None:
    one = Caller(make_twin(Settings(), program, clock=lambda: SystemClock(scale=100_000), post=lambda: post))
    one.twin.callbacks.start()
    submit(one)
    await post.wait_for(3)
    await one.twin.callbacks.stop(0)
    assert len(post.sent) == 3


async def test_a_receiver_has_the_specs_time_where_nobody_waits(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await post.wait_for(1)
    assert post.sent[0].timeout_seconds == 5


async def test_a_receiver_has_less_time_where_the_caller_of_advance_waits(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await post.wait_for(1)
    await advance(caller)
    assert {each.timeout_seconds for each in post.sent[1:]} == {ADVANCE_TIMEOUT_SECONDS}


async def test_two_advances_at_once_take_turns(caller: Caller, post: FakePost) -> None:
    submit(caller)
    start_ms = caller.clock.now_ms()
    callbacks = caller.twin.callbacks
    fired = await asyncio.gather(
        callbacks.advance(caller.world, start_ms + 60_000), callbacks.advance(caller.world, start_ms + HOUR_MS)
    )
    assert [each.status for part in fired for each in part if each.what == "status"] == STATUSES[1:]


@pytest.mark.parametrize("to_ms", [0, CLOCK_MS_MAX + 1])
async def test_a_move_that_cannot_be_sends_nothing(caller: Caller, post: FakePost, to_ms: int) -> None:
    submit(caller)
    await post.wait_for(1)
    with pytest.raises(ValueError, match=str(to_ms)):
        await caller.twin.callbacks.advance(caller.world, to_ms)
    assert len(post.sent) == 1


@pytest.mark.parametrize("to_ms", [0, CLOCK_MS_MAX + 1])
async def test_a_move_that_cannot_be_moves_nothing(caller: Caller, to_ms: int) -> None:
    submit(caller)
    before_ms = caller.clock.now_ms()
    with pytest.raises(ValueError, match=str(to_ms)):
        await caller.twin.callbacks.advance(caller.world, to_ms)
    assert caller.clock.now_ms() == before_ms


# Bounds


async def test_so_many_go_to_one_address_at_once_and_no_more(caller: Caller, post: FakePost) -> None:
    another = "http://127.0.0.1:10/callback"
    post.held.add(URL)
    for _ in range(IN_FLIGHT_PER_RECEIVER_MAX + 50):
        submit(caller)
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    submit(caller, another)
    await post.wait_for(1, another)
    assert post.most_in_flight[URL] == IN_FLIGHT_PER_RECEIVER_MAX


async def test_those_that_wait_for_their_turn_are_sent_at_last(caller: Caller, post: FakePost) -> None:
    wanted = IN_FLIGHT_PER_RECEIVER_MAX + 50
    post.held.add(URL)
    for _ in range(wanted):
        submit(caller)
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    await post.release()
    await post.wait_for(wanted)
    assert len(post.sent) == wanted


async def test_a_dead_receiver_does_not_hold_up_another(caller: Caller, post: FakePost) -> None:
    """Every job has an address of its own there, as clients with the job's id in the path do."""
    addresses = [f"http://127.0.0.1:9/job/{number}" for number in range(IN_FLIGHT_MAX + 1)]
    post.held.update(addresses)
    for address in addresses:
        submit(caller, address)
    submit(caller, "http://127.0.0.1:10/callback")
    await post.wait_for(1, "http://127.0.0.1:10/callback")
    assert sum(post.most_in_flight[address] for address in addresses) == IN_FLIGHT_PER_RECEIVER_MAX


async def test_what_waits_for_its_turn_does_not_hold_up_an_answer(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    for _ in range(IN_FLIGHT_PER_RECEIVER_MAX + 1):
        submit(caller)
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    assert caller.submit().status == 200


# Worlds that are closed


async def test_what_a_closed_world_had_booked_is_recorded_as_abandoned(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await until(lambda: len(attempts(caller.world)) == 1)
    world = caller.world
    caller.twin.callbacks.unwatch(world)
    assert [(each.status, each.outcome) for each in attempts(world)[1:]] == [
        ("processing", "abandoned"),
        ("succeed", "abandoned"),
    ]


async def test_closing_a_world_with_callbacks_is_told(
    caller: Caller, post: FakePost, caplog: pytest.LogCaptureFixture
) -> None:
    submit(caller)
    await until(lambda: len(attempts(caller.world)) == 1)
    caller.twin.worlds.close(caller.world)
    assert "closing a world that nobody used drops 2 callbacks" in caplog.messages


async def test_closing_a_world_without_callbacks_is_not_told(caller: Caller, caplog: pytest.LogCaptureFixture) -> None:
    caller.created()
    caller.twin.worlds.close(caller.world)
    assert caplog.messages == []


async def test_nothing_is_sent_for_a_world_that_is_closed(caller: Caller, post: FakePost) -> None:
    """Two worlds are the bound here, so the third closes the first, whose last callbacks are never sent."""
    submit(caller)
    await post.wait_for(1)
    for key in ("sk-second", "sk-third"):
        submit(Caller(caller.twin, key), f"{URL}/{key}")
        await post.wait_for(1, f"{URL}/{key}")
    assert sum(each.url == URL for each in post.sent) == 1


async def test_a_failed_attempt_of_a_closed_world_is_not_made_again(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    post.script.append(500)
    submit(caller)
    await post.wait_for(1)
    world = caller.world
    caller.twin.worlds.close(world)
    await post.release()
    await until(lambda: not +post.in_flight)
    assert len(world.outbox) == 0


async def test_a_failed_attempt_of_a_closed_world_is_told(
    caller: Caller, post: FakePost, caplog: pytest.LogCaptureFixture
) -> None:
    """Its retries are dropped with it, as those that were booked are."""
    post.held.add(URL)
    post.script.append(500)
    task_id = submit(caller)
    await post.wait_for(1)
    caller.twin.worlds.close(caller.world)
    await post.release()
    await until(lambda: not +post.in_flight)
    await asyncio.sleep(0)
    assert any(task_id in message for message in caplog.messages)


async def test_a_closed_world_takes_no_room_in_the_journals(program: Program, post: FakePost) -> None:
    """Each journal is bounded by what all have left: room that nobody gives back is lost for good."""
    bound = 20_000
    one = make_twin(Settings(clock="manual"), program, bounds=Bounds(worlds=1, journal_bytes=bound), post=lambda: post)
    one.callbacks.start()
    for number in range(100):
        caller, url = Caller(one, f"sk-{number}"), f"{URL}/{number}"
        post.held.add(url)
        submit(caller, url)
        await post.wait_for(1, url)
        one.worlds.close(caller.world)
        await post.release()
        await until(lambda: not +post.in_flight)
        await asyncio.sleep(0)
    last = Caller(one, "sk-last")
    for _ in range(3):
        last.created()
    assert len(last.journal.entries) == 3
    await one.callbacks.stop(0)


# The end


async def test_at_the_end_everything_booked_is_reported_once(caller: Caller, post: FakePost) -> None:
    task_ids = [submit(caller) for _ in range(3)]
    await until(lambda: len(attempts(caller.world)) == 3)
    left = Counter((each.task_id, each.status) for each in await caller.twin.callbacks.stop(0))
    assert left == Counter((task_id, status) for task_id in task_ids for status in STATUSES[1:])


async def test_at_the_end_everything_under_way_is_reported_once(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    task_ids = [submit(caller) for _ in range(3)]
    await post.wait_for(3)
    left = Counter((each.task_id, each.status) for each in await caller.twin.callbacks.stop(0))
    assert left == Counter((task_id, status) for task_id in task_ids for status in STATUSES)


async def test_at_the_end_everything_that_waits_for_its_turn_is_reported_once(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    task_ids = [submit(caller) for _ in range(IN_FLIGHT_PER_RECEIVER_MAX + 50)]
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    left = Counter((each.task_id, each.status) for each in await caller.twin.callbacks.stop(0))
    assert left == Counter((task_id, status) for task_id in task_ids for status in STATUSES)


async def test_at_the_end_what_has_just_been_submitted_is_reported_once(caller: Caller) -> None:
    """Its first callback is neither sent nor under way when the end comes."""
    task_id = submit(caller)
    left = Counter((each.task_id, each.status) for each in await caller.twin.callbacks.stop(0))
    assert left == Counter((task_id, status) for status in STATUSES)


async def test_at_the_end_what_has_just_been_started_is_reported_once(caller: Caller, post: FakePost) -> None:
    """Its first callback's own task has been made, and has not run yet."""
    post.held.add(URL)
    task_id = submit(caller)
    await asyncio.sleep(0)
    left = Counter((each.task_id, each.status) for each in await caller.twin.callbacks.stop(0))
    assert left == Counter((task_id, status) for status in STATUSES)


async def test_at_the_end_a_booked_retry_is_reported_once(caller: Caller, post: FakePost) -> None:
    post.script.append(500)
    submit(caller)
    await until(lambda: len(attempts(caller.world)) == 1)
    left = [(each.status, each.attempt) for each in await caller.twin.callbacks.stop(0)]
    assert sorted(left) == [("processing", 1), ("submitted", 2), ("succeed", 1)]


async def test_at_the_end_what_was_delivered_is_not_reported(caller: Caller) -> None:
    submit(caller)
    await advance(caller)
    assert await caller.twin.callbacks.stop(0) == []


async def test_what_is_left_at_the_end_is_in_the_journal(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    submit(caller)
    await post.wait_for(1)
    left = await caller.twin.callbacks.stop(0)
    assert left == [each for each in attempts(caller.world) if each.outcome == "abandoned"]


async def test_what_ends_within_the_grace_is_not_reported(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    submit(caller)
    await post.wait_for(1)
    stopping = asyncio.create_task(caller.twin.callbacks.stop(PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await post.release()
    assert [each.status for each in await stopping] == ["processing", "succeed"]


async def test_what_fails_within_the_grace_is_reported_once(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    post.script.append(500)
    submit(caller)
    await post.wait_for(1)
    stopping = asyncio.create_task(caller.twin.callbacks.stop(PATIENCE_SECONDS))
    await asyncio.sleep(0)
    await post.release()
    assert sorted(each.status for each in await stopping) == ["processing", "submitted", "succeed"]


async def test_every_world_is_reported(caller: Caller) -> None:
    other = Caller(caller.twin, "sk-other")
    submit(caller)
    submit(other)
    left = await caller.twin.callbacks.stop(0)
    assert len(left) == 2 * len(STATUSES)


async def test_after_the_end_nothing_is_sent(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await caller.twin.callbacks.stop(0)
    await advance(caller)
    assert post.sent == []


async def test_the_connections_are_let_go_at_the_end(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await post.wait_for(1)
    await caller.twin.callbacks.stop(0)
    assert post.closed


async def test_a_second_end_reports_nothing(caller: Caller) -> None:
    submit(caller)
    await caller.twin.callbacks.stop(0)
    assert await caller.twin.callbacks.stop(0) == []


# Crashes


@pytest.mark.expects_crash
async def test_a_crash_in_sending_is_logged_as_an_error(
    caller: Caller, post: FakePost, caplog: pytest.LogCaptureFixture
) -> None:
    post.script.append(RuntimeError("a defect"))
    submit(caller)
    await until(lambda: any(each.levelno == logging.ERROR for each in caplog.records))
    assert "RuntimeError: a defect" in caplog.text


@pytest.mark.expects_crash
async def test_a_crash_in_sending_is_in_the_journal(caller: Caller, post: FakePost) -> None:
    """Whoever waits for the callback looks there."""
    post.script.append(RuntimeError("a defect"))
    task_id = submit(caller)
    await post.wait_for(1)
    for _ in range(10):
        await asyncio.sleep(0)
    assert [each.task_id for each in attempts(caller.world)] == [task_id]


@pytest.mark.expects_crash
async def test_a_crash_in_sending_does_not_keep_the_clock_from_its_end(caller: Caller, post: FakePost) -> None:
    submit(caller)
    await post.wait_for(1)
    post.script.append(RuntimeError("a defect"))
    to_ms = caller.clock.now_ms() + HOUR_MS
    await advance(caller)
    assert caller.clock.now_ms() == to_ms


@pytest.mark.expects_crash
async def test_a_crash_in_sending_does_not_touch_other_deliveries(caller: Caller, post: FakePost) -> None:
    post.script.append(RuntimeError("a defect"))
    submit(caller)
    other = submit(caller, f"{URL}/other")
    await until(lambda: any(each.task_id == other for each in attempts(caller.world)))
    assert [each.outcome for each in attempts(caller.world) if each.task_id == other] == ["delivered"]


async def test_the_status_changes_of_one_task_go_out_in_order(program: Program, post: FakePost) -> None:
    """However quickly they follow each other, the next waits until the one before is answered."""
    one = Caller(make_twin(Settings(), program, clock=lambda: SystemClock(scale=1_000_000), post=lambda: post))
    one.twin.callbacks.start()
    post.held.add(URL)
    submit(one)
    await post.wait_for(1)
    await until(lambda: len(one.world.outbox) == 0)
    assert len(post.sent) == 1
    await post.release()
    await post.wait_for(3)
    await one.twin.callbacks.stop(0)
    statuses = [json.loads(each.body)["task_status"] for each in post.sent]
    assert statuses == ["submitted", "processing", "succeed"]


# Many, and those that never get their turn


async def test_a_burst_at_one_moment_is_sent_once_each(caller: Caller, post: FakePost) -> None:
    wanted = 3 * TAKEN_AT_ONCE_MAX
    for _ in range(wanted):
        submit(caller)
    await advance(caller, 0)
    await post.wait_for(wanted)
    assert len({json.loads(each.body)["task_id"] for each in post.sent}) == len(post.sent) == wanted


async def test_the_tally_counts_what_the_journal_no_longer_has(caller: Caller, post: FakePost) -> None:
    wanted = ENTRIES_MAX
    for _ in range(wanted):
        submit(caller)
    await post.wait_for(wanted)
    await until(lambda: caller.twin.tally.deliveries.get("delivered") == wanted)
    assert len(caller.world.journal) == ENTRIES_MAX


async def test_what_never_had_its_turn_is_reported_at_the_stop(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    for _ in range(IN_FLIGHT_PER_RECEIVER_MAX + 1):
        submit(caller)
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    left = await caller.twin.callbacks.stop(0)
    never = [each for each in left if each.reason == "the server stopped before its turn came"]
    assert len(never) == 1
    assert len(left) == 3 * (IN_FLIGHT_PER_RECEIVER_MAX + 1)


async def test_a_reset_leaves_no_trace_of_what_is_under_way(caller: Caller, post: FakePost) -> None:
    post.held.add(URL)
    for _ in range(IN_FLIGHT_PER_RECEIVER_MAX + 1):
        submit(caller)
    await post.wait_for(IN_FLIGHT_PER_RECEIVER_MAX)
    world = caller.world
    caller.twin.reset(world)
    await until(lambda: not +post.in_flight)
    assert (caller.twin.callbacks.under_way(world), attempts(world)) == ([], [])
    submit(caller, "http://127.0.0.1:10/callback")
    await post.wait_for(1, "http://127.0.0.1:10/callback")
