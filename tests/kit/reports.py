"""Reports to make reports from: a small believable run, a large one, and Hypothesis strategies with hostile text."""

from typing import Any, get_args

import msgspec
from hypothesis import strategies as st

from contracts.case import Basis, Level
from contracts.report.model import (
    CaseReport,
    Client,
    Coverage,
    Dimension,
    Finding,
    JobReport,
    Report,
    SessionReport,
    ShownCell,
    Verdict,
    WireLine,
)

# What a hostile client may say: ways out of script, HTML, Markdown, XML and the terminal, and lines that lie.
HOSTILE = (
    "</script><script>window.owned=1</script><img src=x onerror=window.owned=1> "
    "\x1b[2J\x1b]0;owned\x07 | **bold** [link](javascript:window.owned=1) ```\n</pre></details><h1>owned</h1> "
    "]]> <!-- &lt; \x00 \ufffe \u202egnp.exe {script} {embedded} [bold red]markup[/] ${{ 7*7 }} \r overwritten"
)

SCENARIO = """name: three-503
create: usual
query:
  - {fault: status, status: 503, times: 3}
  - {status: succeed}
"""


def line(at_seconds: float, title: str, status: int | None, **more: Any) -> WireLine:
    """A wire line with a believable request and response."""
    usual = {
        "at_seconds": at_seconds,
        "kind": "exchange",
        "title": title,
        "status": status,
        "took_seconds": 0.012,
        "request": f"{title} HTTP/1.1\nHost: 127.0.0.1:43117\nAuthorization: Bearer sk-…\nAccept: application/json\n",
        "response": f'HTTP/1.1 {status}\nContent-Type: application/json\n\n{{"code": 0, "message": "SUCCEED"}}',
    }
    return WireLine(**{**usual, **more})


def backoff_session(name: str = "three-503") -> SessionReport:
    """A session of a client that comes back at once, three times."""
    query = "GET /kling/v1/videos/omni-video/866889456698785798"
    return SessionReport(
        name=name,
        scenario=SCENARIO,
        jobs=(
            JobReport(
                job="j-1",
                request={"model_name": "kling-v3-omni", "prompt": "A red fox in the snow", "duration": "5"},
                settings={"poll_interval_seconds": 0.1, "deadline_seconds": 8.0},
                result={"outcome": "succeed", "task_id": "866889456698785798", "url": "http://127.0.0.1/x.mp4"},
                ended="reported succeed",
                seconds=0.742,
                exit_status=0,
            ),
        ),
        wire=(
            line(0.0, "POST /kling/v1/videos/omni-video", 200, told="submitted"),
            line(0.112, query, 503, gap_seconds=0.1, note="status 503, on purpose"),
            line(0.127, query, 503, gap_seconds=0.003, note="status 503, on purpose"),
            line(0.142, query, 503, gap_seconds=0.003, note="status 503, on purpose"),
            line(0.654, query, 200, gap_seconds=0.5, told="succeed"),
        ),
        log="INFO created 866889456698785798\nWARN 503, trying again\nWARN 503, trying again\n",
    )


def case(case_id: str = "RT-05", verdict: Verdict = "passed", **more: Any) -> CaseReport:
    """A case; what is given lies over a believable one of the group of retries."""
    usual = {
        "id": case_id,
        "title": "The first retry is not immediate",
        "group": "retry",
        "group_title": "Errors and retries",
        "requirement": "After a 500, 502 or 503 the client waits before it asks again.",
        "level": "must",
        "basis": "page",
        "source": "DeerAPI, Omni Video, Error codes: https://apidoc.deerapi.com/omni-video",
        "why": "A thousand clients that come back at once keep a provider down that was about to recover.",
        "fix": "Wait before each retry: start at about half a second, double it each time, and add jitter.",
        "verdict": verdict,
        "wire": verdict,
        "outcome": "passed",
        "replay": f"omnimock check --case {case_id} -- node my-client.mjs",
        "seconds": 0.9,
    }
    return CaseReport(**{**usual, **more})


def failed_case(case_id: str = "RT-05", **more: Any) -> CaseReport:
    """A case that is red, with the lines that show it."""
    usual: dict[str, Any] = {
        "findings": (
            Finding(
                channel="wire",
                verdict="failed",
                expected="a pause of at least 0.100 s before the first retry",
                seen="a pause of 0.003 s, in 3 of 3 retries",
                lines=(2, 3),
            ),
            Finding(channel="outcome", verdict="passed", expected="outcome succeed", seen="outcome succeed"),
        ),
        "sessions": (backoff_session(),),
        "red": True,
    }
    return case(case_id, "failed", **{**usual, **more})


