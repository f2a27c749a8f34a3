"""`omnimock selftest`: a twin of any spec is held against it, and one that does not keep it is told of."""

import json
from pathlib import Path
from typing import Any

import pytest

from contracts import schema_checks
from contracts.cli import main
from contracts.schema_checks import Subject
from mock_server.resources import resource

pytest.importorskip("schemathesis")

REPLICATE = resource("fixtures/providers/replicate.yaml")


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["selftest", "--examples", "5", *arguments])
    out, err = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, out, err


def test_a_spec_that_is_kept_gives_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--spec", str(REPLICATE))
    assert status == 0
    assert out.startswith("Predictions of Replicate: ")
    assert out.endswith("requests to 4 operations; it keeps its spec\n")
    assert len(out.splitlines()) == 1


def test_the_spec_of_the_page_on_providers_is_kept_by_its_twin(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs/write-a-provider.md").read_text(encoding="utf-8")
    parts = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    (tmp_path / "clips.yaml").write_text("".join(parts), encoding="utf-8")
    status, out, err = run(capsys, "--spec", str(tmp_path / "clips.yaml"))
    assert status == 0, out + err


class Drifting(Subject):
    """The twin's own start would refuse a reply that does not fit, so the reply is changed on its way out."""

    links_alone = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def changed(message: Any) -> None:
            drifts = not (self.links_alone and self.fresh)
            if drifts and message["type"] == "http.response.start" and message["status"] == 200:
                message = {**message, "status": 206}
            await send(message)

        await super().__call__(scope, receive, changed)


class DriftingLinks(Drifting):
    links_alone = True


def test_a_twin_that_does_not_keep_its_spec_is_told_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema_checks, "Subject", Drifting)
    status, out, _ = run(capsys, "--spec", str(REPLICATE))
    assert status == 1
    assert "found by status_code_conformance" in out
    assert "ways in which it does not" in out.splitlines()[-1]


def test_what_only_a_link_leads_to_is_told_of_as_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(schema_checks, "Subject", DriftingLinks)
    status, out, _ = run(capsys, "--spec", str(REPLICATE), "--json")
    assert status == 1
    told = json.loads(out)
    assert {(each["kind"], each["phase"]) for each in told["failures"]} == {("UndefinedStatusCode", "links")}


def test_a_spec_that_cannot_be_used_is_one_line_and_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.yaml").write_text("openapi: 2.0\n", encoding="utf-8")
    status, _, err = run(capsys, "--spec", str(tmp_path / "spec.yaml"))
    assert status == 2
    assert "is not an OpenAPI 3.1 file" in err


def test_without_schemathesis_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "schemathesis", None)
    for command in (["selftest"], ["verify", "http://127.0.0.1:9"]):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "pip install 'omnimock[kit]'" in line


def test_nothing_is_left_in_the_folder_of_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run(capsys, "--spec", str(REPLICATE))
    assert list(tmp_path.iterdir()) == []
