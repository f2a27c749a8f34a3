"""How a twin is set up: every setting with its default, checked when it is made."""

from ipaddress import ip_address
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

# Two pictures of the documented 10 MB each in Base64, with room to spare.
BODY_BYTES_MAX = 32 * 1024 * 1024


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a twin. Raises ValueError, naming the setting, for a value that cannot be."""

    host: str = "127.0.0.1"
    port: int = 4747
    seed: int = 0
    clock: Literal["system", "manual"] = "system"
    time_scale: float = 1.0
    profile: str | None = None
    dialect: str | None = None
    scenario: str = "realistic"
    scenarios: Path | None = None
    api_keys: tuple[str, ...] = ()
    concurrency: int | None = None
    callback_allow: tuple[str, ...] = ()
    callback_secret: str | None = None
    callback_timeout_ms: int | None = None
    callback_retries_ms: tuple[int, ...] | None = None
    callback_ca: Path | None = None
    mounts: tuple[str, ...] = ()
    media_base_url: str | None = None
    spec: Path | None = None
    explain: bool = True
    body_bytes_max: int = BODY_BYTES_MAX
    allowed_hosts: tuple[str, ...] = ()
    control_token: str | None = None
    tls: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_names: tuple[str, ...] = ()
    tls_dir: Path | None = None
    tls_fault: Literal["expired", "wrong-host"] | None = None

    def __post_init__(self) -> None:
        if self.clock == "manual" and self.time_scale != 1:
            raise ValueError("time-scale goes with the system clock; a manual clock moves only when told")
        if not 0 < self.time_scale <= 1_000_000:
            raise ValueError(f"time-scale is above 0 and at most 1000000, not {self.time_scale}")
        if self.concurrency is not None and self.concurrency < 1:
            raise ValueError(f"concurrency is at least 1, not {self.concurrency}; leave it out for no limit")
        if self.body_bytes_max < 1:
            raise ValueError(f"body-bytes-max is at least 1, not {self.body_bytes_max}")
        for mount in self.mounts:
            if mount and (not mount.startswith("/") or mount.endswith("/")):
                raise ValueError(f"mount {mount!r}: a prefix starts with / and does not end with it, such as /proxy/v1")
            if mount == "/_mock" or mount.startswith("/_mock/"):
                raise ValueError(f"mount {mount!r}: what is below /_mock is the twin's own")
        for host in self.callback_allow:
            if not _is_host_name(host):
                raise ValueError(f"callback-allow {host!r}: a host name alone is needed, such as receiver.test")
        for key in self.api_keys:
            if not key or not key.isascii() or any(not "!" <= each <= "~" for each in key):
                raise ValueError("api-key: a key is made of printable ASCII without spaces")
        if self.media_base_url is not None and not _is_base_url(self.media_base_url):
            raise ValueError(
                f"media-base-url {self.media_base_url!r}: an http(s) address without a slash at its end is needed"
            )
        self._check_tls()

    def _check_tls(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            missing, given = ("tls-key", "tls-cert") if self.tls_key is None else ("tls-cert", "tls-key")
            raise ValueError(f"{given} goes with {missing}, which is missing")
        if self.tls and self.tls_cert is not None:
            raise ValueError("tls makes a certificate, and tls-cert brings one: only one of them is possible")
        needing = {"tls-name": self.tls_names, "tls-dir": self.tls_dir, "tls-fault": self.tls_fault}
        for name, value in needing.items():
            if value and not self.tls:
                raise ValueError(f"{name} goes with tls, which makes the certificate that it is about")
        for host in self.tls_names:
            if not _is_host_name(host) and not _is_address(host):
                raise ValueError(f"tls-name {host!r}: a host name or an IP address alone is needed, such as twin.test")


def _is_host_name(text: str) -> bool:
    return bool(text) and not any(each in text for each in "/:@ ")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not text.endswith("/")
