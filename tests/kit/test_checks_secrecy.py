"""Checks of secrecy: where the key is, what logs say, and whether certificates matter."""

import base64
from typing import Any

import pytest

from contracts.jobs import Result
from contracts.stage import fills_of
from tests.kit.sessions_a import BEARER, KEY, TASK, create, exchange, query, refusal, said, session, verdict
from tests.support import OMNI

ELSEWHERE = "http://127.0.0.1:9/tag/moved"
FILLS = fills_of(KEY, "http://127.0.0.1:8", "http://127.0.0.1:9")
TAG = FILLS["tag"]


def test_a_session_s_tag_is_no_part_of_its_key() -> None:
    assert TAG not in KEY


def test_a_key_in_its_header_alone_is_right() -> None:
    assert verdict("key-only-in", "authorization", session(create(), query(TASK))) == "passed"
    assert verdict("key-only-in", "authorization", session()) == "not exercised"


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"query": f"key={KEY}"}, "the address"),
        ({"query": "key=" + "".join(f"%{ord(each):02x}" for each in KEY)}, "the address"),
        ({"body": {"prompt": "x", "callback_url": f"http://me/{KEY}"}}, "the body"),
        ({"headers": [BEARER, (b"referer", b"http://x/?k=" + KEY.encode())]}, "the header referer"),
        ({"headers": [BEARER, (b"x-basic", base64.b64encode(b"user:" + KEY.encode()))]}, "the header x-basic"),
    ],
)
def test_a_key_anywhere_else_is_wrong(more: dict[str, Any], where: str) -> None:
    seen = session(create(**more))
    assert verdict("key-only-in", "authorization", seen) == "failed"
    assert where in said("key-only-in", "authorization", seen)


def led(**more: Any) -> Any:
    return query(TASK, location=ELSEWHERE, status=307, **more)


def test_another_origin_that_is_shown_the_key_is_wrong() -> None:
    head = f"GET /tag/moved HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    seen = session(create(), led(), strangers=[head], fills={"elsewhere": ELSEWHERE})
    assert verdict("no-key-elsewhere", "elsewhere", seen) == "failed"
    assert KEY not in said("no-key-elsewhere", "elsewhere", seen)


@pytest.mark.parametrize("strangers", [[], [b"GET /tag/moved HTTP/1.1\r\nHost: x\r\n\r\n"]])
def test_whoever_stays_away_or_goes_without_the_key_is_right(strangers: list[bytes]) -> None:
    seen = session(create(), led(), strangers=strangers, fills={"elsewhere": ELSEWHERE})
    assert verdict("no-key-elsewhere", "elsewhere", seen) == "passed"


def test_an_address_in_a_body_leads_elsewhere_too() -> None:
    seen = session(create(), query(TASK, reply={"url": ELSEWHERE}), fills={"elsewhere": ELSEWHERE})
    assert verdict("no-key-elsewhere", "elsewhere", seen) == "passed"


def test_whoever_was_led_nowhere_is_not_judged() -> None:
    assert (
        verdict("no-key-elsewhere", "elsewhere", session(refusal(), fills={"elsewhere": ELSEWHERE})) == "not exercised"
    )


@pytest.mark.parametrize("log", [b"", b"401 from http://127.0.0.1, request r-1", TAG.encode()])
def test_a_log_without_the_key_is_right(log: bytes) -> None:
    assert verdict("no-key-in-log", None, session(refusal(), log=log)) == "passed"


@pytest.mark.parametrize(
    "log",
    [
        b"headers " + KEY.encode(),
        b"key ends in " + KEY[-12:].encode(),
        base64.b64encode(KEY.encode()),
        base64.b64encode(b"u:" + KEY.encode()),
        base64.urlsafe_b64encode(b"us:" + KEY.encode() + b"!"),
        b"%73" + KEY[1:].encode(),
    ],
)
def test_a_log_with_the_key_in_any_form_is_wrong(log: bytes) -> None:
    seen = session(refusal(), log=b"DEBUG " + log)
    assert verdict("no-key-in-log", None, seen) == "failed"
    assert KEY not in said("no-key-in-log", None, seen)


def test_a_result_with_the_key_is_wrong() -> None:
    assert verdict("no-key-in-log", None, session(refusal(), result=Result("error", reason=f"bad {KEY}"))) == "failed"


def test_a_log_of_nothing_tells_nothing() -> None:
    assert verdict("no-key-in-log", None, session()) == "not exercised"


