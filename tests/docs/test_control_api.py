"""docs/control-api.md is true: it names every page and parameter, and its examples, run in order, answer as it says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mock_server.control import PAGES, filters
from mock_server.program import Program
from mock_server.settings import Settings
from mock_server.twin import make_twin
from tests.control.support import FakePost, Steward, quiet

TEXT = (Path(__file__).parents[2] / "docs/control-api.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```http\n(.*?)^```\n(?:\n```json\n(.*?)^```\n)?", TEXT, re.MULTILINE | re.DOTALL)
# Stands for any value; as a member, for any other members; in a list, for any other values.
ANY = "…"


def fits(expected: Any, came: Any) -> bool:
    if expected == ANY:
        return True
    if isinstance(expected, dict) and isinstance(came, dict):
        named = {name: value for name, value in expected.items() if name != ANY}
        return (ANY in expected or set(named) == set(came)) and all(
            name in came and fits(value, came[name]) for name, value in named.items()
        )
    if isinstance(expected, list) and isinstance(came, list):
        if ANY in expected:
            at = expected.index(ANY)
            rest = len(expected) - at - 1
            return fits(expected[:at], came[:at]) and fits(expected[at + 1 :], came[len(came) - rest :])
        return len(expected) == len(came) and all(map(fits, expected, came))
    return bool(expected == came)


async def test_the_examples_answer_as_the_page_says(program: Program) -> None:
    twin = make_twin(Settings(clock="manual"), program, post=FakePost)
    twin.callbacks.start()
    steward = Steward(twin, "sk-anything")
    headers = {**steward.headers, "content-type": "application/json"}
    for request, expected in EXAMPLES:
        line, _, body = request.strip().partition("\n")
        method, path = line.split(" ")
        answer = await steward.http.request(method, path, content=body or None, headers=headers)
        # Between two requests of a person, what is due is sent.
        await quiet(steward)
        if expected:
            assert fits(json.loads(expected), answer.json()), (line, json.dumps(answer.json(), indent=1))
        else:
            assert answer.status_code == 200, answer.text
    assert len(EXAMPLES) >= 10
    await twin.callbacks.stop(0)


@pytest.mark.parametrize(
    ("expected", "came", "fit"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": 1, ANY: ANY}, {"a": 1, "b": 2}, True),
        ({"a": ANY}, {"a": [1]}, True),
        ([1, ANY, 4], [1, 2, 3, 4], True),
        ([1, ANY, 4], [1, 2, 3], False),
        ([1], [1, 2], False),
    ],
)
def test_an_example_leaves_out_only_what_it_says(expected: Any, came: Any, fit: bool) -> None:
    assert fits(expected, came) == fit


def test_the_page_names_every_page_and_no_other() -> None:
    named = set(re.findall(r"^\| `([A-Z]+ /_mock/[^`]*)` \|", TEXT, re.MULTILINE))
    assert named == {f"{page.method} {page.path.replace(':path}', '}')}" for page in PAGES if page.method != "HEAD"}


def test_the_page_names_every_filter() -> None:
    table = TEXT.partition("### Filters")[2].partition("### ")[0]
    assert {
        name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    } == {
        *filters.NAMES,
        "after",
    }
