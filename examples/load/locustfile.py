"""A load of the shape that clients of a task API make: submit, ask now and then until the end, perhaps be called back.

    locust -f examples/load/locustfile.py --headless -H http://127.0.0.1:4747 -u 20 -r 5 -t 60s -s 30

Each user follows one task at a time. Besides the requests, Locust's table has

    TASK      succeeded, failed      how many tasks ended so, and how long after their submit that was known
              abandoned              had not ended at the deadline, or at the end of the run
              refused                the service did not take it, however often it was asked
              unknown                there was no answer that says whether it was taken
    CALLBACK  end, under way, late   what a callback told, and how long after the submit it came

What the service is called by is in `service.toml`. docs/load.md says how to use all this.
"""

import random
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from run import Run, load_of
from service import TRY_AGAIN, find, pause_seconds
from shared import Awaited, Load, read_json


def add_options(parser: LocustArgumentParser) -> None:
    """Add the options of this load to Locust's own; workers get them from the master."""

    def add(name: str, default: Any, about: str, **more: Any) -> None:
        kind = {} if isinstance(default, bool) else {"type": type(default)}
        variable = "LOAD" + name[1:].upper().replace("-", "_")
        parser.add_argument(name, env_var=variable, default=default, help=about, **kind, **more)

    add("--service", str(Path(__file__).with_name("service.toml")), "The file that describes the service.")
    add("--poll-every", 5.0, "How many seconds a user waits between two looks at its task.")
    add("--deadline", 900.0, "After how many seconds a user gives up on a task.")
    add("--pause", 1.0, "How many seconds a user waits, on the average, before its next task.")
    add("--tasks", 0, "How many tasks a process submits at most; when all have ended, the run is over. 0: no limit.")
    add("--list-share", 0.05, "In what share of its turns a user lists tasks instead.")
    add("--query-share", 0.05, "In what share of its turns a user looks at its last task once more instead.")
    add("--tries", 5, "How often a submit is sent at most, where the service is too busy for it (429, 503).")
    add("--answer-within", 30.0, "How many seconds an answer may take.")
    add("--callbacks", False, "Ask for callbacks, and receive them in this process.", action="store_true")
    add("--callback-host", "127.0.0.1", "The address that the receiver listens on.")
    add("--callback-url", "", "The base address that the service is told, where that is another one.")
    add("--ca-file", "", "Trust this authority instead of those that this machine trusts.")
    add("--reset", False, "Before the run, let an omnimock forget the worlds of LOAD_KEYS.", action="store_true")


def check(environment: Environment, **more: Any) -> None:
    """End Locust in one line where an option cannot be: it would go on without what it was told."""
    options = environment.parsed_options
    assert options is not None
    try:
        Load(environment)
        for name in ("poll_every", "deadline", "answer_within", "tries"):
            if not getattr(options, name) > 0:
                raise ValueError(f"--{name.replace('_', '-')} is above 0, not {getattr(options, name)}")
        if options.tasks < 0:
            raise ValueError(f"--tasks is not below 0, as {options.tasks} is; 0 is no limit")
        shares = (options.list_share, options.query_share)
        if options.pause < 0 or min(shares) < 0 or sum(shares) > 1:
            raise ValueError("--pause is not below 0, and neither is a share; both shares are together at most 1")
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


