"""Runs the examiner so that a signal ends it in order: whatever it has started is ended first."""

import asyncio
import contextlib
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

# Besides SIGINT, which asyncio sees to: what a CI server sends, and a terminal that is closed.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


class Interrupted(Exception):
    """A signal came."""


def run_unless_interrupted(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a loop of its own; raise Interrupted where a signal ended it."""

    async def main() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None
        # Outside of the main thread there are no signals.
        with contextlib.suppress(ValueError, RuntimeError, NotImplementedError):
            for number in _SIGNALS:
                loop.add_signal_handler(number, task.cancel)
        return await work

    try:
        return asyncio.run(main())
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Interrupted from None
