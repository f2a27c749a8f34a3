"""What templates may say of a task: each expression, before and after there is something to say."""

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.clock import CLOCK_MS_MAX
from mock_server.program import Program
from mock_server.reply import Scene
from mock_server.settings import Settings
from mock_server.twin import load_program, make_twin
from tests.server.test_reader import SMALL
from tests.support import Caller

TIMES = ("created_at", "updated_at", "ended_at", "reached_at")
EVERYTHING = ", ".join(
    [
        "id: $task.id, whole: $request.body, message: $task.status_message, base: $mock.base_url",
        "ended: [$task.succeeded, $task.failed, $task.cancelled]",
        *(
            f"{name}_{unit}: $task.{name}_{unit}{'/done' if name == 'reached_at' else ''}"
            for name in TIMES
            for unit in ("ms", "s", "iso")
        ),
    ]
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    path: Path = tmp_path_factory.mktemp("spec") / "spec.yaml"
    old = "{id: $task.id, text: $request.body#/text}"
    assert old in SMALL
    path.write_text(SMALL.replace(old, f"{{{EVERYTHING}}}"), encoding="utf-8")
    return load_program(Settings(spec=path))


def said(program: Program, step: int, shift_ms: int = 0) -> dict[str, Any]:
    """What a submit's template says of a task at a step, with the times of its plan moved by so much."""
    caller = Caller(make_twin(Settings(clock="manual"), program))
    caller.clock.move_to(caller.clock.now_ms() + shift_ms)
    caller.submit({"text": "Hello", "hook": ""}, "/jobs")
    (task,) = caller.world.store.tasks()
    value = json.loads(program.replies["job"].templates["plain"]["submit"].render(Scene(task, step, "tag")))
    assert isinstance(value, dict)
    return value


def test_before_its_end_a_task_has_no_moment_of_it(program: Program) -> None:
    value = said(program, 0)
    assert not [name for name in value if name.startswith(("ended_at", "reached_at"))]
    assert value["ended"] == [False, False, False]
    assert value["created_at_ms"] == value["updated_at_ms"]


def test_the_body_comes_back_whole_and_links_lead_to_the_twin(program: Program) -> None:
    value = said(program, 0)
    assert value["whole"] == {"text": "Hello", "hook": ""}
    assert value["base"] == "http://twin.test:4747"


@given(shift_ms=st.integers(0, CLOCK_MS_MAX - 2 * 10**12))
def test_each_moment_is_the_same_in_milliseconds_seconds_and_text(program: Program, shift_ms: int) -> None:
    value = said(program, 1, shift_ms)
    assert value["ended_at_ms"] == value["reached_at_ms"] == value["updated_at_ms"] > value["created_at_ms"]
    for name in TIMES:
        at_ms = value[f"{name}_ms"]
        assert value[f"{name}_s"] == at_ms // 1_000
        moment = datetime.datetime.fromisoformat(value[f"{name}_iso"])
        assert moment.tzinfo == datetime.UTC
        assert round(moment.timestamp() * 1_000) == at_ms
