import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.explanation import BYTES_MAX, to_header
from mock_server.validation import Violation

texts = st.text(max_size=30) | st.builds(lambda text, times: text * times, st.text(max_size=8), st.integers(0, 200))
violations = st.builds(Violation, texts, texts, texts, texts, texts, st.just("observed")).map(msgspec.structs.asdict)
lists = st.lists(violations, max_size=4) | st.builds(lambda each, n: [each] * n, violations, st.integers(0, 40))
explanations = st.fixed_dictionaries(
    {"journal": st.integers(1, 10**9)},
    optional={
        "violations": lists,
        "warnings": lists,
        "about": texts,
        "came": texts | st.none(),
        "paths": st.lists(texts, max_size=30),
    },
)


def violation(number: int, came: str = "'x'") -> dict[str, str]:
    found = Violation(f"/shots/{number}", came, "one of 1, 2", "R1", "Kling's page", "observed")
    return msgspec.structs.asdict(found)


@settings(deadline=None, max_examples=50)
@given(explanation=explanations)
def test_any_explanation_fits_the_header_and_keeps_the_journal_entry(explanation: dict[str, Any]) -> None:
    text = to_header(explanation)
    assert len(text) <= BYTES_MAX
    assert all(0x20 <= byte < 0x7F for byte in text)
    assert json.loads(text)["journal"] == explanation["journal"]


@settings(deadline=None, max_examples=50)
@given(explanation=explanations)
def test_what_fits_is_sent_whole_and_what_does_not_says_so(explanation: dict[str, Any]) -> None:
    whole = json.dumps(explanation, separators=(",", ":"))
    told = json.loads(to_header(explanation))
    assert told == explanation if len(whole) <= BYTES_MAX else "cut" in told


@settings(deadline=None, max_examples=50)
@given(explanation=explanations)
def test_an_explanation_is_not_changed_by_sending_it(explanation: dict[str, Any]) -> None:
    before = json.dumps(explanation)
    to_header(explanation)
    assert json.dumps(explanation) == before


@pytest.mark.parametrize("count", [40, 200])
def test_of_many_violations_the_first_are_kept_and_the_rest_are_counted(count: int) -> None:
    every = [violation(number) for number in range(count)]
    told = json.loads(to_header({"journal": 7, "violations": every}))
    kept = told["violations"]
    assert kept == every[: len(kept)]
    assert len(kept) + told["cut"] == count
    assert len(kept) > 20


def test_warnings_make_room_before_the_fewer_violations() -> None:
    told = json.loads(
        to_header({"journal": 7, "violations": [violation(0)], "warnings": [violation(n) for n in range(60)]})
    )
    assert told["violations"] == [violation(0)]
    assert 0 < len(told["warnings"]) < 60


def test_a_long_text_is_shortened_before_anything_is_left_out() -> None:
    told = json.loads(to_header({"journal": 7, "about": "x" * 5_000, "violations": [violation(0)]}))
    assert told["about"] == "x" * 600 + "…"
    assert (told["cut"], told["violations"]) == (0, [violation(0)])


def test_where_nothing_helps_the_journal_entry_alone_is_named() -> None:
    assert json.loads(to_header({"journal": 7, "paths": ["x" * 5_000]})) == {"journal": 7, "cut": "all"}
