"""What is found is kept in files: YAML that is read again, and a test that runs."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from in_process import generate

from contracts.command_options import client_words
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.found import (
    FORMAT,
    FoundError,
    Kept,
    kept_from_text,
    read_files,
    read_kept,
    write_finding,
    write_kept,
)
from contracts.fuzz.found import (
    test_text as text_of_test,
)
from contracts.fuzz.fuzzing import QUICK, VIRTUAL
from contracts.fuzz.replaying import replay_callable
from contracts.fuzz.telling import told as told_of
from contracts.jobs import Job, Result
from contracts.recording.retelling import scenario_bytes
from contracts.replay_command import broken_by
from contracts.scenario_files import scenario_text
from mock_server.document import Document, SpecError
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


def with_settings(wishes: dict[str, float]) -> Kept:
    return Kept(FORMAT, "converges", FAILURE.scenario, settings=wishes)


def refused(tmp_path: Path, text: str) -> str:
    path = tmp_path / "one.yaml"
    path.write_text(text)
    with pytest.raises(FoundError) as raised:
        read_kept(path)
    assert str(path) in str(raised.value)
    return str(raised.value)


def test_a_finding_is_read_as_it_was_written(tmp_path: Path) -> None:
    path, test = write_kept(tmp_path / "corpus", FAILURE, ["node", "my client.mjs"], ["--worker"])
    assert read_kept(path) == FAILURE
    assert list(read_files(tmp_path / "corpus").values()) == [FAILURE]
    assert FAILURE.behaviour == Behaviour(FAILURE.scenario)
    assert sorted(each.name for each in (tmp_path / "corpus").iterdir()) == sorted((path.name, test.name))


def test_the_same_finding_has_the_same_name(tmp_path: Path) -> None:
    for _ in range(2):
        write_kept(tmp_path, FAILURE, ["node"], [])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_is_not_there_yet_has_no_findings(tmp_path: Path) -> None:
    assert read_files(tmp_path / "none") == {}


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
    return text_of_test(kept, ["node"], []).split('FOUND = r"""')[1].split('"""')[0]


def test_a_callable_is_replayed() -> None:
    text = told_by_test(FAILURE)
    found = replay_callable(kept_from_text(text), client(KnowsNoFailure))
    assert found is not None
    assert "was told that the task is failed" in found.broken.seen
    assert replay_callable(kept_from_text(text), generate) is None


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


@pytest.mark.parametrize(("command", "status"), [(KNOWS_NO_FAILURE, 1), (worker_command(), 0)])
def test_the_test_that_is_written_fails_until_the_client_is_mended(
    tmp_path: Path, command: list[str], status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _, test = write_kept(tmp_path, with_settings(QUICK), command, ["--worker"])
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


# Any text, surrogates too: that is how a system tells a word that is not UTF-8.
WORDS = st.lists(st.text(st.characters(codec=None)), min_size=1, max_size=4)
# What a reader of YAML 1.1 and one of 1.2 do not take for the same, and what breaks lines.
AMBIGUOUS = ("1e3", "1e5", "08", "12e03", "on", "<<", "=", "~", "null", "1_000", "0x1f", "1:20", "2020-01-01", "---")
BROKEN = (
    "a\n b",
    " a",
    "a ",
    "\n",
    "a\n\n",
    "#",
    "- a",
    "? a",
    "a: b",
    "\ufeffx",
    "a\u2028b",
    "\x85a",
    "!x",
    "&a",
    "*a",
)
HARD = st.from_regex(r"[-+0-9.eE_:xo]{1,7}", fullmatch=True) | st.sampled_from(AMBIGUOUS + BROKEN)
TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | HARD | st.text(" \nab:#-?", max_size=150)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
)
MAPPINGS = st.dictionaries(TEXTS, JSON, max_size=4)
SAME_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@given(command=WORDS, options=WORDS, story=st.text(st.characters(codec=None)), scenario=MAPPINGS)
@example(["sh", "-c", 'echo \'"""\\\'\nfalse'], [""], '"""\\ \\N \x85"', {"a": '"""\r\\"'})
@settings(deadline=None)
def test_any_command_and_any_story_make_a_test_that_compiles_and_says_the_same(
    command: list[str], options: list[str], story: str, scenario: dict[str, Any]
) -> None:
    kept = Kept(FORMAT, "ends", scenario, settings=QUICK, story=story)
    names: dict[str, Any] = {}
    exec(text_of_test(kept, command, options).encode(), names)
    assert (names["COMMAND"], names["OPTIONS"]) == (command, options)
    assert kept_from_text(names["FOUND"]) == msgspec.structs.replace(kept, story="")


@given(scenario=MAPPINGS, request=MAPPINGS, story=TEXTS)
@SAME_FOLDER
def test_whatever_is_written_is_read_as_it_was(
    tmp_path: Path, scenario: dict[str, Any], request: dict[str, Any], story: str
) -> None:
    kept = Kept(FORMAT, "ends", scenario, request, settings=QUICK, story=story)
    # 1 and 1.0 and True are equal, and not the same.
    assert repr(read_kept(write_finding(tmp_path, kept))) == repr(kept)


