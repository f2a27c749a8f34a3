"""Checks of heads: the key, the content type, the address, the ids that are asked for."""

import pytest

from tests.kit.sessions_a import BEARER, JSON, KEY, TASK, create, exchange, query, refusal, said, session, verdict
from tests.support import OMNI

BEARERS = {"header": "authorization", "scheme": "Bearer"}
ADDRESSES = {"submit": f"POST {OMNI}", "query": f"GET {OMNI}/*"}


def test_a_key_on_every_request_is_right() -> None:
    assert verdict("bearer", BEARERS, session(create(), query(TASK))) == "passed"


def test_the_word_bearer_may_be_written_in_any_case() -> None:
    header = (b"authorization", b"bearer  " + KEY.encode())
    assert verdict("bearer", BEARERS, session(create(headers=[header]))) == "passed"


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ([], "0 Authorization headers"),
        ([BEARER, BEARER], "2 Authorization headers"),
        ([(b"authorization", KEY.encode())], "no Bearer before the key"),
        ([(b"authorization", b"Bearer sk-another")], "another key"),
    ],
)
def test_a_query_without_the_one_key_is_wrong_and_its_key_is_not_shown(
    headers: list[tuple[bytes, bytes]], why: str
) -> None:
    seen = session(create(), query(TASK, headers=headers))
    assert verdict("bearer", BEARERS, seen) == "failed"
    assert why in said("bearer", BEARERS, seen)
    assert "sk-" not in said("bearer", BEARERS, seen)


def test_without_a_request_nothing_is_said_of_keys() -> None:
    assert verdict("bearer", BEARERS, session()) == "not exercised"


@pytest.mark.parametrize(
    "value", ["application/json", "Application/JSON; charset=UTF-8", 'application/json;charset="utf-8"']
)
def test_json_is_json_with_or_without_its_charset(value: str) -> None:
    seen = session(create(headers=[(b"content-type", value.encode())]))
    assert verdict("content-type", "application/json", seen) == "passed"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [JSON, JSON],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/json; charset=latin-1")],
        [(b"content-type", b"application/json; boundary=x")],
    ],
)
def test_another_content_type_is_wrong(headers: list[tuple[bytes, bytes]]) -> None:
    assert verdict("content-type", "application/json", session(create(headers=headers))) == "failed"


def test_without_a_create_nothing_is_said_of_content_types() -> None:
    assert verdict("content-type", "application/json", session(query(TASK))) == "not exercised"


def test_the_documented_addresses_are_right() -> None:
    assert verdict("addresses", ADDRESSES, session(create(), query(TASK))) == "passed"


@pytest.mark.parametrize(
    "wrong",
    [
        exchange("POST", f"/{OMNI}", role=None),
        exchange("POST", OMNI.removeprefix("/kling"), role="submit"),
        exchange("GET", f"{OMNI}/1/2", role=None),
    ],
)
def test_an_address_that_is_not_documented_is_wrong(wrong: object) -> None:
    assert verdict("addresses", ADDRESSES, session(create(), wrong)) == "failed"  # type: ignore[arg-type]


def test_a_look_at_the_list_is_no_wrong_address() -> None:
    assert verdict("addresses", ADDRESSES, session(create(), exchange("GET", OMNI, role="list"))) == "passed"


def test_queries_alone_say_nothing_of_the_address_of_creates() -> None:
    assert verdict("addresses", ADDRESSES, session(query(TASK))) == "not exercised"


@pytest.mark.parametrize(
    "asked",
    [query(TASK), query("mine-1"), query(TASK.replace("8", "%38")), exchange("GET", OMNI, role="list")],
)
def test_ids_that_were_told_or_sent_may_be_asked_for(asked: object) -> None:
    seen = session(create({"prompt": "", "external_task_id": "mine-1"}), asked)  # type: ignore[arg-type]
    assert verdict("known-ids", None, seen) == "passed"


@pytest.mark.parametrize(
    "asked",
    [
        query("None"),
        query("undefined", role="query"),
        query("", role=None),
        query("866889456698785800"),
        exchange("GET", f"{OMNI.removeprefix('/kling')}/{TASK}", role="query"),
    ],
)
def test_ids_that_nobody_told_may_not(asked: object) -> None:
    assert verdict("known-ids", None, session(create(), asked)) == "failed"  # type: ignore[arg-type]


def test_the_list_is_not_polled() -> None:
    looks = [exchange("GET", OMNI, role="list") for _ in range(4)]
    assert verdict("known-ids", None, session(create(task_id=None), *looks)) == "failed"


@pytest.mark.parametrize(("written", "is_right"), [("a%2Fb%3Fc", True), ("a%2fb%3fc", True), ("a%252Fb%253Fc", False)])
def test_an_id_is_encoded_once(written: str, is_right: bool) -> None:
    seen = session(create(task_id="a/b?c"), query(written))
    assert verdict("known-ids", {"polls": "needed"}, seen) == ("passed" if is_right else "failed")


def test_an_id_that_is_not_encoded_is_no_segment() -> None:
    seen = session(create(task_id="a/b?c"), query("a/b", role=None, query="c"))
    assert "a/b?c" in said("known-ids", {"polls": "needed"}, seen)
    assert verdict("known-ids", {"polls": "needed"}, seen) == "failed"


def test_where_queries_are_needed_none_tells_nothing_and_elsewhere_it_is_right() -> None:
    assert verdict("known-ids", {"polls": "needed"}, session(create())) == "not exercised"
    assert verdict("known-ids", None, session(refusal())) == "passed"
    assert verdict("known-ids", None, session()) == "not exercised"
