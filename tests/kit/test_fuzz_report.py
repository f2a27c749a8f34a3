"""The report of a search: its page, read as a Markdown reader reads it, and its JSON."""

import io
import json
from collections import Counter
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt

from contracts.coverage import Cell, universe_of
from contracts.fuzz.behaviour import Behaviour
from contracts.fuzz.fuzz_report import Searched, check_report_folder, render, tell
from contracts.fuzz.invariants import Broken
from contracts.fuzz.outcome import Found, Outcome
from contracts.jobs import Result
from contracts.report.json_report import ReportError
from contracts.report.model import Coverage
from contracts.report.terminal import make_console
from mock_server.program import Program
from tests.kit.reports import HOSTILE
from tests.kit.sessions_a import KEY, create, session
from tests.kit.test_reports_markdown import TAGS

LINE = "1 invariant broken: 40 sessions in 3.0 s (13/s), 2 coverage cells; outcomes: error 40"


class Page(HTMLParser):
    """The tags, attributes and text of a page of Markdown."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[str] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(text))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs if name != "style"]

    def handle_data(self, data: str) -> None:
        self.text += data


def found(seen: str, invariant: str = "ends", **more: int) -> Found:
    played = session(create(), result=Result("error", reason=f"{HOSTILE} {KEY}"))
    return Found(Broken(invariant, seen), Behaviour({"lifecycle": {"pace": "10ms"}}), played, **more)


def searched(
    program: Program, seen: str = f"{HOSTILE} {KEY}", intermittent: Mapping[str, Found] | None = None
) -> Searched:
    outcome = Outcome(
        found={"ends": found(seen)},
        intermittent=dict(intermittent or {}),
        sessions=40,
        seconds=3.0,
        cells=Counter({Cell("createOmniVideo", "success", "submitted"): 30, Cell("-", "method-invalid"): 1}),
    )
    return Searched(outcome, universe_of(program), LINE, 7, ["node", "a client.mjs"], Path("kept"), ["--worker"])


def test_the_page_tells_what_was_found_with_what_plays_it_again(program: Program) -> None:
    now_and_then = {"quiet-after-the-end": found("it asked on", "quiet-after-the-end", broke=2, played=3)}
    page = Page(render(searched(program, "it never ended", now_and_then)))
    assert page.text.startswith("omnimock fuzz: 1 invariant broken\n40 sessions in 3.0 s (13/s)")
    for part in (
        "seed 7.",
        "ends: it never ended",
        "At 0 ms the client sent a create",
        "scenario:\n  lifecycle:\n    pace: 10ms",
        "Replay: omnimock replay kept/ends-",
        ".yaml --worker -- node 'a client.mjs'",
        "INTERMITTENT quiet-after-the-end: it asked on",
        "It happened in 2 of 3 plays.",
        "Coverage, shown: 1 of 9 operations",
        "What the client was shown: 2 cells in 31 exchanges and 0 callbacks",
    ):
        assert part in page.text, part


def test_what_a_client_said_is_no_markup_and_no_key_is_told(program: Program) -> None:
    told = render(searched(program))
    page = Page(told)
    assert page.tags <= TAGS | {"h3"}
    assert page.attributes == []
    assert KEY not in told
    assert "<script>window.owned=1</script>" in page.text


def test_the_page_is_bounded_and_says_what_is_left_out(program: Program) -> None:
    many = {f"n-{number}": found("é" * 2_000) for number in range(300)}
    told = render(searched(program, intermittent=many), 20_000)
    assert len(told.encode()) <= 20_000
    assert told.endswith("more sections did not fit here.\n")


def test_all_of_it_is_written_or_nothing(program: Program, tmp_path: Path) -> None:
    (tmp_path / "taken/fuzz.md").mkdir(parents=True)
    with pytest.raises(ReportError, match=r"fuzz\.md is a folder there"):
        check_report_folder(tmp_path / "taken")
    check_report_folder(tmp_path / "new")
    check_report_folder(None)
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]
    file = io.StringIO()
    one = searched(program)
    tell(one, tmp_path / "new", make_console(file, {}), whole=False, environment={})
    report = json.loads((tmp_path / "new/coverage.json").read_text())
    assert msgspec.convert(report["coverage"], Coverage) == one.coverage
    assert (report["sessions"], report["seed"], report["broken"]) == (40, 7, ["ends"])
    assert file.getvalue().startswith("shown: 1 of 9 operations")
