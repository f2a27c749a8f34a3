import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.decoding import NotJson, WrongMediaType, check_media_type, decode_body

DEEP = 10_000
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(value=values, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 4))
def test_every_json_value_is_read_as_it_was_written(value: Any, ascii_only: bool, indent: int | None) -> None:
    body = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert decode_body(body) == value


@given(body=st.binary())
def test_any_other_bytes_are_told_to_be_no_json(body: bytes) -> None:
    said = "the body"
    try:
        decode_body(body)
    except NotJson as error:
        said = str(error)
    assert said.startswith("the body")
    assert "\n" not in said


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "is empty"),
        (b" \r\n\t", "is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        ("{}".encode("utf-16"), "looks like UTF-16"),
        ("{}".encode("utf-16-le"), "looks like UTF-16"),
        ("{}".encode("utf-16-be"), "looks like UTF-16"),
        ("{}".encode("utf-32-le"), "looks like UTF-16 or UTF-32"),
        (b'{"a": "\xff"}', "is not UTF-8"),
        (b'"\xc3"', "is not UTF-8"),
        (b'"\xed\xa0\x80"', "is not UTF-8"),
        (b'{"a": NaN}', "the number NaN"),
        (b'["NaN", -Infinity]', "the number Infinity"),
        (rb'{"a": "\ud800"}', r"half a surrogate pair, \ud800"),
        (rb'{"\uDBFF": 1}', r"half a surrogate pair, \uDBFF"),
        (rb'"\udc00"', "half a surrogate pair"),
        (rb'"\ud83d\ude00\ude00"', "half a surrogate pair"),
        (rb'"\ud83d \ude00"', "half a surrogate pair"),
        (b"[" * DEEP + b"]" * DEEP, "nested too deep"),
        (b"[" * DEEP, "nested too deep"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "nested too deep"),
        (b"{'a': 1}", "is not JSON"),
        (b'{"a": 1,}', "is not JSON"),
        (b'{"a": 1} {}', "is not JSON"),
        (b'{"a": 1', "is not JSON"),
        (b'"a\nb"', "is not JSON"),
        (b"01", "is not JSON"),
        (b"1e999", "is not JSON"),
        (b"prompt=Hello", "is not JSON"),
        (rb'"\\ud800" x', "is not JSON"),
        (b'"it says NaN" x', "is not JSON"),
    ],
)
def test_what_is_wrong_with_a_body_is_told(body: bytes, reason: str) -> None:
    with pytest.raises(NotJson) as caught:
        decode_body(body)
    assert reason in str(caught.value)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert decode_body(rb'"\ud83d\ude00"') == "\U0001f600"


@pytest.mark.parametrize(
    ("content_type", "content_encoding"),
    [
        (b"application/json", None),
        (b"application/json", b"identity"),
        (b"application/json", b""),
        (b"Application/JSON", None),
        (b"application/json;charset=utf-8", None),
        (b'application/json; charset="UTF-8"', None),
        (b"application/json ; charset=us-ascii", None),
        (b"application/json; profile=x", None),
        (b"application/json;", None),
    ],
)
def test_plain_utf_8_json_needs_no_word(content_type: bytes, content_encoding: bytes | None) -> None:
    assert check_media_type(content_type, content_encoding) == ""


@pytest.mark.parametrize("content_type", [None, b"", b" "])
def test_a_missing_content_type_is_taken_with_a_warning(content_type: bytes | None) -> None:
    assert "no Content-Type came" in check_media_type(content_type, None)


@pytest.mark.parametrize(
    ("content_type", "content_encoding", "reason"),
    [
        (b"text/plain", None, "Content-Type text/plain is not taken"),
        (b"application/x-www-form-urlencoded", None, "send Content-Type: application/json"),
        (b"application/jsonx", None, "is not taken"),
        (b"application/problem+json", None, "is not taken"),
        (b"application/json; charset=utf-16", None, "the charset utf-16 is not taken"),
        (b"application/json; charset=latin-1; x=y", None, "the charset latin-1 is not taken"),
        (b"application/json", b"gzip", "Content-Encoding gzip is not taken"),
        (None, b"br", "Content-Encoding br is not taken"),
        (b"\xff" * 500, None, "is not taken"),
    ],
)
def test_another_media_type_is_refused(content_type: bytes | None, content_encoding: bytes | None, reason: str) -> None:
    with pytest.raises(WrongMediaType) as caught:
        check_media_type(content_type, content_encoding)
    assert reason in str(caught.value)
    assert len(str(caught.value)) < 300
