from pathlib import Path
from typing import Any

import pytest

from mock_server.settings import BODY_BYTES_MAX, Settings


def test_without_a_word_the_twin_is_local_and_open_to_any_key() -> None:
    settings = Settings()
    assert (settings.host, settings.port, settings.api_keys, settings.callback_allow) == ("127.0.0.1", 4747, (), ())
    assert settings.body_bytes_max == BODY_BYTES_MAX == 33_554_432


@pytest.mark.parametrize(
    "given",
    [
        {"clock": "manual"},
        {"time_scale": 1_000_000.0},
        {"time_scale": 0.001},
        {"concurrency": 1},
        {"body_bytes_max": 1},
        {"mounts": ("", "/proxy/kling")},
        {"api_keys": ("sk-1", "!~")},
        {"media_base_url": "https://cdn.example.com"},
        {"media_base_url": "http://127.0.0.1:8080/media"},
        {"tls": True, "tls_names": ("twin.test", "*.twin.test", "fe80::1", "192.0.2.1"), "tls_dir": Path("tls")},
        {"tls": True, "tls_fault": "expired"},
        {"tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")},
    ],
)
def test_a_sound_setting_is_kept_as_it_is(given: dict[str, Any]) -> None:
    settings = Settings(**given)
    assert {name: getattr(settings, name) for name in given} == given


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"clock": "manual", "time_scale": 2.0}, "time-scale"),
        ({"time_scale": 0.0}, "time-scale"),
        ({"time_scale": -1.0}, "time-scale"),
        ({"time_scale": float("nan")}, "time-scale"),
        ({"time_scale": float("inf")}, "time-scale"),
        ({"time_scale": 1_000_001.0}, "time-scale"),
        ({"concurrency": 0}, "concurrency"),
        ({"body_bytes_max": 0}, "body-bytes-max"),
        ({"mounts": ("kling",)}, "mount"),
        ({"mounts": ("/kling/",)}, "mount"),
        ({"mounts": ("/",)}, "mount"),
        ({"mounts": ("/_mock",)}, "mount"),
        ({"mounts": ("/_mock/x",)}, "mount"),
        ({"callback_allow": ("http://receiver.test/x",)}, "callback-allow"),
        ({"callback_allow": ("receiver.test:80",)}, "callback-allow"),
        ({"callback_allow": ("",)}, "callback-allow"),
        ({"api_keys": ("",)}, "api-key"),
        ({"api_keys": ("good", "a b")}, "api-key"),
        ({"api_keys": ("a\n",)}, "api-key"),
        ({"api_keys": ("schlüssel",)}, "api-key"),
        ({"media_base_url": ""}, "media-base-url"),
        ({"media_base_url": "cdn.example.com"}, "media-base-url"),
        ({"media_base_url": "ftp://cdn.example.com"}, "media-base-url"),
        ({"media_base_url": "https://cdn.example.com/"}, "media-base-url"),
        ({"media_base_url": "https://"}, "media-base-url"),
        ({"media_base_url": "http://[::1"}, "media-base-url"),
        ({"tls_cert": Path("cert.pem")}, "tls-cert goes with tls-key, which is missing"),
        ({"tls_key": Path("key.pem")}, "tls-key goes with tls-cert, which is missing"),
        ({"tls": True, "tls_cert": Path("cert.pem"), "tls_key": Path("key.pem")}, "only one of them"),
        ({"tls_names": ("twin.test",)}, "tls-name goes with tls"),
        ({"tls_dir": Path("tls")}, "tls-dir goes with tls"),
        ({"tls_fault": "expired"}, "tls-fault goes with tls"),
        ({"tls": True, "tls_names": ("https://twin.test",)}, "tls-name"),
        ({"tls": True, "tls_names": ("10.0.0.0/8",)}, "tls-name"),
        ({"tls": True, "tls_names": ("",)}, "tls-name"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_by_its_name(given: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Settings(**given)


def test_a_refused_key_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="api-key") as caught:
        Settings(api_keys=("sk secret",))
    assert "secret" not in str(caught.value)
