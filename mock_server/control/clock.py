"""The pages of a world's clock: what it shows, and moving a manual one."""

from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from mock_server.callbacks import Fired
from mock_server.clock import ManualClock, SystemClock
from mock_server.control.asking import BadInput
from mock_server.control.base import Asked, ControlError
from mock_server.control.entries import iso
from mock_server.durations import parse_duration_ms


async def shown(asked: Asked) -> Response:
    """Say which kind of clock the world has, and what it shows."""
    clock = asked.world.clock
    now_ms = clock.now_ms()
    return asked.json(
        {
            "kind": "manual" if isinstance(clock, ManualClock) else "system",
            "now_ms": now_ms,
            "now_iso": iso(now_ms),
            "scale": clock.scale if isinstance(clock, SystemClock) else None,
        }
    )


async def advanced(asked: Asked) -> Response:
    """Move the manual clock of a world: `{"by": "30s"}` or `{"to_ms": 1767225660000}`."""
    world = asked.world
    if not isinstance(world.clock, ManualClock):
        raise ControlError(HTTPStatus.CONFLICT, "this clock runs by itself: start the twin with --clock manual")
    started_ms = world.clock.now_ms()
    to_ms = _moment(await asked.body("by", "to_ms"), started_ms)
    try:
        fired = await asked.twin.callbacks.advance(world, to_ms)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if world.closed:
        raise ControlError(HTTPStatus.CONFLICT, "this world was reset while its clock moved")
    return asked.json(
        {"from_ms": started_ms, "now_ms": world.clock.now_ms(), "fired": [_plain(each) for each in fired]}
    )


def _moment(asked: dict[str, Any], now_ms: int) -> int:
    match asked:
        case {"by": str(text), **rest} if not rest:
            try:
                return now_ms + parse_duration_ms(text)
            except ValueError as error:
                raise BadInput(f"by: {error}") from None
        case {"to_ms": int() | float() as at_ms, **rest} if not rest and not isinstance(at_ms, bool):
            # JSON has one kind of number: 5.0 is whole.
            if at_ms == int(at_ms):
                return int(at_ms)
    raise BadInput('send {"by": "30s"} or {"to_ms": 1767225660000}, as JSON')


def _plain(fired: Fired) -> dict[str, Any]:
    plain = {key: each for key, each in msgspec.to_builtins(fired).items() if each is not None}
    if fired.callback is not None:
        del plain["callback"]["spoiling"], plain["callback"]["step"]
        plain["callback"]["faults"] = list(fired.callback.faults)
    return plain
