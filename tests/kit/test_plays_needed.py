"""Which plays of a case a client is asked for, and at what level it is judged, by what it declares."""

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from contracts.arena import Arena
from contracts.case import Case, Play
from contracts.drivers.base import Declared
from contracts.jobs import Capability, Job, Result
from contracts.report.model import CaseReport, Client
from contracts.runner import Plan, run_cases
from contracts.virtual_stage import VirtualStage
from tests.kit.sessions_a import CASE

PICTURES = Play(name="pictures", needs=("images",))
VIDEOS = Play(name="videos", needs=("videos", "images"))
SOCKETS = Play(name="sockets", listener="tls")
PLAIN = Play(name="plain")


def client(job: Job, clock: Any) -> Result:
    return Result("refused", reason=job.api_key)


def report_of(case: Case, capabilities: Iterable[str] = ()) -> CaseReport:
    stage = VirtualStage(client, Declared("a client", frozenset(capabilities)))
    told = Client("a client", "in process", (), ())
    return asyncio.run(run_cases(stage, told, Plan(cases=[case]))).cases[0]


def case_of(*plays: Play, outcome: str = "refused", claim: Capability | None = None) -> Case:
    return msgspec.structs.replace(CASE, plays=plays, checks=({"outcome": outcome},), claim=claim)


def test_a_play_whose_needs_are_not_declared_is_left_out() -> None:
    report = report_of(case_of(PICTURES, VIDEOS, PLAIN), ["images"])
    assert [each.name for each in report.sessions] == ["pictures", "plain"]
    assert report.verdict == "passed"


def test_a_case_of_which_no_play_is_left_is_unsupported_and_says_why() -> None:
    report = report_of(case_of(VIDEOS), ["images"])
    assert (report.verdict, report.reason) == ("unsupported", "the client does not declare videos")


def test_where_there_are_no_sockets_the_other_plays_are_played() -> None:
    assert [each.name for each in report_of(case_of(SOCKETS, PLAIN)).sessions] == ["plain"]
    assert "sockets" in report_of(case_of(SOCKETS)).reason


def test_a_case_about_a_claim_is_for_information_where_it_is_not_made() -> None:
    case = case_of(PLAIN, outcome="succeed", claim="local-validation")
    without, with_it = report_of(case), report_of(case, ["local-validation"])
    assert (without.verdict, without.level, without.red) == ("info", "info", False)
    assert (with_it.verdict, with_it.level, with_it.red) == ("failed", "must", True)


def test_no_finding_shows_a_key() -> None:
    report = report_of(case_of(PLAIN, outcome="succeed"))
    assert "[key]" in report.findings[0].seen
    assert "sk-omnimock" not in report.findings[0].seen


def test_a_handshake_that_is_broken_off_is_counted() -> None:
    async def connect() -> int:
        async with Arena(lanes=1) as arena, arena.lane() as lane:
            reader, writer = await asyncio.open_connection("127.0.0.1", lane.tls_port)
            writer.write(b"this is no handshake\r\n")
            await reader.read()
            writer.close()
            await writer.wait_closed()
            return lane.tls_listener.accepted

    assert asyncio.run(connect()) == 1
