"""Keys are secrets: wherever a client puts one, no page, no number and no line of the log repeats it."""

import base64
import json
import logging
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mock_server.program import Program
from mock_server.redaction import SECRET_CHARACTERS_MIN, Redactor, key_in
from mock_server.settings import Settings
from mock_server.twin import make_twin
from tests.control.support import FakePost, Reader, Steward, until
from tests.support import MINIMAL, OMNI

printable = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
# So long that none stands in a text by chance.
keys = st.text(printable, min_size=10, max_size=30).map(lambda text: f"sk-{text}")


def written_in_json(text: str) -> str:
    """Every character by its number, as JSON allows."""
    return "".join(f"\\u{ord(each):04x}" for each in text)


def written_in_a_url(text: str) -> str:
    """Every character by its number, as URLs allow."""
    return "".join(f"%{ord(each):02X}" for each in text)


WAYS: list[Callable[[str], str]] = [str, quote, written_in_a_url, written_in_json, lambda text: json.dumps(text)[1:-1]]


@given(key=keys, before=st.text(max_size=5), after=st.text(max_size=5), way=st.sampled_from(WAYS))
def test_a_key_is_taken_out_of_a_text_however_it_is_written(key: str, before: str, after: str, way: Any) -> None:
    told = Redactor([key]).text(before + way(key) + after)
    for each in WAYS:
        assert each(key) not in told


@given(text=st.text("abc%\\", max_size=40), key=st.text("abc", max_size=SECRET_CHARACTERS_MIN - 1))
def test_a_short_key_is_no_secret(text: str, key: str) -> None:
    assert Redactor([key, None, ""]).text(text) == text


def test_a_key_that_is_a_part_of_another_does_not_save_it() -> None:
    assert Redactor(["12345678", "x12345678y"]).text("x12345678y 12345678") == "[key] [key]"


def test_names_and_numbers_are_looked_at_where_a_client_chose_them() -> None:
    redactor = Redactor(["12345678"])
    value = {"12345678": [12345678, 1.5, True, None, "a 12345678"]}
    assert redactor.value(value, names=True) == {"[key]": ["[key]", 1.5, True, None, "a [key]"]}
    assert redactor.value({"at_ms": 12345678}) == {"at_ms": 12345678}


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("abc", "abc"), ("", None), (None, None), ("a b c", None)],
)
def test_the_key_of_a_header_stands_alone_or_behind_a_word(header: str | None, token: str | None) -> None:
    assert key_in(header) == token


def bodies(key: str) -> list[bytes]:
    """Bodies that a client may put its key into by mistake."""
    return [
        json.dumps({**MINIMAL, "prompt": f"a {key}"}).encode(),
        json.dumps({**MINIMAL, "external_task_id": key}).encode(),
        json.dumps({**MINIMAL, key: {"x": [key]}}).encode(),
        b'{"prompt": "' + written_in_json(key).encode() + b'"',
        b'{"prompt": "' + key.encode() + b"\xff",
        json.dumps({**MINIMAL, "mode": key}).encode(),
        json.dumps({**MINIMAL, "callback_url": f"http://example.com/?key={quote(key)}"}).encode(),
        json.dumps({**MINIMAL, "callback_url": f"http://127.0.0.1:9/{key}?key={written_in_a_url(key)}"}).encode(),
    ]


async def said(steward: Steward, key: str) -> list[str]:
    """All that the control pages say, good and bad."""
    await steward.post("clock/advance", {"by": "1h"})
    pages = ("journal", "tasks", "callbacks", "ledger", "metrics", "health", "clock")
    texts = [(await steward.send("GET", page)).text for page in pages]
    for method, page, body in (
        ("GET", f"tasks/{quote(key, safe='')}", None),
        ("GET", quote(key, safe=""), None),
        ("POST", f"callbacks/{quote(key, safe='')}/redeliver", None),
        ("POST", "clock/advance", {key: 1}),
        ("POST", "clock/advance", {"by": key}),
        ("POST", "reset", [key]),
    ):
        texts.append((await steward.send(method, page, body)).text)
    queries = ({key: "x"}, {"status": key}, {"operation": key}, {"http_status": key})
    texts += [(await steward.send("GET", page, **query)).text for query in queries for page in pages]
    texts.append((await steward.send("GET", "journal/wait", count=900, timeout="0s")).text)
    return texts


def jwt(issuer: str) -> str:
    """A token as vendors' clients sign one: the world is its issuer."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, {"iss": issuer})]
    return ".".join([*(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts), "c2lnbmVk"])


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@settings(max_examples=30, deadline=None)
@given(key=keys, signed=st.booleans())
async def test_no_page_and_no_line_of_the_log_repeats_a_key(program: Program, key: str, signed: bool) -> None:
    handler = Lines()
    logging.getLogger("omnimock").addHandler(handler)
    twin = make_twin(Settings(clock="manual"), program, post=FakePost)
    twin.callbacks.start()
    token = jwt(key) if signed else key
    steward = Steward(twin, token)
    try:
        world = twin.endpoint.auth.world(f"Bearer {token}".encode())
        head = [(b"authorization", f"Bearer {token}".encode()), (b"content-type", b"application/json")]
        head += [(b"x-key", key.encode()), (b"x-control-token", key.encode()), (b"x-token", token.encode())]
        for body in bodies(key):
            steward.caller.send("POST", OMNI, headers=[*head], body=body)
        path = f"{OMNI}/{quote(key, safe='')}"
        steward.caller.send("GET", path, headers=head, query=f"key={quote(key)}&k={written_in_a_url(key)}")
        steward.caller.send("GET", f"/{quote(key)}", headers=head)
        reader = Reader(twin, token)
        texts = await said(steward, key)
        await until(lambda: len(reader.numbers()) == len(world.journal))
        await reader.leave()
        assert len(reader.numbers()) >= 10
    finally:
        left = await twin.callbacks.stop(0)
        logging.getLogger("omnimock").removeHandler(handler)
    told = "\n".join([*texts, reader.text, *handler.lines, *(each.url for each in left)])
    for secret in {key, token}:
        for way in (str, written_in_a_url, written_in_json, lambda text: json.dumps(text)[1:-1]):
            assert way(secret) not in told
    assert "[key]" in told


@pytest.mark.expects_crash
async def test_a_crash_does_not_repeat_the_key(steward: Steward, caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-very-secret"
    steward = Steward(steward.twin, key)

    def crash(body: Any) -> None:
        raise RuntimeError(f"cannot read {key}")

    steward.twin.endpoint._act["submit"] = crash  # type: ignore[assignment]
    assert steward.caller.submit().status == 500
    assert "cannot read [key]" in caplog.text
    assert key not in caplog.text
    (entry,) = await steward.entries()
    assert "cannot read [key]" in "".join(entry["explanation"]["traceback"])
    assert key not in json.dumps(entry)


async def test_the_control_token_is_not_repeated(program: Program) -> None:
    twin = make_twin(Settings(clock="manual", host="0.0.0.0", control_token="token-of-ours"), program)
    steward = Steward(twin)
    headers = {**steward.headers, "x-control-token": "token-of-ours"}
    steward.caller.send("GET", "/token-of-ours", headers=[(k.encode(), v.encode()) for k, v in headers.items()])
    answer = await steward.http.get("/_mock/journal", headers=headers)
    assert answer.json()["entries"][0]["request"]["headers"]["x-control-token"] == "[token]"
    wrong = await steward.http.get("/_mock/journal?http_status=token-of-ours", headers=headers)
    assert wrong.status_code == 422
    assert "token-of-ours" not in answer.text + wrong.text
