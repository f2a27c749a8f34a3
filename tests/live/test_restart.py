"""A server that is started again with the same settings tells the same story to the byte."""

import re
from pathlib import Path
from typing import Any

import httpx

from tests.live.conftest import StartServer
from tests.live.support import Client
from tests.support import OMNI


def test_a_server_that_is_started_again_tells_the_same_story(start: StartServer, key: str, tmp_path: Path) -> None:
    (tmp_path / "mixed.yaml").write_text(
        "name: mixed\nabout: Some of everything that chance decides.\n"
        "lifecycle: {outcome: {shares: {success: 1, failure: 1}}}\n"
        "capacity: {queue: {parallel: 2}, rate: {requests: 6, per: 10s, retry-after: date}, quota: 8}\n"
        "outages: [{problem: maintenance, chance: 0.3}]\n",
        encoding="utf-8",
    )

    def told() -> list[Any]:
        server = start(
            "--clock", "manual", "--seed", "11", "--scenarios", str(tmp_path), "--scenario", "mixed", "--port", "0"
        )
        client = Client(server, key)
        seen = []
        for turn in range(4):
            seen += [_plain(client.submit(prompt=f"A lighthouse, {turn}.")) for _ in range(4)]
            seen.append(_plain(server.http.get(OMNI, headers=client.headers)))
            seen.append(client.advance("40s"))
        server.end()
        return [_without_port(each, server.port) for each in seen]

    assert told() == told()


def _plain(answer: httpx.Response) -> Any:
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "server")}
    return answer.status_code, headers, answer.text


def _without_port(seen: Any, port: int) -> str:
    return re.sub(rf":{port}\b", ":PORT", re.sub(r"'real_ms': \d+", "", repr(seen)))
