"""The summary for CI pages, read as a Markdown reader reads it."""

from html.parser import HTMLParser

from hypothesis import given, settings
from markdown_it import MarkdownIt

from contracts.report.markdown import render
from contracts.report.model import Report
from tests.kit.reports import a_report, believable, case, failed_case, hostile, reports

# All that the page itself is made of.
TAGS = {"h2", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "strong", "details", "summary", "pre"}


class Page(HTMLParser):
    """The tags and attributes that a page has, and the text in its cells."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[str] = []
        self.text = ""
        self.feed(MarkdownIt("commonmark", {"html": True}).enable("table").render(render(report)))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_it_begins_with_the_judgement_and_the_counts() -> None:
    lines = render(believable()).splitlines()
    assert lines[0] == "## Wrong: acme&#45;video 2.3"
    assert lines[2].startswith("8 cases&#58; 1 failed, 1 intermittent, 1 not exercised, 1 warned")


def test_red_and_warned_cases_are_rows_with_expected_and_seen() -> None:
    page = Page(believable())
    assert {"table", "details", "summary", "pre"} <= page.tags
    rows = [each for each in render(believable()).splitlines() if each.startswith("| ")]
    assert len(rows) == 4
    assert "| ✗ failed | **RT&#45;05** The first retry is not immediate | must, DeerAPI&#39;s page |" in rows[2]
    assert "| ✗ failed |" not in rows[3]
    for part in ("a pause of at least 0.100 s", "a request after 0.500 s", "the client did not declare callbacks"):
        assert part in page.text


def test_the_details_of_red_cases_are_folded_and_whole() -> None:
    page = Page(believable())
    for part in ("Replay:     omnimock check --case RT-05", "▶   3    0.127 s", "How to fix: Wait before each retry"):
        assert part in page.text


def test_what_the_client_was_shown_is_a_line_and_what_it_was_not_is_folded() -> None:
    page = Page(believable())
    assert "Coverage, shown: 2 of 3 operations, 1 of 3 problems, 3 of 4 statuses," in page.text
    assert "problems 1 of 3; not shown: rate-limited, balance-exhausted" in page.text
    assert "Coverage" not in render(a_report(case()))


def test_a_right_run_has_no_table() -> None:
    told = render(a_report(case()))
    assert told.startswith("## Right: acme")
    assert "|" not in told


def test_hostile_text_makes_no_markup() -> None:
    page = Page(hostile())
    assert page.tags <= TAGS
    assert page.attributes == []
    assert "<script>window.owned=1</script>" in page.text
    assert "**bold** [link](javascript:window.owned=1)" in page.text


@settings(max_examples=40, deadline=None)
@given(reports)
def test_no_text_makes_markup(report: Report) -> None:
    page = Page(report)
    assert page.tags <= TAGS
    assert page.attributes == []


def test_it_is_bounded_and_says_what_is_left_out() -> None:
    report = a_report(*(failed_case(f"RT-{number:03}", reason="é" * 2_000) for number in range(400)))
    told = render(report)
    assert len(told.encode()) <= 900_000
    assert "did not fit here; see the report." in told
    small = render(report, 2_000)
    assert len(small.encode()) <= 2_000
    assert small.startswith("## Wrong")
