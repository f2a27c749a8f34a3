"""Faults over real sockets, under each protocol class, with two client libraries; docs/faults.md says what they see."""

import pytest

from mock_server.faults import FAULTS
from mock_server.program import Program
from tests.live.client_view import END, PAGE, ROWS, SERVERS, START, look, table

REWRITE = "python -m tests.live.client_view"


def test_every_family_is_in_the_table() -> None:
    assert {next(iter(row.fault)) if isinstance(row.fault, dict) else row.fault for row in ROWS} == set(FAULTS)


@pytest.mark.parametrize("server", SERVERS)
def test_the_clients_see_what_the_page_says(program: Program, server: str) -> None:
    written = PAGE.read_text(encoding="utf-8").partition(START)[2].partition(END)[0].strip()
    assert table(look(program, SERVERS[server])).strip() == written, f"rewrite it: {REWRITE}"