def a_report(*cases: CaseReport, name: str = "acme-video 2.3", **more: Any) -> Report:
    """A run of a client over worker."""
    usual = {
        "client": Client(
            name=name,
            driver="worker",
            command=("node", "my-client.mjs"),
            capabilities=("polling", "images"),
            settings={"poll_interval_seconds": 0.5},
        ),
        "cases": cases,
        "status": 1 if any(each.red for each in cases) else 0,
        "started": "2026-11-25T10:00:00Z",
        "seconds": 41.2,
        "profile": "page",
        "spec": "openapi.yaml",
        "version": "0.4.0",
    }
    return Report(**{**usual, **more})


def a_coverage(**more: Any) -> Coverage:
    """What a client was shown that polls, and is not called back."""
    usual = {
        "exchanges": 812,
        "callbacks": 0,
        "dimensions": (
            Dimension("operations", {"createOmniVideo": 300, "getOmniVideo": 512}, ("listOmniVideos",)),
            Dimension("problems", {"maintenance": 12}, ("rate-limited", "balance-exhausted")),
            Dimension("statuses", {"submitted": 300, "processing": 400, "succeed": 100}, ("failed",)),
            Dimension("callback attempts", {}, ("first attempt", "later attempt", "lost")),
        ),
        "cells": (
            ShownCell("-", "resource-not-found", "-", (), (), 2),
            ShownCell("createOmniVideo", "success", "submitted", (), (), 298),
            ShownCell("getOmniVideo", "lost", "processing", ("reset",), ("late", "lost"), 12),
            ShownCell("getOmniVideo", "success", "processing", (), (), 400),
            ShownCell("getOmniVideo", "success", "succeed", (), (), 100),
        ),
    }
    return Coverage(**{**usual, **more})


def believable() -> Report:
    """A run with every kind of verdict that a person meets."""
    return a_report(
        case("AUTH-01", title="The key is on every request", group="auth", group_title="Authentication"),
        case(
            "IDM-01",
            "intermittent",
            title="A retry is the same job",
            group="billing",
            group_title="Billing safety",
            basis="ours",
            source="omnimock: a job must be paid once",
            reason="it failed in 1 of 3 runs",
            red=True,
        ),
        failed_case(),
        case(
            "RL-01",
            "warned",
            title="Retry-After is kept",
            level="should",
            basis="rfc",
            group="limits",
            group_title="Rate limits",
            source="RFC 9110, 10.2.3",
            findings=(
                Finding("wire", "failed", "no request for 1.95 s after the 429", "a request after 0.500 s", lines=(1,)),
            ),
            sessions=(backoff_session("retry-after"),),
        ),
        case("CB-01", "unsupported", group="callbacks", group_title="Callbacks", title="Callbacks are acknowledged",
             reason="the client did not declare callbacks"),
        case("CB-04", "not exercised", group="callbacks", group_title="Callbacks", title="A lost callback does no harm",
             reason="no poll was seen"),
        case("RT-08", "info", level="info", title="Other errors of servers", basis="practice",
             findings=(Finding("wire", "info", "", "502 was retried twice"),)),
        case("TM-02", "known failing", title="Polling stops on failed", group="terminal", group_title="Terminal states",
             reason="ACME-17, until 2027-01-31"),
        coverage=a_coverage(),
    )  # fmt: skip


def hostile() -> Report:
    """A run in which everything that a client can say is an attack."""
    said = HOSTILE
    session = backoff_session(said)
    jobs = (msgspec.structs.replace(session.jobs[0], result={"reason": said, said: said}, ended=said, job=said),)
    wire = (line(0.1, said, 500, told=said, note=said, request=said, response=said, kind="stranger"), *session.wire)
    session = msgspec.structs.replace(session, jobs=jobs, wire=wire, log=said, scenario=said)
    finding = Finding("wire", "failed", said, said, lines=(0, 99))
    return a_report(
        failed_case(findings=(finding,), sessions=(session,), reason=said, replay=said),
        case("RL-01", "warned", findings=(finding,), title=said, source=f"javascript:window.owned=1 {said}"),
        case("CB-01", "unsupported", reason=said),
        name=said,
        complaints=(said,),
        # A spec of the user's own may say what it likes, too.
        coverage=a_coverage(
            dimensions=(Dimension(said, {said: 1}, (said,)),), cells=(ShownCell(said, said, said, (said,), (said,), 1),)
        ),
    )


