"""Who may use the control API where the server is open to the network. No socket: the settings say where it listens."""

from collections.abc import Callable

import httpx
import pytest

from mock_server.app import App
from mock_server.twin import Twin
from tests.support import Caller

ADVANCE = "http://twin.test/_mock/clock/advance"


async def advance(twin: Twin, headers: dict[str, str]) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(App(twin))) as client:
        return await client.post(ADVANCE, json={"by": "30s"}, headers={"authorization": "Bearer sk-test", **headers})


@pytest.mark.parametrize("headers", [{}, {"x-control-token": "wrong"}, {"x-control-token": ""}])
async def test_open_to_the_network_the_clock_moves_for_nobody_without_the_token(
    make: Callable[..., Twin], headers: dict[str, str]
) -> None:
    for settings in ({"control_token": "right"}, {}):
        twin = make(host="0.0.0.0", **settings)
        before_ms = Caller(twin).clock.now_ms()
        answer = await advance(twin, headers)
        assert answer.status_code == 403
        assert "X-Control-Token" in answer.json()["detail"]
        assert Caller(twin).clock.now_ms() == before_ms


async def test_open_to_the_network_the_token_lets_in(make: Callable[..., Twin]) -> None:
    twin = make(host="0.0.0.0", control_token="right")
    before_ms = Caller(twin).clock.now_ms()
    assert (await advance(twin, {"x-control-token": "right"})).status_code == 200
    assert Caller(twin).clock.now_ms() == before_ms + 30_000


async def test_on_loopback_a_foreign_name_is_refused_and_a_named_one_let_in(make: Callable[..., Twin]) -> None:
    assert (await advance(make(), {})).status_code == 403
    assert (await advance(make(allowed_hosts=("twin.test",)), {})).status_code == 200
