"""The baseline: what a file may say, what a run makes of it, and that it is written whole or not at all."""

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from contracts.baseline import Baseline, BaselineError, Entry, check_writable, read_baseline, updated, write_baseline
from contracts.judging import report_of
from contracts.report.model import CaseReport, Verdict
from tests.kit.scripted import a_case, finding

TODAY = datetime.date(2026, 11, 25)
LATER = datetime.date(2027, 3, 31)
CASES = [a_case("RT-05"), a_case("RT-06"), a_case("CR-01", basis="page")]
GOOD = {"case": "RT-06", "reason": "ticket 7", "expires": LATER}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "known.yaml"


def written(path: Path, *entries: Any) -> Path:
    path.write_text(yaml.safe_dump(list(entries)))
    return path


def refusal(path: Path) -> str:
    with pytest.raises(BaselineError) as caught:
        read_baseline(path, CASES, TODAY)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"baseline {path}: ")
    return message.removeprefix(f"baseline {path}: ")


def test_entries_are_read(path: Path) -> None:
    lowered = {"case": "RT-05", "reason": "ours to decide", "expires": LATER, "level": "info"}
    baseline = read_baseline(written(path, GOOD, lowered), CASES, TODAY)
    entry = baseline.knows("RT-06")
    assert entry is not None
    assert (entry.reason, entry.expires) == ("ticket 7", LATER)
    assert baseline.knows("RT-05") is None
    assert (baseline.level(CASES[0]), baseline.level(CASES[1])) == ("info", "must")


@pytest.mark.parametrize("content", ["", "[]\n", "# nothing\n"])
def test_an_empty_file_knows_nothing(path: Path, content: str) -> None:
    path.write_text(content)
    assert not read_baseline(path, CASES, TODAY).entries


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ([{**GOOD, "case": "RT-66"}], "RT-66: there is no such case; did you mean RT-06?"),
        ([GOOD, GOOD], "RT-06: it is listed twice"),
        ([{**GOOD, "reason": " "}], "RT-06: it has no reason; say why it is put up with"),
        ([{"case": "RT-06", "expires": LATER}], "RT-06: Object missing required field `reason`; an entry has"),
        ([{**GOOD, "expires": TODAY - datetime.timedelta(days=1)}], "RT-06: expired on 2026-11-24; mend it"),
        ([{**GOOD, "expires": "soon"}], "RT-06: Invalid RFC3339 encoded date - at `$.expires`; an entry has"),
        ([{**GOOD, "expires": datetime.datetime(2027, 1, 1, 12)}], "RT-06: Expected `date`, got `datetime`"),
        ([{**GOOD, "reason": 5}], "RT-06: Expected `str`, got `int` - at `$.reason`; an entry has"),
        ([{**GOOD, "level": "must"}], "RT-06: Invalid enum value 'must' - at `$.level`; an entry has"),
        ([{**GOOD, "until": LATER}], "RT-06: Object contains unknown field `until`; an entry has"),
        ([GOOD, {"case": 5}], "entry 2: Expected `str`, got `int` - at `$.case`; an entry has"),
        ([GOOD, "RT-05"], "entry 2: Expected `object`, got `str`; an entry has"),
        (
            [{**GOOD, "case": "CR-01", "level": "should"}],
            "CR-01: its level follows must, DeerAPI's page; only rules of omnimock's own can be lowered",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line_with_file_and_entry(path: Path, entries: list[Any], message: str) -> None:
    assert refusal(written(path, *entries)).startswith(message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"- case: [", "not YAML: while parsing"),
        (b"\xff\xfe\xff", "not YAML: "),
        (b"- case: a\n\tb: c\n", "not YAML: "),
        (b"- expires: 2027-02-31\n", "not YAML: day is out of range for month"),
        (b"[" * 5_000, "not YAML: "),
        (b"RT-06: known\n", "a list of entries is expected"),
        (b"RT-06\n", "a list of entries is expected"),
    ],
    ids=lambda each: str(each)[:30],
)
def test_what_is_no_list_of_entries_is_refused(path: Path, content: bytes, message: str) -> None:
    path.write_bytes(content)
    assert refusal(path).startswith(message)


