import json
import string
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.templates import Expression, Language, Template, TemplateError


def _prefixed(name: str) -> Expression:
    if not name:
        raise ValueError("a name follows here")
    return Expression(lambda scene: scene.get(name), optional=True)


NAMES = [f"${letter}" for letter in string.ascii_lowercase[:6]]
LANGUAGE = Language(
    names={
        "$sure": Expression(lambda scene: scene["sure"]),
        "$task.id": Expression(lambda scene: scene["id"]),
        "$task.status": Expression(lambda scene: scene["status"]),
        **{name: _prefixed(name) for name in NAMES},
    },
    prefixed={"$body#": _prefixed},
    items={"$tasks": lambda scene: scene["tasks"]},
)

plain_texts = st.text(max_size=8).filter(lambda text: not text.startswith("$") and "{$" not in text)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain_texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(plain_texts, inner, max_size=4),
    max_leaves=15,
)
sources: st.SearchStrategy[Any] = st.recursive(
    plain_texts | st.integers(0, 9) | st.none() | st.sampled_from(NAMES),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(plain_texts, inner, max_size=4)
        | st.builds(lambda name, then: {"$when": name, "$then": then}, st.sampled_from(NAMES), inner)
        | st.builds(lambda name, a, b: {"$when": name, "$then": a, "$else": b}, st.sampled_from(NAMES), inner, inner)
        | st.builds(lambda name, other: {"$value": name, "$else": other}, st.sampled_from(NAMES), inner)
        | st.builds(
            lambda name, cases: {"$match": name, "$cases": cases},
            st.sampled_from(NAMES),
            st.dictionaries(st.sampled_from(["true", "0", "1", "", "null", "a"]) | plain_texts, inner, min_size=1),
        )
    ),
    max_leaves=20,
)
scenes = st.dictionaries(st.sampled_from(NAMES), json_values)
LEFT_OUT = object()


def expected(source: Any, scene: Mapping[str, Any]) -> Any:
    """What a template means, said once more in the plainest way."""
    if isinstance(source, str) and source.startswith("$"):
        value = scene.get(source)
        return LEFT_OUT if value is None else value
    if isinstance(source, list):
        return [each for item in source if (each := expected(item, scene)) is not LEFT_OUT]
    if isinstance(source, dict) and "$when" in source:
        return expected(source["$then"], scene) if scene.get(source["$when"]) else instead(source, scene)
    if isinstance(source, dict) and "$value" in source:
        value = expected(source["$value"], scene)
        return instead(source, scene) if value is LEFT_OUT else value
    if isinstance(source, dict) and "$match" in source:
        value = scene.get(source["$match"])
        name = value if isinstance(value, str) else json.dumps(value)
        return expected(source["$cases"][name], scene) if name in source["$cases"] else instead(source, scene)
    if isinstance(source, dict):
        members = {name: expected(member, scene) for name, member in source.items()}
        return {name: value for name, value in members.items() if value is not LEFT_OUT}
    return source


def instead(source: dict[str, Any], scene: Mapping[str, Any]) -> Any:
    return expected(source["$else"], scene) if "$else" in source else LEFT_OUT


def rendered(source: Any, scene: Any = None) -> Any:
    return json.loads(Template(source, LANGUAGE).render(scene))


@given(source=json_values)
def test_a_template_without_expressions_renders_to_its_source(source: Any) -> None:
    assert rendered(source) == source


@given(source=st.lists(sources, max_size=4) | st.dictionaries(plain_texts, sources, max_size=6), scene=scenes)
def test_what_has_no_value_is_left_out_with_its_comma_wherever_it_stands(source: Any, scene: dict[str, Any]) -> None:
    assert rendered(source, scene) == expected(source, scene)


@pytest.mark.parametrize("there", range(16))
def test_members_before_between_and_after_the_sure_one_drop_out_cleanly(there: int) -> None:
    source = {"a": "$a", "b": "$b", "sure": 1, "c": "$c", "d": "$d"}
    scene = {name: index for index, name in enumerate(["$a", "$b", "$c", "$d"]) if there >> index & 1}
    assert list(rendered(source, scene)) == [key for key in source if key == "sure" or f"${key}" in scene]


@given(value=json_values)
def test_a_value_comes_back_as_it_went_in(value: Any) -> None:
    assert rendered(["$sure"], {"sure": value}) == [value]


@given(text=st.text())
def test_any_text_inside_a_text_comes_back_as_it_went_in(text: str) -> None:
    assert rendered("<{$sure}|{$sure}>", {"sure": text}) == f"<{text}|{text}>"


@given(key=plain_texts)
def test_any_key_comes_back_as_it_went_in(key: str) -> None:
    assert rendered({key: "$sure"}, {"sure": 1}) == {key: 1}


