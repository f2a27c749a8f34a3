"""The same seed and the same requests in the same order give the same bytes, statuses, delays and callbacks.

Scenarios are drawn from the whole language, and with them what a client does and how the clock moves. The same story is
told to two fresh twins, the second of which has another client in between, and then with another key; all see the same.
"""

from collections.abc import Sequence
from typing import Any

import httpx
import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.catalogue import Catalogue
from mock_server.resources import resource
from mock_server.scenario_form import check_form
from mock_server.settings import Settings
from mock_server.transport import TwinTransport, twin_transport
from mock_server.twin import load_program
from tests.scenario_strategies import CALLBACK_FAULT_ARGUMENTS, FAULT_ARGUMENTS, scenarios
from tests.support import MINIMAL, OMNI, Caller, booked_by, without_real_time

SPEC = load_program(Settings()).spec
CATALOGUE = Catalogue(SPEC)
TEXT = OMNI.replace("omni-video", "text2video")
CALLBACK = {"callback_url": "http://127.0.0.1:9/callback"}

# What a client does: its name and what it needs to know. Tasks are named by how manieth they are.
Action = tuple[str, Any]
actions = st.one_of(
    st.just(("submit", (OMNI, {**MINIMAL, **CALLBACK}))),
    st.tuples(
        st.just("submit"),
        st.sampled_from(
            [
                (OMNI, MINIMAL),
                (OMNI, {**MINIMAL, "model_name": "kling-v3-omni", "external_task_id": "order-1"}),
                (TEXT, MINIMAL),
                (OMNI, {}),
                (OMNI, {**MINIMAL, **CALLBACK, "prompt": "[[scenario: instant]]"}),
            ]
        ),
    ),
    st.tuples(st.just("query"), st.integers(0, 4)),
    st.tuples(st.just("list"), st.just("")),
    st.tuples(st.just("advance"), st.sampled_from(["1s", "0s", "500ms", "5s", "30s", "10m"])),
    st.tuples(st.just("end"), st.integers(0, 4)),
    st.tuples(st.just("arm"), st.sampled_from([None, 1, 2])),
    st.tuples(st.just("disarm"), st.none()),
)
# Long ones, because much of what can go wrong takes a few requests to show.
stories = st.lists(actions, min_size=8, max_size=40)

# They hold the time of a signature, which is real on purpose.
_REAL_TIME = ("webhook-timestamp", "webhook-signature")


class Stage:
    """A twin with a manual clock, and what its receiver of callbacks got."""

    def __init__(self, seed: int) -> None:
        self.received: list[Any] = []
        self.transport: TwinTransport = twin_transport(receiver=self._receive, seed=seed)

    def _receive(self, request: httpx.Request) -> httpx.Response:
        headers = [each for each in request.headers.multi_items() if each[0] not in _REAL_TIME]
        self.received.append((str(request.url), headers, request.content))
        return httpx.Response(500 if len(request.content) % 3 == 0 else 200)


