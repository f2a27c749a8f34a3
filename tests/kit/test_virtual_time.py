"""Virtual time: an asyncio loop, and a clock for sync clients, whose hours pass in milliseconds."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts import virtual_loop, virtual_time
from contracts.virtual_time import (
    LIMIT_SECONDS_MAX,
    LimitPassed,
    NothingToWaitFor,
    RealWaitTooLong,
    Spinning,
    Stopped,
    UnfitPython,
    VirtualClock,
    VirtualLoop,
    check_loop,
    check_python,
    run_virtual,
)

HOUR = 3_600.0


def seconds_of(work: Coroutine[Any, Any, Any], limit_seconds: float = 24 * HOUR) -> float:
    """Return how long a coroutine takes."""
    clock = VirtualClock()
    run_virtual(work, limit_seconds=limit_seconds, clock=clock)
    return clock.monotonic()


def now() -> float:
    return asyncio.get_running_loop().time()


# What is virtual


def test_hours_pass_exactly() -> None:
    assert seconds_of(asyncio.sleep(23 * HOUR + 0.001)) == 23 * HOUR + 0.001


def test_months_pass_although_asyncio_waits_for_a_day_at_most() -> None:
    assert seconds_of(asyncio.sleep(80 * 86_400), LIMIT_SECONDS_MAX) == 80 * 86_400


def test_the_result_comes_back() -> None:
    async def work() -> str:
        await asyncio.sleep(1)
        return "done"

    assert run_virtual(work(), limit_seconds=2) == "done"


def test_an_error_comes_back() -> None:
    async def work() -> None:
        await asyncio.sleep(1)
        raise LookupError("nowhere")

    with pytest.raises(LookupError, match="nowhere"):
        run_virtual(work(), limit_seconds=2)


def test_no_sum_of_tenths_is_off_by_a_hair() -> None:
    async def work() -> float:
        for _ in range(3):
            await asyncio.sleep(0.1)
        return now()

    assert run_virtual(work(), limit_seconds=1) == 0.3


def test_timeouts_within_timeouts_end_at_their_moments() -> None:
    came: list[tuple[str, float]] = []

    async def work() -> None:
        try:
            async with asyncio.timeout(10):
                try:
                    async with asyncio.timeout(2.5):
                        await asyncio.Event().wait()
                except TimeoutError:
                    came.append(("inner", now()))
                await asyncio.sleep(HOUR)
        except TimeoutError:
            came.append(("outer", now()))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.5)
        came.append(("wait_for", now()))
        asyncio.get_running_loop().call_later(1.25, lambda: came.append(("call_later", now())))
        asyncio.get_running_loop().call_at(11, lambda: came.append(("call_at", now())))
        await asyncio.sleep(2)

    run_virtual(work(), limit_seconds=HOUR)
    assert came == [("inner", 2.5), ("outer", 10), ("wait_for", 10.5), ("call_at", 11), ("call_later", 11.75)]


def test_time_does_not_stop_at_a_cancelled_timer() -> None:
    stops: list[float] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for each in range(1, 500):
            loop.call_later(each, stops.append, each).cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(500.5)
        stops.append(now())

    run_virtual(work(), limit_seconds=HOUR)
    assert stops == [500.5]


def test_what_a_client_leaves_behind_is_cancelled() -> None:
    came: list[str] = []

    async def left_behind() -> None:
        try:
            await asyncio.sleep(HOUR)
        finally:
            await asyncio.sleep(1)
            came.append("cleaned up")

    async def work() -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(left_behind())]
        await asyncio.sleep(1)
        return tasks

    (task,) = run_virtual(work(), limit_seconds=2)
    assert came == ["cleaned up"]
    assert task.cancelled()


def test_a_clock_goes_on_from_run_to_run() -> None:
    clock = VirtualClock(start_ms=1_000)
    for _ in range(2):
        run_virtual(asyncio.sleep(3), limit_seconds=4, clock=clock)
    assert (clock.monotonic(), clock.time(), clock.wall_ns()) == (6, 7, 7_000_000_000)


# What never ends


def test_a_client_that_takes_too_long_is_stopped_at_the_limit() -> None:
    clock = VirtualClock()
    with pytest.raises(LimitPassed, match="had not ended after 30 s of virtual time"):
        run_virtual(asyncio.sleep(HOUR), limit_seconds=30, clock=clock)
    assert clock.monotonic() == 30


def test_a_client_may_end_at_the_limit_itself() -> None:
    assert seconds_of(asyncio.sleep(30), 30) == 30


def test_a_client_that_nothing_can_wake_up_is_stopped() -> None:
    async def work() -> None:
        await asyncio.sleep(2)
        await asyncio.Event().wait()

    with pytest.raises(NothingToWaitFor, match="at 2 s of virtual time, and there is no timer"):
        run_virtual(work(), limit_seconds=HOUR)


@pytest.mark.parametrize("seconds", [0, 1e-12])
def test_a_client_that_spins_is_stopped(seconds: float) -> None:
    async def work() -> None:
        while True:  # noqa: ASYNC110  That is the point.
            await asyncio.sleep(seconds)

    with pytest.raises(Spinning, match="busy at 0 s of virtual time"):
        run_virtual(work(), limit_seconds=HOUR)


def test_a_client_that_is_busy_now_and_then_is_not() -> None:
    async def work() -> None:
        for _ in range(20):
            for _ in range(virtual_time.TURNS_AT_ONE_MOMENT_MAX // 10):
                await asyncio.sleep(0)
            await asyncio.sleep(1)

    assert seconds_of(work()) == 20


@pytest.mark.parametrize("wait", [lambda: asyncio.sleep(HOUR), lambda: asyncio.Event().wait()])
def test_a_client_that_swallows_its_cancellation_is_stopped_all_the_same(
    wait: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(virtual_loop, "STRAY_SECONDS", 0)
    ending = threading.Event()

    async def work() -> None:
        while not ending.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await wait()

    coroutine = work()
    with pytest.raises(Stopped):
        run_virtual(coroutine, limit_seconds=30)
    ending.set()


def test_what_stops_a_client_is_no_failed_request_to_it() -> None:
    assert not issubclass(Stopped, Exception)


@pytest.mark.parametrize("limit_seconds", [0, -1, LIMIT_SECONDS_MAX + 1, float("nan")])
def test_a_limit_that_cannot_be_is_named(limit_seconds: float) -> None:
    with pytest.raises(ValueError, match="a limit is above 0 and at most 7776000 seconds"):
        run_virtual(asyncio.sleep(0), limit_seconds=limit_seconds)


async def test_inside_a_running_loop_it_is_refused() -> None:
    with pytest.raises(RuntimeError, match="an event loop is running here already"):
        run_virtual(asyncio.sleep(0), limit_seconds=1)
    with pytest.raises(RuntimeError, match=r"await asyncio.sleep\(\)"):
        VirtualClock().sleep(1)


# What is real


def test_a_thread_is_waited_for_and_time_stands_still() -> None:
    async def work() -> tuple[str, float]:
        timer = asyncio.create_task(asyncio.sleep(HOUR))
        name = await asyncio.to_thread(lambda: threading.current_thread().name)
        timer.cancel()
        return name, now()

    name, at = run_virtual(work(), limit_seconds=2 * HOUR)
    assert name.startswith("asyncio")
    assert at == 0


def test_an_address_is_looked_up_and_a_socket_read() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readexactly(4))
        writer.close()
        await writer.wait_closed()

    async def work() -> bytes:
        server = await asyncio.start_server(serve, "localhost", 0, family=socket.AF_INET)
        async with server:
            port = server.sockets[0].getsockname()[1]
            reader, writer = await asyncio.open_connection("localhost", port, family=socket.AF_INET)
            writer.write(b"ping")
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
        return answer

    assert run_virtual(work(), limit_seconds=HOUR) == b"ping"


def test_a_timer_beside_something_real_comes_in_real_time() -> None:
    ended = threading.Event()

    async def work() -> float:
        thread = asyncio.create_task(asyncio.to_thread(ended.wait, 60))
        await asyncio.sleep(0.001)
        at = now()
        ended.set()
        assert await thread
        return at

    assert run_virtual(work(), limit_seconds=HOUR) == 0.001


def test_something_real_that_never_comes_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(virtual_loop, "REAL_SECONDS_MAX", 0.01)
    one, other = socket.socketpair()
    one.setblocking(False)

    async def work() -> None:
        await asyncio.get_running_loop().sock_recv(one, 1)

    with one, other, pytest.raises(RealWaitTooLong, match="over sockets"):
        run_virtual(work(), limit_seconds=HOUR)


def test_a_thread_that_nobody_knows_of_may_wake_the_client_up() -> None:
    async def work() -> bool:
        loop, woken = asyncio.get_running_loop(), asyncio.Event()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(woken.set,))
        thread.start()
        await woken.wait()
        thread.join()
        return woken.is_set()

    assert run_virtual(work(), limit_seconds=HOUR)


# The clock of a sync client


def test_a_sync_client_sleeps_in_virtual_time() -> None:
    with VirtualClock(start_ms=0) as clock:
        clock.sleep(HOUR)
        clock.sleep(0)
        clock.sleep(0.5)
        assert (clock.monotonic(), clock.time()) == (HOUR + 0.5, HOUR + 0.5)
        assert clock.monotonic_ns() == 3_600_500_000_000


def test_a_sync_client_is_stopped_at_the_limit() -> None:
    with VirtualClock(limit_seconds=30) as clock:
        clock.sleep(29)
        with pytest.raises(LimitPassed):
            clock.sleep(2)
        assert clock.monotonic() == 30


def test_no_sync_client_sleeps_backwards() -> None:
    with VirtualClock() as clock, pytest.raises(ValueError, match="nobody sleeps for -1 seconds"):
        clock.sleep(-1)


# The Python it runs on


def test_this_python_is_fit() -> None:
    """When it is not, asyncio has changed what contracts/virtual_loop.py relies on."""
    check_python.__wrapped__()


class RealLoop(VirtualLoop):
    """As if asyncio did not ask its loop for the time."""

    def time(self) -> float:
        return time.monotonic()


class SilentLoop(asyncio.SelectorEventLoop):
    """As if asyncio did not ask its selector."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()


