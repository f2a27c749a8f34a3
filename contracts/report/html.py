"""The matrix of clients and cases as one HTML file that needs nothing else: no server, no network, no other file.

The page (`matrix/`) is fixed. What a run says is put into it as JSON, in script elements that no browser runs, and the
page writes it as text; only coverage is HTML, which needs no script. A policy in the page allows its own style and
script, by their hashes, and no request.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from contracts.report import coverage_html
from contracts.report.model import CaseReport, Coverage, Report, SessionReport
from contracts.report.words import LOOKS, STATUSES, clean, counted, cut, label

_FOLDER = Path(__file__).parent / "matrix"
# A page of ten clients has 34,000 wire lines, so each is kept short; the JSON beside the page has all of it.
_BODY_CHARS_MAX = 4_000
_TEXT_CHARS_MAX = 20_000
_LINES_MAX = 200
_SESSIONS_MAX = 60


def render(runs: Mapping[str, Report]) -> str:
    """Return the page; the names of the runs are what links to a cell begin with, as in `#/acme-worker/RT-04`."""
    style, script = (_part(name) for name in ("style.css", "page.js"))
    rows = _rows(runs)
    page = _part("page.html")
    for mark, text in {
        "{style-hash}": _hash(style),
        "{script-hash}": _hash(script),
        "{style}": style,
        "{script}": script,
        "{coverage}": coverage_html.render(runs),
        # Last: what a client said is not looked through for marks.
        "{embedded}": "\n".join([_embed("index", _index(runs, rows)), *_cells(runs, rows)]),
    }.items():
        page = page.replace(mark, text, 1)
    return page


def _part(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _rows(runs: Mapping[str, Report]) -> dict[str, dict[str, dict[str, CaseReport]]]:
    """Return group → case → run → report. The fullest run says the order; what only others have comes after it."""
    rows: dict[str, dict[str, dict[str, CaseReport]]] = {}
    for name, run in sorted(runs.items(), key=lambda each: -len(each[1].cases)):
        for case in run.cases:
            rows.setdefault(case.group, {}).setdefault(case.id, {})[name] = case
    return rows


def _index(runs: Mapping[str, Report], rows: Mapping[str, Mapping[str, Mapping[str, CaseReport]]]) -> dict[str, Any]:
    """Return what the matrix itself shows."""
    return {
        "looks": [{"verdict": verdict, "symbol": look.symbol} for verdict, look in LOOKS.items()],
        "runs": [_run(name, run) for name, run in runs.items()],
        "groups": [_group(group, cases, list(runs)) for group, cases in rows.items()],
    }


def _run(name: str, run: Report) -> dict[str, Any]:
    told = msgspec.to_builtins(msgspec.structs.replace(run, cases=(), coverage=Coverage()))
    red = sum(each.red for each in run.cases)
    return {
        **told,
        "key": name,
        "word": STATUSES.get(run.status, "Ended"),
        "counted": counted(run),
        "counts": run.counts(),
        "red": red,
    }


def _group(group: str, cases: Mapping[str, Mapping[str, CaseReport]], names: list[str]) -> dict[str, Any]:
    firsts = {case_id: next(iter(by_run.values())) for case_id, by_run in cases.items()}
    return {
        "group": group,
        "title": next(iter(firsts.values())).group_title,
        "cases": [
            {
                "id": first.id,
                "title": first.title,
                "level": first.level,
                "label": label(first),
                "requirement": first.requirement,
                "cells": [
                    {"verdict": cases[case_id][name].verdict, "red": cases[case_id][name].red}
                    if name in cases[case_id]
                    else None
                    for name in names
                ],
            }
            for case_id, first in firsts.items()
        ],
    }


def _cells(runs: Mapping[str, Report], rows: Mapping[str, Mapping[str, Mapping[str, CaseReport]]]) -> list[str]:
    """Return an element for each cell. The page reads one when it is opened, so that a large matrix opens at once."""
    places = {name: place for place, name in enumerate(runs)}
    numbers = {case_id: number for number, case_id in enumerate(each for cases in rows.values() for each in cases)}
    return [
        _embed(f"cell-{places[name]}-{numbers[case_id]}", _cell(case))
        for cases in rows.values()
        for case_id, by_run in cases.items()
        for name, case in by_run.items()
    ]


def _cell(case: CaseReport) -> dict[str, Any]:
    kept = msgspec.structs.replace(case, sessions=tuple(_short(each) for each in case.sessions[:_SESSIONS_MAX]))
    left = len(case.sessions) - _SESSIONS_MAX
    return {**msgspec.to_builtins(kept), "label": label(case), "sessions_left_out": max(0, left)}


def _short(session: SessionReport) -> SessionReport:
    wire = tuple(
        msgspec.structs.replace(
            each, request=cut(each.request, _BODY_CHARS_MAX), response=cut(each.response, _BODY_CHARS_MAX)
        )
        for each in session.wire[:_LINES_MAX]
    )
    return msgspec.structs.replace(
        session,
        wire=wire,
        log=cut(session.log, _TEXT_CHARS_MAX),
        scenario=cut(session.scenario, _TEXT_CHARS_MAX),
    )


def _harmless(value: Any) -> Any:
    """Spell out the controls in all text: marks that turn the direction of writing would make a page lie."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(key): _harmless(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_harmless(each) for each in value]
    return value


def _embed(name: str, value: Any) -> str:
    """Return JSON in an element that nothing in it can end: of `<`, `>` and `&` there is none."""
    text = msgspec.json.encode(_harmless(msgspec.to_builtins(value))).decode()
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return f'<script type="application/json" id="{name}">{text}</script>'
