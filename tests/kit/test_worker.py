"""The worker driver before clients that break the protocol, at its beginning and in the middle."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from contracts.drivers.base import LOG_BYTES_MAX, Ending, HarnessError
from contracts.drivers.worker import WorkerDriver
from tests.kit.support import PATIENCE_SECONDS, client, descriptors, job, lives, memory_peak_bytes, until

HANG_SECONDS = 1.0
HELLO_SECONDS = 20.0

Make = Callable[..., WorkerDriver]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Make drivers that are closed in the end."""
    made: list[WorkerDriver] = []

    def one(*arguments: str, lanes: int = 1, hello_seconds: float = HELLO_SECONDS) -> WorkerDriver:
        driver = WorkerDriver(client("worker_client", *arguments), lanes=lanes, hello_seconds=hello_seconds)
        made.append(driver)
        return driver

    yield one
    for each in made:
        await each.close()


async def started(driver: WorkerDriver) -> WorkerDriver:
    await driver.start()
    return driver


async def do(driver: WorkerDriver, prompt: str, name: str = "j-1", limit_seconds: float = PATIENCE_SECONDS) -> Ending:
    return await driver.run(job(name, f"do {prompt}", api_key=f"sk-{name}"), limit_seconds)


async def has(driver: WorkerDriver, count: int) -> None:
    """Wait until workers have so many jobs."""
    await until(lambda: sum(each.worker is not None for each in driver._given.values()) == count)


def pid_of(ending: Ending) -> int:
    assert ending.result is not None
    return int(ending.result.reason or "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["leave"], "it ended before it said anything of that kind; the last line that it printed: 'Traceback: no"),
        (['line={"type": "result"}'], "its first message is of the type 'result'"),
        (['line={"type": "hello"}'], "names protocol None; this examiner speaks 1"),
        (['with={"protocol": 2}'], "names protocol 2; this examiner speaks 1"),
        (['with={"protocol": true}'], "names protocol True; this examiner speaks 1"),
        (['with={"capabilities": "polling"}'], "capabilities is 'polling'; a list of names is expected"),
        (['with={"capabilities": [5]}'], "capabilities is [5]; a list of names is expected"),
        (['with={"capabilities": ["poling"]}'], "there is no capability 'poling'; did you mean polling?"),
        (['with={"settings": [1]}'], "settings is [1]; an object is expected"),
        (['with={"settings": {"poll_interval": 1}}'], "there is no setting 'poll_interval'; did you mean poll_"),
        (['with={"settings": {"deadline_seconds": 0}}'], "deadline_seconds is 0; a number of seconds above 0"),
        (['with={"settings": {"deadline_seconds": "5"}}'], "deadline_seconds is '5'; a number of seconds above 0"),
        (['with={"settings": {"deadline_seconds": true}}'], "deadline_seconds is True; a number of seconds above 0"),
        (['with={"settings": {"deadline_seconds": 1e300}}'], "deadline_seconds is 1e+300; a number of seconds"),
    ],
    ids=lambda each: str(each)[:60],
)
async def test_without_a_valid_hello_there_is_a_harness_error(make: Make, arguments: list[str], message: str) -> None:
    with pytest.raises(HarnessError) as caught:
        await make(*arguments).start()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["{}", '{"type": "hello"', '{"type": "hello", "protocol": NaN}', "hello"])
async def test_what_is_no_message_is_no_hello(make: Make, line: str) -> None:
    with pytest.raises(HarnessError) as caught:
        await make(f"line={line}", hello_seconds=HANG_SECONDS).start()
    said = f"it said nothing of that kind for 1 s; the last line that it printed: {line!r}"
    assert str(caught.value).endswith(said)


async def test_a_hello_that_does_not_come_is_a_harness_error(make: Make) -> None:
    driver = make("nothing", hello_seconds=HANG_SECONDS)
    with pytest.raises(HarnessError, match="it said nothing of that kind for 1 s"):
        await driver.start()


async def test_a_command_that_cannot_be_started_is_a_harness_error() -> None:
    with pytest.raises(HarnessError, match="there is no such command on the PATH"):
        await WorkerDriver(["no-such-command-anywhere"], lanes=1).start()


async def test_what_is_printed_before_the_hello_is_log_however_much_it_is(make: Make) -> None:
    declared = await make("chatter").start()
    assert declared.name == "hostile"
    assert declared.capabilities == {"polling"}


