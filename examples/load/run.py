"""A run, from its start to its end, in one process or over a master and its workers.

    test_start ──▶ the users' Load ──▶ turns ──▶ test_stopping ──▶ the last turns end ──▶ test_stop
                                          └──▶ all tasks spent ──▶ the run is over

Locust by itself may stop a user who has just sent something. And without a page its master gives workers half a second
to report, however long `--stop-timeout` is; what their users see after that is in no table. So users are first let to
end their turns, for that time at most, and are stopped then.
"""

from typing import Any

import gevent
from gevent.event import Event
from locust.env import Environment
from locust.runners import MasterRunner, Runner, WorkerRunner
from shared import Load

_loads: dict[Environment, Load] = {}


def load_of(environment: Environment) -> Load:
    """Return what the users of the run share that is under way in this process."""
    return _loads[environment]


class Run:
    """The run of this process."""

    def __init__(self, environment: Environment, runner: Runner, **more: Any) -> None:
        """A listener of Locust's `init`; it listens to the rest from then on."""
        self._environment, self._runner = environment, runner
        # Of how many processes it is awaited that their users end their turns, and that their tasks are spent.
        self._unfinished = self._unspent = 0
        self._all_finished = Event()
        if isinstance(runner, WorkerRunner):
            runner.register_message("finish", self.finish)
        elif isinstance(runner, MasterRunner):
            runner.register_message("finished", self.finished)
            runner.register_message("spent", self.spent)
        for hook, listener in (
            (environment.events.test_start, self.begin),
            (environment.events.test_stopping, self.wait),
            (environment.events.test_stop, self.end),
        ):
            hook.add_listener(listener)  # type: ignore[no-untyped-call]  # Locust gives it no types.

    @property
    def _leads(self) -> bool:
        return not isinstance(self._runner, WorkerRunner)

    @property
    def _has_users(self) -> bool:
        return not isinstance(self._runner, MasterRunner)

    @property
    def _processes(self) -> int:
        return len(self._runner.clients.all) if isinstance(self._runner, MasterRunner) else 1

    def begin(self, environment: Environment, **more: Any) -> None:
        """Begin; callbacks are received where users are."""
        load = _loads[environment] = Load(environment)
        load.on_spent = self.spent if self._leads else lambda: self._runner.send_message("spent")
        self._unspent = self._processes
        if load.options.reset and self._leads:
            load.reset(environment.host or "")
        if load.options.callbacks and self._has_users:
            load.listen()

    def spent(self, *args: Any, **more: Any) -> None:
        """Where it is led: a process has spent its tasks. When all have, the run is over."""
        self._unspent -= 1
        if self._unspent <= 0:
            options = self._environment.parsed_options
            # With a page another run can follow. Not here: a user may be calling, and a run waits for its users.
            gevent.spawn(self._runner.quit if options and options.headless else self._runner.stop)

    def wait(self, environment: Environment, **more: Any) -> None:
        """Where it is led: wait until the users of all processes have ended their turns."""
        if not self._leads or not environment.stop_timeout:
            return
        self._all_finished.clear()
        self._unfinished = self._processes
        if self._has_users:
            _loads[environment].finish(self.finished)
        else:
            self._runner.send_message("finish")
        if self._unfinished > 0:
            self._all_finished.wait(timeout=environment.stop_timeout)

    def finish(self, environment: Environment, **more: Any) -> None:
        """In a worker: let its users end their turns, and say so when they have."""
        if load := _loads.get(environment):
            load.finish(lambda: self._runner.send_message("finished"))

    def finished(self, *args: Any, **more: Any) -> None:
        """Where it is led: the users of a process have ended their turns."""
        self._unfinished -= 1
        if self._unfinished <= 0:
            self._all_finished.set()

    def end(self, environment: Environment, **more: Any) -> None:
        """End."""
        if load := _loads.pop(environment, None):
            load.close()
