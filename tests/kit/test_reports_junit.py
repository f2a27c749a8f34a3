"""The report as JUnit XML."""

from xml.etree import ElementTree

from hypothesis import given, settings

from contracts.report.junit import render
from contracts.report.model import Report
from tests.kit.reports import a_report, believable, case, failed_case, hostile, reports

# What the XSD of Jenkins and GitLab's reader allow, by element: attributes, and children in any order.
ALLOWED = {
    "testsuites": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"testsuite"}),
    "testsuite": (
        {"name", "timestamp", "tests", "failures", "errors", "skipped", "time"},
        {"properties", "testcase"},
    ),
    "testcase": ({"classname", "name", "time"}, {"properties", "failure", "error", "skipped", "system-out"}),
    "properties": (set[str](), {"property"}),
    "property": ({"name", "value"}, set[str]()),
    "failure": ({"type", "message"}, set[str]()),
    "error": ({"type", "message"}, set[str]()),
    "skipped": ({"message"}, set[str]()),
    "system-out": (set[str](), set[str]()),
}


def parsed(report: Report) -> ElementTree.Element:
    """The document, after a look at its shape and its sums."""
    root = ElementTree.fromstring(render(report).encode())
    assert root.tag == "testsuites"
    for element in root.iter():
        attributes, children = ALLOWED[element.tag]
        assert set(element.attrib) <= attributes
        assert {each.tag for each in element} <= children
    for case_element in root.iter("testcase"):
        assert case_element.get("name")
        assert sum(each.tag in ("failure", "error", "skipped") for each in case_element) <= 1
    for suite in [root, *root.findall("testsuite")]:
        for attribute, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
            assert int(suite.get(attribute, "")) == len(list(suite.iter(tag)))
        assert float(suite.get("time", "")) >= 0
    return root


def case_in(root: ElementTree.Element, case_id: str) -> ElementTree.Element:
    return next(each for each in root.iter("testcase") if each.get("name", "").startswith(f"{case_id} "))


def test_there_is_a_suite_for_each_group_and_a_test_case_for_each_case() -> None:
    root = parsed(believable())
    assert [each.get("name") for each in root][:3] == ["Authentication", "Billing safety", "Errors and retries"]
    assert (root.get("tests"), root.get("failures"), root.get("errors"), root.get("skipped")) == ("8", "2", "0", "3")
    assert case_in(root, "RT-05").get("classname") == "acme-video 2_3.retry"


def test_a_failure_tells_the_whole_story() -> None:
    failure = case_in(parsed(believable()), "RT-05").find("failure")
    assert failure is not None
    assert failure.get("message") == "a pause of 0.003 s, in 3 of 3 retries"
    told = failure.text or ""
    for part in (
        "Requirement: After a 500, 502 or 503 the client waits",
        "Level: must, DeerAPI's page",
        "Expected: a pause of at least 0.100 s",
        "Seen: a pause of 0.003 s",
        ">   3    0.127 s   +0.003 s  503  GET /kling",
        "How to fix: Wait before each retry",
        "Replay: omnimock check --case RT-05 -- node my-client.mjs",
    ):
        assert part in told


def test_level_source_and_replay_are_properties() -> None:
    properties = {
        each.get("name"): each.get("value") for each in case_in(parsed(believable()), "RT-05").iter("property")
    }
    assert properties["verdict"] == "failed"
    assert properties["level"] == "must, DeerAPI's page"
    assert str(properties["source"]).startswith("DeerAPI, Omni Video")
    assert properties["replay"] == "omnimock check --case RT-05 -- node my-client.mjs"


def test_what_the_client_was_shown_is_a_property_of_each_suite() -> None:
    for suite in parsed(believable()).findall("testsuite"):
        properties = {each.get("name"): str(each.get("value")) for each in suite.findall("properties/property")}
        assert properties["coverage"].startswith("shown: 2 of 3 operations, 1 of 3 problems, ")
    assert not any(each.get("name") == "coverage" for each in parsed(a_report(case())).iter("property"))


def test_each_verdict_has_its_outcome() -> None:
    root = parsed(
        a_report(
            *believable().cases,
            case("XX-01", "harness error", reason="the command left with 127", red=True),
            case("XX-02", "not exercised", red=True),
            case("XX-03", "unexpectedly passing", red=True),
        )
    )
    outcomes = {
        str(each.get("name")).split()[0]: next(
            (child.tag for child in each if child.tag in ("failure", "error", "skipped")), "passed"
        )
        for each in root.iter("testcase")
    }
    assert outcomes == {
        "AUTH-01": "passed",
        "IDM-01": "failure",
        "RT-05": "failure",
        "RL-01": "passed",
        "CB-01": "skipped",
        "CB-04": "skipped",
        "RT-08": "passed",
        "TM-02": "skipped",
        "XX-01": "error",
        "XX-02": "failure",
        "XX-03": "failure",
    }
    skipped = case_in(root, "CB-01").find("skipped")
    assert skipped is not None
    assert skipped.get("message") == "unsupported: the client did not declare callbacks"
    assert "Seen: a request after 0.500 s" in (case_in(root, "RL-01").findtext("system-out") or "")


def test_complaints_of_the_run_are_failures() -> None:
    root = parsed(a_report(case(), complaints=("the baseline has no such case",)))
    failure = root.find("testsuite[@name='the run itself']/testcase/failure")
    assert failure is not None
    assert failure.get("message") == "the baseline has no such case"


def test_hostile_text_stays_text() -> None:
    told = case_in(parsed(hostile()), "RT-05").findtext("failure") or ""
    assert "</script><script>window.owned=1" in told
    assert "\\x1b[2J" in told
    assert "]]>" in told


def test_a_long_text_is_cut() -> None:
    report = a_report(failed_case(reason="x" * 10_000_000))
    assert len(render(report)) < 20_000


@settings(max_examples=40, deadline=None)
@given(reports)
def test_any_report_makes_a_document_that_parses(report: Report) -> None:
    parsed(report)
