"""What is found is kept in files: YAML that is read again, and a test that runs."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from in_process import generate

from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.found import (
    FORMAT,
    FoundError,
    Kept,
    kept_from_text,
    read_corpus,
    read_kept,
    write_kept,
)
from contracts.fuzz.found import (
    test_text as text_of_test,
)
from contracts.fuzz.fuzzing import QUICK, VIRTUAL
from contracts.fuzz.replaying import replay_callable, replay_text
from contracts.jobs import Job, Result
from tests.kit.fuzz_mutants import KnowsNoFailure, client, now_and_then
from tests.selfcheck.trial import worker_command

ROOT = Path(__file__).parents[2]
KNOWS_NO_FAILURE = [*worker_command(), "--client", "tests.kit.fuzz_mutants:KnowsNoFailure"]
FAILURE = Kept(
    format=FORMAT,
    invariant="converges",
    scenario={"lifecycle": {"pace": "10ms", "outcome": "failure"}},
    settings=VIRTUAL,
    story='The task failed.\nIt "went" on, with \'\'\'quotes\'\'\' and \\ and """more""".',
    seen="a query was told that the task is failed",
)


def with_settings(settings: dict[str, float]) -> Kept:
    return Kept(FORMAT, "converges", FAILURE.scenario, settings=settings)


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    with pytest.raises(FoundError) as raised:
        read_kept(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_a_finding_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, test = write_kept(tmp_path / "corpus", FAILURE, ["node", "my client.mjs"], worker=True)
    assert read_kept(path) == FAILURE
    assert read_corpus(tmp_path / "corpus") == [FAILURE]
    assert FAILURE.behaviour == Behaviour(FAILURE.scenario)
    assert sorted(each.name for each in (tmp_path / "corpus").iterdir()) == sorted((path.name, test.name))


def test_the_same_finding_has_the_same_name(tmp_path: Path) -> None:
    for _ in range(2):
        write_kept(tmp_path, FAILURE, [], worker=False)
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there_yet_has_no_findings(tmp_path: Path) -> None:
    assert read_corpus(tmp_path / "none") == []


@pytest.mark.parametrize("format_line", ["format: 0\n", ""])
def test_an_older_format_is_refused_and_the_migration_named(tmp_path: Path, format_line: str) -> None:
    told = refused(tmp_path, f"{format_line}invariant: converges\n")
    assert "an older format" in told
    assert f"To migrate: give the file `format: {FORMAT}`" in told
    assert "docs/fuzz.md" in told


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    assert "another format (2; this omnimock reads 1)" in refused(tmp_path, "format: 2\n")


def test_an_unknown_invariant_is_refused_with_the_nearest(tmp_path: Path) -> None:
    told = refused(tmp_path, "format: 1\ninvariant: convergs\n")
    assert "there is no invariant 'convergs'; did you mean converges" in told


@pytest.mark.parametrize("text", ["- 1\n", "a: [\n", "format: 1\ninvariant: ends\nmore: 1\n", "format: 1\n"])
def test_what_is_no_finding_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


def test_text_that_is_no_finding_is_refused() -> None:
    with pytest.raises(FoundError, match="this is no finding"):
        kept_from_text("{}")


def told_by_test(kept: Kept) -> str:
    """The finding as it stands in a test."""
    return text_of_test(kept, [], worker=False).split('FOUND = r"""')[1].split('"""')[0]


def test_a_callable_is_replayed() -> None:
    text = told_by_test(FAILURE)
    broken = replay_text(text, client(KnowsNoFailure))
    assert broken is not None
    assert "was told that the task is failed" in broken.seen
    assert replay_text(text, generate) is None


def test_a_replay_that_breaks_now_and_then_says_so() -> None:
    kept = Kept(FORMAT, "ends", FAILURE.scenario, settings=VIRTUAL)
    found = replay_callable(kept, now_and_then(lambda number: number in (1, 3)))
    assert found is not None
    assert (found.broke, found.played) == (2, 5)
    assert replay_callable(kept, now_and_then(lambda number: number == 1)) is None


def test_a_sync_callable_without_a_clock_is_refused() -> None:
    def no_clock(job: Job) -> Result:
        raise NotImplementedError

    with pytest.raises(ValueError, match="is sync and takes no clock"):
        replay_callable(FAILURE, no_clock)


def test_a_worker_is_replayed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    text = told_by_test(with_settings(QUICK))
    assert replay_text(text, KNOWS_NO_FAILURE, worker=True) is not None
    assert replay_text(text, worker_command(), worker=True) is None


@pytest.mark.parametrize(("command", "status"), [(KNOWS_NO_FAILURE, 1), (worker_command(), 0)])
def test_the_test_that_is_written_fails_until_the_client_is_mended(
    tmp_path: Path, command: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _, test = write_kept(tmp_path, with_settings(QUICK), command, worker=True)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path), str(test)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == status, ran.stdout + ran.stderr
    assert ("was told that the task is failed" in ran.stdout) == bool(status)


def test_a_story_with_any_characters_makes_a_test_that_compiles() -> None:
    compile(text_of_test(FAILURE, ["sh", "-c", 'echo \'"""\''], worker=False), "test.py", "exec")
    assert yaml.safe_load(FAILURE.text())["story"] == FAILURE.story
