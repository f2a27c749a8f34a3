"""A stage on which sessions end as a test says, and nothing is played."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from contracts.case import Case, Play
from contracts.drivers.base import Declared, Ending
from contracts.jobs import Job
from contracts.observation import JobSeen, Session
from contracts.report.model import Client, Finding
from contracts.wire import WireLog
from mock_server.twin import Twin

CLIENT = Client("scripted", "in process", (), ("polling",))


def a_case(name: str = "ZZ-01", **more: Any) -> Case:
    texts = dict.fromkeys(("title", "requirement", "source", "why", "fix", "example"), "…")
    usual = {"level": "must", "basis": "ours", "plays": (Play(),), "checks": ({"scripted": None},)}
    return Case(id=name, **{**texts, **usual, **more})


def finding(verdict: str, **more: Any) -> Finding:
    return Finding(**{"channel": "wire", "verdict": verdict, "expected": "this", "seen": "that", **more})


def scripted(session: Session, argument: Any) -> list[Finding]:
    """A check that finds what the script of its session says."""
    return msgspec.json.decode(session.log, type=list[Finding])


# What comes of the nth session of a case: its findings, or those with an ending.
Script = Callable[[Case, int], Iterable[Finding] | tuple[Iterable[Finding], Ending]]


class ScriptedStage:
    """Plays what the script says; notes how many were played at a time."""

    virtual = False
    seed = 0

    def __init__(self, twin: Twin, script: Script, capabilities: Iterable[str] = ("polling",)) -> None:
        self.twin, self.script = twin, script
        self.declared = Declared("scripted", frozenset(capabilities))
        self.played: list[str] = []
        self.beside: dict[str, list[int]] = {}
        self._running = 0

    async def play(self, case: Case, number: int, play: Play) -> Session:
        self._running += 1
        try:
            turn = self.played.count(case.id)
            self.played.append(case.id)
            for _ in range(5):
                await asyncio.sleep(0)
            self.beside.setdefault(case.id, []).append(self._running)
        finally:
            self._running -= 1
        said = self.script(case, turn)
        findings, ending = said if isinstance(said, tuple) else (said, Ending("silent", 0.0, 1.0))
        return Session(
            number=number,
            case=case,
            play=play,
            key="sk-scripted-0123456789",
            began=0.0,
            ended=1.0,
            watched_until=1.0,
            jobs=[JobSeen(Job("j-1", "http://127.0.0.1:9", "sk-scripted-0123456789", {}), ending)],
            wire=WireLog(),
            tasks=[],
            attempts=[],
            posted=[],
            strangers=[],
            log=msgspec.json.encode(list(findings)),
            declared=self.declared,
            finals={},
            fills={},
            profile="kling",
        )
