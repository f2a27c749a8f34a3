"""Time warp: what is translated at the border, what is refused before anything is judged, and that it works."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from contracts.drivers import preload
from contracts.drivers.base import Declared, HarnessError
from contracts.drivers.preload import check_preloads, find_library, left_over
from contracts.drivers.warp import for_client, translated, variables_of
from contracts.fuzz.found import FORMAT, Kept, write_kept
from contracts.fuzz.fuzzing import QUICK
from contracts.fuzz.invariants import INVARIANTS
from contracts.jobs import Wishes
from tests.kit.support import CLIENTS, job
from tests.kit.test_fuzz_command import WRONG, elsewhere
from tests.selfcheck.trial import worker_command
from tests.server.test_cli import run

__all__ = ["elsewhere"]  # The pytest fixture: a folder without settings.

ROOT = Path(__file__).parents[2]
SLOW = [sys.executable, str(CLIENTS / "slow_worker.py")]
LOST_CREATE = {"submit": [{"fault": "reset"}], "lifecycle": {"pace": "10ms"}}


def library() -> Path:
    try:
        return find_library()
    except HarnessError as error:
        pytest.skip(str(error))


def elf(*, loader: bytes | None = b"/lib64/ld-linux-x86-64.so.2", machine: int = 62, body: bytes = b"") -> bytes:
    """A file of the format ELF, of 64 bits: a head, one segment, and what it loads its libraries with."""
    head = bytearray(64)
    head[:6] = b"\x7fELF\x02\x01"
    head[18:20] = machine.to_bytes(2, "little")
    head[0x20:0x28] = (64).to_bytes(8, "little")
    head[0x36:0x38] = (56).to_bytes(2, "little")
    head[0x38:0x3A] = (1).to_bytes(2, "little")
    segment = bytearray(56)
    segment[:4] = (3 if loader is not None else 1).to_bytes(4, "little")
    segment[8:16] = (120).to_bytes(8, "little")
    segment[0x20:0x28] = len(loader or b"").to_bytes(8, "little")
    return bytes(head + segment) + (loader or b"") + b"\0" + body


def executable(path: Path, content: bytes, mode: int = 0o755) -> Path:
    path.write_bytes(content)
    path.chmod(mode)
    return path


# What is translated.


def test_a_job_is_asked_in_the_seconds_of_the_client() -> None:
    ours = job()
    theirs = for_client(ours, 10)
    assert theirs.settings == Wishes(1.0, 10.0, 80.0)
    assert (theirs.job, theirs.request, ours.settings) == (ours.job, ours.request, Wishes())


def test_what_a_client_declares_is_in_ours_and_nothing_is_left_of_callbacks() -> None:
    theirs = Declared("acme", frozenset(("polling", "callbacks", "callback-relay")), {"poll_interval_seconds": 5})
    assert translated(theirs, 100) == Declared("acme", frozenset(("polling",)), {"poll_interval_seconds": 0.05})


def test_what_is_loaded_beforehand_stays_so() -> None:
    assert variables_of(2.5, "/lib/f.so", {})["LD_PRELOAD"] == "/lib/f.so"
    more = variables_of(2.5, "/lib/f.so", {"LD_PRELOAD": "/lib/jemalloc.so"})
    assert (more["LD_PRELOAD"], more["FAKETIME"]) == ("/lib/f.so:/lib/jemalloc.so", "+0 x2.5")


# Where the library is.


@pytest.mark.parametrize("place", ["usr/lib/x86_64-linux-gnu/faketime", "usr/lib64/faketime", "usr/lib/faketime"])
def test_the_library_is_found_and_that_for_threads_first(tmp_path: Path, place: str) -> None:
    (tmp_path / place).mkdir(parents=True)
    (tmp_path / place / "libfaketime.so.1").touch()
    assert find_library({}, tmp_path).name == "libfaketime.so.1"
    (tmp_path / place / "libfaketimeMT.so.1").touch()
    assert find_library({}, tmp_path) == tmp_path / place / "libfaketimeMT.so.1"


def test_a_variable_names_it(tmp_path: Path) -> None:
    (tmp_path / "mine.so").touch()
    assert find_library({"OMNIMOCK_LIBFAKETIME": str(tmp_path / "mine.so")}, tmp_path) == tmp_path / "mine.so"


def test_without_it_there_is_a_word_on_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(HarnessError, match=r"not installed: apt-get install faketime, .* OMNIMOCK_LIBFAKETIME"):
        find_library({}, tmp_path)
    with pytest.raises(HarnessError, match=r"OMNIMOCK_LIBFAKETIME names none\.so, and there is no such file"):
        find_library({"OMNIMOCK_LIBFAKETIME": "none.so"}, tmp_path)
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(HarnessError, match="needs Linux, and this is darwin"):
        find_library({}, tmp_path)


# Which programs take it.

MUSL = b"/lib/ld-musl-x86_64.so.1"


@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        (elf(loader=None), 0o755, "it is linked statically, and loads no library"),
        (elf(), 0o4755, "it runs with the rights of another user"),
        (elf(machine=183), 0o755, "it is for another kind of processor"),
        (elf(loader=MUSL), 0o755, "it is built with musl, and .* with glibc"),
        (elf(body=b"\xff Go buildinf:"), 0o755, "it is written in Go"),
    ],
)
def test_a_program_that_takes_no_library_is_refused(tmp_path: Path, content: bytes, mode: int, why: str) -> None:
    ours = executable(tmp_path / "libfaketime.so.1", elf())
    client = executable(tmp_path / "client", content, mode)
    if client.stat().st_mode & 0o7777 != mode:
        pytest.skip("this file system keeps no such mode")
    with pytest.raises(HarnessError, match=f"a time warp cannot reach .*client: {why}.*; leave --warp out"):
        check_preloads([str(client)], ours)


def test_a_script_is_what_runs_it(tmp_path: Path) -> None:
    ours = executable(tmp_path / "libfaketime.so.1", elf())
    client = executable(tmp_path / "client", elf(loader=None))
    inner = executable(tmp_path / "inner", f"#!{client}\n".encode())
    for line in (f"#!{inner} --quick", f"#!{shutil.which('env')} -S {client}"):
        with pytest.raises(HarnessError, match=r"cannot reach .*client: it is linked statically"):
            check_preloads([str(executable(tmp_path / "script", line.encode()))], ours)


def test_what_takes_it_or_cannot_be_told_is_let_through(tmp_path: Path) -> None:
    ours = executable(tmp_path / "libfaketime.so.1", elf())
    for content in (elf(), b"#!/no/such/interpreter\n", b"\x7fELF", b"", b"MZ"):
        check_preloads([str(executable(tmp_path / "client", content))], ours)
    musl = executable(tmp_path / "libfaketime.so.1", elf(body=b"\0libc.musl-x86_64.so.1\0"))
    check_preloads([str(executable(tmp_path / "client", elf(loader=MUSL)))], musl)
    check_preloads(["no-such-command"], ours)
    check_preloads([], ours)


def test_what_is_left_of_programs_that_are_no_more_is_told_from_what_is_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preload, "_SHARED_MEMORY", tmp_path)
    gone = 1 << 30
    for name in (f"faketime_shm_{gone}", f"sem.faketime_sem_{gone}", f"faketime_shm_{os.getpid()}", "faketime_shm_1x"):
        (tmp_path / name).touch()
    assert {each.name for each in left_over()} == {f"faketime_shm_{gone}", f"sem.faketime_sem_{gone}"}


# The commands.


@pytest.mark.parametrize("command", ["fuzz", "replay"])
def test_without_the_library_it_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("OMNIMOCK_LIBFAKETIME", "/no/such/file")
    path, _ = write_kept(Path(), Kept(FORMAT, "ends", settings=QUICK), WRONG, [])
    status, out, err = run(capsys, command, "--warp", "10", *([str(path)] * (command == "replay")), "--", *WRONG)
    assert (status, out) == (2, "")
    assert err == "error: OMNIMOCK_LIBFAKETIME names /no/such/file, and there is no such file\n"


def test_a_library_that_warps_nothing_is_found_out(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = [line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "libm.so" in line]
    if not loaded:
        pytest.skip("no library is known here that could be loaded beforehand")
    monkeypatch.setenv("OMNIMOCK_LIBFAKETIME", loaded[0])
    status, _, err = run(capsys, "fuzz", "--warp", "10", "--", *WRONG)
    assert status == 2
    assert err.startswith(f"error: under {loaded[0]} a clock runs ")
    assert "times as fast, and 10 times was asked for" in err


def test_a_finding_about_callbacks_is_not_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept(FORMAT, "agrees", {"callbacks": {"sign": True}}, callbacks=True, settings=QUICK)
    path, _ = write_kept(Path(), kept, WRONG, [])
    status, _, err = run(capsys, "replay", "--warp", "10", str(path), "--", *WRONG)
    assert status == 2
    assert "is about callbacks, of which none are told under --warp" in err


@pytest.mark.parametrize("factor", ["1", "0", "1001", "fast"])
def test_what_is_no_factor_is_refused(capsys: pytest.CaptureFixture[str], factor: str) -> None:
    status, _, err = run(capsys, "fuzz", "--warp", factor, "--", "true")
    assert status == 2
    assert "--warp" in err


LOSING = ["env", "-u", "LD_PRELOAD", sys.executable]
# A shell that has the library waits for the client, which has not.
WRAPPING = ["sh", "-c", 'env -u LD_PRELOAD "$0" "$@"; exit $?', sys.executable]


@pytest.mark.parametrize("outcome", ["never", "success"])
@pytest.mark.parametrize("program", ["worker.py", "exec_once.py"])
@pytest.mark.parametrize("starts", [LOSING, WRAPPING])
def test_a_client_that_loses_the_library_on_its_way_is_not_judged(
    capsys: pytest.CaptureFixture[str], program: str, starts: list[str], outcome: str
) -> None:
    library()
    command = [*starts, str(ROOT / "examples/python" / program)]
    slow = Kept(FORMAT, "ends", {"lifecycle": {"pace": "10ms", "outcome": outcome}}, settings=QUICK)
    path, _ = write_kept(Path(), slow, command, [])
    options = ["--warp", "10", *["--worker"] * (program == "worker.py")]
    status, out, err = run(capsys, "replay", *options, str(path), "--", *command)
    assert (status, out) == (2, "")
    assert "LD_PRELOAD had no effect on it, or was taken away by what starts it; leave --warp out" in err


# It starts a program without the library, which ends sooner than it may be taken for the client.
HELPED = """
import os, runpy, subprocess, sys
bare = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
helper = subprocess.Popen(["sleep", "0.4"], env=bare, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(sys.argv[0]))
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    helper.wait()
"""


@pytest.mark.parametrize("program", ["worker.py", "exec_once.py"])
def test_what_a_client_starts_for_a_moment_may_be_without_it(capsys: pytest.CaptureFixture[str], program: str) -> None:
    library()
    command = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable, "-c", HELPED, str(ROOT / "examples/python" / program)]
    path, _ = write_kept(Path(), Kept(FORMAT, "paid-once", LOST_CREATE, settings=QUICK), command, [])
    options = ["--warp", "10", *["--worker"] * (program == "worker.py")]
    status, out, err = run(capsys, "replay", *options, str(path), "--", *command)
    assert (status, out) == (0, f"paid-once holds: {INVARIANTS['paid-once'].rule}\n"), err


def test_a_client_with_waits_of_seconds_is_searched(capsys: pytest.CaptureFixture[str]) -> None:
    library()
    status, out, err = run(capsys, "fuzz", "--warp", "100", "--worker", "--examples", "40", "--", *SLOW)
    assert (status, out.splitlines()[-1].partition(":")[0]) == (0, "no invariant broken")
    assert "no callbacks are told under --warp" in err


def test_what_is_found_under_a_warp_is_replayed_under_it(capsys: pytest.CaptureFixture[str]) -> None:
    library()
    wrong = [*SLOW, "--forgetful"]
    kept = Kept(FORMAT, "paid-once", LOST_CREATE, settings=QUICK)
    path, _ = write_kept(Path(".omnimock/fuzz"), kept, wrong, [])
    options = ["--warp", "100", "--worker"]
    status, out, _ = run(capsys, "fuzz", *options, "--examples", "1", "--invariant", "paid-once", "--", *wrong)
    assert status == 1
    assert f"replay:  omnimock replay {path} --worker --warp=100 -- " in out
    status, out, _ = run(capsys, "replay", *options, str(path), "--", *wrong)
    assert (status, out.startswith("paid-once: 2 tasks were created")) == (1, True)
    status, out, _ = run(capsys, "replay", *options, str(path), "--", *SLOW)
    assert (status, out) == (0, f"paid-once holds: {INVARIANTS['paid-once'].rule}\n")


def test_what_a_client_cannot_change_is_said_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    library()
    command = [sys.executable, str(ROOT / "examples/python/worker.py")]
    settings = {**QUICK, "deadline_seconds": 1.5}
    never = Kept(FORMAT, "ends", {"lifecycle": {"pace": "10ms", "outcome": "never"}}, settings=settings)
    path, _ = write_kept(Path(), never, command, [])
    # It takes the 15 s of its own that it is asked to, where 0.2 of ours are said to be all that it ever takes.
    options = ["--warp", "10", "--worker", "--client-setting", "deadline_seconds=2"]
    status, out, _ = run(capsys, "replay", *options, str(path), "--", *command)
    assert (status, out.partition(" s;")[2].strip().partition("\n")[0]) == (1, "its deadline was 200 ms")


@pytest.mark.parametrize("command", [worker_command(), ["node", str(ROOT / "examples/node/worker.mjs")]])
def test_the_examples_live_fast(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    library()
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    path, _ = write_kept(Path(), Kept(FORMAT, "paid-once", LOST_CREATE, settings=QUICK), command, [])
    status, out, _ = run(capsys, "replay", "--warp", "20", "--worker", str(path), "--", *command)
    assert (status, out) == (0, f"paid-once holds: {INVARIANTS['paid-once'].rule}\n")