class BareLoop(VirtualLoop):
    """As if asyncio called the resolution otherwise."""

    def __getattribute__(self, name: str) -> Any:
        if name == "_clock_resolution":
            raise AttributeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("loop", [RealLoop, SilentLoop, BareLoop])
def test_a_python_that_is_not_fit_is_named(loop: Any) -> None:
    with pytest.raises(UnfitPython, match=r"does not work with CPython 3\.\d+.*over sockets instead"):
        check_loop(loop)


# Whatever the numbers

milliseconds = st.integers(0, 10_000_000)


@settings(max_examples=100, deadline=None)
@given(st.lists(milliseconds, min_size=1, max_size=20))
def test_sleeps_add_up_exactly(waits_ms: list[int]) -> None:
    clock = VirtualClock()

    async def work() -> list[int]:
        moments = []
        for each in waits_ms:
            await asyncio.sleep(each / 1_000)
            moments.append(clock.ns)
        return moments

    moments = run_virtual(work(), limit_seconds=LIMIT_SECONDS_MAX, clock=clock)
    assert moments == [sum(waits_ms[: n + 1]) * 1_000_000 for n in range(len(waits_ms))]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(milliseconds, st.booleans()), max_size=150))
def test_timers_come_in_order_at_their_moments(timers: list[tuple[int, bool]]) -> None:
    clock = VirtualClock()
    came: list[tuple[int, int]] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()
        for number, (after_ms, cancelled) in enumerate(timers):

            def come(number: int = number) -> None:
                came.append((clock.ns // 1_000_000, number))

            handle = loop.call_later(after_ms / 1_000, come)
            if cancelled:
                handle.cancel()
        await asyncio.sleep(10_001)

    run_virtual(work(), limit_seconds=HOUR * 3, clock=clock)
    expected = [(after_ms, number) for number, (after_ms, cancelled) in enumerate(timers) if not cancelled]
    assert [at for at, _ in came] == sorted(at for at, _ in expected)
    assert sorted(came) == sorted(expected)