@pytest.mark.parametrize(
    ("seen", "wanted"),
    [
        (session(refusal(), log=b"refused, request id r-refused"), "passed"),
        (session(refusal(), result=Result("rejected", request_id="r-refused")), "passed"),
        (session(refusal(), log=b"refused"), "failed"),
        (session(create(), refusal(), log=b"r-fine"), "failed"),
        (session(create()), "not exercised"),
    ],
)
def test_the_request_id_of_a_refusal_is_told_somewhere(seen: Any, wanted: str) -> None:
    assert verdict("request-id-told", None, seen) == wanted


def hostile(log: bytes) -> Any:
    return session(refusal(reply={"message": FILLS["hostile-text"]}), log=log, fills=FILLS)


@pytest.mark.parametrize(
    "log",
    [
        FILLS["hostile-text"].encode(),
        f"\x1b[31m{TAG}".encode(),
        f"ERROR refused\n{TAG} level=info all is well".encode(),
    ],
)
def test_a_text_that_is_logged_raw_is_wrong(log: bytes) -> None:
    assert verdict("log-is-safe", None, hostile(log)) == "failed"


@pytest.mark.parametrize(
    "log",
    [
        b"",
        repr(FILLS["hostile-text"]).encode(),
        b"\x1b[31mERROR\x1b[0m refused: " + repr(FILLS["hostile-text"]).encode(),
    ],
)
def test_a_text_that_is_escaped_is_right_whatever_colours_the_client_has_itself(log: bytes) -> None:
    assert verdict("log-is-safe", None, hostile(log)) == "passed"


def test_whoever_was_not_told_the_text_is_not_judged() -> None:
    assert verdict("log-is-safe", None, session(refusal(), fills=FILLS)) == "not exercised"
    assert verdict("text-is-bounded", 65536, session(refusal(), fills=FILLS)) == "not exercised"


def test_a_very_long_text_is_cut() -> None:
    refused = refusal(reply={"message": FILLS["long-text"]})
    long = FILLS["long-text"]
    assert verdict("text-is-bounded", 65536, session(refused, log=long[:500].encode(), fills=FILLS)) == "passed"
    assert verdict("text-is-bounded", 65536, session(refused, log=long.encode(), fills=FILLS)) == "failed"
    result = Result("rejected", reason=long)
    assert verdict("text-is-bounded", 65536, session(refused, result=result, fills=FILLS)) == "failed"


def test_a_long_text_of_another_session_in_a_shared_log_does_not_count() -> None:
    refused = refusal(reply={"message": FILLS["long-text"]})
    other = FILLS["long-text"].replace(TAG, "a" * len(TAG)).encode()
    assert verdict("text-is-bounded", 65536, session(refused, log=other, fills=FILLS)) == "passed"


@pytest.mark.parametrize(
    ("result", "wanted"),
    [
        (Result("rejected", http_status=401), "passed"),
        (Result("rejected", reason="Unauthorized"), "passed"),
        (Result("error", reason="no"), "failed"),
        (None, "not exercised"),
    ],
)
def test_an_error_says_what_it_is_about(result: Result | None, wanted: str) -> None:
    assert verdict("says", {"about": "the key", "words": ["401", "auth"]}, session(refusal(), result=result)) == wanted


def test_a_request_over_a_bad_certificate_is_wrong() -> None:
    assert verdict("certificate-checked", None, session(create(), tls_connections=1)) == "failed"


def test_a_connection_that_was_broken_off_is_right_and_none_tells_nothing() -> None:
    assert verdict("certificate-checked", None, session(tls_connections=2)) == "passed"
    assert verdict("certificate-checked", None, session()) == "not exercised"
    made_up = session(tls_connections=1, result=Result("succeed", url="http://x"))
    assert verdict("certificate-checked", None, made_up) == "failed"


def test_a_request_that_leads_nowhere_is_looked_through_as_well() -> None:
    seen = session(exchange("GET", f"{OMNI}/../{KEY}", role=None))
    assert verdict("key-only-in", "authorization", seen) == "failed"


def test_an_outcome_can_be_noted_without_a_judgement() -> None:
    assert verdict("outcome-noted", None, session(create(), result=Result("timeout"))) == "info"
    assert said("outcome-noted", None, session(create(), result=Result("timeout"))) == "outcome timeout"
    assert verdict("outcome-noted", None, session(create())) == "not exercised"
