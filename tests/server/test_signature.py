import base64
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from mock_server.signature import Signer, Signing

SECRET = "whsec_dGVzdHNlY3JldHRlc3RzZWNyZXR0ZXN0c2VjcmV0MTI="
BODY = b'{"id":"1234567890","status":"succeeded","message":"","create_time":1781080778802,"update_time":1781080794151}'

keys = st.binary(min_size=16, max_size=64)
ids = st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True)
bodies = st.text().map(str.encode)


def now() -> int:
    """Real time, which the library of receivers compares with; it takes no clock."""
    return int(time.time())


def secret_of(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


def test_the_vector_that_the_vendor_publishes() -> None:
    assert Signer(SECRET).headers("9876543210", 1781080794, BODY) == {
        "webhook-id": "9876543210",
        "webhook-timestamp": "1781080794",
        "webhook-signature": "v1,UsKlJP00XoQyOn410NM9xv34sP+Gl0jnOO9Lcpr7NJ4=",
    }


@given(key=keys, delivery_id=ids, body=bodies)
def test_the_library_of_receivers_accepts_what_is_signed_now(key: bytes, delivery_id: str, body: bytes) -> None:
    headers = Signer(secret_of(key)).headers(delivery_id, now(), body)
    Webhook(secret_of(key)).verify(body, headers, json_parse=False)


@given(key=keys, body=bodies, other=bodies)
def test_another_body_does_not_pass_for_the_signed_one(key: bytes, body: bytes, other: bytes) -> None:
    headers = Signer(secret_of(key)).headers("id", now(), body)
    if other != body:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret_of(key)).verify(other, headers, json_parse=False)


@given(key=keys, delivery_id=ids, seconds=st.integers(0, 4 * 10**9))
def test_each_part_changes_the_signature(key: bytes, delivery_id: str, seconds: int) -> None:
    signer = Signer(secret_of(key))
    signed = [
        signer.headers(delivery_id, seconds, BODY),
        Signer(secret_of(key + b"x")).headers(delivery_id, seconds, BODY),
        signer.headers(delivery_id + "x", seconds, BODY),
        signer.headers(delivery_id, seconds + 1, BODY),
        signer.headers(delivery_id, seconds, BODY + b" "),
    ]
    assert len({headers["webhook-signature"] for headers in signed}) == 5


@given(key=keys)
def test_a_secret_may_come_without_its_padding(key: bytes) -> None:
    padded, bare = Signer(secret_of(key)), Signer(secret_of(key).rstrip("="))
    assert bare.headers("id", 1, BODY) == padded.headers("id", 1, BODY)


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        SECRET.removeprefix("whsec_"),
        SECRET.upper(),
        secret_of(b"x" * 15),
        SECRET.replace("d", "*"),
        SECRET.replace("d", "-"),
        SECRET + "=",
        SECRET + "\n",
        " " + SECRET,
        SECRET[:-5] + "====",
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="callback secret") as caught:
        Signer(secret)
    assert len(secret) < 10 or secret not in str(caught.value)


def test_where_no_secret_is_set_it_belongs_to_the_seed() -> None:
    secrets = [Signing(None, seed).secret for seed in (1, 1, 2)]
    assert secrets[0] == secrets[1] != secrets[2]


def test_a_secret_that_is_set_is_the_one() -> None:
    signing = Signing(SECRET, 0)
    assert (signing.secret, signing.derived) == (SECRET, False)


@pytest.mark.parametrize("secret", [None, SECRET])
def test_what_is_signed_wrong_fits_no_receiver_and_is_always_the_same(secret: str | None) -> None:
    signing = Signing(secret, 0)
    wrong = signing.wrong.headers("id", now(), BODY)
    assert wrong == Signing(None, 0).wrong.headers("id", now(), BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook(signing.secret).verify(BODY, wrong)
    Webhook(signing.secret).verify(BODY, signing.right.headers("id", now(), BODY))
