"""The folder of reports: all or nothing, and runs that add up."""

import json
import os
from pathlib import Path

import msgspec
import pytest

from contracts.report import html
from contracts.report.folder import append_step_summary, check_folder, read_runs, run_name, write_reports
from contracts.report.json_report import ReportError
from contracts.report.model import Report
from tests.kit.reports import HOSTILE, a_report, believable, case, failed_case, hostile


def everything(folder: Path) -> dict[str, bytes]:
    return {str(each.relative_to(folder)): each.read_bytes() for each in folder.rglob("*") if each.is_file()}


def by_exec(report: Report) -> Report:
    return msgspec.structs.replace(report, client=msgspec.structs.replace(report.client, driver="in process"))


def test_all_reports_are_written(tmp_path: Path) -> None:
    write_reports(tmp_path / "a/b", believable(), {})
    assert set(everything(tmp_path / "a/b")) == {
        "report.json",
        "junit.xml",
        "summary.md",
        "index.html",
        "runs/acme-video-2.3-worker.json",
    }


def test_runs_add_up_and_a_newer_one_of_the_same_client_and_driver_replaces_the_older(tmp_path: Path) -> None:
    write_reports(tmp_path, believable(), {})
    write_reports(tmp_path, by_exec(believable()), {})
    write_reports(tmp_path, a_report(case(), name="other"), {})
    write_reports(tmp_path, a_report(case()), {})
    runs = read_runs(tmp_path)
    assert set(runs) == {"acme-video-2.3-worker", "acme-video-2.3-in-process", "other-worker"}
    assert len(runs["acme-video-2.3-worker"].cases) == 1
    assert json.loads((tmp_path / "report.json").read_bytes())["client"]["name"] == "acme-video 2.3"


def test_the_same_runs_make_the_same_page(tmp_path: Path) -> None:
    write_reports(tmp_path, believable(), {})
    first = everything(tmp_path)
    write_reports(tmp_path, believable(), {})
    assert everything(tmp_path) == first


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("acme-video 2.3", "acme-video-2.3-worker"),
        ("../../etc/passwd", "etc-passwd-worker"),
        ("", "client-worker"),
        ("日本", "client-worker"),
        (".", "client-worker"),
        ("x" * 300, f"{'x' * 60}-worker"),
        ("con\x00\n/\\", "con-worker"),
    ],
)
def test_a_run_is_named_for_its_client_and_driver(name: str, slug: str) -> None:
    assert run_name(a_report(name=name).client, {}) == slug


def test_two_clients_whose_names_look_alike_keep_apart(tmp_path: Path) -> None:
    for name in ("Acme!", "acme", "Acme!"):
        write_reports(tmp_path, a_report(case(), name=name), {})
    assert {key: run.client.name for key, run in read_runs(tmp_path).items()} == {
        "acme-worker": "Acme!",
        "acme-worker-2": "acme",
    }


def test_the_check_leaves_nothing_behind(tmp_path: Path) -> None:
    check_folder(tmp_path / "a/b")
    assert list(tmp_path.iterdir()) == []
    write_reports(tmp_path / "a/b", believable(), {})
    before = everything(tmp_path)
    check_folder(tmp_path / "a/b")
    assert everything(tmp_path) == before


def test_a_folder_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file/below"):
        with pytest.raises(ReportError) as caught:
            check_folder(folder)
        assert str(caught.value).startswith(f"reports cannot be written into {folder}: ")
        assert "\n" not in str(caught.value)
        with pytest.raises(ReportError):
            write_reports(folder, believable(), {})
    assert everything(tmp_path) == {"file": b"mine"}


def test_a_place_that_is_taken_by_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").mkdir()
    with pytest.raises(ReportError, match=r"index\.html is a folder"):
        check_folder(tmp_path)
    with pytest.raises(ReportError, match=r"index\.html is a folder"):
        write_reports(tmp_path, believable(), {})
    assert [each.name for each in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_leave_to_write_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ReportError, match="Permission denied"):
        check_folder(tmp_path / "new")


def test_a_run_of_another_format_is_refused_before_and_nothing_is_touched(tmp_path: Path) -> None:
    write_reports(tmp_path, believable(), {})
    (tmp_path / "runs/old-exec.json").write_text('{"format": 0}')
    before = everything(tmp_path)
    said = r"old-exec\.json is a report of format 0, .* so move it away"
    with pytest.raises(ReportError, match=said):
        check_folder(tmp_path)
    with pytest.raises(ReportError, match=said):
        write_reports(tmp_path, a_report(case()), {})
    assert everything(tmp_path) == before


def test_nothing_is_half_written_when_a_report_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reports(tmp_path, believable(), {})
    before = everything(tmp_path)

    def broken(runs: object) -> str:
        raise RuntimeError("no page")

    monkeypatch.setattr(html, "render", broken)
    with pytest.raises(RuntimeError):
        write_reports(tmp_path, a_report(failed_case(), name="other"), {})
    assert everything(tmp_path) == before


def test_nothing_is_half_written_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_reports(tmp_path, believable(), {})
    before = everything(tmp_path)
    write_bytes = Path.write_bytes

    def full(path: Path, content: bytes) -> int:
        if "index.html" in path.name:
            write_bytes(path, content[:10])
            raise OSError(28, "No space left on device")
        return write_bytes(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ReportError, match="No space left on device"):
        write_reports(tmp_path, a_report(failed_case(), name="other"), {})
    assert everything(tmp_path) == before


def test_the_step_summary_of_github_is_added_to(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# Mine\n")
    write_reports(tmp_path / "reports", believable(), {"GITHUB_STEP_SUMMARY": str(summary)})
    told = summary.read_text(encoding="utf-8")
    assert told.startswith("# Mine\n\n## Wrong: acme")
    assert told.endswith((tmp_path / "reports/summary.md").read_text(encoding="utf-8"))


def test_a_step_summary_keeps_within_what_github_takes_and_never_fails_a_run(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("x" * 1_045_000)
    append_step_summary(believable(), {"GITHUB_STEP_SUMMARY": str(summary)})
    assert 1_045_000 < summary.stat().st_size <= 1024 * 1024
    append_step_summary(believable(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "no/such/file")})
    append_step_summary(believable(), {})


def test_hostile_reports_are_written_whole(tmp_path: Path) -> None:
    write_reports(tmp_path, hostile(), {})
    assert next(iter(read_runs(tmp_path).values())).client.name == HOSTILE