async def test_a_name_is_one_short_line(make: Make) -> None:
    name = {"name": "acme\n\tvideo " + "x" * 200}
    declared = await make(f"with={json.dumps(name)}").start()
    assert declared.name == ("acme video " + "x" * 200)[:100]
    unnamed = await make('with={"name": 5}').start()
    assert unnamed.name.endswith(f"{Path(sys.executable).name} worker_client.py")


async def test_one_worker_takes_one_job_after_another(make: Make) -> None:
    driver = await started(make("hello"))
    endings = [await do(driver, "answer", f"j-{number}") for number in range(3)]
    assert [each.how for each in endings] == ["answered"] * 3
    assert len({pid_of(each) for each in endings}) == 1
    assert not any(each.shared for each in endings)


async def test_without_parallel_there_are_as_many_workers_as_lanes(make: Make) -> None:
    driver = await started(make("hello", lanes=3))
    endings = await asyncio.gather(*(do(driver, "answer", f"j-{number}") for number in range(3)))
    assert len({pid_of(each) for each in endings}) == 3


async def test_with_parallel_one_worker_has_all_jobs(make: Make) -> None:
    driver = await started(make("parallel", lanes=3))
    endings = await asyncio.gather(*(do(driver, "answer", f"j-{number}") for number in range(3)))
    assert len({pid_of(each) for each in endings}) == 1


@pytest.mark.parametrize(
    ("prompt", "how", "detail"),
    [
        ("die=7", "died", "it ended with status 7 while the job was running"),
        ("kill", "died", "it ended with signal 9 while the job was running"),
        ("close-output", "died", "it closed its standard output while the job was running"),
        ("wrong-job", "wrong-job", "it gave a result for the job 'another'; running: j-1"),
        ("typed-job", "wrong-job", "it gave a result for the job 5; running: j-1"),
        ("hello", "bad-result", "it said hello a second time"),
        ('as={"outcome": "succeeded"}', "bad-result", "there is no outcome 'succeeded'; did you mean succeed?"),
        ('as={"outcome": 7}', "bad-result", "there is no outcome 7; one of succeed"),
        ('as={"outcome": "failed", "url": 7}', "bad-result", "a result has a member of the wrong type"),
        ('line={"type": "done"}', "bad-result", "it sent a message of the type 'done', which nobody knows"),
        ('line={"type": "callback-reply", "id": "c-1", "status": 200}', "bad-result", "the callback 'c-1', which it"),
        ('line={"type": "callback-reply", "id": [1], "status": 200}', "bad-result", "the callback [1], which it"),
    ],
)
async def test_what_breaks_the_protocol_fails_the_job_and_the_next_has_a_fresh_worker(
    make: Make, prompt: str, how: str, detail: str
) -> None:
    driver = await started(make("hello"))
    first = pid_of(await do(driver, "answer", "j-0"))
    ending = await do(driver, prompt)
    assert ending.how == how
    assert detail in ending.detail
    assert ending.is_defect
    assert pid_of(await do(driver, "answer", "j-2")) != first
    assert not lives(first)


@pytest.mark.parametrize(
    "prompt",
    [
        "wait",
        "line={not JSON",
        'line={"type": "result", "job": "j-1", "outcome": NaN}',
        "raw=\xff\xfe",
        'raw={"type": "result", "job": "\xff"}',
        'line={"type": 5, "outcome": "succeed"}',
        'line=["type", "result"]',
        "line=",
    ],
)
async def test_what_is_no_message_is_log_and_the_job_has_hung(make: Make, prompt: str) -> None:
    driver = await started(make("hello"))
    ending = await do(driver, prompt, limit_seconds=HANG_SECONDS)
    assert ending.how == "hung"
    assert ending.detail.startswith("no result came in 1 s")
    assert ("looks like a message" in ending.detail) == ("{" in prompt)
    assert (await do(driver, "answer", "j-2")).how == "answered"


@pytest.mark.parametrize("prompt", ["nested", "long-line", "flood"])
async def test_nesting_and_floods_are_log(make: Make, prompt: str) -> None:
    driver = await started(make("hello"))
    before = memory_peak_bytes()
    ending = await do(driver, prompt)
    assert ending.how == "answered"
    assert len(ending.log) <= 2 * LOG_BYTES_MAX
    assert memory_peak_bytes() - before < 100_000_000


