import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import (
    BACKOFF_SECONDS_MAX,
    RETRY_AFTER_SECONDS_MAX,
    find,
    load_service,
    pause_seconds,
    retry_after_seconds,
)

from mock_server.program import Program
from tests.support import Caller

FILE = Path(__file__).parents[2] / "examples/load/service.toml"
NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CHANCE = st.floats(0, 1)


def test_the_twin_takes_what_the_load_submits(caller: Caller, program: Program) -> None:
    service = load_service(FILE)
    reply = caller.submit(dict(service.submission("http://127.0.0.1:1/callbacks/x")), path=service.submit)
    assert reply.status == 200, reply
    (task,) = caller.listed()
    assert caller.send("GET", service.query.replace("{id}", task["task_id"])).status == 200


def test_every_end_of_a_task_is_known_and_no_other_status(program: Program) -> None:
    service = load_service(FILE)
    statuses = program.spec.task_types["omni-video"].lifecycle.statuses
    ends = {name: service.end(name) for name in statuses}
    assert ends == {"submitted": None, "processing": None, "succeed": "succeeded", "failed": "failed"}
    assert service.end(None) is None


def test_callbacks_are_asked_for_only_with_a_receiver() -> None:
    service = load_service(FILE)
    assert service.submission(None) == service.body
    assert service.submission("http://x")["callback_url"] == "http://x"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('id = "data.task_id"\n', "", "id is missing"),
        ('id = "data', 'idd = "data', "id"),
        ("[body]", "[bodi]", "bod[iy]"),
        ('id = "data.task_id"', "id = 3", "id is 3; a text is expected"),
        ('failed = ["failed"]', 'failed = "failed"', "failed is 'failed'; a list of texts is expected"),
        ("[body]", "[body", "service.toml: "),
    ],
)
def test_a_description_that_is_none_is_refused_with_its_file(tmp_path: Path, old: str, new: str, reason: str) -> None:
    text = FILE.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "service.toml"
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=rf"service\.toml: .*{reason}|{reason}"):
        load_service(path)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({"a": {"b": 1}}, 1),
        ({"a": {}}, None),
        ({"a": [1]}, None),
        ([], None),
        (None, None),
        ("a", None),
        ({"a": None}, None),
    ],
)
def test_a_place_in_a_body_may_be_missing(body: Any, found: Any) -> None:
    assert find(body, "a.b") == found


@given(st.integers(0, int(RETRY_AFTER_SECONDS_MAX)))
def test_seconds_and_a_date_ask_for_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after_seconds(str(seconds), NOW) == retry_after_seconds(date, NOW) == seconds


@given(st.text())
def test_whatever_a_header_says_the_wait_is_bounded(header: str) -> None:
    seconds = retry_after_seconds(header, NOW)
    assert seconds is None or 0 <= seconds <= RETRY_AFTER_SECONDS_MAX


@pytest.mark.parametrize("header", [None, "", "soon", "-1", "1.5", "0x10", "Mon, 99 Jun 2026 12:00:00 GMT", "٣"])
def test_a_header_that_says_nothing_asks_for_nothing(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert retry_after_seconds("Mon, 01 Jun 2026 11:00:00 GMT", NOW) == 0


@given(st.integers(0, 1_000), CHANCE)
def test_nobody_comes_back_earlier_than_told_nor_much_later(seconds: int, chance: float) -> None:
    assert seconds <= pause_seconds(1, str(seconds), NOW, chance) <= seconds * 1.1 + 1e-9


@given(st.integers(1, 10_000), CHANCE)
def test_without_a_word_the_wait_grows_to_a_bound(tried: int, chance: float) -> None:
    assert 0.25 <= pause_seconds(tried, None, NOW, chance) <= BACKOFF_SECONDS_MAX
    assert pause_seconds(tried, None, NOW, chance) <= pause_seconds(tried + 1, None, NOW, chance)


def test_users_that_were_refused_together_do_not_come_back_together() -> None:
    chance = random.Random(1)
    assert len({pause_seconds(1, "10", NOW, chance.random()) for _ in range(10)}) == 10
