"""The matrix in a real browser, opened from the disk: Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from contracts.report.folder import write_reports
from contracts.report.model import Report
from tests.kit.reports import HOSTILE, a_report, believable, case, hostile, large

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None and "CI" not in os.environ, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Root, as in CI, may not use Chromium's sandbox.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Reader:
    """Someone who opens the page, and notes all that a page should not do."""

    def __init__(self, browser: Browser, folder: Path, *runs: Report) -> None:
        for run in runs:
            write_reports(folder, run, {})
        self.address = (folder / "index.html").as_uri()
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.page: Page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.context.on("request", lambda request: self.requests.append(request.url))

    def open(self, route: str = "") -> Page:
        self.page.goto(self.address + route)
        return self.page

    def leave(self) -> None:
        self.context.close()
        assert self.complaints == []
        assert {each.split("#")[0] for each in self.requests if not each.startswith("data:")} == {self.address}


@pytest.fixture
def reader(browser: Browser, tmp_path: Path) -> Iterator[Reader]:
    """A reader of two runs: one with all kinds of verdicts, and a right one."""
    right = a_report(*(msgspec.structs.replace(each, verdict="passed", red=False) for each in believable().cases[:3]))
    right = msgspec.structs.replace(right, client=msgspec.structs.replace(right.client, name="reference"))
    reader = Reader(browser, tmp_path, believable(), right)
    yield reader
    reader.leave()


def expect_cases(page: Page, *ids: str) -> None:
    expect(page.locator("tr[data-case]:visible th code")).to_have_text(list(ids))


def test_the_matrix_says_each_verdict_in_a_word_and_a_symbol(reader: Reader) -> None:
    page = reader.open()
    expect(page.locator("thead th.client")).to_have_text(["acme-video 2.3worker", "referenceworker"])
    expect(page.locator("tr.group:visible")).to_have_text(
        ["Authentication", "Billing safety", "Errors and retries", "Rate limits", "Callbacks", "Terminal states"]
    )
    expect(page.locator("tr[data-case=RT-05] td")).to_have_text(["✗failed", "✓passed"])
    expect(page.locator("tr[data-case=RT-05] th")).to_contain_text("must")
    expect(page.locator("tr[data-case=CB-01] td")).to_have_text(["–unsupported", "not run"])
    expect(page.get_by_role("link", name="RT-05, acme-video 2.3: failed")).to_be_visible()
    expect(page.locator(".run").first).to_contain_text("8 cases: 1 failed, 1 intermittent, 1 not exercised, 1 warned")


def test_a_cell_opens_with_all_that_is_needed_to_mend_it(reader: Reader) -> None:
    page = reader.open()
    page.get_by_role("link", name="RT-05, acme-video 2.3: failed").click()
    expect(page).to_have_url(f"{reader.address}#/acme-video-2.3-worker/RT-05")
    expect(page).to_have_title("RT-05 failed: acme-video 2.3")
    main = page.locator("main")
    for text in (
        "After a 500, 502 or 503 the client waits before it asks again.",
        "must, DeerAPI's page",
        "a pause of at least 0.100 s before the first retry",
        "a pause of 0.003 s, in 3 of 3 retries",
        "A thousand clients that come back at once",
        "Wait before each retry: start at about half a second",
        "omnimock check --case RT-05 -- node my-client.mjs",
        "WARN 503, trying again",
        "name: three-503",
        "reported succeed",
    ):
        expect(main.get_by_text(text).first).to_be_visible()
    source = page.get_by_role("link", name="https://apidoc.deerapi.com/omni-video")
    expect(source).to_have_attribute("rel", "noreferrer noopener")


def test_the_wire_log_has_times_and_gaps_and_marks_the_lines_that_show_it(reader: Reader) -> None:
    page = reader.open("#/acme-video-2.3-worker/RT-05")
    lines = page.locator(".wire tr.line")
    expect(lines).to_have_count(5)
    expect(lines.nth(2).locator("td.number")).to_have_text(["0.127", "0.003", "0.012"])
    expect(page.locator(".wire tr.pointed")).to_have_count(2)
    expect(page.locator(".wire tr.pointed").first).to_contain_text("shows it")
    response = page.get_by_text('{"code": 0, "message": "SUCCEED"}').nth(2)
    expect(response).to_be_hidden()
    page.get_by_role("button", name="Line 3: request and response").click()
    expect(response).to_be_visible()
    expect(page.get_by_role("button", name="Line 3: request and response")).to_have_attribute("aria-expanded", "true")


def test_the_replay_command_is_copied(reader: Reader) -> None:
    page = reader.open("#/acme-video-2.3-worker/RT-05")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("() => navigator.clipboard.readText()")
    assert copied == "omnimock check --case RT-05 -- node my-client.mjs"


def test_one_finds_the_way_back_and_to_the_neighbours(reader: Reader) -> None:
    page = reader.open("#/acme-video-2.3-worker/RT-05")
    page.get_by_role("link", name="‹ IDM-01").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("IDM-01 A retry is the same job")
    page.get_by_role("link", name="reference (worker)").click()
    expect(page.locator(".title .verdict")).to_have_text("✓passed")
    page.get_by_role("link", name="← All cases").click()
    expect(page.locator("tr[data-case]")).to_have_count(8)
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_contain_text("IDM-01")


def test_filters_by_verdict_level_and_words_narrow_the_matrix(reader: Reader) -> None:
    page = reader.open()
    failed = page.get_by_role("button", name="failed")
    failed.click()
    expect_cases(page, "RT-05")
    expect(page.locator("#shown")).to_have_text("1 of 8 cases")
    expect(page.locator("tr.group:visible")).to_have_text(["Errors and retries"])
    page.get_by_role("button", name="warned").click()
    expect_cases(page, "RT-05", "RL-01")
    page.get_by_role("button", name="should", exact=True).click()
    expect_cases(page, "RL-01")
    # They are still set when one comes back from a cell.
    page.get_by_role("link", name="RL-01, acme-video 2.3: warned").click()
    page.get_by_role("link", name="← All cases").click()
    expect_cases(page, "RL-01")
    page.get_by_role("button", name="all", exact=True).click()
    failed.click()
    page.get_by_role("button", name="warned").click()
    page.get_by_role("searchbox").fill("callback HARM")
    expect_cases(page, "CB-04")
    page.get_by_role("searchbox").fill("no such case")
    expect(page.get_by_text("No case fits these filters.")).to_be_visible()


def test_a_link_to_nowhere_says_so(reader: Reader) -> None:
    page = reader.open("#/nobody/RT-99")
    expect(page.locator("main")).to_contain_text("There is no case RT-99 of a run nobody")
    reader.open("#/%E0%A4%A/x")
    expect(page.get_by_role("link", name="All cases")).to_be_visible()


def test_hostile_text_is_shown_as_text_and_does_nothing(browser: Browser, tmp_path: Path) -> None:
    reader = Reader(browser, tmp_path, hostile())
    page = reader.open()
    shown = HOSTILE.split("\x1b", maxsplit=1)[0].strip()
    expect(page.locator(".run h2 .name")).to_contain_text(shown)
    for link in page.locator("td a").all():
        reader.open()
        reader.open(link.get_attribute("href") or "")
        assert page.evaluate("() => window.owned") is None
        for each in page.locator("a").all():
            assert (each.get_attribute("href") or "").startswith(("#", "https://"))
    reader.open(
        "#/" + page.evaluate("() => JSON.parse(document.getElementById('index').textContent).runs[0].key") + "/RT-05"
    )
    expect(page.locator(".said.seen")).to_contain_text(shown)
    page.get_by_role("button", name="Line 1: request and response").click()
    expect(page.locator(".bodies pre").first).to_contain_text(shown)
    assert page.locator("main img, main iframe, main script, main [onerror]").count() == 0
    assert page.evaluate("() => window.owned") is None
    reader.leave()


def test_what_a_client_was_shown_stands_below_the_matrix_and_not_beside_a_cell(reader: Reader) -> None:
    page = reader.open()
    section = page.get_by_role("region", name="What the clients were shown")
    expect(section).to_contain_text("acme-video 2.3 (worker): shown: 2 of 3 operations")
    expect(section.get_by_role("table", name="Dimensions")).to_be_hidden()
    section.locator("summary").click()
    expect(section.get_by_role("table", name="Dimensions").get_by_role("row")).to_have_count(5)
    expect(section.get_by_role("table", name="Cells: 5 cells in 812 exchanges")).to_contain_text("resource-not-found")
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("link", name="RT-05, acme-video 2.3: failed").click()
    expect(section).to_be_hidden()


def test_what_a_client_was_shown_needs_no_script(browser: Browser, tmp_path: Path) -> None:
    write_reports(tmp_path, believable(), {})
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    page.locator(".coverage summary").click()
    expect(page.locator(".coverage table").first).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("route", ["", "#/acme-video-2.3-worker/RT-05"])
def test_it_fits_a_narrow_screen_in_light_and_dark(reader: Reader, scheme: str, route: str) -> None:
    reader.page.set_viewport_size({"width": 360, "height": 740})
    reader.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page = reader.open(route)
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")
    background = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(16, 19, 24)" if scheme == "dark" else "rgb(246, 247, 249)")


def test_verdicts_can_be_read_in_both_schemes(reader: Reader) -> None:
    page = reader.open()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
        # As WCAG 2 counts it; AA asks for 4.5.
        contrasts = page.evaluate(
            """() => [...document.querySelectorAll(".verdict, .level, .soft, .coverage .small")].map((each) => {
              const light = (text) => text.match(/[\\d.]+/g).slice(0, 3).map((v) => v / 255)
                .map((v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
                .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
              let behind = each;
              while (getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
              const [a, b] = [light(getComputedStyle(each).color), light(getComputedStyle(behind).backgroundColor)];
              return [each.textContent, (Math.max(a, b) + .05) / (Math.min(a, b) + .05)];
            })"""
        )
        assert [each for each in contrasts if each[1] < 4.5] == []


def test_it_prints_without_its_buttons(reader: Reader) -> None:
    page = reader.open()
    page.emulate_media(media="print")
    expect(page.locator(".filters")).to_be_hidden()
    expect(page.locator("tr[data-case=TM-02]")).to_be_visible()


def test_ten_clients_with_all_cases_open_and_can_be_searched(browser: Browser, tmp_path: Path) -> None:
    reader = Reader(browser, tmp_path, *(large(f"client {number}") for number in range(10)))
    page = reader.open()
    expect(page.locator("td a")).to_have_count(850)
    page.get_by_role("searchbox").fill("g3-22")
    expect_cases(page, "G3-22")
    page.get_by_role("link", name="G3-22, client 7: failed").click()
    expect(page.locator(".wire tr.line")).to_have_count(40)
    reader.leave()


def test_a_run_without_cases_opens(browser: Browser, tmp_path: Path) -> None:
    reader = Reader(
        browser,
        tmp_path,
        a_report(complaints=("the command could not be started",), status=2),
        a_report(case(), name="b"),
    )
    page = reader.open()
    expect(page.locator(".run").first).to_contain_text("Could not run")
    expect(page.locator(".run").first).to_contain_text("the command could not be started")
    reader.leave()
