"""The exec driver before clients that hang, flood, die, leave others behind, and answer nonsense."""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from contracts.drivers.base import LOG_BYTES_MAX, Ending, HarnessError
from contracts.drivers.exec import VARIABLE_BYTES_MAX, ExecDriver
from tests.kit.support import PATIENCE_SECONDS, client, job, lives, living_with, memory_peak_bytes, until

HANG_SECONDS = 1.0


async def run(*arguments: str, limit_seconds: float = PATIENCE_SECONDS) -> Ending:
    driver = ExecDriver(client("exec_client", *arguments))
    await driver.start()
    return await driver.run(job(), limit_seconds)


def written(path: Path, content: str, mode: int = 0o755) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def told(ending: Ending) -> dict[str, Any]:
    assert ending.result is not None
    assert ending.result.reason is not None
    found = json.loads(ending.result.reason)
    assert isinstance(found, dict)
    return found


async def test_a_client_that_hangs_is_ended_though_it_ignores_the_word() -> None:
    ending = await run("hang", limit_seconds=HANG_SECONDS)
    assert (ending.how, ending.exit_status) == ("hung", -9)
    assert ending.detail == "it was still running after 1 s, and was ended"
    assert b"here I am" in ending.log


async def test_a_flood_is_bounded_and_the_result_behind_it_is_found() -> None:
    before = memory_peak_bytes()
    ending = await run("flood", "150")
    assert ending.how == "answered"
    assert len(ending.log) <= LOG_BYTES_MAX
    assert memory_peak_bytes() - before < 100_000_000


async def test_a_flood_of_short_lines_is_looked_through() -> None:
    ending = await run("short-lines", "40")
    assert ending.how == "answered"


async def test_a_line_of_100_megabytes_is_cut() -> None:
    ending = await run("long-line")
    assert ending.how == "answered"
    assert ending.result is not None
    assert ending.result.outcome == "succeed"


@pytest.mark.parametrize("status", [0, 1, 77])
async def test_the_exit_status_is_told_and_is_no_verdict(status: int) -> None:
    ending = await run("status", str(status))
    assert (ending.how, ending.exit_status) == ("answered", status)


async def test_a_client_that_says_nothing_is_silent() -> None:
    ending = await run("only-status", "3")
    assert (ending.how, ending.exit_status, ending.is_defect) == ("silent", 3, False)
    assert ending.detail == "it ended with status 3, and no line that it printed is a result"


async def test_a_client_that_a_signal_ends_has_died() -> None:
    ending = await run("signal", "11")
    assert (ending.how, ending.exit_status) == ("died", -11)
    assert ending.detail == "it was ended by signal 11 without a result"


@pytest.mark.parametrize("where", ["group", "session"])
async def test_what_a_client_leaves_behind_is_ended_and_not_waited_for(where: str) -> None:
    ending = await run("leave-a-child", where)
    assert (ending.how, ending.exit_status) == ("answered", 0)
    assert ending.result is not None
    assert not lives(int(ending.result.reason or ""))


@pytest.mark.parametrize("where", ["group", "session"])
async def test_what_a_client_that_hangs_has_started_is_ended_with_it(where: str) -> None:
    ending = await run("hang-with-a-child", where, limit_seconds=HANG_SECONDS)
    assert ending.how == "hung"
    assert not lives(int(ending.log))


@pytest.mark.parametrize("where", ["group", "session"])
async def test_a_job_that_is_given_up_ends_its_command(where: str) -> None:
    token = secrets.token_hex(8)
    driver = ExecDriver(client("exec_client", "hang-with-a-child", where), environment={"TOKEN": token})
    running = asyncio.create_task(driver.run(job(), PATIENCE_SECONDS))
    await until(lambda: len(living_with(f"TOKEN={token}")) == 2)
    started = living_with(f"TOKEN={token}")
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not any(lives(each) for each in started)


@pytest.mark.parametrize(
    ("lines", "how", "detail"),
    [
        (['{"outcome": "succeed", "job": "j-1"}'], "answered", ""),
        (['{"outcome": "failed"}', '{"outcome": "succeed"}', "bye", '{"level": "info"}'], "answered", ""),
        (['{"outcome": "succeed"}', '{"outcome": null}'], "answered", ""),
        (['  {"outcome": "succeed", "more": {"a": [1]}}\\r'], "answered", ""),
        (['{"outcome": "succeeded"}'], "bad-result", "there is no outcome 'succeeded'; did you mean succeed?"),
        (['{"outcome": "succeed"}', '{"outcome": 5}'], "bad-result", "there is no outcome 5; one of succeed"),
        (['{"outcome": ["succeed"]}'], "bad-result", "there is no outcome ['succeed']"),
        (['{"outcome": "succeed", "url": 5}'], "bad-result", "a result has a member of the wrong type"),
        (['{"outcome": "succeed", "http_status": "200"}'], "bad-result", "a result has a member of the wrong type"),
        (['{"outcome": "succeed", "job": "j-2"}'], "wrong-job", "is for the job 'j-2', and the job was 'j-1'"),
        (['{"outcome": "succeed", "code": NaN}'], "silent", "no line that it printed is a result"),
        (['{"outcome": "succeed"'], "silent", "no line that it printed is a result"),
        (['{"outcome": "succ\\xffeed"}'], "silent", "no line that it printed is a result"),
        (['["outcome", "succeed"]', '"succeed"'], "silent", "no line that it printed is a result"),
        (['log: {"outcome": "succeed"}'], "silent", "no line that it printed is a result"),
        (['{"a": ' * 20_000], "silent", "no line that it printed is a result"),
    ],
    ids=lambda each: str(each)[:60],
)
async def test_the_result_is_the_last_line_that_is_an_object_with_an_outcome(
    lines: list[str], how: str, detail: str
) -> None:
    ending = await run("say", *lines)
    assert ending.how == how
    assert detail in ending.detail
    assert ending.is_defect == (how in ("bad-result", "wrong-job"))


