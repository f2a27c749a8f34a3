from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mock_server.parameters import Parameters
from mock_server.program import Program

DEFAULTS = {"pageNum": 1, "pageSize": 30}


@pytest.fixture(scope="module")
def parameters(program: Program) -> Parameters:
    return next(each.parameters for each in program.operations if each.role == "list")


@given(number=st.integers(1, 1_000), size=st.integers(1, 500))
def test_a_page_within_the_limits_is_read(parameters: Parameters, number: int, size: int) -> None:
    query = urlencode({"pageNum": number, "pageSize": size}).encode()
    assert parameters.read(query) == ({"pageNum": number, "pageSize": size}, [])


@pytest.mark.parametrize("query", [b"", b"&", b"other=1&pagenum=x", b"=", b"pageNum;5", b"%ff=%ff"])
def test_what_is_not_asked_has_its_default(parameters: Parameters, query: bytes) -> None:
    assert parameters.read(query) == (DEFAULTS, [])


@pytest.mark.parametrize("query", [b"page%4Eum=7", b"pageNum=%37", b"pageNum=007", b"x=1&pageNum=7&y"])
def test_a_parameter_is_read_however_it_is_encoded(parameters: Parameters, query: bytes) -> None:
    assert parameters.read(query) == ({**DEFAULTS, "pageNum": 7}, [])


@pytest.mark.parametrize(
    ("query", "rule", "came", "allowed"),
    [
        (b"pageNum=0", "pageNum.minimum", "0", "at least 1"),
        (b"pageNum=-1", "pageNum.minimum", "-1", "at least 1"),
        (b"pageNum=1001", "pageNum.maximum", "1001", "at most 1000"),
        (b"pageSize=501", "pageSize.maximum", "501", "at most 500"),
        (b"pageSize=999999999999999999", "pageSize.maximum", "999999999999999999", "at most 500"),
        (b"pageSize=" + b"9" * 5_000, "pageSize.type", "'999", "integer"),
        (b"pageNum=", "pageNum.type", "''", "integer"),
        (b"pageNum=x", "pageNum.type", "'x'", "integer"),
        (b"pageNum=1.0", "pageNum.type", "'1.0'", "integer"),
        (b"pageNum=1e1", "pageNum.type", "'1e1'", "integer"),
        (b"pageNum=+7", "pageNum.type", "' 7'", "integer"),
        (b"pageNum=--7", "pageNum.type", "'--7'", "integer"),
        (b"pageNum=1_0", "pageNum.type", "'1_0'", "integer"),
        (b"pageNum=%D9%A7", "pageNum.type", "'٧'", "integer"),
        (b"pageNum=1&pageNum=2", "pageNum.count", "2 times", "once"),
    ],
)
def test_a_value_that_does_not_suit_is_a_violation(
    parameters: Parameters, query: bytes, rule: str, came: str, allowed: str
) -> None:
    _, violations = parameters.read(query)
    (violation,) = violations
    assert (violation.pointer, violation.rule, violation.allowed) == (f"?{rule.split('.')[0]}", rule, allowed)
    assert violation.came.startswith(came)
    assert len(violation.came) < 200


def test_every_violation_is_told(parameters: Parameters) -> None:
    _, violations = parameters.read(b"pageNum=0&pageNum=1&pageSize=x")
    assert [each.rule for each in violations] == ["pageNum.count", "pageNum.minimum", "pageSize.type"]


def test_a_violation_says_where_the_limit_is_known_from(parameters: Parameters) -> None:
    _, (violation,) = parameters.read(b"pageSize=501")
    assert violation.source.startswith("Kling, legacy /v1/videos/omni-video")
    assert violation.confidence == "documented-by-vendor"


@given(query=st.binary())
def test_no_query_at_all_makes_reading_fail(parameters: Parameters, query: bytes) -> None:
    values, violations = parameters.read(query)
    assert violations or _within(values)


def _within(values: dict[str, Any]) -> bool:
    return values["pageNum"] in range(1, 1_001) and values["pageSize"] in range(1, 501)


def test_a_bad_value_does_not_stay_for_the_next_request(parameters: Parameters) -> None:
    parameters.read(b"pageNum=0&pageSize=7")
    assert parameters.read(b"") == (DEFAULTS, [])
