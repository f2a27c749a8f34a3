"""Faults of replies: what comes out is spoiled in the way that the name says, and the same from the same chance."""

import json
import random
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mock_server.exchange import CLOSING, Incoming, Reply, Wire
from mock_server.faults import FAULTS, Around
from mock_server.faults.places import places_in
from mock_server.pointers import MISSING, join, lookup, parse
from mock_server.resources import resource
from mock_server.respelling import strange

HEADERS = ((b"x-mock-explanation", b'{"journal":1}'),)
GOOD = (
    b'{"code":0,"data":{"task_id":"8157","task_status":"succeed","videos":[{"url":"a"},{"url":"b"}],'
    b'"one":[1],"ok":true}}'
)
SCHEMA = json.loads(resource("fixtures/schemas/scenario.schema.json").read_text(encoding="utf-8"))["$defs"]["fault"]
FAMILIES: dict[str, Any] = SCHEMA["anyOf"][-1]["properties"]

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
bodies = st.dictionaries(st.text(min_size=1, max_size=6), values, min_size=1, max_size=4).map(msgspec.json.encode)
seeds = st.integers(0, 2**32)


def around(seed: int = 0, *places: str) -> Around:
    incoming = Incoming("GET", b"/v1/tasks/8157", b"page=2", [], b"")
    return Around(incoming, random.Random(seed).random, places, "http://127.0.0.1:4747")


def spoil(family: str, arguments: Any = None, body: bytes = GOOD, seed: int = 0, *places: str) -> Reply:
    reply = Reply(200, body, HEADERS)
    spoiled = FAULTS[family](arguments).spoil(reply, around(seed, *places))
    assert reply == Reply(200, body, HEADERS)
    return spoiled


def wire(family: str, arguments: Any = None, body: bytes = GOOD, seed: int = 0) -> Wire:
    wire = spoil(family, arguments, body, seed).wire
    assert wire is not None
    return wire


# All of them


def test_the_schema_has_every_family_and_no_other() -> None:
    assert set(FAMILIES) == set(FAULTS)


@pytest.mark.parametrize("family", FAULTS)
@given(body=bodies, seed=seeds)
def test_the_same_chance_gives_the_same_reply(family: str, body: bytes, seed: int) -> None:
    assert spoil(family, None, body, seed) == spoil(family, None, body, seed)


@pytest.mark.parametrize("family", FAULTS)
@given(body=bodies, seed=seeds)
def test_the_words_to_the_developer_stay(family: str, body: bytes, seed: int) -> None:
    assert spoil(family, None, body, seed).headers[:1] == HEADERS


@pytest.mark.parametrize("family", FAULTS)
def test_a_fault_has_the_name_under_which_it_is_found(family: str) -> None:
    assert FAULTS[family](None).name == family


# Of every argument two values that do not come to the same.
ARGUMENTS: dict[str, dict[str, tuple[Any, Any]]] = {
    "http-error": {"status": (500, 503), "body": ("a", "b"), "content-type": ("text/html", "text/plain")},
    "wrong-shape": {"at": ("/code", "/data"), "as": ("null", "array"), "value": ("0%", 0)},
    "rewritten": {},
    "malformed-json": {"how": ("nan", "cut")},
    "html-page": {"status": (200, 502)},
    "empty-body": {"status": (200, 204)},
    "truncated-body": {"how": ("short-length", "cut-chunk"), "after-bytes": (1, 2)},
    "reset": {"when": ("before", "inside")},
    "close": {"when": ("before", "after")},
    "drip": {"every": ("1ms", "2ms"), "bytes": (1, 2)},
    "hang": {"for": ("1s", "2s")},
    "garbage": {"bytes": (10, 20)},
    "redirect": {"to": ("same", "http://127.0.0.1:9"), "status": (302, 307)},
    "unknown-status": {"status": ("archived", None), "instead-of": ("succeed", "failed")},
    "stale-read": {"shows": ("first", "nothing")},
}