async def test_a_result_without_an_outcome_is_silence(make: Make) -> None:
    driver = await started(make("hello"))
    ending = await do(driver, 'as={"url": "x"}')
    assert (ending.how, ending.is_defect) == ("silent", False)


async def test_a_result_needs_no_job_where_one_is_running(make: Make) -> None:
    driver = await started(make("hello"))
    assert (await do(driver, "nameless")).how == "answered"


async def test_the_first_of_two_results_counts_and_both_are_counted(make: Make) -> None:
    driver = await started(make("hello"))
    one = job("j-1", "do twice")
    ending = await driver.run(one, PATIENCE_SECONDS)
    assert ending.result is not None
    assert ending.result.outcome == "succeed"
    await until(lambda: driver.results(one) == 2)
    driver.printed(one)
    assert driver.results(one) == 0
    # It is no wrong job for the next.
    assert (await do(driver, "answer", "j-2")).how == "answered"


async def test_what_is_printed_behind_a_result_belongs_to_its_job(make: Make) -> None:
    driver = await started(make("hello"))
    one = job("j-1", "do late")
    ending = await driver.run(one, PATIENCE_SECONDS)
    await until(lambda: b"a late word" in ending.log + driver._given["j-1"].log.content)
    driver.printed(one)
    assert b"a late word" not in (await do(driver, "answer", "j-2")).log


async def test_each_job_has_its_own_log(make: Make) -> None:
    driver = await started(make("hello"))
    logs = [(await do(driver, f"print=word {number}.", f"j-{number}")).log for number in range(3)]
    for number, log in enumerate(logs):
        assert log.count(f"word {number}.".encode()) == 2
        assert log.count(b"word") == 2


async def test_a_long_run_keeps_nothing_of_what_is_over(make: Make) -> None:
    driver = await started(make("parallel"))
    await do(driver, "answer", "j-first")
    open_before, before = descriptors(), memory_peak_bytes()
    for number in range(60):
        one = job(f"j-{number}", "do print=" + "x" * 500_000)
        await driver.run(one, PATIENCE_SECONDS)
        driver.printed(one)
    assert memory_peak_bytes() - before < 30_000_000
    assert descriptors() <= open_before


async def test_a_worker_that_dies_between_jobs_fails_none(make: Make) -> None:
    driver = await started(make("hello"))
    ending = await do(driver, "answer-and-die")
    assert ending.how == "answered"
    await until(lambda: not driver._alive or all(each.retired for each in driver._alive))
    assert (await do(driver, "answer", "j-2")).how == "answered"


async def test_a_worker_that_closes_its_input_gets_a_successor(make: Make) -> None:
    driver = await started(make("hello"))
    assert (await do(driver, "close-input")).how == "answered"
    assert (await do(driver, "answer", "j-2", limit_seconds=HANG_SECONDS)).how == "hung"
    assert (await do(driver, "answer", "j-3")).how == "answered"


async def test_a_worker_that_does_not_read_has_hung(make: Make) -> None:
    driver = await started(make("deaf"))
    ending = await driver.run(job(prompt="x" * 5_000_000), HANG_SECONDS)
    assert ending.how == "hung"


async def test_what_a_worker_leaves_behind_when_it_dies_is_ended(make: Make, tmp_path: Path) -> None:
    driver = await started(make("hello"))
    told = tmp_path / "pid"
    ending = await do(driver, f"die-and-leave-a-child={told}")
    assert (ending.how, ending.exit_status) == ("died", 4)
    assert not lives(int(told.read_text()))


async def test_a_worker_that_does_not_leave_is_ended_with_all_that_it_started(make: Make) -> None:
    driver = make("stays")
    pids = [int(each) for each in (await driver.start()).name.split()]
    assert all(lives(each) for each in pids)
    await driver.close()
    assert not any(lives(each) for each in pids)


async def test_a_worker_that_cannot_be_started_again_has_failed_its_jobs(make: Make, tmp_path: Path) -> None:
    driver = await started(make(f"once={tmp_path / 'mark'}"))
    assert (await do(driver, "die")).how == "died"
    endings = [await do(driver, "answer", f"j-{number}") for number in range(5)]
    assert {each.how for each in endings} == {"died"}
    assert "it could not be started again" in endings[0].detail
    assert "the last line that it printed: 'the port is taken'" in endings[0].detail
    # It is not tried for ever.
    assert "it failed 3 times in a row" in endings[4].detail


