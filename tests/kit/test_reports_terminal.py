"""What a person reads on a terminal."""

import io
import re
from collections.abc import Callable

import msgspec
from hypothesis import given, settings
from rich.console import Console

from contracts.report.coverage_table import print_coverage, print_line
from contracts.report.model import Coverage, Report
from contracts.report.progress import LiveProgress, PlainProgress, progress_on
from contracts.report.terminal import make_console, print_summary
from tests.kit.reports import HOSTILE, a_coverage, a_report, believable, case, failed_case, hostile, reports


class Tty(io.StringIO):
    """Text that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def summary(report: Report, **environment: str) -> str:
    file = io.StringIO()
    print_summary(report, make_console(file, {"TERM": "xterm", **environment}))
    return "\n".join(each.rstrip() for each in file.getvalue().splitlines())


def test_a_red_case_says_all_that_is_needed_to_mend_it() -> None:
    told = summary(a_report(failed_case()))
    assert (
        """
✗ RT-05  The first retry is not immediate  failed
  Requirement  After a 500, 502 or 503 the client waits before it asks again.
  Level        must, DeerAPI's page
  Source       DeerAPI, Omni Video, Error codes: https://apidoc.deerapi.com/omni-video
  Expected     a pause of at least 0.100 s before the first retry
  Seen         a pause of 0.003 s, in 3 of 3 retries
  Wire             2    0.112 s   +0.100 s  503  GET /kling/v1/videos/omni-video/866889456698785798 (status 5…
               ▶   3    0.127 s   +0.003 s  503  GET /kling/v1/videos/omni-video/866889456698785798 (status 5…
               ▶   4    0.142 s   +0.003 s  503  GET /kling/v1/videos/omni-video/866889456698785798 (status 5…
  How to fix   Wait before each retry: start at about half a second, double it each time, and add jitter.
  Replay       omnimock check --case RT-05 -- node my-client.mjs
"""
        in told
    )


def test_the_summary_begins_with_the_client_and_ends_with_the_exit_status() -> None:
    told = summary(believable())
    assert told.lstrip().startswith("acme-video 2.3, driven by worker\n")
    assert "It declared polling, images; poll_interval_seconds 0.5. Profile page." in told
    assert "8 cases: 1 failed, 1 intermittent, 1 not exercised, 1 warned," in told
    assert "Wrong: 8 cases in 41.2 s, 2 red. Exit status 1." in told


SHOWN = (
    "shown: 2 of 3 operations, 1 of 3 problems, 3 of 4 statuses, 0 of 3 callback attempts; 5 cells in 812 exchanges "
    "and 0 callbacks"
)


def test_the_summary_tells_in_a_line_what_the_client_was_shown() -> None:
    assert SHOWN in " ".join(summary(believable()).split())
    assert "shown:" not in summary(a_report(case()))


def covered(coverage: Coverage, show: Callable[[Coverage, Console], None] = print_coverage, **environment: str) -> str:
    file = io.StringIO()
    show(coverage, make_console(file, {"TERM": "xterm", **environment}))
    return "\n".join(each.rstrip() for each in file.getvalue().splitlines())


def test_the_whole_coverage_is_two_tables() -> None:
    told = [" ".join(each.split()) for each in covered(a_coverage()).splitlines()]
    assert "operations 2 of 3 createOmniVideo 300, getOmniVideo 512 listOmniVideos" in told
    assert "statuses 3 of 4 submitted 300, processing 400, succeed 100 failed" in told
    assert "operation answer callback faults submitted processing succeed no task" in told
    assert "getOmniVideo success – 400 100" in told
    assert "getOmniVideo lost: reset late, lost 12" in told
    assert "no operation resource-not-found – 2" in told
    assert told[-1] == "5 cells in 812 exchanges and 0 callbacks"
    assert covered(Coverage()) == ""


def test_all_that_was_shown_is_one_line_with_a_way_to_see_more() -> None:
    told = " ".join(covered(a_coverage(), print_line).split())
    assert told == f"{SHOWN} (--coverage tells all)"
    assert covered(Coverage(), print_line) == ""


def test_coverage_keeps_to_a_narrow_terminal_and_to_ascii() -> None:
    assert max(map(len, covered(a_coverage(), COLUMNS="80").splitlines())) <= 80
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as file:
        print_coverage(a_coverage(), make_console(file, {}))
        file.flush()
        assert b"getOmniVideo" in raw.getvalue()


@settings(max_examples=40, deadline=None)
@given(reports)
def test_any_coverage_can_be_told_without_controls(report: Report) -> None:
    for show in (print_coverage, print_line):
        told = covered(report.coverage, show)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", told)


def test_a_rule_of_our_own_is_labelled_so() -> None:
    assert "must, a money or safety rule of omnimock's own" in summary(believable())


def test_a_warned_case_is_short_and_others_take_a_line_with_their_reason() -> None:
    told = summary(believable())
    assert "△ RL-01  Retry-After is kept  warned\n  Expected no request for 1.95 s after the 429\n" in told
    assert "\n– CB-01  unsupported: the client did not declare callbacks\n" in told
    assert "\n○ CB-04  not exercised: no poll was seen\n" in told
    assert "\n✗ TM-02  known failing: ACME-17, until 2027-01-31\n" in told
    assert "\ni RT-08  info: 502 was retried twice\n" in told
    assert "AUTH-01" not in told


def test_a_right_run_is_said_to_be_right_and_complaints_are_shown() -> None:
    told = summary(a_report(case(), complaints=("the entry AUTH-09 of the baseline names no case",)))
    assert "Right: 1 case in 41.2 s. Exit status 0." in told
    assert "! the entry AUTH-09 of the baseline names no case" in told


def test_the_command_to_replay_is_never_wrapped() -> None:
    long = f"omnimock check --case RT-05 -- {'x' * 200}"
    assert f"  Replay       {long}\n" in summary(a_report(failed_case(replay=long)), COLUMNS="60")


def test_lines_keep_to_the_width_of_the_terminal() -> None:
    told = summary(a_report(failed_case(replay="")), COLUMNS="60")
    assert max(map(len, told.splitlines())) <= 60


def test_a_terminal_gets_colours_unless_no_color_is_set() -> None:
    for environment, coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        file = Tty()
        print_summary(believable(), make_console(file, {"TERM": "xterm-256color", **environment}))
        assert bool(re.search("\x1b\\[[0-9;]*3[0-9]", file.getvalue())) is coloured


def test_an_ascii_terminal_gets_ascii() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as file:
        print_summary(a_report(failed_case(title="caf\xe9 ✓")), make_console(file, {}))
        file.flush()
        told = raw.getvalue().decode("ascii")
    assert "x RT-05  caf\\xe9 \\u2713  failed" in told
    assert ">   3" in told


def test_no_control_of_a_client_reaches_the_terminal() -> None:
    told = summary(hostile())
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", told)
    assert "\\x1b[2J" in told
    assert "[bold red]markup[/]" in told


@settings(max_examples=40, deadline=None)
@given(reports)
def test_any_report_can_be_told_without_controls(report: Report) -> None:
    told = summary(report)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", told)


def test_without_a_terminal_each_case_is_a_line() -> None:
    file = io.StringIO()
    with progress_on(make_console(file, {}), {}) as progress:
        progress.started(12)
        progress.case_done(case("AUTH-01"))
        progress.case_done(failed_case())
        progress.case_done(case("CB-01", "unsupported", reason=f"no\ncallbacks {HOSTILE}"))
    lines = file.getvalue().splitlines()
    assert lines[:3] == [
        "12 cases to do",
        "[ 1/12] ✓ AUTH-01 passed",
        "[ 2/12] ✗ RT-05 failed: a pause of 0.003 s, in 3 of 3 retries",
    ]
    assert lines[3].startswith("[ 3/12] – CB-01 unsupported: no callbacks </script>")
    assert len(lines) == 4


def test_a_live_display_is_for_terminals_and_not_for_ci() -> None:
    console = make_console(Tty(), {"TERM": "xterm"})
    assert isinstance(progress_on(console, {}), LiveProgress)
    assert type(progress_on(console, {"CI": "true"})) is PlainProgress
    assert type(progress_on(make_console(Tty(), {"TERM": "dumb"}), {})) is PlainProgress
    assert type(progress_on(make_console(io.StringIO(), {}), {})) is PlainProgress


def test_a_live_display_tells_of_red_cases_and_gives_the_terminal_back() -> None:
    file = Tty()
    report = a_report(case("AUTH-01"), failed_case())
    with LiveProgress(make_console(file, {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "100"})) as progress:
        progress.started(2)
        for each in report.cases:
            progress.case_done(each)
        progress.finished(report)
        progress.close()
    told = file.getvalue()
    assert "RT-05" in told.split("acme-video 2.3", maxsplit=1)[0]
    assert told.count("\x1b[?25l") == told.count("\x1b[?25h") == 1
    assert "Exit status 1." in told


def test_a_live_display_goes_when_the_run_breaks_off() -> None:
    file = Tty()
    with LiveProgress(make_console(file, {"TERM": "xterm"})) as progress:
        progress.started(2)
    assert file.getvalue().count("\x1b[?25h") == 1


def test_a_finding_that_names_what_is_not_there_does_no_harm() -> None:
    finding = msgspec.structs.replace(failed_case().findings[0], session=7, lines=(99,))
    assert "a pause of 0.003 s" in summary(a_report(failed_case(findings=(finding,))))
