"""The same JSON in other spelling, as callbacks are rewritten: all that differs are order and white space."""

import json

from hypothesis import given
from hypothesis import strategies as st

from mock_server.respelling import respelled

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=10,
)


@given(values)
def test_what_is_spelled_again_is_the_same_with_its_members_backwards(value: object) -> None:
    again = json.loads(respelled(json.dumps(value).encode()))
    assert again == value
    if isinstance(value, dict):
        assert list(again) == list(reversed(value))


def test_members_stand_one_a_line_with_spaces_before_colons_and_commas() -> None:
    body = '{"code":1000,"data":{"videos":["é",2],"none":{}}}'
    assert respelled(body.encode()).decode() == (
        '{\n "data" : {\n  "none" : {} ,\n  "videos" : [\n   "\\u00e9" ,\n   2\n  ]\n } ,\n "code" : 1000\n}'
    )