class Actor:
    """A client that does one thing after the other, with a key of its own, and notes all that comes of it."""

    def __init__(self, stage: Stage, key: str, source: dict[str, Any]) -> None:
        self.caller = Caller(stage.transport.twin, key)
        self._stage, self._source, self._tasks = stage, source, list[str]()
        self.replies: list[Any] = []
        self.received: list[Any] = []
        self._arm(None)

    def act(self, action: Action) -> None:
        """Do one thing."""
        what, about = action
        reply: Any = None
        match what:
            case "submit":
                path, body = about
                before = set(self._ids())
                reply = self.caller.submit(body, path)
                self._tasks += [each for each in self._ids() if each not in before]
            case "query":
                reply = self.caller.query(self._task(about))
            case "list":
                reply = self.caller.send("GET", OMNI)
            case "advance":
                self._stage.received.clear()
                fired = self._stage.transport.advance(about, key=self.caller.key)
                self.received += self._stage.received
                reply = [without_real_time(each) for each in fired]
            case "end":
                reply = self._end(self._task(about))
            case "arm":
                self._arm(about)
            case "disarm":
                self.caller.world.steering.disarm()
        self.replies.append(reply)

    def seen(self) -> str:
        """Return, as text, all that there is to see: replies with their wires, callbacks, journal, outbox, tasks."""
        world = self.caller.world
        booked = [
            {**without_real_time(each), "task": (each.task.id, each.task.plan, each.step)} for each in booked_by(world)
        ]
        tasks = [(each.id, each.external_id, each.type, each.created_at_ms, each.plan) for each in world.store.tasks()]
        journal = [without_real_time(each) for each in world.journal.entries]
        told = repr([self.replies, self.received, journal, booked, tasks])
        return told.replace(self.caller.key, "KEY").replace(world.tag, "TAG")

    def _ids(self) -> list[str]:
        return [each.id for each in self.caller.world.store.tasks()]

    def _task(self, number: int) -> str:
        return self._tasks[number] if number < len(self._tasks) else "unknown"

    def _arm(self, times: int | None) -> None:
        self.caller.world.arm(self.caller.twin.catalogue.define(self._source), times)

    def _end(self, name: str) -> Any:
        """End a task by the control API."""
        headers = {"authorization": f"Bearer {self.caller.key}"}
        body = {"outcome": "failure", "message": "Enough."}
        with httpx.Client(transport=self._stage.transport, base_url="http://127.0.0.1", headers=headers) as client:
            answer = client.post(f"/_mock/tasks/{name}/finish", json=body)
        return answer.status_code, answer.text


class TestDrawnScenarios:
    @settings(deadline=None)
    @given(data=st.data())
    def test_every_fault_of_the_format_can_be_drawn(self, data: st.DataObject) -> None:
        """The form alone is looked at: it has faults that this twin may not have."""
        schema = msgspec.json.decode(resource("fixtures/schemas/scenario.schema.json").read_bytes())["$defs"]
        for kind, arguments in (("fault", FAULT_ARGUMENTS), ("callback-fault", CALLBACK_FAULT_ARGUMENTS)):
            (of_each,) = (each["properties"] for each in schema[kind]["anyOf"] if "properties" in each)
            assert set(arguments) == set(of_each)
        name = data.draw(st.sampled_from(list(FAULT_ARGUMENTS)))
        said = data.draw(FAULT_ARGUMENTS[name])
        other = data.draw(st.sampled_from(list(CALLBACK_FAULT_ARGUMENTS)))
        fault = name if said is None else {name: said}
        faults = [{other: data.draw(CALLBACK_FAULT_ARGUMENTS[other])}]
        check_form({"name": "drawn", "about": "A.", "query": [{"fault": fault}], "callbacks": {"faults": faults}})

    @settings(max_examples=300, deadline=None)
    @given(source=scenarios(SPEC))
    def test_every_one_can_be_used(self, source: dict[str, Any]) -> None:
        CATALOGUE.define(source)

    @settings(max_examples=150, deadline=None)
    @given(
        source=scenarios(SPEC),
        story=stories,
        other=scenarios(SPEC),
        others=stories,
        seed=st.integers(0, 3),
    )
    def test_the_same_story_is_told_the_same_whoever_else_is_there(
        self,
        source: dict[str, Any],
        story: Sequence[Action],
        other: dict[str, Any],
        others: Sequence[Action],
        seed: int,
    ) -> None:
        alone = Actor(Stage(seed), "sk-alone-with-the-twin", source)
        for action in story:
            alone.act(action)
        stage = Stage(seed)
        disturbed, disturber = Actor(stage, "sk-one-of-two", source), Actor(stage, "sk-another-one", other)
        for index, action in enumerate(story):
            disturber.act(others[index % len(others)])
            disturbed.act(action)
        again = Actor(stage, "sk-later-on-the-same-twin", source)
        for action in story:
            again.act(action)
        assert disturbed.seen() == alone.seen()
        assert again.seen() == alone.seen()


def test_another_seed_tells_another_story() -> None:
    def told(seed: int) -> str:
        actor = Actor(Stage(seed), "sk", {"name": "drawn", "about": "A test."})
        actor.act(("submit", (OMNI, MINIMAL)))
        return actor.seen()

    assert told(1) == told(1) != told(2)