def names_of(schema: dict[str, Any]) -> set[str]:
    return {name for each in (schema, *schema.get("anyOf", ())) for name in each.get("properties", ())}


def test_every_argument_of_the_schema_is_tried() -> None:
    assert {family: set(arguments) for family, arguments in ARGUMENTS.items()} == {
        family: names_of(schema) for family, schema in FAMILIES.items()
    }


@pytest.mark.parametrize(("family", "argument"), [(one, each) for one, those in ARGUMENTS.items() for each in those])
def test_every_argument_does_something(family: str, argument: str) -> None:
    beside = {"at": "/code"} if argument == "value" else {}
    one, other = (FAULTS[family]({argument: value, **beside}) for value in ARGUMENTS[family][argument])
    reply = Reply(200, GOOD, HEADERS)
    spoiled = [each.spoil(reply, around(0, "/data/task_status")) for each in (one, other)]
    assert spoiled[0] != spoiled[1] or one.reads != other.reads


@pytest.mark.parametrize(
    ("family", "short", "long"),
    [
        ("http-error", 503, {"status": 503}),
        ("html-page", 502, {"status": 502}),
        ("empty-body", 204, {"status": 204}),
        ("reset", "inside", {"when": "inside"}),
        ("close", "after", {"when": "after"}),
        ("drip", "5ms", {"every": "5ms"}),
        ("hang", "5s", {"for": "5s"}),
        ("unknown-status", "archived", {"status": "archived"}),
    ],
)
def test_a_value_alone_is_that_of_the_first_argument(family: str, short: Any, long: Any) -> None:
    places = ("/data/task_status",)
    assert spoil(family, short, GOOD, 0, *places) == spoil(family, long, GOOD, 0, *places)