class Client(FastHttpUser):
    """Somebody who has videos made, one after the other, with a key of their own."""

    # A certificate is checked, unlike Locust does by itself.
    insecure = False

    def __init__(self, environment: Environment) -> None:
        self.load = load = load_of(environment)
        self.ssl_context_factory = lambda: load.tls
        self.network_timeout = self.connection_timeout = load.options.answer_within
        self.headers = load.service.headers(load.next_key())
        self.last_id: str | None = None
        super().__init__(environment)

    def on_stop(self) -> None:
        """Let go of the connection."""
        self.client.client.close()

    def wait_time(self) -> float:
        """Return how long to pause: users do not keep step."""
        return float(self.load.options.pause * random.uniform(0.5, 1.5))

    @task
    def take_a_turn(self) -> None:
        """See a task through, or look around."""
        if not self.load.another_turn:
            raise StopUser
        options, chance = self.load.options, random.random()
        with self.load.turn():
            if chance < options.list_share:
                self.ask("GET", "list", self.load.service.list)
            elif chance < options.list_share + options.query_share and self.last_id is not None:
                self.look(self.last_id)
            else:
                self.see_a_task_through()

    def see_a_task_through(self) -> None:
        """Submit, and follow the task to its end; however this ends, one outcome is counted."""
        self.load.tasks_left -= 1
        with self.load.awaiting() as awaited:
            outcome = "unknown"
            try:
                outcome = self.submit(awaited)
                if outcome == "taken":
                    outcome = "abandoned"
                    outcome = self.follow(awaited)
            finally:
                # Also where Locust ends the user in the middle.
                awaited.count("TASK", outcome)

    def submit(self, awaited: Awaited) -> str:
        """Return `taken`, with the id in `last_id`; or `refused`, or `unknown`."""
        service, options = self.load.service, self.load.options
        for tried in range(1, options.tries + 1):
            status, body, retry_after = self.ask("POST", "submit", service.submit, service.submission(awaited.url))
            task_id = find(body, service.id) if status == 200 else None
            if isinstance(task_id, str) and task_id:
                self.last_id = task_id
                return "taken"
            if status not in TRY_AGAIN:
                return "refused" if 400 <= status < 500 else "unknown"
            if tried == options.tries or not self.hold_back(tried, retry_after, awaited):
                break
        return "refused"

    def follow(self, awaited: Awaited) -> str:
        """Return how the task has ended, as a callback or a look told; or `abandoned`."""
        refused = 0
        while (left := self.left(awaited)) > 0:
            awaited.told.wait(timeout=min(self.load.options.poll_every, left))
            if awaited.told.ready():
                return str(awaited.told.value)
            assert self.last_id is not None
            status, body, retry_after = self.look(self.last_id)
            if end := self.load.service.end(find(body, self.load.service.status)) if status == 200 else None:
                return end
            refused = refused + 1 if status in TRY_AGAIN else 0
            if refused and not self.hold_back(refused, retry_after, awaited):
                break
        return "abandoned"

    def hold_back(self, tried: int, retry_after: str | None, awaited: Awaited) -> bool:
        """Wait as long as a refusal asks to; False, at once, where that is beyond the deadline."""
        seconds = pause_seconds(tried, retry_after, datetime.now(UTC), random.random())
        if seconds > self.left(awaited):
            return False
        gevent.sleep(seconds)
        return True

    def left(self, awaited: Awaited) -> float:
        """Return how many seconds there are until the deadline."""
        return float(self.load.options.deadline - (time.perf_counter() - awaited.began))

    def look(self, task_id: str) -> tuple[int, Any, str | None]:
        """Query a task."""
        return self.ask("GET", "query", self.load.service.query.replace("{id}", task_id))

    def ask(self, method: str, name: str, path: str, body: Any = None) -> tuple[int, Any, str | None]:
        """Send a request; return its status (0: no answer), JSON body and `Retry-After`. Redirects are not followed."""
        with self.client.request(
            method, path, name=name, json=body, headers=self.headers, allow_redirects=False, catch_response=True
        ) as answer:
            status, value = answer.status_code, read_json(answer.content)
            if status == 0:
                answer.failure(f"no answer: {type(answer.error).__name__}")
            elif status != 200:
                answer.failure(f"status {status}")
            elif value is None:
                answer.failure("status 200, and no JSON")
            retry_after = answer.headers.get("retry-after") if answer.headers else None
        return status, value, retry_after


for _hook, _listener in (
    (events.init_command_line_parser, add_options),
    (events.init, check),
    (events.init, Run),
):
    _hook.add_listener(_listener)  # type: ignore[no-untyped-call]  # Locust gives it no types.
