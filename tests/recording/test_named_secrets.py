"""A secret that its name tells is in no file and in no line, in whatever shape of body or address it stands."""

import html
import json
import tempfile
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts.recording.scrubbing import Scrubber
from tests.recording.support import bench
from tests.support import OMNI

# Both ends are looked for: a value that seems to end too early shows the one, a name that is not seen the other.
BEGIN, END = "qzBEGIN", "ENDqz7"
NAMES = (
    "access_token", "client_secret", "password", "X-Api-Key", "secretAccessKey", "webhook_secret", "token", "JWT",
    "passphrase", "sign", "x-mine", "X-Mine",
)  # fmt: skip
INSIDES = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)
SHAPES = (
    "member", "nested", "list", "object", "unfinished", "lines", "pretty lines", "events", "mark", "text",
    "text in text", "escaped text", "escaped name", "form first", "form later", "form apostrophe", "form raw", "part",
    "part unquoted", "xml", "html", "single quotes", "address", "fragment", "user", "address in address",
    "escaped address", "html address",
)  # fmt: skip


def body_of(shape: str, name: str, secret: str) -> str:
    """Return a body with a secret in it."""
    member, encoded = json.dumps({name: secret}), quote(secret, safe="'!$()*,;:@/")
    address = f"https://x.test/v.mp4?a=1&{name}={encoded}"
    match shape:
        case "nested":
            return json.dumps({"data": [{"task_id": "7", name: secret}]})
        case "list" | "object":
            return json.dumps({name: [secret, 1] if shape == "list" else {"v": {"w": secret}}})
        case "unfinished":
            return f'{{"data": {member[:-1]}, "x": '
        case "lines" | "pretty lines":
            line = json.dumps({name: [secret]}, indent=1) if shape == "pretty lines" else member
            return f'{{"n": 1}}\n{line}\n{{"n": 2}}\n'
        case "events":
            return f"event: x\ndata: {member}\n\n"
        case "mark":
            return f"\ufeff{member}"
        case "text" | "text in text":
            return json.dumps({"inner": member if shape == "text" else json.dumps({"inner": member})})
        case "escaped text":
            return f'no JSON {{"inner": {json.dumps(member)}'
        case "escaped name":
            escaped = "".join(f"\\u{ord(each):04X}" for each in name)
            return f'{{"{escaped}": {json.dumps(secret)}, '
        case "form first":
            return f"{name}={quote(secret, safe='')}&b=1"
        case "form later":
            return f"b=1&{quote(name[:1])}%{ord(name[1]):02x}{name[2:]}={quote(secret, safe='')}"
        case "form apostrophe":
            return f"{name}={encoded}&b=1"
        case "form raw":
            return f"{name}={secret.replace('&', '+')}&b=1"
        case "part" | "part unquoted":
            written = f'"{name}"' if shape == "part" else name
            head = f"Content-Disposition: form-data; name={written}"
            return (
                f"--b0\r\nContent-Type: text/plain\r\n{head}\r\n\r\n{secret}\r\n--b0\r\n{head[:-3]}\r\n\r\nx\r\n--b0--"
            )
        case "xml":
            return f"<Error><{name} a='b'>{html.escape(secret)}</{name}><Code>no</Code></Error>"
        case "html":
            return f"<p>{html.escape(member)}</p>"
        case "single quotes":
            return f"got {{'{name}': {json.dumps(secret)}, 'b': 1}}"
        case "address":
            return json.dumps({"url": address})
        case "fragment":
            return json.dumps({"url": f"https://x.test/cb#{name}={encoded}&state=2"})
        case "user":
            return json.dumps({"url": f"https://me:{quote(secret, safe=chr(39))}@x.test/"})
        case "address in address":
            return json.dumps({"url": f"https://y.test/?next={quote(quote(address, safe=''), safe='')}&b=1"})
        case "escaped address":
            return f'{{"url": "{address}", '.replace("&", "\\u0026").replace("=", "\\u003d")
        case "html address":
            return f'<a href="{html.escape(address).replace("=", "&#61;")}">x</a>'
    return member


def repeating(request: httpx.Request) -> httpx.Response:
    headers = {"content-type": "application/json", "location": f"https://x.test/cb#{request.url.query.decode()}"}
    return httpx.Response(200, headers=headers, content=request.content)


def hidden(written: str) -> bool:
    return BEGIN not in written and END not in written


