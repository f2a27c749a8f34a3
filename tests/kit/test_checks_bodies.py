"""Checks of bodies: rules, members, types, text."""

from typing import Any

import pytest

from contracts.jobs import Result
from tests.kit.sessions_a import broken, create, refusal, said, session, verdict

R1 = {"rules": ["R1"], "at": ["/multi_prompt"]}
MEMBERS = {"the body": ["prompt", "image_list"], "image_list": ["image_url"]}
TYPES = {"duration": "text", "multi_shot": "boolean", "image_list": "list of objects"}
REFUSED = Result("refused", reason="R1: no")


def test_a_body_without_a_violation_is_right() -> None:
    assert verdict("no-violation", None, session(create())) == "passed"


def test_a_violation_is_wrong_and_says_where_what_and_why() -> None:
    seen = session(create(), broken("duration.enum", "/duration"))
    assert verdict("no-violation", None, seen) == "failed"
    assert "/duration (duration.enum): came this; that" in said("no-violation", None, seen)


def test_a_body_that_is_no_json_is_wrong() -> None:
    seen = session(refusal(explanation={"problem": "invalid-request", "at": "body", "reason": "not JSON"}))
    assert verdict("no-violation", None, seen) == "failed"


@pytest.mark.parametrize(
    ("check", "argument"),
    [
        ("no-violation", None),
        ("known-members", MEMBERS),
        ("has-member", "prompt"),
        ("has-types", TYPES),
        ("nothing-unset", None),
        ("text-intact", "prompt"),
    ],
)
def test_where_a_good_request_was_not_sent_nothing_can_be_told(check: str, argument: Any) -> None:
    seen = session(result=Result("refused", reason="I do not like it"))
    assert verdict(check, argument, seen) == "not exercised"
    assert "I do not like it" in said(check, argument, seen)


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"prompt": "x"}, "passed"),
        ({"prompt": "x", "image_list": [{"image_url": "y"}, "z"]}, "passed"),
        ({"prompt": "x", "enable_audio": True}, "failed"),
        ({"prompt": "x", "image_list": [{"image": "y"}]}, "failed"),
        (["prompt"], "passed"),
    ],
)
def test_members_that_nobody_knows_are_wrong(body: Any, wanted: str) -> None:
    assert verdict("known-members", MEMBERS, session(create(body))) == wanted


def test_of_a_member_that_nobody_knows_the_nearest_is_named() -> None:
    assert "'promt' in the body, did you mean prompt?" in said(
        "known-members", MEMBERS, session(create({"promt": "x"}))
    )


@pytest.mark.parametrize("sent", [broken("R1", "/image_list"), broken("multi_prompt.maxItems", "/multi_prompt/6")])
def test_a_broken_rule_that_was_sent_is_wrong(sent: Any) -> None:
    assert verdict("kept-rule", R1, session(sent, result=REFUSED)) == "failed"


@pytest.mark.parametrize(
    "seen",
    [
        session(create()),
        session(broken("R8", "/sound")),
        session(broken("x", "/multi_prompts")),
        session(result=REFUSED),
        session(result=Result("error", reason="bad request")),
        session(exit_status=2),
    ],
)
def test_a_rule_is_kept_where_it_was_mended_or_the_job_refused(seen: Any) -> None:
    assert verdict("kept-rule", R1, seen) == "passed"


def test_whoever_sends_nothing_and_reports_a_success_has_not_refused() -> None:
    assert verdict("kept-rule", R1, session(result=Result("succeed", url="http://x"))) == "failed"


def test_whoever_sends_nothing_and_says_nothing_is_not_judged() -> None:
    assert verdict("kept-rule", R1, session(exit_status=0)) == "not exercised"


@pytest.mark.parametrize(
    ("body", "is_right"), [({"prompt": ""}, True), ({"mode": "pro"}, False), ({"prompt": None}, False)]
)
def test_the_prompt_is_there_as_a_text(body: Any, is_right: bool) -> None:
    assert verdict("has-member", "prompt", session(create(body))) == ("passed" if is_right else "failed")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ({"duration": "5", "multi_shot": True, "image_list": [{"image_url": "x"}]}, "passed"),
        ({"duration": 5}, "failed"),
        ({"multi_shot": "true"}, "failed"),
        ({"multi_shot": 1}, "failed"),
        ({"image_list": ["x"]}, "failed"),
        ({"image_list": {"image_url": "x"}}, "failed"),
        ({"prompt": "x"}, "not exercised"),
    ],
)
def test_members_have_their_documented_types(body: Any, wanted: str) -> None:
    assert verdict("has-types", TYPES, session(create(body))) == wanted


@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_what_is_not_set_is_not_sent_as_nothing(empty: Any) -> None:
    assert verdict("nothing-unset", None, session(create({"prompt": "x", "callback_url": empty}))) == "failed"
    assert verdict("nothing-unset", None, session(create({"prompt": empty}))) == "passed"


def test_a_default_and_a_false_are_something() -> None:
    assert (
        verdict("nothing-unset", None, session(create({"prompt": "x", "mode": "pro", "multi_shot": False}))) == "passed"
    )


def test_a_text_arrives_as_it_is() -> None:
    request = {"prompt": "夜 🌊\n"}
    assert verdict("text-intact", "prompt", session(create(request), request=request)) == "passed"


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"body": {"prompt": "å¤œ 🌊\n"}}, "from character 1"),
        ({"body": {"prompt": "夜 🌊"}}, "3 characters came of 4 characters"),
        ({"body": {"mode": "pro"}}, "None came"),
        ({"raw": b'{"prompt": "\xe9"}'}, "not JSON in UTF-8"),
    ],
)
def test_a_text_that_changed_on_its_way_is_wrong(more: dict[str, Any], why: str) -> None:
    seen = session(create(**more), request={"prompt": "夜 🌊\n"})
    assert verdict("text-intact", "prompt", seen) == "failed"
    assert why in said("text-intact", "prompt", seen)
