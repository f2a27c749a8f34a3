"""The commands `fuzz` and `replay`: what they refuse, tell and write, and that Ctrl-C keeps what was found."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from contracts.drivers.base import HarnessError
from contracts.fuzz.found import FORMAT, Kept, read_files, write_kept
from contracts.fuzz.fuzzing import QUICK
from tests.selfcheck.trial import worker_command
from tests.server.test_cli import run

ROOT = Path(__file__).parents[2]
WRONG = [*worker_command(), "--client", "tests.kit.fuzz_mutants:KnowsNoFailure"]
KNOWN = Kept(FORMAT, "converges", {"lifecycle": {"pace": "10ms", "outcome": "failure"}}, settings=QUICK)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in a folder without settings, where the mutants are found, and without a proxy."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(ROOT / "examples/python")]))
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def known() -> Path:
    """A corpus with one finding."""
    return write_kept(Path(".omnimock/fuzz"), KNOWN, WRONG, ["--worker"])[0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fuzz"], "no command came: write it after --"),
        (["fuzz", "--", "no-such-command"], "cannot start no-such-command"),
        (["fuzz", "--invariant", "paid-onec", "--", "true"], "there is no invariant 'paid-onec'; did you mean paid-on"),
        (["fuzz", "--capability", "poling", "--", "true"], "--capability poling: there is no such capability"),
        (["fuzz", "--report", "good.yaml/r", "--", "true"], "reports cannot be written into good.yaml/r"),
        (["fuzz", "--corpus", "old", "--", "true"], "old/a.yaml: this is of an older format (None; this omnimock"),
        (["fuzz", "--corpus", "good.yaml", "--", "true"], "good.yaml is no folder: a folder for findings is expected"),
        (["fuzz", "--corpus", "good.yaml/in", "--", "true"], "into good.yaml/in: name another folder with --corpus"),
        (["fuzz", "--for", "0s", "--", "true"], "--for: a time above 0 is expected, such as 60s"),
        (["replay", "good.yaml", "--", "false"], "no request came in any of 5 plays, so nothing can be told"),
        (["replay", "good.yaml", "--", "no-such-command"], "cannot start no-such-command"),
        (["replay", "good.yaml"], "no command came"),
        (["replay", "good.yaml", "--worker", "--", "true"], "true gave no hello"),
        (["replay", "none.yaml", "--", "true"], "none.yaml"),
        (["replay", "old/a.yaml", "--", "true"], "To migrate: give the file `format: 1`"),
        (["replay", "wrong.yaml", "--", "true"], "wrong.yaml: scenario: lifecycle"),
        (["replay", "asked/asked.yaml", "--", "true"], "asked.yaml: request/duration: came "),
        (["replay", "set/set.yaml", "--", "true"], "set.yaml: settings: there is no setting 'deadline'"),
        (["fuzz", "--corpus", ".", "--", "true"], "wrong.yaml: scenario: lifecycle"),
        (["fuzz", "--worker", "--", "true"], "true gave no hello: it ended before"),
    ],
)
def test_what_is_wrong_is_one_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    Path("good.yaml").write_text(KNOWN.text())
    Path("wrong.yaml").write_text("format: 1\ninvariant: ends\nscenario: {lifecycle: {outcome: 1}}\n")
    Path("asked").mkdir()
    Path("asked/asked.yaml").write_text("format: 1\ninvariant: ends\nrequest: {duration: '1000'}\n")
    Path("set").mkdir()
    Path("set/set.yaml").write_text("format: 1\ninvariant: ends\nsettings: {deadline: 1}\n")
    Path("old").mkdir()
    Path("old/a.yaml").write_text("invariant: ends\n")
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["fuzz", "replay"])
def test_what_is_not_installed_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setitem(sys.modules, "schemathesis", None)
    status, _, err = run(capsys, command, *(["one.yaml"] if command == "replay" else []), "--", "true")
    assert status == 2
    assert "pip install 'omnimock[kit]'" in err


def test_a_finding_is_told_written_and_replayed(capsys: pytest.CaptureFixture[str], known: Path) -> None:
    options = ["--worker", "--examples", "1", "--invariant", "conv*", "--report", "reports"]
    status, out, _ = run(capsys, "fuzz", *options, "--", *WRONG)
    assert status == 1
    page = Path("reports/fuzz.md").read_text()
    assert "### converges: a query was told that the task is failed" in page
    assert f"Replay: omnimock replay {known} --worker -- {WRONG[0]}" in page
    assert json.loads(Path("reports/coverage.json").read_text())["broken"] == ["converges"]
    assert "shown: 2 of 9 operations, " in out
    assert out.startswith("converges: a query was told that the task is failed, and the client reported timeout")
    assert "That is wrong: what the client was told in the end, it reports" in " ".join(out.split())
    assert f"written: {known}" in out
    assert f"replay:  omnimock replay {known} --worker -- {WRONG[0]}" in out
    last = out.rstrip().splitlines()[-1]
    assert last.startswith("1 invariant broken: ")
    assert "coverage cells; outcomes: timeout" in last
    assert [each.behaviour for each in read_files(known.parent).values()] == [KNOWN.behaviour]
    status, out, _ = run(capsys, "replay", str(known), "--worker", "--", *WRONG)
    assert status == 1
    assert "converges: a query was told" in out
    status, out, _ = run(capsys, "replay", str(known), "--worker", "--", *worker_command())
    assert (status, out) == (
        0,
        "converges holds: what the client was told in the end, it reports, within a poll interval of trouble\n",
    )


def test_a_program_that_crashes_on_every_run_is_one_finding(capsys: pytest.CaptureFixture[str]) -> None:
    Path("crash.py").write_text("import json, sys\njson.loads(sys.stdin.readline())\nraise KeyError('data')\n")
    status, out, _ = run(capsys, "fuzz", "--examples", "30", "--", sys.executable, "crash.py")
    assert status == 1
    (kept,) = read_files(Path(".omnimock/fuzz")).values()
    assert (kept.invariant, kept.scenario) == ("ends", {"lifecycle": {"pace": "10ms"}})
    assert "KeyError" in out
    assert "1 invariant broken: " in out


def test_a_client_that_never_calls_is_told_so(capsys: pytest.CaptureFixture[str]) -> None:
    Path("mute.py").write_text('import sys\nsys.stdin.readline()\nprint(\'{"outcome": "error"}\')\n')
    status, _, err = run(capsys, "fuzz", "--examples", "5", "--", sys.executable, "mute.py")
    assert status == 2
    assert "no request came in any session, so nothing was judged" in err


def test_a_right_client_is_searched_without_a_finding(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "step.md")
    options = ["--worker", "--examples", "20", "--coverage", "--report", "a/reports"]
    status, out, _ = run(capsys, "fuzz", *options, "--", *worker_command())
    assert status == 0, out
    assert "no invariant broken: " in out
    assert "dimension shown, and how often not shown" in " ".join(out.split())
    assert "--coverage tells all" not in out
    report = json.loads(Path("a/reports/coverage.json").read_text())
    assert (report["format"], report["broken"], report["intermittent"]) == (1, [], [])
    assert report["sessions"] >= 20
    coverage = report["coverage"]
    assert sum(each["count"] for each in coverage["cells"]) == coverage["exchanges"] + coverage["callbacks"]
    page = Path("a/reports/fuzz.md").read_text()
    assert page.startswith("## omnimock fuzz: no invariant broken\n")
    assert Path("step.md").read_text() == f"\n{page}"
    assert {each.name for each in Path("a/reports").iterdir()} == {"coverage.json", "fuzz.md"}
    assert not Path(".omnimock").exists()


@pytest.mark.parametrize(
    ("mutant", "seen"),
    [
        ("twice", "2 results came for one job"),
        ("fragile", "the receiver answered the callback of"),
    ],
)
def test_callbacks_that_do_not_agree_with_the_polls_are_found(
    capsys: pytest.CaptureFixture[str], mutant: str, seen: str
) -> None:
    client = [sys.executable, str(ROOT / "tests/kit/clients/broken_workers.py"), mutant]
    status, out, _ = run(capsys, "fuzz", "--worker", "--invariant", "agrees", "--seed", "1", "--", *client)
    assert status == 1, out
    assert out.startswith(f"agrees: {seen}")
    (kept,) = read_files(Path(".omnimock/fuzz")).values()
    assert kept.scenario.pop("lifecycle") == {"pace": "10ms"}
    assert kept.scenario == ({} if mutant == "twice" else {"callbacks": {"faults": ["unknown-fields"]}})


def test_of_jobs_that_ended_together_the_one_is_found_that_ended_them(capsys: pytest.CaptureFixture[str]) -> None:
    client = [sys.executable, str(ROOT / "tests/kit/clients/broken_workers.py"), "dies"]
    status, out, _ = run(capsys, "fuzz", "--worker", "--invariant", "ends", "--", *client)
    assert status == 1, out
    assert out.startswith("ends: it ended with status 3 while the job was running")
    (kept,) = read_files(Path(".omnimock/fuzz")).values()
    assert "(503 " in kept.story


def test_a_bug_that_needs_two_faults_is_found_over_sockets_and_shrinks_to_these_two(
    capsys: pytest.CaptureFixture[str],
) -> None:
    client = [*worker_command(), "--client", "tests.kit.fuzz_mutants:MeetsTwoFaults"]
    status, out, _ = run(capsys, "fuzz", "--worker", "--invariant", "paid-once", "--", *client)
    assert status == 1, out
    (kept,) = read_files(Path(".omnimock/fuzz")).values()
    ((lost,), (trouble,)) = kept.scenario["submit"], kept.scenario["query"]
    assert set(lost) == {"fault"}
    assert trouble["problem"] in ("maintenance", "engine-overloaded") or trouble == {"fault": {"http-error": {}}}
    assert kept.scenario.keys() == {"lifecycle", "submit", "query"}
    assert not kept.request
    assert not kept.callbacks


def test_a_client_that_was_broken_altogether_is_not_taken_for_mended(
    capsys: pytest.CaptureFixture[str], known: Path
) -> None:
    Path("crash.py").write_text("raise KeyError('data')\n")
    status, out, err = run(capsys, "replay", str(known), "--", sys.executable, "crash.py")
    assert (status, out) == (2, "")
    assert "KeyError: 'data'" in err
    _, test = write_kept(Path("tests"), KNOWN, ["false"], [])
    names: dict[str, Any] = {}
    exec(test.read_text(), names)
    with pytest.raises(HarnessError, match="no request came"):
        next(each for name, each in names.items() if name.startswith("test_"))()


def test_of_what_is_known_it_is_told_what_breaks_no_more(capsys: pytest.CaptureFixture[str], known: Path) -> None:
    status, out, _ = run(capsys, "fuzz", "--worker", "--examples", "1", "--", *worker_command())
    assert status == 0, out
    assert known.exists()
    assert "2 sessions in" in out
    assert "1 known before and broken no more" in out


def test_a_finding_that_cannot_be_written_is_told_all_the_same(
    known: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("contracts.fuzz.telling.write_kept", full)
    status, out, _ = run(capsys, "fuzz", "--worker", "--examples", "1", "--invariant", "conv*", "--", *WRONG)
    assert status == 1
    assert out.startswith("converges: a query was told")
    assert "NOT written into .omnimock/fuzz: No space left on device" in out


def test_a_signal_keeps_what_was_found(known: Path) -> None:
    known.with_name(f"test_{known.stem.replace('-', '_')}.py").unlink()
    command = [sys.executable, "-c", _SIGNALLED, "fuzz", "--worker", "--invariant", "[cs]*", "--", *WRONG]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "converges: a query was told" in ran.stdout
    assert "interrupted; 1 invariant broken: " in ran.stdout
    assert ran.stderr == "converges broke after 5 sessions; looking for less that breaks it\n"
    assert list(known.parent.glob("test_*.py"))


# The command, which is sent a signal as soon as there is a finding.
_SIGNALLED = f"""
import os, signal
from contracts.fuzz import progress
from contracts.cli import main

class Told(progress.Progress):
    sent = False
    def __call__(self, outcome):
        super().__call__(outcome)
        if outcome.found and not self.sent:
            self.sent = True
            os.kill(os.getpid(), {int(signal.SIGINT)})

progress.Progress = Told
main()
"""