def large(name: str, cases: int = 85, lines: int = 40) -> Report:
    """A run as large as they get."""
    wire = tuple(line(number * 0.1, "GET /kling/v1/videos/omni-video/1", 200) for number in range(lines))
    session = msgspec.structs.replace(backoff_session(), wire=wire)
    made = (
        failed_case(f"G{number // 7}-{number:02}", group=f"g{number // 7}", group_title=f"Group {number // 7}",
                    sessions=(session,))
        if number % 9 == 4
        else case(f"G{number // 7}-{number:02}", group=f"g{number // 7}", group_title=f"Group {number // 7}",
                  sessions=(session,))
        for number in range(cases)
    )  # fmt: skip
    return a_report(*made, name=name)


# Any text at all, halves of surrogate pairs too, and often what hurts.
texts = st.one_of(st.text(max_size=30), st.text(st.characters(codec=None), max_size=10), st.sampled_from([HOSTILE, ""]))
_seconds = st.floats(0, 1000, allow_nan=False)
_wire_lines = st.builds(
    WireLine,
    at_seconds=_seconds,
    kind=st.sampled_from(["exchange", "callback", "stranger"]),
    title=texts,
    status=st.none() | st.integers(0, 599),
    told=st.none() | texts,
    took_seconds=st.none() | _seconds,
    gap_seconds=st.none() | _seconds,
    request=texts,
    response=texts,
    note=texts,
)
_jobs = st.builds(
    JobReport,
    job=texts,
    request=st.dictionaries(texts, texts, max_size=2),
    settings=st.just({}),
    result=st.none() | st.dictionaries(texts, texts | st.integers() | st.none(), max_size=2),
    ended=texts,
    seconds=_seconds,
)
_sessions = st.builds(
    SessionReport,
    name=texts,
    scenario=texts,
    jobs=st.lists(_jobs, max_size=1).map(tuple),
    wire=st.lists(_wire_lines, max_size=3).map(tuple),
    log=texts,
)
_findings = st.builds(
    Finding,
    channel=st.sampled_from(["wire", "outcome"]),
    verdict=st.sampled_from(["passed", "failed", "info", "not exercised"]),
    expected=texts,
    seen=texts,
    session=st.integers(-1, 3),
    lines=st.lists(st.integers(-1, 5), max_size=3).map(tuple),
)
_verdicts = st.sampled_from(get_args(Verdict))
_cases = st.builds(
    CaseReport,
    id=st.from_regex(r"[A-Z]{2}-[0-9]{2}", fullmatch=True),
    title=texts,
    group=st.sampled_from(["a", "b"]),
    group_title=texts,
    requirement=texts,
    level=st.sampled_from(get_args(Level)),
    basis=st.sampled_from(get_args(Basis)),
    source=texts,
    why=texts,
    fix=texts,
    verdict=_verdicts,
    wire=_verdicts,
    outcome=_verdicts,
    reason=texts,
    findings=st.lists(_findings, max_size=2).map(tuple),
    sessions=st.lists(_sessions, max_size=2).map(tuple),
    replay=texts,
    seconds=_seconds,
    red=st.booleans(),
)
_names = st.lists(texts, max_size=2).map(tuple)
_coverages = st.builds(
    Coverage,
    exchanges=st.integers(0, 99),
    callbacks=st.integers(0, 99),
    dimensions=st.lists(
        st.builds(
            Dimension,
            name=texts | st.just("statuses"),
            shown=st.dictionaries(texts, st.integers(1, 9), max_size=2),
            missing=_names,
        ),
        max_size=2,
    ).map(tuple),
    cells=st.lists(
        st.builds(ShownCell, texts, texts, texts | st.just("-"), _names, _names, st.integers(1, 9)), max_size=3
    ).map(tuple),
)
reports = st.builds(
    Report,
    client=st.builds(
        Client,
        name=texts,
        driver=st.sampled_from(["exec", "worker", "in process"]),
        command=st.lists(texts, max_size=2).map(tuple),
        capabilities=st.lists(texts, max_size=2).map(tuple),
    ),
    cases=st.lists(_cases, max_size=3, unique_by=lambda each: each.id).map(tuple),
    status=st.integers(0, 2),
    started=texts,
    seconds=_seconds,
    profile=texts,
    spec=texts,
    version=texts,
    complaints=st.lists(texts, max_size=1).map(tuple),
    seed=st.integers(0, 2**64),
    coverage=_coverages,
    format=st.just(1),
)