async def test_a_job_that_is_given_up_leaves_no_worker_behind(make: Make) -> None:
    driver = make("stays", "wait")
    pids = [int(each) for each in (await driver.start()).name.split()]
    running = asyncio.create_task(do(driver, "wait"))
    await has(driver, 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await driver.close()
    assert not any(lives(each) for each in pids)


async def test_a_start_that_is_given_up_leaves_no_worker_behind(make: Make) -> None:
    driver = make("nothing")
    before = descriptors()
    starting = asyncio.create_task(driver.start())
    await until(lambda: descriptors() > before)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert descriptors() <= before


@pytest.mark.parametrize("prompt", ["die", "wrong-job", "hello", 'line={"type": "done"}'])
async def test_who_broke_off_cannot_be_told_where_several_jobs_were_running(make: Make, prompt: str) -> None:
    driver = await started(make("parallel", lanes=3))
    waiting = [asyncio.create_task(do(driver, "wait", f"j-{number}")) for number in range(2)]
    await has(driver, 2)
    endings = [await do(driver, prompt, "j-bad"), *(await asyncio.gather(*waiting))]
    assert all(each.is_defect and each.shared for each in endings)
    assert len({each.detail for each in endings}) == 1
    alone = await do(driver, prompt, "j-bad-again")
    assert (alone.is_defect, alone.shared) == (True, False)


async def test_jobs_of_one_session_are_not_somebody_else(make: Make) -> None:
    driver = await started(make("parallel", lanes=3))
    waiting = asyncio.create_task(driver.run(job("j-1", "do wait", api_key="sk-same"), PATIENCE_SECONDS))
    await has(driver, 1)
    ending = await driver.run(job("j-2", "do die", api_key="sk-same"), PATIENCE_SECONDS)
    assert not ending.shared
    assert (await waiting).how == "died"


async def test_a_bad_result_is_its_own_jobs_fault_alone(make: Make) -> None:
    driver = await started(make("parallel", lanes=3))
    waiting = asyncio.create_task(do(driver, "callback=", "j-1"))
    await has(driver, 1)
    bad = await do(driver, 'as={"outcome": "yes"}', "j-2")
    assert (bad.how, bad.shared) == ("bad-result", False)
    # The other has its job to the end, on the old worker; the next is another.
    assert (await do(driver, "answer", "j-3")).how == "answered"
    assert await driver.relay(job("j-1"), {}, b"{}") == 200
    assert (await waiting).how == "answered"


async def test_a_callback_is_relayed_and_answered(make: Make) -> None:
    driver = await started(make("parallel"))
    running = asyncio.create_task(do(driver, 'callback=[{"status": 204}, {"status": 500}]'))
    await has(driver, 1)
    assert await driver.relay(job(), {"webhook-id": "x"}, b"\x00\xff") == 204
    ending = await running
    assert ending.result is not None
    assert ending.result.reason == '{"webhook-id": "x"}'


@pytest.mark.parametrize("status", ['"200"', "null", "true", "99", "600", "-1", "1e3"])
async def test_a_bad_answer_to_a_callback_fails_its_job(make: Make, status: str) -> None:
    driver = await started(make("parallel"))
    running = asyncio.create_task(do(driver, f'callback=[{{"status": {status}}}]'))
    await has(driver, 1)
    assert await driver.relay(job(), {}, b"") == 500
    ending = await running
    assert ending.how == "bad-result"
    assert "it answered the callback 'c-1' with the status" in ending.detail


async def test_a_callback_for_a_job_that_nobody_has_is_answered_404(make: Make) -> None:
    driver = await started(make("parallel"))
    assert await driver.relay(job("j-9"), {}, b"") == 404


async def test_a_worker_that_dies_leaves_no_callback_waiting(make: Make) -> None:
    driver = await started(make("parallel"))
    running = asyncio.create_task(do(driver, "wait"))
    await has(driver, 1)
    relaying = asyncio.create_task(driver.relay(job(), {}, b""))
    await asyncio.sleep(0)
    killing = asyncio.create_task(do(driver, "die", "j-2"))
    assert await relaying in (200, 502)
    await asyncio.gather(running, killing)