def test_a_file_that_cannot_be_read_is_refused(path: Path) -> None:
    assert refusal(path) == "No such file or directory"
    path.mkdir()
    assert refusal(path) == "Is a directory"


def test_an_entry_is_good_on_its_last_day(path: Path) -> None:
    written(path, GOOD)
    assert read_baseline(path, CASES, LATER).knows("RT-06") is not None


def report(case_id: str, verdict: Verdict, *, red: bool = True) -> CaseReport:
    return report_of(a_case(case_id), "must", [finding("failed")], (), verdict, "because", red=red)


def known(*names: str, **more: Any) -> Baseline:
    return Baseline(
        {name: Entry(**{"case": name, "reason": f"{name} is slow", "expires": LATER, **more}) for name in names}
    )


def after(old: Baseline, *reports: CaseReport) -> dict[str, str]:
    return {each.case: each.reason for each in updated(old, reports, TODAY)}


@pytest.mark.parametrize("verdict", ["failed", "intermittent", "warned"])
def test_what_is_red_and_new_is_added_with_a_reason_to_fill_in(verdict: Verdict) -> None:
    (entry,) = updated(Baseline(), [report("RT-06", verdict)], TODAY)
    assert (entry.case, entry.reason) == ("RT-06", "TODO say why: expected this, seen that")
    assert entry.expires == TODAY + datetime.timedelta(days=90)
    assert after(Baseline(), report("RT-06", verdict, red=False)) == {}


def test_reasons_are_kept(path: Path) -> None:
    assert after(known("RT-06"), report("RT-06", "known failing", red=False)) == {"RT-06": "RT-06 is slow"}


@pytest.mark.parametrize("verdict", ["passed", "unexpectedly passing"])
def test_what_passes_is_dropped(verdict: Verdict) -> None:
    assert after(known("RT-06", "RT-05"), report("RT-06", verdict)) == {"RT-05": "RT-05 is slow"}


@pytest.mark.parametrize("verdict", ["unsupported", "not exercised", "harness error", "info"])
def test_what_was_not_judged_stays(verdict: Verdict) -> None:
    assert after(known("RT-06"), report("RT-06", verdict)) == {"RT-06": "RT-06 is slow"}
    assert after(Baseline(), report("RT-06", verdict)) == {}


def test_a_rule_that_is_lowered_stays_whatever_comes_of_it() -> None:
    for verdict in ("passed", "warned", "info"):
        assert after(known("RT-06", level="should"), report("RT-06", verdict)) == {"RT-06": "RT-06 is slow"}


def test_what_is_written_is_what_is_read(path: Path) -> None:
    entries = updated(known("RT-06", level="info"), [report("RT-05", "failed")], TODAY)
    write_baseline(path, entries)
    assert list(read_baseline(path, CASES, TODAY).entries.values()) == entries
    assert [each.name for each in path.parent.iterdir()] == ["known.yaml"]
    write_baseline(path, [])
    assert not read_baseline(path, CASES, TODAY).entries


def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    path.symlink_to(there / "real.yaml")
    check_writable(path)
    write_baseline(path, [])
    assert path.is_symlink()
    assert (there / "real.yaml").exists()


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left(path: Path, tmp_path: Path) -> None:
    path.mkdir()
    missing = tmp_path / "no" / "known.yaml"
    for each, reason in ((path, "Is a directory"), (missing, "No such file or directory")):
        for act in (check_writable, lambda one: write_baseline(one, [])):
            with pytest.raises(BaselineError) as caught:
                act(each)
            assert str(caught.value) == f"baseline {each}: cannot be written: {reason}"
    assert [each.name for each in tmp_path.iterdir()] == ["known.yaml"]
