"""The matrix as a file: nothing in it but the page and JSON, whatever a client said."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import msgspec
from hypothesis import given, settings

from contracts.report import json_report
from contracts.report.html import render
from contracts.report.json_report import parse_report
from contracts.report.model import Report, ShownCell
from tests.kit.reports import (
    a_coverage,
    a_report,
    backoff_session,
    believable,
    case,
    failed_case,
    hostile,
    line,
    reports,
)


class Page(HTMLParser):
    """What a browser finds in the page: the elements, the JSON, and the policy."""

    def __init__(self, *runs: Report) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.embedded: dict[str, Any] = {}
        self.inline: dict[str, str] = {}
        self.policy = ""
        self.addresses: list[str] = []
        self._at: tuple[str, str] | None = None
        self.text = render({f"run-{number}": run for number, run in enumerate(runs)})
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append(tag)
        self.addresses += [told[name] or "" for name in ("src", "href") if name in told]
        if told.get("http-equiv") == "Content-Security-Policy":
            self.policy = told["content"] or ""
        if tag in ("script", "style"):
            self._at = (tag, told.get("id") or "")

    def handle_data(self, data: str) -> None:
        if self._at is None:
            return
        tag, name = self._at
        self._at = None
        if name:
            self.embedded[name] = json.loads(data)
        else:
            self.inline[tag] = data


def test_the_page_needs_nothing_but_itself() -> None:
    page = Page(believable())
    assert all(each.startswith(("#", "data:")) for each in page.addresses)
    assert "@import" not in page.text
    assert "url(" not in page.text


def test_the_policy_allows_its_own_style_and_script_and_no_request() -> None:
    page = Page(believable())
    assert page.policy.startswith("default-src 'none';")
    for tag in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.inline[tag].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in page.policy
    assert not re.search(r"\son[a-z]+=|\sstyle=", page.text.split("<script", 1)[0])


def test_the_script_makes_no_html_of_text() -> None:
    script = Page(believable()).inline["script"]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", script)


def test_cases_keep_their_order_and_runs_their_columns() -> None:
    index = Page(believable(), a_report(failed_case("XX-01", group="new", group_title="New"), case())).embedded["index"]
    assert [each["title"] for each in index["groups"]][:3] == ["Authentication", "Billing safety", "Errors and retries"]
    assert index["groups"][-1]["title"] == "New"
    assert index["groups"][-1]["cases"][0]["cells"] == [None, {"verdict": "failed", "red": True}]
    assert index["groups"][2]["cases"][0]["cells"][1] == {"verdict": "passed", "red": False}
    assert [each["key"] for each in index["runs"]] == ["run-0", "run-1"]


def test_a_cell_has_all_that_is_known_of_a_case() -> None:
    cell = Page(believable()).embedded["cell-0-2"]
    assert cell["id"] == "RT-05"
    assert cell["label"] == "must, DeerAPI's page"
    assert cell["findings"][0]["lines"] == [2, 3]
    assert cell["sessions"][0]["wire"][3]["gap_seconds"] == 0.003
    assert cell["sessions"][0]["scenario"].startswith("name: three-503")


def test_what_clients_were_shown_stands_in_tables_that_need_no_script() -> None:
    page = Page(believable(), a_report(case()))
    section = page.text.split('<section class="coverage"', 1)[1].split("</section>", 1)[0]
    assert section.count("<details") == 1
    assert section.count("<caption>") == 2
    assert "shown: 2 of 3 operations, 1 of 3 problems" in section
    row = "".join(f"<td>{each}</td>" for each in ("lost", "reset", "late, lost"))
    assert f'<tr><th scope="row">getOmniVideo</th>{row}' in section
    assert '<th scope="col" class="number">no task</th>' in section
    assert "<section" not in Page(a_report(case())).text.split("<script", 1)[0]
    assert page.embedded["index"]["runs"][0]["coverage"]["cells"] == []


def test_a_long_table_of_what_was_shown_is_cut_to_what_was_shown_most_often() -> None:
    cells = tuple(ShownCell(f"operation-{number:04}", "success", "-", (), (), number + 1) for number in range(1_000))
    section = Page(a_report(case(), coverage=a_coverage(cells=cells))).text
    assert "operation-0600" in section
    assert "operation-0599" not in section
    assert "600 more rows, which were shown less often, are in the JSON of the run." in section


def test_what_is_very_long_is_cut() -> None:
    wire = tuple(line(0.1, "GET /", 200, request="x" * 100_000) for _ in range(300))
    session = msgspec.structs.replace(backoff_session(), wire=wire, log="y" * 1_000_000)
    page = Page(a_report(failed_case(sessions=(session,) * 70)))
    cell = page.embedded["cell-0-0"]
    assert cell["sessions_left_out"] == 10
    assert len(cell["sessions"][0]["wire"]) == 200
    assert cell["sessions"][0]["wire"][0]["request"].endswith("… (96,000 more characters)")
    assert cell["sessions"][0]["log"].endswith("… (980,000 more characters)")


def test_hostile_text_stays_json() -> None:
    page = Page(hostile())
    assert set(page.tags) == set(Page(believable()).tags)
    assert page.embedded["cell-0-0"]["findings"][0]["seen"].startswith("</script><script>window.owned=1</script>")


@settings(max_examples=40, deadline=None)
@given(reports)
def test_no_text_adds_an_element(report: Report) -> None:
    # As they are when they come from the folder: read back from JSON.
    page = Page(parse_report(json_report.render(report), "it"))
    assert page.tags.count("script") == 2 + len(report.cases)
    assert page.tags.count("img") == 0