@given(scenario=MAPPINGS.filter(bool))
@SAME_FOLDER
def test_scenarios_that_others_write_are_read_as_they_were(tmp_path: Path, scenario: dict[str, Any]) -> None:
    path = tmp_path / "one.yaml"
    for written in (scenario_text(scenario).encode(), scenario_bytes(scenario)):
        path.write_bytes(written)
        assert repr(Document(path).root) == repr(scenario)


def test_what_a_file_says_nothing_of_is_what_jobs_are_asked_for_anyway(tmp_path: Path) -> None:
    path = tmp_path / "one.yaml"
    path.write_text("format: 1\ninvariant: paid-once\nsettings: {deadline_seconds: 3}\n")
    kept = read_kept(path)
    assert kept.settings == {**QUICK, "deadline_seconds": 3}
    path.write_text("format: 1\ninvariant: paid-once\n")
    assert replay_callable(read_kept(path), generate) is None


@pytest.mark.parametrize(
    ("settings_told", "message"),
    [
        ("{deadline_second: 3}", "settings: there is no setting 'deadline_second'; did you mean deadline_seconds"),
        ("{deadline_seconds: 0}", "settings: deadline_seconds: 0 came; a number of seconds above 0 and below a day"),
        ("{deadline_seconds: 86400}", "settings: deadline_seconds: 86400 came; a number of seconds above 0"),
        ("{deadline_seconds: -1}", "settings: deadline_seconds: -1 came; a number of seconds above 0"),
        ("{deadline_seconds: soon}", "Expected `float`, got `str`"),
    ],
)
def test_settings_that_there_are_not_are_refused(tmp_path: Path, settings_told: str, message: str) -> None:
    assert message in refused(tmp_path, f"format: 1\ninvariant: ends\nsettings: {settings_told}\n")


def test_a_test_takes_from_the_environment_what_may_be_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    options = client_words(False, [], ["TOKEN=s3cret", "KLING_API_BASE={base_url}/v1"], [], warp=2, profile="strict")
    text = text_of_test(FAILURE, ["node"], options)
    assert "s3cret" not in text
    assert "set them where the test runs" in text
    monkeypatch.setenv("TOKEN", "other")
    names: dict[str, Any] = {}
    exec(text, names)
    wanted = ["--warp=2", "--env=TOKEN=other", "--env=KLING_API_BASE={base_url}/v1", "--profile=strict"]
    assert names["OPTIONS"] == wanted
    monkeypatch.delenv("TOKEN")
    with pytest.raises(KeyError, match="TOKEN"):
        exec(text, {})


# It sends a job twice to the address of its own variable, whatever the job says.
READS_ITS_OWN = """
import json, os, sys, urllib.request
job = json.loads(sys.stdin.readline())
address = os.environ["KLING_API_BASE"] + "/kling/v1/videos/omni-video"
head = {"Authorization": f"Bearer {job['api_key']}", "Content-Type": "application/json"}
assert os.environ["TOKEN"] == "mine"
for _ in range(2):
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(job["request"]).encode(), head))
print(json.dumps({"outcome": "timeout"}))
"""


def test_a_test_hands_all_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody listens at what the client would take otherwise.
    monkeypatch.setenv("KLING_API_BASE", "http://127.0.0.1:9")
    options = client_words(False, ["polling"], ["TOKEN=mine", "KLING_API_BASE={base_url}"], [])
    kept = Kept(FORMAT, "paid-once", {"lifecycle": {"pace": "10ms"}}, settings=QUICK)
    text = text_of_test(kept, [sys.executable, "-c", READS_ITS_OWN], options)
    monkeypatch.setenv("TOKEN", "mine")
    names: dict[str, Any] = {}
    exec(text, names)
    monkeypatch.delenv("TOKEN")
    with pytest.raises(AssertionError, match="2 tasks were created and paid for 1 job"):
        names[f"test_{kept.name.replace('-', '_')}"]()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (["--client-setting=deadline=2"], ValueError, "there is no setting 'deadline'; did you mean deadline_seconds"),
        (["--worker", "--env=A={base_url}"], ValueError, "a worker is told address and key with each job"),
        (["--no-such"], click.NoSuchOption, "no-such"),
        (["--spec=none.yaml"], SpecError, "none.yaml"),
    ],
)
def test_what_is_wrong_with_an_option_is_told_in_the_test(
    options: list[str], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        broken_by(told_by_test(FAILURE), options, ["true"])


def test_a_finding_that_cannot_be_played_says_why() -> None:
    with pytest.raises(FoundError, match="this finding: scenario: lifecycle"):
        replay_callable(Kept(FORMAT, "ends", {"lifecycle": {"outcome": 1}}, settings=VIRTUAL), generate)


def test_no_key_is_in_what_is_told_and_written(tmp_path: Path) -> None:
    async def tells(job: Job) -> Result:
        return Result("succeed", url=f"{job.base_url}/{job.api_key}", reason="x" * 170 + job.api_key)

    found = replay_callable(Kept(FORMAT, "truth", settings=VIRTUAL), tells)
    assert found is not None
    said = told_of(found, tmp_path, ["node"], [])
    texts = [said, *(each.read_text() for each in tmp_path.iterdir())]
    assert len(texts) == 3
    for text in texts:
        assert "[key" in " ".join(text.split())
        assert found.session.key[:24] not in text