@pytest.mark.parametrize("value", [True, 1, -0.5, "x", [0], {"a": None}])
def test_when_holds_for_what_is_true(value: Any) -> None:
    assert rendered({"a": {"$when": "$a", "$then": "yes"}}, {"$a": value}) == {"a": "yes"}


@pytest.mark.parametrize("value", [None, False, 0, "", [], {}])
def test_when_does_not_hold_for_missing_false_zero_and_empty(value: Any) -> None:
    assert rendered({"a": {"$when": "$a", "$then": "yes"}}, {"$a": value}) == {}


def test_a_value_that_is_not_there_can_be_null() -> None:
    assert rendered({"a": {"$value": "at {$a}", "$else": None}}, {}) == {"a": None}
    assert rendered({"a": {"$value": "at {$a}", "$else": None}}, {"$a": 7}) == {"a": "at 7"}


def test_a_match_translates_one_word_into_another() -> None:
    source = {"a": {"$match": "$a", "$cases": {"done": "SUCCESS", "true": ["$b"]}, "$else": "UNKNOWN"}}
    assert [rendered(source, {"$a": value, "$b": 1})["a"] for value in ("done", True, "else", None)] == [
        "SUCCESS",
        [1],
        "UNKNOWN",
        "UNKNOWN",
    ]


@given(tasks=st.lists(scenes, max_size=5))
def test_each_gives_one_item_for_each_scene_in_order(tasks: list[dict[str, Any]]) -> None:
    item = {"a": "$a", "n": 1}
    assert rendered({"$each": "$tasks", "$item": item}, {"tasks": tasks}) == [expected(item, each) for each in tasks]


def test_an_item_without_a_value_is_left_out_of_each() -> None:
    assert rendered({"$each": "$tasks", "$item": "$a"}, {"tasks": [{"$a": 1}, {}, {"$a": 3}]}) == [1, 3]


def test_a_prefixed_expression_is_made_from_what_follows() -> None:
    assert rendered(["$body#/x", "$body#/y"], {"/x": "found"}) == ["found"]


@pytest.mark.parametrize(
    ("source", "place", "reason"),
    [
        ({"a": {"b": ["$task.ids"]}}, ("a", "b", 0), "no expression '$task.ids' is known here: did you mean $task.id?"),
        ({"a": "id {$task.statsu}"}, ("a",), "did you mean $task.status?"),
        ({"a": "$?"}, ("a",), "there are $a, $b"),
        ({"a": "$body#"}, ("a",), "a name follows here"),
        ({"a": {"$when": "$taks.id", "$then": 1}}, ("a", "$when"), "did you mean $task.id?"),
        ({"a": {"$when": "$a", "$then": "$task.idd"}}, ("a", "$then"), "did you mean $task.id?"),
        ({"a": {"$each": "$task", "$item": 1}}, ("a", "$each"), "did you mean $tasks?"),
        ({"a": {"$each": "$tasks", "$item": {"b": "$task.idd"}}}, ("a", "$item", "b"), "did you mean $task.id?"),
        ({"a": {"$when": "$a"}}, ("a",), "$when stands with $then"),
        ({"a": {"$when": "$a", "$then": 1, "$otherwise": 2}}, ("a",), "$when stands with $then, perhaps $else,"),
        ({"a": {"$when": "$a", "$then": 1, "b": 2}}, ("a",), "and nothing else"),
        ({"a": {"$value": "$a"}}, ("a",), "$value stands with $else"),
        ({"a": {"$value": "$sure", "$else": 1}}, ("a", "$value"), "always has a value"),
        ({"a": {"$match": "$a"}}, ("a",), "$match stands with $cases"),
        ({"a": {"$match": "$a", "$cases": {}}}, ("a", "$cases"), "a member for each value"),
        ({"a": {"$match": "$a", "$cases": {"x": "$task.idd"}}}, ("a", "$cases", "x"), "did you mean $task.id?"),
        ({"a": {"$match": ["$a"], "$cases": {"x": 1}}}, ("a",), "holds an expression"),
        ({"a": {"$wehn": "$a", "$then": 1}}, ("a", "$wehn"), "no construct '$wehn' is known here: did you mean $when?"),
        ({"a": {"$when": True, "$then": 1}}, ("a",), "holds an expression"),
        ({"a": {"$each": ["$tasks"], "$item": 1}}, ("a",), "holds an expression"),
        ("$a", (), "the whole template may be left out"),
        ({"$when": "$a", "$then": {}}, (), "the whole template may be left out"),
    ],
)
def test_a_template_that_cannot_be_is_refused_with_its_place(
    source: Any, place: tuple[str | int, ...], reason: str
) -> None:
    with pytest.raises(TemplateError) as caught:
        Template(source, LANGUAGE)
    assert caught.value.place == place
    assert reason in caught.value.reason
