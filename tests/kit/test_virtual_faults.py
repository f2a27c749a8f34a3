"""In virtual time a client sees of each fault what it sees over a socket: what the table of docs/faults.md says."""

import httpx
import pytest

from contracts.virtual_twin import VirtualTwin
from tests.live.client_view import PAGE, ROWS, Row, seen
from tests.support import MINIMAL, OMNI

KEY = "sk-test"
URL = f"https://api.deerapi.com{OMNI}"
TABLE = {
    fault.strip("` "): of_httpx.strip()
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `") and line.count("|") == 4
    for _, fault, of_httpx, *_ in [line.split("|")]
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.written)
def test_a_client_sees_what_it_sees_over_a_socket(row: Row) -> None:
    with VirtualTwin() as twin:
        headers = {"authorization": f"Bearer {KEY}"}

        def ask(url: str, headers: dict[str, str], timeout_seconds: float) -> tuple[int, bytes]:
            with httpx.Client(transport=twin.transport, timeout=timeout_seconds) as client:
                answer = client.get(url, headers=headers)
                return answer.status_code, answer.content

        with httpx.Client(transport=twin.transport, headers=headers) as client:
            task_id = client.post(URL, json=MINIMAL).json()["data"]["task_id"]
        twin.clock.sleep(3_600)
        story = {"name": "spoiled", "about": "A test.", "query": [{"fault": row.fault}]}
        twin.world(KEY).steering.arm(twin.twin.catalogue.define(story), None, 0)
        assert seen(ask, row, f"{URL}/{task_id}", KEY) == TABLE[row.written]