@given(shape=st.sampled_from(SHAPES), name=st.sampled_from(NAMES), inside=INSIDES)
@example(shape="form raw", name="x-mine", inside="'#;\" ")
@example(shape="address", name="sign", inside="'")
@settings(max_examples=200, deadline=None)
async def test_a_secret_by_its_name_is_nowhere_in_the_folder(shape: str, name: str, inside: str) -> None:
    secret = f"{BEGIN}{inside}{END}"
    with tempfile.TemporaryDirectory() as folder:
        async with bench(Path(folder), httpx.MockTransport(repeating), scrub=("x-mine",)) as one:
            # In an address a name that is given, or one that signs, is no key that is learned from it.
            query = f"a=1&sign={quote(secret, safe=chr(39))}"
            content = body_of(shape, name, secret).encode()
            await one.http.post(f"{OMNI}?{query}", content=content, headers={"content-type": "application/json"})
        assert one.run.recorder.count == 1
        written = one.written().decode()
        assert hidden(written), written


@given(shape=st.sampled_from(SHAPES), name=st.sampled_from(NAMES), inside=INSIDES, data=st.data())
@settings(max_examples=300, deadline=None)
def test_a_body_that_is_cut_anywhere_tells_no_more(shape: str, name: str, inside: str, data: st.DataObject) -> None:
    whole = body_of(shape, name, f"{BEGIN}{inside}{END}")
    if shape == "user":
        # Without its @ it may as well be a port.
        return
    cut = data.draw(st.integers(0, len(whole)))
    body = Scrubber("authorization", ["x-mine"]).body(whole[:cut].encode(), cut=True)
    written = json.dumps(body.value, ensure_ascii=False)
    assert BEGIN[:4] not in written, written
    assert hidden(written)


PART = '--b\r\nContent-Disposition: form-data; name="api_key"\r\n\r\n{}\r\n--b--'


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("client_secret={}&grant_type=code", "[gone]"),
        ('{{"data": {{"access_token": {}, "task_id": "7", "x": "unf', '"[gone]"'),
        ('{{"token":{}}}\n{{"status":"succeed"}}', '"[gone]"'),
        ('data: {{"token":{},"status":"succeed"}}\n\n', '"[gone]"'),
        ('{{"password": {}, "total_tokens": 12, "secret": null, ', '"[gone]"'),
        ("<Error><AWSAccessKeyId>{}</AWSAccessKeyId><Code>no</Code></Error>", "[gone]"),
        (PART, "[gone]"),
        ("A=1\nAPI_KEY={}\nB=2", "[gone]"),
    ],
    ids=["form", "cut", "lines", "events", "number", "xml", "part", "settings"],
)
def test_the_rest_of_a_body_stays_as_it_is(body: str, shown: str) -> None:
    came = '"X1"' if shown[0] == '"' else "X1"
    assert Scrubber("authorization").body(body.format(came).encode()).value == body.format(shown)
    if shown[0] == '"' and "unf" in body:
        for came in ("12345678", '{"v": "X1", "w": [2], "x": "}"}', '["X1", "]"]'):
            assert Scrubber("authorization").body(body.format(came).encode()).value == body.format(shown)


@pytest.mark.parametrize(
    "text",
    [
        "the token is invalid: expired", "field 'password': must not be empty", "sign in at https://x.test/a?page=2",
        "https://x.test/v.mp4?x-oss-process=video", "a key = a door", "a man with a secret: he smiles",
        'he said "token" and "key", twice', "1 < 2 and key > 3", "50% off & more\\n", "me@x.test",
    ],
)  # fmt: skip
def test_sentences_stay(text: str) -> None:
    expected = text if "x-oss" not in text else "https://x.test/v.mp4?x-oss-process=[gone]"
    assert Scrubber("authorization").text(text) == expected


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://x.test/?sign=ab'X1&page=2", "https://x.test/?sign=[gone]&page=2"),
        ("https://user:pa'ss@x.test/v", "https://[gone]@x.test/v"),
        ("https://user:p@ss@x.test/v", "https://[gone]@x.test/v"),
        ("https://x.test/cb#access_token=X1&state=2", "https://x.test/cb#access_token=[gone]&state=2"),
        ("curl -H 'authorization: Bearer sk-live-X1'", "curl -H 'authorization: Bearer [gone]'"),
        ("Basic dXNlcjpYMQ==, or Bearer authentication", "Basic [gone], or Bearer authentication"),
        ("/login?next=%2Fa%3Ftoken%3DX1%26b%3D2", "/login?next=/a?token=[gone]&b=2"),
    ],
)
def test_no_character_that_may_be_in_a_secret_ends_it(text: str, shown: str) -> None:
    assert Scrubber("authorization").text(text) == shown


def test_what_is_taken_out_is_taken_out_once() -> None:
    scrubber = Scrubber("authorization")
    for shape in SHAPES:
        once = scrubber.text(body_of(shape, "token", "X1"))
        assert scrubber.text(once) == once