async def test_results_are_counted() -> None:
    driver = ExecDriver(client("exec_client", "say", '{"outcome": "succeed"}', "x", '{"outcome": "failed"}'))
    one = job()
    await driver.run(one, PATIENCE_SECONDS)
    assert driver.results(one) == 2
    assert driver.results(one) == 0


async def test_a_client_that_closes_its_pipes_is_waited_for() -> None:
    ending = await run("close-pipes", "0.2")
    assert (ending.how, ending.exit_status) == ("silent", 0)
    assert (await run("close-pipes", "600", limit_seconds=HANG_SECONDS)).how == "hung"


async def test_a_large_job_may_be_left_unread() -> None:
    driver = ExecDriver(client("exec_client", "only-status", "0"))
    ending = await driver.run(job(prompt="x" * 5_000_000), PATIENCE_SECONDS)
    assert ending.how == "silent"
    driver = ExecDriver(client("exec_client", "leave-a-child", "session"))
    ending = await driver.run(job(prompt="x" * 5_000_000), PATIENCE_SECONDS)
    assert ending.how == "answered"


async def test_a_large_job_comes_on_standard_input_alone() -> None:
    one = job(prompt="x" * VARIABLE_BYTES_MAX)
    echoed = await ExecDriver(client("exec_client", "echo")).run(one, PATIENCE_SECONDS)
    assert json.loads(told(echoed)["stdin"]) == one.message()
    named = await ExecDriver(client("exec_client", "environment")).run(one, PATIENCE_SECONDS)
    assert told(named)["OMNIMOCK_JOB"] is None


async def test_the_environment_has_the_names_of_the_protocol_and_those_that_are_asked_for() -> None:
    driver = ExecDriver(
        client("exec_client", "environment", "KLING", "PLAIN", "BOTH"),
        environment={"KLING": "{base_url}/v1", "PLAIN": "{other}", "BOTH": "{api_key}@{base_url}"},
    )
    one = job()
    variables = told(await driver.run(one, PATIENCE_SECONDS))
    assert json.loads(variables.pop("OMNIMOCK_JOB")) == one.message()
    assert variables == {
        "OMNIMOCK_BASE_URL": one.base_url,
        "OMNIMOCK_API_KEY": one.api_key,
        "DEERAPI_BASE_URL": one.base_url,
        "DEERAPI_KEY": one.api_key,
        "KLING": f"{one.base_url}/v1",
        "PLAIN": "{other}",
        "BOTH": f"{one.api_key}@{one.base_url}",
    }


async def test_no_shell_sees_the_arguments() -> None:
    arguments = ["$HOME", "a b", "; exit 1", "*", "'", "&& true"]
    ending = await run("echo", *arguments)
    assert told(ending)["arguments"] == arguments
    assert told(ending)["stdin"] == json.dumps(job().message(), separators=(",", ":")) + "\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ([], "no command came: write it after --"),
        (["no-such-command-anywhere"], "there is no such command on the PATH"),
        (["./no-such-file"], "there is no such file"),
        (["."], "it is a folder"),
        (["plain.txt"], "the file is not executable; make it so (chmod +x plain.txt) and call it ./plain.txt"),
        (["./plain.txt"], "the file is not executable; make it so (chmod +x ./plain.txt) and call it ./plain.txt"),
        (["program"], "there is no such command on the PATH; here it is ./program"),
    ],
    ids=str,
)
async def test_a_command_that_cannot_be_started_is_a_harness_error(
    command: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "plain.txt", "hello", mode=0o644)
    written(tmp_path / "program", "#!/bin/sh\n")
    with pytest.raises(HarnessError) as caught:
        await ExecDriver(command).start()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["no interpreter is named here", "#!/no/such/interpreter\n"])
async def test_a_program_that_the_system_refuses_is_a_harness_error(content: str, tmp_path: Path) -> None:
    program = written(tmp_path / "program", content)
    driver = ExecDriver([str(program)])
    await driver.start()
    with pytest.raises(HarnessError, match=r"cannot start .*program: "):
        await driver.run(job(), PATIENCE_SECONDS)


async def test_a_command_that_is_gone_in_the_middle_of_a_run_has_failed_its_job(tmp_path: Path) -> None:
    program = written(tmp_path / "program", '#!/bin/sh\necho \'{"outcome": "succeed"}\'\n')
    driver = ExecDriver([str(program)])
    assert (await driver.run(job(), PATIENCE_SECONDS)).how == "answered"
    program.unlink()
    ending = await driver.run(job(), PATIENCE_SECONDS)
    assert (ending.how, ending.is_defect) == ("died", True)
    assert "there is no such file" in ending.detail


async def test_a_client_is_called_by_its_program_and_the_file_that_it_runs() -> None:
    declared = await ExecDriver(client("exec_client", "echo")).start()
    assert declared.name.startswith("python")
    assert declared.name.endswith(" exec_client.py")
    assert (await ExecDriver(["true", "no-such-file"]).start()).name == "true"
