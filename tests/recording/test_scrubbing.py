"""Whatever key is sent in whatever place, it is in no file and in no line."""

import base64
import hashlib
import html
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import httpx
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from contracts.recording.scrubbing import Scrubber
from mock_server.redaction import SECRET_CHARACTERS_MIN
from tests.recording.support import KEY, bench
from tests.support import MINIMAL, OMNI

PLACES = (
    "path", "path %", "query", "query %", "query name", "form", "header", "header %", "basic", "member", "name", "text",
    "base64", "base64url", "inside base64", "html", "escaped", "twice", "cut", "error", "user", "external id",
    "own parameter", "own form", "fragment", "basic password", "html numbers", "JSON in JSON", "lines", "part", "mark",
    "address in address", "long path",
)  # fmt: skip
# What may stand in a header: printable, and not beginning or ending with a blank.
KEYS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=SECRET_CHARACTERS_MIN, max_size=60).map(
    str.strip
)


def echoing(request: httpx.Request) -> httpx.Response:
    """A service that repeats all it gets, in its reply's headers and body."""
    told = {"target": request.url.raw_path.decode("latin-1"), "body": request.content.decode("utf-8", "replace")}
    told |= dict(request.headers)
    status = 200 if request.headers.get("x-want") is None else int(request.headers["x-want"])
    headers = {"x-echo": request.headers["authorization"], "content-type": "application/json"}
    return httpx.Response(status, headers=headers, content=json.dumps({**told, "code": 0, "data": told}))