@pytest.mark.parametrize(
    ("family", "arguments", "reason"),
    [
        ("http-error", {"content-type": "text/html\r\nset-cookie: a"}, "printable ASCII"),
        ("wrong-shape", {"at": "", "as": "missing"}, "empty-body"),
        ("wrong-shape", {"value": "0%"}, "needs `at`"),
        ("wrong-shape", {"at": "/code", "as": "null", "value": "0%"}, "in place of `as`"),
        ("drip", "0ms", "no drip"),
        ("hang", "5", "is not a duration"),
        ("redirect", {"to": "elsewhere"}, "http://127.0.0.1:9000"),
        ("redirect", {"to": "http://[::1"}, "http://127.0.0.1:9000"),
        ("redirect", {"to": "ftp://a.test"}, "http://127.0.0.1:9000"),
        ("redirect", {"to": "http://a.test/ b"}, "http://127.0.0.1:9000"),
    ],
)
def test_an_argument_that_cannot_be_is_refused(family: str, arguments: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        FAULTS[family](arguments)


# Another body


@given(seed=seeds)
def test_a_gateways_error_is_one_that_gateways_send(seed: int) -> None:
    reply = spoil("http-error", None, GOOD, seed)
    assert reply.status in (500, 502, 503, 504)
    assert reply.content_type.startswith(b"text/plain")
    assert not is_json(reply.body)


def test_a_gateways_error_says_what_it_is_told_to() -> None:
    arguments = {"status": 599, "body": '{"error":"zone"}', "content-type": "application/problem+json"}
    reply = spoil("http-error", arguments)
    assert (reply.status, reply.body, reply.content_type) == (599, b'{"error":"zone"}', b"application/problem+json")
    assert spoil("http-error", 599).body == b"599 Error\n"


@pytest.mark.parametrize(("family", "arguments"), [("http-error", 304), ("html-page", 204), ("empty-body", 204)])
def test_a_status_that_has_no_body_has_none(family: str, arguments: int) -> None:
    assert (spoil(family, arguments).status, spoil(family, arguments).body) == (arguments, b"")


def test_a_page_for_people_comes_with_the_status_of_the_reply() -> None:
    reply = spoil("html-page")
    assert (reply.status, reply.content_type) == (200, b"text/html; charset=utf-8")
    assert b"Sign in" in reply.body
    assert b"502 Bad Gateway" in spoil("html-page", 502).body


def is_json(body: bytes) -> bool:
    try:
        msgspec.json.decode(body)
    except msgspec.DecodeError:
        return False
    return True


@pytest.mark.parametrize("how", [None, "cut", "trailing-comma", "single-quotes", "nan", "two-documents"])
@given(body=bodies | values.map(msgspec.json.encode) | st.just(b""), seed=seeds)
def test_malformed_json_is_not_json(how: str | None, body: bytes, seed: int) -> None:
    reply = spoil("malformed-json", {"how": how} if how else None, body, seed)
    assert not is_json(reply.body)
    assert reply.content_type == b"application/json"


def test_python_takes_nan_for_json() -> None:
    """Which is why a client in Python must look at what it has parsed."""
    assert json.loads(spoil("malformed-json", {"how": "nan"}).body) != json.loads(GOOD)


# Another shape

KINDS: dict[str, Callable[[Any], bool]] = {
    "null": lambda there: there is None,
    "text": lambda there: isinstance(there, str),
    "number": lambda there: isinstance(there, int | float) and not isinstance(there, bool),
    "object": lambda there: isinstance(there, dict),
    "array": lambda there: isinstance(there, list),
}


@given(body=bodies, seed=seeds, kind=st.sampled_from([*KINDS, "missing", "extra"]), choice=st.integers(0, 10**6))
def test_a_place_is_spoiled_as_it_is_said_and_nothing_else_is(body: bytes, seed: int, kind: str, choice: int) -> None:
    value = msgspec.json.decode(body)
    paths = [path for path in places_in(value) if path]
    path = paths[choice % len(paths)]
    # A pattern would reach more than one place, and an index is one of those.
    assume(all(part not in ("*", "") for part in path) and str(path[-1]).isprintable())
    pointer = join(path)
    before = lookup(value, parse(pointer))
    after = msgspec.json.decode(spoil("wrong-shape", {"at": pointer, "as": kind}, body, seed).body)
    there = lookup(after, parse(pointer))
    if kind == "missing" and isinstance(path[-1], str):
        assert there is MISSING
    elif kind == "missing":
        assert len(lookup(after, parse(join(path[:-1])))) == len(lookup(value, parse(join(path[:-1])))) - 1
    elif kind == "extra":
        assert there == before if not isinstance(before, dict) else before.items() < there.items()
    else:
        assert KINDS[kind](there)
    if kind != "missing":
        assert [each for each in leaves(after) if each[0][: len(path)] != path] == [
            each for each in leaves(value) if each[0][: len(path)] != path
        ]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for each in places_in(value):
        there = value
        for part in each:
            there = there[part]
        if not isinstance(there, dict | list):
            yield each, there


@given(body=bodies, seed=seeds)
def test_a_place_that_is_not_said_is_drawn_from_the_reply(body: bytes, seed: int) -> None:
    assert spoil("wrong-shape", None, body, seed).body != msgspec.json.encode(msgspec.json.decode(body))


@pytest.mark.parametrize(
    ("arguments", "place", "there"),
    [
        ({"at": "/data/videos", "as": "object"}, "/data/videos", {"url": "a"}),
        ({"at": "/data/task_id", "as": "number"}, "/data/task_id", 8157),
        ({"at": "/data/task_status", "as": "number"}, "/data/task_status", 7),
        ({"at": "/data/ok", "as": "number"}, "/data/ok", 1),
        ({"at": "/data/ok", "as": "text"}, "/data/ok", "true"),
        ({"at": "/code", "as": "text"}, "/code", "0"),
        ({"at": "/code", "as": "object"}, "/code", {"value": 0}),
        ({"at": "/data/videos/*/url", "as": "null"}, "/data/videos", [{"url": None}, {"url": None}]),
        ({"at": "/data/videos/*", "as": "missing"}, "/data/videos", []),
        ({"at": "/data/nowhere", "as": "null"}, "/data/task_id", "8157"),
        ({"at": "", "as": "null"}, "", None),
        ({"at": "/data/task_id", "value": "0%"}, "/data/task_id", "0%"),
        ({"at": "/data/videos/*/url", "value": 0}, "/data/videos", [{"url": 0}, {"url": 0}]),
        ({"at": "/data/nowhere", "value": "0%"}, "/data/task_id", "8157"),
        ({"at": "/data/one/0", "as": "missing"}, "/data/one", []),
        ({"at": "/data/task_id", "value": "https://a.test/b?c=d/e"}, "/data/task_id", "https://a.test/b?c=d/e"),
    ],
)
def test_examples_of_wrong_shapes(arguments: Any, place: str, there: Any) -> None:
    body = msgspec.json.decode(spoil("wrong-shape", arguments).body)
    assert lookup(body, parse(place)) == there


@pytest.mark.parametrize("family", ["wrong-shape", "unknown-status", "rewritten"])
def test_what_is_not_json_has_no_shape_to_spoil(family: str) -> None:
    assert spoil(family, None, b"<html>", 0, "/data/task_status").body == b"<html>"


@given(body=bodies)
def test_what_is_rewritten_is_the_same_json_in_other_bytes(body: bytes) -> None:
    rewritten = spoil("rewritten", None, body).body
    assert json.loads(rewritten) == json.loads(body)
    assert rewritten != body


def test_what_is_rewritten_is_written_as_nobody_does() -> None:
    numbers = b'"at":1767225600000,"of":[1500,-20,7,0,1.5,true,null],"id":9007199254740993'
    body = b"{%b,%b}" % (numbers, b'"a\\n\xc3\xa9":{"z":"Ab/1","y":{}}')
    assert spoil("rewritten", None, body).body.decode("ascii") == (
        "\n{\n"
        ' "\\u0061\\n\\u00e9" : {\n  "\\u0079" : {} ,\n  "\\u007a" : "\\u0041\\u0062/1"\n } ,\n'
        ' "\\u0069\\u0064" : 9007199254740993 ,\n'
        ' "\\u006f\\u0066" : [\n  1.5e3 ,\n  -2e1 ,\n  7 ,\n  0 ,\n  1.5 ,\n  true ,\n  null\n ] ,\n'
        ' "\\u0061\\u0074" : 1.7672256e12\n'
        "}\n"
    )


@given(number=st.integers(-(2**53), 2**53))
def test_a_whole_number_with_an_exponent_is_exactly_the_same(number: int) -> None:
    assert float(strange(number)) == number == Decimal(strange(number))


@given(status=st.none() | st.text(max_size=8))
def test_an_unknown_status_stands_where_the_status_does(status: str | None) -> None:
    reply = spoil("unknown-status", {"status": status}, GOOD, 0, "/data/task_status", "/elsewhere")
    expected = msgspec.json.decode(GOOD)
    expected["data"]["task_status"] = status
    assert msgspec.json.decode(reply.body) == expected


def test_an_unknown_status_stands_where_that_one_does_that_it_is_instead_of() -> None:
    body = b'{"data":[{"task_status":"succeed"},{"task_status":"failed"}]}'
    reply = spoil("unknown-status", {"status": "done", "instead-of": "succeed"}, body, 0, "/data/*/task_status")
    assert reply.body == b'{"data":[{"task_status":"done"},{"task_status":"failed"}]}'


def test_an_unknown_status_stands_in_every_item_of_a_list() -> None:
    body = b'{"data":[{"task_status":"succeed"},{"task_status":"failed"}]}'
    reply = spoil("unknown-status", "archived", body, 0, "/data/*/task_status")
    assert reply.body == b'{"data":[{"task_status":"archived"},{"task_status":"archived"}]}'


def test_a_stale_read_is_done_before_the_reply_is_made() -> None:
    assert FAULTS["stale-read"](None).reads == "nothing"
    assert FAULTS["stale-read"]("first").reads == "first"
    assert spoil("stale-read") == Reply(200, GOOD, HEADERS)


@pytest.mark.parametrize(
    ("to", "location"),
    [
        ("same", b"http://127.0.0.1:4747/v1/tasks/8157?page=2"),
        ("http://other.test:81", b"http://other.test:81/v1/tasks/8157?page=2"),
        ("http://other.test/", b"http://other.test/v1/tasks/8157?page=2"),
        ("https://other.test/login?next=1", b"https://other.test/login?next=1"),
    ],
)
def test_a_redirect_leads_to_the_same_address_or_to_another(to: str, location: bytes) -> None:
    reply = spoil("redirect", {"to": to})
    assert (reply.status, reply.body, dict(reply.headers)[b"location"]) == (307, b"", location)


@given(path=st.binary(max_size=20), query=st.binary(max_size=20))
def test_no_request_writes_headers_of_its_own_into_a_redirect(path: bytes, query: bytes) -> None:
    incoming = Incoming("GET", b"/" + path, query, [], b"")
    known = Around(incoming, random.Random(0).random, (), "http://127.0.0.1:4747")
    reply = FAULTS["redirect"](None).spoil(Reply(200, GOOD), known)
    assert dict(reply.headers)[b"location"].decode("ascii").isprintable()


# Another way out


@given(body=bodies, seed=seeds)
def test_a_truncated_body_is_shorter_than_its_length(body: bytes, seed: int) -> None:
    cut = wire("truncated-body", None, body, seed)
    assert cut.body_bytes is not None
    assert 0 <= cut.body_bytes < len(body)
    assert cut.end == "close"


def test_a_truncated_body_ends_where_it_is_told_to_and_never_whole() -> None:
    assert wire("truncated-body", {"after-bytes": 7}).body_bytes == 7
    assert wire("truncated-body", {"after-bytes": 10**6}).body_bytes == len(GOOD) - 1
    assert wire("truncated-body", {"after-bytes": 7}, b"").body_bytes == 0


@given(count=st.integers(1, 300), seed=seeds)
def test_garbage_is_so_many_bytes_and_no_http(count: int, seed: int) -> None:
    raw = wire("garbage", {"bytes": count}, GOOD, seed).raw
    assert raw is not None
    assert len(raw) == count
    assert raw[0] >= 0x80


def test_what_the_others_do_to_the_connection() -> None:
    assert wire("reset") == Wire(head=False, end="reset")
    assert wire("close") == Wire(head=False, end="close")
    assert wire("close", "after") == wire("close", "announced") == Wire(end="close")
    assert wire("hang") == Wire(head=False, end="hang", hang_ms=600_000)
    assert wire("drip") == Wire(drip_bytes=1, drip_ms=100)


def test_what_closes_announced_says_so_once() -> None:
    reply = spoil("close", "announced")
    assert reply.headers == (*HEADERS, CLOSING)
    assert FAULTS["close"]("announced").spoil(reply, around()).headers == reply.headers
    assert spoil("close", "after").headers == HEADERS


def test_faults_add_up() -> None:
    reply = Reply(200, GOOD, HEADERS)
    for family, arguments in (("drip", "5ms"), ("truncated-body", {"after-bytes": 3}), ("html-page", 502)):
        reply = FAULTS[family](arguments).spoil(reply, around())
    assert reply.status == 502
    assert reply.wire is not None
    assert (reply.wire.drip_ms, reply.wire.body_bytes, reply.wire.end) == (5, 3, "close")
