"""What is a secret by its name, and what is none."""

import re
from pathlib import Path

import pytest

from contracts.recording.secret_names import SecretNames

SECRETS = """
    password passwd new_password passWord PASSWORD user[password] pwd passphrase db_pass secret client_secret app_secret
    webhook_secret callback_secret webhook-secret secretAccessKey secret_key_base secretid token auth_token access_token
    accesstoken session_token security_token sec-token csrfToken X-Auth-Token x-forwarded-authorization token_1 tokens
    api_key apikey apiKey api_keys X-Api-Key APIKEY private_key_pem AWSAccessKeyId OSSAccessKeyId GoogleAccessId key
    key_id jwt id_token auth session_id cookie Set-Cookie signature x-signature ksSign sign sig ak sk credential
    credentials client_assertion bearer pass%77ord p\\u0061ssword
""".split()  # noqa: SIM905
OPEN = """
    task_id external_task_id status task_status task_status_msg message code url callback_url request_id created_at
    webhook-signature webhook-id webhook-timestamp svix-signature idempotency-key Idempotency_Key idempotencyKey
    sec-websocket-key sec-fetch-mode access-control-allow-credentials access-control-allow-headers www-authenticate
    expires expires_in cache-control referrer-policy content-security-policy content-policy design monkey key_frame
    keyFrames keyboard sign_in signed author authority secretary tokenizer passenger bypass compass sort page
""".split()  # noqa: SIM905


@pytest.mark.parametrize("name", SECRETS)
@pytest.mark.parametrize("value", ["X", ["X"], {"v": 1}, True])
def test_a_name_that_says_so_is_that_of_a_secret_whatever_its_value(name: str, value: object) -> None:
    assert SecretNames().hide(name, value)


@pytest.mark.parametrize("name", ["password", "token", "pin_secret", "api_key", "key"])
def test_a_secret_may_be_a_number(name: str) -> None:
    assert SecretNames().hide(name, 12345678)
    assert SecretNames().hide(name, "12345678")


@pytest.mark.parametrize("name", OPEN)
def test_what_only_sounds_like_one_stays(name: str) -> None:
    assert not SecretNames().hide(name, "X")


@pytest.mark.parametrize(
    "name",
    ["tokens", "tokens_used", "max_tokens", "completion_tokens_details", "token_count", "token_expires_in",
     "x-ratelimit-remaining-tokens", "password_changed_at"],
)  # fmt: skip
def test_what_is_counted_keeps_its_numbers_and_nothing_else(name: str) -> None:
    names = SecretNames()
    assert not names.hide(name, 17)
    assert not names.hide(name, "17")
    assert names.hide(name, "X17")


@pytest.mark.parametrize("name", ["Expires", "Policy", "X-Amz-Date", "x-goog-date", "q-sign-time"])
def test_what_signs_an_address_is_a_secret_there_alone(name: str) -> None:
    assert SecretNames().hide(name, "1", address=True)
    assert not SecretNames().hide(name, "1")


def test_a_name_that_is_given_is_that_of_a_secret_in_any_case_and_any_spelling() -> None:
    names = SecretNames(["X-Mine"])
    assert all(names.hide(each, 1) for each in ("x-mine", "X-MINE", "x%2Dmine", "X\\u002dmine"))
    assert not names.hide("x-miner", 1)


def test_no_member_that_the_spec_has_is_a_secret() -> None:
    text = (Path(__file__).parents[2] / "openapi.yaml").read_text(encoding="utf-8")
    members = set(re.findall(r"^\s+([a-z]+(?:_[a-z]+)*): ", text, re.MULTILINE))
    assert {"task_id", "external_task_id", "image_url"} <= members
    assert {each for each in members if SecretNames().hide(each, "X")} == {"signature"}


def test_what_is_another_one_in_each_message_is_not_looked_for_elsewhere() -> None:
    names = SecretNames(["ticket"])
    assert all(names.bring_key(each, "X") for each in ("token", "x-auth-key", "client_secret", "ticket"))
    assert not any(names.bring_key(each, "X") for each in ("cookie", "sign", "x-signature", "session", "page"))