def silent(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def sent(place: str, key: str) -> tuple[str, str, bytes, dict[str, str]]:
    """Return a request with a key in a place, and in its header."""
    path, body, headers = OMNI, dict(MINIMAL), dict[str, str]()
    content: bytes | None = None
    match place:
        case "path":
            path = f"{OMNI}/{quote(key, safe=' !$&()*+,;=:@~')}"
        case "path %":
            path = f"{OMNI}/{''.join(f'%{each:02x}' for each in key.encode())}"
        case "query" | "query %" | "query name":
            written = quote_plus(key) if place == "query" else "".join(f"%{each:02X}" for each in key.encode())
            path = f"{OMNI}?pageNum={written}" if place != "query name" else f"{OMNI}?{written}=1"
        case "form":
            content = f"a={quote_plus(key)}&b=1".encode()
        case "header":
            headers["x-other"] = f"see {key} there"
        case "header %":
            headers["x-other"] = quote(key, safe="")
        case "basic":
            headers["x-other"] = base64.b64encode(f"user:{key}".encode()).decode()
        case "member":
            body = {**body, "image_list": [{"image_url": f"a {key} b"}]}
        case "name":
            body = {**body, key: 1}
        case "text":
            content = f"not JSON {key} at all".encode()
        case "base64" | "base64url":
            encode = base64.b64encode if place == "base64" else base64.urlsafe_b64encode
            body["prompt"] = f"x {encode(key.encode()).decode()} y"
        case "inside base64":
            body["prompt"] = base64.b64encode(f'{{"k":"{key}"}}'.encode()).decode()
        case "html":
            body["prompt"] = html.escape(key)
        case "escaped":
            content = ('{"prompt":"' + "".join(f"\\u{ord(each):04x}" for each in key) + '"}').encode()
        case "twice":
            body["prompt"] = key + key
        case "cut":
            body["mode"] = "x" * 110 + key
        case "error":
            body["duration"] = key
        case "user":
            body["callback_url"] = f"http://me:{quote(key, safe='')}@x.test/"
        case "external id":
            body["external_task_id"] = key
        case "own parameter" | "fragment":
            # Quotes and the like may stand in an address as they are.
            written = quote(key, safe="!$'()*,;:@/?")
            path = f"{OMNI}?token={written}" if place == "own parameter" else path
            body["callback_url"] = f"http://x.test/cb#access_token={written}"
        case "own form":
            content = f"client_secret={quote(key, safe=chr(39))}&a=1".encode()
        case "basic password":
            # What the header has in Base64 is told plainly elsewhere.
            headers["x-api-key"] = f"Basic {base64.b64encode(f'user:{key}'.encode()).decode()}"
            body["prompt"] = key
        case "html numbers":
            body["prompt"] = "".join(f"&#{ord(each)};" for each in key)
        case "JSON in JSON":
            body["prompt"] = json.dumps({"inner": json.dumps({"a": key})})
        case "lines":
            content = f"{json.dumps({'a': key})}\n{json.dumps([key])}\n".encode()
        case "part":
            content = f"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n{key}\r\n--b--".encode()
        case "mark":
            content = b"\xef\xbb\xbf" + json.dumps({"a": key}).encode()
        case "address in address":
            body["prompt"] = f"https://x.test/?next={quote(quote(f'https://y.test/?a={quote(key)}', safe=''), safe='')}"
        case "long path":
            path = f"/{'x' * 190}{quote(key, safe='')}"
    return "POST", path, json.dumps(body).encode() if content is None else content, headers


def files_of(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


def hidden(key: str, written: bytes) -> bool:
    """Whether a key is nowhere: not as it is, and not as anybody can read it at once."""
    forms = {key, json.dumps(key)[1:-1], quote(key, safe=""), base64.b64encode(key.encode()).decode().rstrip("=")}
    forms |= {html.escape(key), quote_plus(key)}
    return not any(each.encode() in written for each in forms)


@given(key=KEYS, place=st.sampled_from(PLACES), word=st.sampled_from(("Bearer ", "", "Token ")))
@example(key='a"b\\c%d+e f', place="member", word="Bearer ")
@example(key="!!!!!!!!", place="inside base64", word="Bearer ")
@example(key="key]key]key]", place="twice", word="Bearer ")
@example(key="abcdefgh'ijklmnop", place="own parameter", word="Bearer ")
@settings(max_examples=200, deadline=None)
async def test_whatever_key_is_sent_wherever_it_is_nowhere_in_the_folder(key: str, place: str, word: str) -> None:
    assume(len(key) >= SECRET_CHARACTERS_MIN)
    with tempfile.TemporaryDirectory() as folder:
        # A key that is a word of the recorder's own is none that it could keep to itself.
        async with bench(Path(folder) / "without", httpx.MockTransport(echoing)) as without:
            method, path, content, headers = sent(place, "0" * len(key))
            await without.http.request(method, path, content=content, headers=headers)
        assume(key.encode() not in without.written())
        async with bench(Path(folder) / "with", httpx.MockTransport(echoing)) as one:
            method, path, content, headers = sent(place, key)
            more = {"authorization": word + key, "content-type": "application/json"}
            await one.http.request(method, path, content=content, headers={**headers, **more})
            await one.http.request("GET", path, headers={**headers, **more, "x-want": "418"})
        assert one.run.recorder.count == 2
        assert hidden(key, one.written()), one.written().decode("utf-8", "replace")


async def test_a_key_that_was_sent_before_it_was_known_is_taken_out_of_what_is_written(tmp_path: Path) -> None:
    async with bench(tmp_path, httpx.MockTransport(echoing)) as one:
        other = {"authorization": "Bearer sk-of-somebody-else"}
        await one.http.post(OMNI, json={"prompt": KEY}, headers=other)
        assert KEY.encode() in one.written()
        await one.http.get(OMNI)
    assert KEY.encode() not in b"".join(files_of(tmp_path))


async def test_what_is_shown_of_a_long_text_does_not_end_in_half_a_key(tmp_path: Path) -> None:
    async with bench(tmp_path, httpx.MockTransport(echoing)) as one:
        await one.http.post(OMNI, json={"prompt": "p", "mode": "x" * 110 + KEY})
    assert any("/mode" in line for line in one.lines)
    assert KEY[:4].encode() not in one.written()


async def test_a_path_or_a_parameter_that_is_cut_does_not_end_in_half_a_key(tmp_path: Path) -> None:
    async with bench(tmp_path, httpx.MockTransport(silent)) as one:
        await one.http.get(f"/{'x' * 190}{KEY}")
        await one.http.get(OMNI, params={"pageNum": "x" * 110 + KEY})
    assert any("?pageNum" in line for line in one.lines)
    assert KEY[:4].encode() not in one.written()


async def test_a_parameter_that_is_given_is_not_told_where_it_is_wrong(tmp_path: Path) -> None:
    async with bench(tmp_path, httpx.MockTransport(silent), scrub=("pagenum",)) as one:
        await one.http.get(OMNI, params={"pageNum": "four"})
    assert any("?pageNum: [gone] came" in line for line in one.lines)
    assert b"four" not in one.written()


def test_a_body_that_is_cut_does_not_end_in_half_a_key() -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", f"Bearer {KEY}")])
    for length in range(4, len(KEY) + 1):
        assert scrubber.body(f'{{"echo": "{KEY[:length]}'.encode(), cut=True).value == '{"echo": "[key]'
    assert scrubber.body(f'{{"echo": "{KEY[:9]}, no'.encode(), cut=True).value == f'{{"echo": "{KEY[:9]}, no'
    assert scrubber.body("für é".encode()[:-1], cut=True).value == "für "


def test_the_password_of_a_basic_header_is_a_key_everywhere() -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", "Basic " + base64.b64encode("müller:hunter2:hunter2".encode()).decode())])
    assert scrubber.text("it is hunter2:hunter2, of müller:hunter2:hunter2.") == "it is [key], of [key]."
    assert scrubber.text("it is hunter2%3Ahunter2 of müller") == "it is [key] of müller"
    assert scrubber.learn([("authorization", "Basic !not-base64!")])


def test_text_of_two_bytes_a_character_is_told_by_its_digest() -> None:
    body = Scrubber("authorization").body('{"password": "X1"}'.encode("utf-16-le"))
    assert (body.form, body.value) == ("digest", None)


def test_what_is_written_in_more_ways_than_are_read_is_taken_out_whole() -> None:
    text = "token=X1"
    for _ in range(12):
        text = f"token=X1 {quote(text, safe='')}"
    assert "X1" not in Scrubber("authorization").text(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a:b@x.test/c", "https://[gone]@x.test/c"),
        ("https://x.test/?X-Amz-Date=c&page=2", "https://x.test/?X-Amz-Date=[gone]&page=2"),
        ("https://x.test/?Expires=17&Signature=s%2Bs", "https://x.test/?Expires=[gone]&Signature=[gone]"),
        ("https://x.test/a?token=t#b", "https://x.test/a?token=[gone]#b"),
        ("https://x.test/a?sort=up&design=1&monkey=2", "https://x.test/a?sort=up&design=1&monkey=2"),
        ("see https://x.test/a?access_token=t, there", "see https://x.test/a?access_token=[gone] there"),
    ],
)  # fmt: skip
def test_what_signs_an_address_is_taken_out(url: str, shown: str) -> None:
    assert Scrubber("authorization").text(url) == shown


def test_headers_go_by_their_names() -> None:
    headers = [
        ("authorization", "Bearer sk-0123456789"), ("cookie", "a=b"), ("set-cookie", "c=d; Path=/"), ("x-api-key", "k"),
        ("x-auth-token", "t"), ("webhook-signature", "v1,abc="), ("x-own", "1"), ("idempotency-key", "i"),
        ("webhook-secret", "s"), ("sec-token", "t"), ("webhook-id", "w"), ("location", "https://x.test/#access_token=t&a=1"),
        ("x-ratelimit-remaining-tokens", "7"), ("content-security-policy", "none"),
    ]  # fmt: skip
    assert Scrubber("authorization", ["X-Own"]).headers(headers) == (
        "authorization: Bearer [key]", "cookie: [gone]", "set-cookie: [gone]", "x-api-key: [key]",
        "x-auth-token: [gone]", "webhook-signature: v1,abc=", "x-own: [gone]", "idempotency-key: i",
        "webhook-secret: [gone]", "sec-token: [gone]", "webhook-id: w", "location: https://x.test/#access_token=[gone]&a=1",
        "x-ratelimit-remaining-tokens: 7", "content-security-policy: none",
    )  # fmt: skip


def test_names_that_are_given_are_taken_out_of_headers_queries_and_bodies_with_all_below_them() -> None:
    scrubber = Scrubber("authorization", ["ticket"])
    assert scrubber.query("ticket=1&b=2") == "ticket=[gone]&b=2"
    value = {"a": [{"Ticket": {"n": 1, "t": ["x", None, True]}}], "password": "p", "tokens": 3}
    gone = {"n": "[gone]", "t": ["[gone]", None, "[gone]"]}
    assert scrubber.value(value) == {"a": [{"Ticket": gone}], "password": "[gone]", "tokens": 3}


def test_below_a_secret_member_nothing_stays_and_below_a_counted_one_numbers_do() -> None:
    value = {
        "secret": {"v": [1, "x", True, None, ""]},
        "tokens_details": {"cached": 3, "of": "x", "n": [4]},
        "message": "m",
    }
    assert Scrubber("authorization").value(value) == {
        "secret": {"v": ["[gone]", "[gone]", "[gone]", None, ""]},
        "tokens_details": {"cached": 3, "of": "[gone]", "n": [4]},
        "message": "m",
    }


def test_what_a_given_header_brings_is_a_key_everywhere() -> None:
    scrubber = Scrubber("authorization", ["x-ticket"])
    assert scrubber.learn([("x-ticket", "ticket-0123456789")])
    assert scrubber.text("it is ticket-0123456789.") == "it is [key]."


def test_a_picture_is_replaced_by_its_digest() -> None:
    picture = base64.b64encode(bytes(range(256)) * 40).decode()
    digest = hashlib.sha256(picture.encode()).hexdigest()
    body = Scrubber("authorization").body(json.dumps({"image": picture}).encode())
    assert body.value == {"image": f"[{len(picture)} characters of Base64, SHA-256 {digest}]"}


def test_bytes_that_are_no_text_are_told_by_their_digest() -> None:
    body = Scrubber("authorization").body(b"\xff\x00")
    assert (body.form, body.bytes, body.sha256) == ("digest", 2, hashlib.sha256(b"\xff\x00").hexdigest())
    assert Scrubber("authorization").body(b"packed", encoded=True).form == "digest"


def test_a_body_nested_beyond_reason_is_recorded_all_the_same() -> None:
    assert Scrubber("authorization").body(b"[" * 5_000 + b"]" * 5_000).form in ("text", "digest")


def test_more_keys_than_are_kept_do_not_hide_those_in_use() -> None:
    scrubber = Scrubber("authorization")
    for number in range(300):
        scrubber.learn([("authorization", f"Bearer key-number-{number}")])
    assert scrubber.text("key-number-299") == "[key]"


def test_a_number_that_is_a_key_and_a_very_long_text_are_seen_to() -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", "Bearer 123456789012")])
    assert scrubber.value({"n": 123456789012, "m": 12, "b": True}) == {"n": "[key]", "m": 12, "b": True}
    long = scrubber.value("a b " * 20_000)
    assert long.endswith("… [80000 characters]")
    assert len(long) < 2_000


@pytest.mark.parametrize("key", ["schlüssel-0123", "clé secrète 42"])
@pytest.mark.parametrize(
    "written", [str, lambda key: json.dumps(key)[1:-1], quote, lambda key: quote(key.encode("latin-1"))]
)
def test_a_key_beyond_ascii_is_taken_out_too(key: str, written: Callable[[str], str]) -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", f"Bearer {key}")])
    assert scrubber.text(f"see {written(key)}.") == "see [key]."


def test_what_puts_a_key_together_when_another_is_taken_out_is_taken_out_whole() -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", "key]key]")])
    assert "key]key]" not in scrubber.text("key]" * 50)


def test_a_text_that_is_made_to_put_keys_together_without_end_is_taken_out_whole() -> None:
    scrubber = Scrubber("authorization")
    scrubber.learn([("authorization", "x[key]yyyy")])
    assert scrubber.text("x" * 20 + "[key]" + "yyyy" * 20) == "[gone]"
