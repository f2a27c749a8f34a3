from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.pointers import MISSING, find, join, lookup, lookup_or, parse, reader

keys = st.text(max_size=4) | st.sampled_from(["", "~", "/", "~1", "*", "0", "²", "a/b"])
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=12,
)
paths = st.lists(keys, max_size=5).map(tuple)


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value), *(each for key, member in inner for each in places(member, (*path, key)))]


@given(path=paths)
def test_a_joined_path_parses_back(path: tuple[str, ...]) -> None:
    assert parse(join(path)) == path


@given(value=values)
def test_every_place_of_a_value_is_found_by_its_pointer(value: Any) -> None:
    for path, there in places(value):
        assert lookup(value, parse(join(path))) is there


@given(value=values, path=paths, default=st.integers())
def test_a_reader_reads_what_a_lookup_finds(value: Any, path: tuple[str, ...], default: int) -> None:
    assert reader(path, default)(value) == lookup_or(value, path, default)


@given(value=values, path=paths.filter(lambda path: "*" not in path))
def test_without_a_star_a_pattern_finds_what_a_lookup_finds(value: Any, path: tuple[str, ...]) -> None:
    there = lookup(value, path)
    assert [found for _, found in find(value, path)] == ([] if there is MISSING else [there])


@given(value=values, path=st.lists(st.sampled_from(["*", "0", "1", "a", ""]), max_size=4).map(tuple))
def test_each_path_that_a_pattern_gives_leads_to_the_value_beside_it(value: Any, path: tuple[str, ...]) -> None:
    for found, there in find(value, path):
        assert lookup(value, tuple(map(str, found))) is there


def test_a_star_reaches_every_item_in_order() -> None:
    body = {"shots": [{"duration": "3"}, {}, {"duration": "4"}]}
    assert list(find(body, parse("/shots/*/duration"))) == [
        (("shots", 0, "duration"), "3"),
        (("shots", 2, "duration"), "4"),
    ]


@pytest.mark.parametrize(
    ("pointer", "there"),
    [
        ("", {"a~b": 1, "c/d": 2, "": [10]}),
        ("/a~0b", 1),
        ("/c~1d", 2),
        ("//0", 10),
        ("//1", MISSING),
        ("/x/y", MISSING),
        ("/a~0b/0", MISSING),
    ],
)
def test_what_stands_at_a_pointer(pointer: str, there: Any) -> None:
    assert lookup({"a~b": 1, "c/d": 2, "": [10]}, parse(pointer)) == there


@pytest.mark.parametrize("part", ["-1", "-", "1.0", "x", "²", "٣", "00", ""])
def test_an_item_has_a_plain_number_and_no_other_name(part: str) -> None:
    assert lookup(["a", "b", "c", "d"], (part,)) is MISSING
    assert list(find(["a", "b", "c", "d"], (part,))) == []


@pytest.mark.parametrize("pointer", ["a", "#/a", "$request.body#/a", " /a"])
def test_a_pointer_starts_with_a_slash(pointer: str) -> None:
    with pytest.raises(ValueError, match="is not a JSON pointer"):
        parse(pointer)


def test_a_default_stands_in_for_what_is_missing_and_for_nothing_else() -> None:
    read = reader(("a",), "default")
    assert [read({}), read([]), read({"a": None}), read({"a": ""})] == ["default", "default", None, ""]
