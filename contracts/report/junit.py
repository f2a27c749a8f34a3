"""A report as JUnit XML, as GitHub, GitLab and Jenkins show it: a suite for each group, a test case for each case."""

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from contracts.report.coverage_words import summary_line
from contracts.report.model import CaseReport, Report
from contracts.report.words import clean, cut, excerpt, label, one_line, reason_of, session_of, wire_row

_MESSAGE_CHARS_MAX = 300
_TEXT_CHARS_MAX = 4_000
_WIRE_LINES_MAX = 12
# What XML 1.0 cannot carry, not even as a reference. The controls are spelled out before.
_ILLEGAL = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def render(report: Report) -> str:
    """Return the whole document."""
    root = ElementTree.Element("testsuites", name=_text(f"omnimock: {one_line(report.client.name)}"))
    groups: dict[str, list[CaseReport]] = {}
    for case in report.cases:
        groups.setdefault(case.group, []).append(case)
    for cases in groups.values():
        _add_suite(root, report, cases)
    if report.complaints:
        _add_complaints(root, report)
    for name in ("tests", "failures", "errors", "skipped"):
        root.set(name, str(sum(int(suite.get(name, "0")) for suite in root)))
    root.set("time", f"{report.seconds:.3f}")
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _add_suite(root: ElementTree.Element, report: Report, cases: Sequence[CaseReport]) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name=_text(cases[0].group_title), timestamp=_text(report.started))
    properties = ElementTree.SubElement(suite, "properties")
    client = report.client
    for name, text in (
        ("client", client.name),
        ("driver", client.driver),
        ("capabilities", ", ".join(client.capabilities)),
        ("profile", report.profile),
        ("omnimock", report.version),
        *((("coverage", shown),) if (shown := summary_line(report.coverage)) else ()),
    ):
        _add_property(properties, name, text)
    for case in cases:
        _add_case(suite, report, case)
    _count(suite, sum(case.seconds for case in cases))


def _add_case(suite: ElementTree.Element, report: Report, case: CaseReport) -> None:
    element = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"{one_line(report.client.name).replace('.', '_')}.{case.group}"),
        name=_text(f"{case.id} {one_line(case.title)}"),
        time=f"{case.seconds:.3f}",
    )
    properties = ElementTree.SubElement(element, "properties")
    for name, text in (
        ("verdict", case.verdict),
        ("level", label(case)),
        ("source", case.source),
        ("replay", case.replay),
    ):
        _add_property(properties, name, text)
    message = _text(cut(reason_of(case) or case.verdict, _MESSAGE_CHARS_MAX))
    outcome = _outcome(case)
    if outcome == "skipped":
        ElementTree.SubElement(element, "skipped", message=_text(f"{case.verdict}: {message}"))
    elif outcome:
        found = ElementTree.SubElement(element, outcome, type=_text(case.verdict), message=message)
        found.text = _text(_story(case))
    elif case.verdict != "passed":
        ElementTree.SubElement(element, "system-out").text = _text(f"{case.verdict}\n{_story(case)}")


def _outcome(case: CaseReport) -> str:
    """Which of JUnit's outcomes fits; none where the case counts as passed."""
    if case.verdict == "harness error":
        return "error"
    if case.red:
        return "failure"
    return "skipped" if case.verdict in ("unsupported", "not exercised", "known failing") else ""


def _story(case: CaseReport) -> str:
    """What a person needs to know of a case that did not simply pass."""
    parts = [f"Requirement: {case.requirement}", f"Level: {label(case)}", f"Source: {case.source}"]
    parts += [f"Because: {case.reason}"] if case.reason else []
    for finding in case.failed_findings:
        parts += ["", f"Expected: {finding.expected}", f"Seen: {finding.seen}"]
        session = session_of(case, finding.session)
        for place, line, marked in excerpt(session, finding.lines, _WIRE_LINES_MAX) if session else ():
            parts.append(wire_row(place, line, ">" if marked else " "))
    parts += ["", f"How to fix: {case.fix}"]
    parts += [f"Replay: {case.replay}"] if case.replay else []
    return "\n".join(cut(each, _TEXT_CHARS_MAX) for each in parts)


def _add_complaints(root: ElementTree.Element, report: Report) -> None:
    suite = ElementTree.SubElement(root, "testsuite", name="the run itself", timestamp=_text(report.started))
    for number, complaint in enumerate(report.complaints, 1):
        element = ElementTree.SubElement(
            suite, "testcase", classname="omnimock.run", name=f"complaint {number}", time="0.000"
        )
        ElementTree.SubElement(
            element, "failure", type="complaint", message=_text(cut(one_line(complaint), _MESSAGE_CHARS_MAX))
        )
    _count(suite, 0.0)


def _count(suite: ElementTree.Element, seconds: float) -> None:
    suite.set("tests", str(len(suite.findall("testcase"))))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(len(suite.findall(f"testcase/{tag}"))))
    suite.set("time", f"{seconds:.3f}")


def _add_property(properties: ElementTree.Element, name: str, value: str) -> None:
    ElementTree.SubElement(properties, "property", name=name, value=_text(one_line(value)))


def _text(text: str) -> str:
    return _ILLEGAL.sub("\ufffd", clean(text))
