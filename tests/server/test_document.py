import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mock_server.document import Document, SpecError

# `0E0` is a number in YAML 1.2, and a text to PyYAML, which writes it without quotes.
texts = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=6).filter(
    lambda text: not re.fullmatch(r"[-+]?[0-9]+[eE][-+]?[0-9]+", text)
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(texts.filter(lambda key: key != "<<"), inner, max_size=3)
    ),
    max_leaves=10,
)


def document(folder: Path, text: str) -> Document:
    path = folder / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    return Document(path)


def test_a_quoted_key_is_text_whatever_it_says(tmp_path: Path) -> None:
    assert document(tmp_path, "'<<': {'null': 1}").root == {"<<": {"null": 1}}


def refusal(folder: Path, text: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        document(folder, text)
    assert str(caught.value).startswith(str(folder / "spec.yaml"))
    return caught.value


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])  # Each run overwrites the file.
@given(value=values, flow=st.booleans())
def test_plain_values_are_read_as_they_were_written(tmp_path: Path, value: Any, flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert document(tmp_path, text).root == value


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "y", "16:9", "2026-05-07", "2026-05-07T00:00:00Z", "1_000", "0b1", "5s", "1.2.3", "="],
)
def test_a_plain_text_stays_text(tmp_path: Path, text: str) -> None:
    assert document(tmp_path, f"a: {text}").root == {"a": text}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ('"7"', "7"),
        ("'true'", "true"),
        ("|-\n  7", "7"),
        ("!!str 7", "7"),
    ],
)
def test_a_scalar_is_read_as_yaml_1_2_reads_it(tmp_path: Path, text: str, value: Any) -> None:
    (found,) = document(tmp_path, f"a: {text}").root.values()
    assert (found, type(found)) == (value, type(value))


def test_an_anchor_is_the_same_value_wherever_it_is_named(tmp_path: Path) -> None:
    root = document(tmp_path, "a: &task {b: [1]}\nc: *task").root
    assert root["c"] is root["a"]
    assert root["c"] == {"b": [1]}


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3", 3, "the key 'a' stands here a second time"),
        ("a:\n  b: 1\n  'b': 2", 3, "the key 'b' stands here a second time"),
        ("a: &a {b: 1}\nc:\n  <<: *a", 3, "`<<` is not supported"),
        ("a: 1\n? [b]\n: 2", 2, "a key is plain text"),
        ("a: 1\n\tb: 2", 2, "is not YAML"),
        ("a: [1", 1, "is not YAML"),
        ("a: b: c", 1, "is not YAML"),
        ("a: 1\nb: *nowhere", 2, "is not YAML"),
        ("a: 1\n---\nb: 2", 2, "is not YAML"),
        ("a: 1\n%", 2, "is not YAML"),
    ],
)
def test_what_is_not_sound_is_refused_with_its_line(tmp_path: Path, text: str, line: int, reason: str) -> None:
    error = refusal(tmp_path, text)
    assert reason in error.reason
    assert error.line is not None
    assert abs(error.line - line) <= (error.reason.startswith("is not YAML"))
    assert f":{error.line}: " in str(error)


@pytest.mark.parametrize(
    "text",
    ["a: \x01", "[" * 5_000 + "]" * 5_000, "a: " + "9" * 5_000, "a: &a\n  b: *a"],
    ids=["control", "deep", "number", "circle"],
)
def test_what_no_reader_can_take_in_is_refused_too(tmp_path: Path, text: str) -> None:
    assert refusal(tmp_path, text).reason


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec\.yaml: No such file"):
        Document(tmp_path / "spec.yaml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="Is a directory"):
        Document(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"a: \xff")
    with pytest.raises(SpecError, match="is not UTF-8"):
        Document(path)


@pytest.mark.parametrize(
    ("pointer", "line"),
    [
        ((), 1),
        (("a",), 2),
        (("a", "b"), 3),
        (("a", "b", 0), 4),
        (("a", "b", 1, "c"), 6),
        (("a", "b", "1", "c"), 6),
        (("a", "b", 9), 3),
        (("a", "x", "y"), 2),
        (("200",), 7),
        (("x",), 1),
    ],
)
def test_each_part_knows_its_line_or_that_of_what_is_around_it(
    tmp_path: Path, pointer: tuple[str | int, ...], line: int
) -> None:
    found = document(tmp_path, "# 1\na:\n  b:\n    - 4\n    - d: 5\n      c: 6\n200: 7\n")
    assert found.line(pointer) == line


def test_an_error_names_file_line_pointer_and_reason(tmp_path: Path) -> None:
    found = document(tmp_path, "a:\n  - b: 1\n")
    assert str(found.error(("a", 0, "b"), "is wrong")) == f"{tmp_path / 'spec.yaml'}:2: a/0/b: is wrong"
    assert str(found.error((), "is wrong")) == f"{tmp_path / 'spec.yaml'}:1: is wrong"
