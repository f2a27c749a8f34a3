"""TLS: the server's certificate, from files or from an authority made for one run; and whom callbacks trust.

    --tls-cert, --tls-key ──▶ checked ─────────┐
    --tls ──▶ authority ──▶ certificate ───────┴─▶ the server's context
                  └──▶ ca_file, for clients

The private key of a throwaway authority is never written. Whoever trusts its file trusts this one certificate, and
nothing that anybody could issue later.
"""

import contextlib
import os
import ssl
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from mock_server.settings import Settings

if TYPE_CHECKING:
    import trustme

# By what names clients on this machine call it.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
# What a server listens on to be reached by any address: nobody calls it by that.
_WILDCARDS = ("0.0.0.0", "::", "")
# Reserved (RFC 6761): no client can be calling a host of this name.
WRONG_NAME = "wrong-host.invalid"
# Some platforms take no certificate that is valid for more than 825 days.
_VALID = timedelta(days=365)
# A certificate with its whole chain has a few kilobytes.
_PEM_BYTES_MAX = 1024 * 1024


class Tls(msgspec.Struct, frozen=True):
    """What the server speaks TLS with. `ca_file` is what a client has to trust, where we know that."""

    context: ssl.SSLContext
    ca_file: Path | None = None


@contextlib.contextmanager
def tls_of(settings: Settings) -> Iterator[Tls | None]:
    """Yield what the settings ask for, None without TLS; at the end, files that nobody wants to keep are gone.

    Raise ValueError, naming the setting, for a file that cannot serve.
    """
    if settings.tls_cert is not None and settings.tls_key is not None:
        yield Tls(_from_files(settings.tls_cert, settings.tls_key))
    elif settings.tls and settings.tls_dir is not None:
        yield _throwaway(settings, settings.tls_dir.absolute())
    elif settings.tls:
        with tempfile.TemporaryDirectory(prefix="omnimock-tls-") as folder:
            yield _throwaway(settings, Path(folder))
    else:
        yield None


def trusting(ca_file: Path) -> ssl.SSLContext:
    """Return what callbacks are sent with where receivers may be certified by `ca_file` too; raise ValueError."""
    pem = _read(ca_file, "callback-ca")
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ValueError(f"callback-ca {ca_file}: this is no certificate in PEM form") from None
    return context


def _throwaway(settings: Settings, folder: Path) -> Tls:
    import trustme

    authority = trustme.CA(organization_name="omnimock", organization_unit_name="Throwaway authority")
    server = _issue(authority, settings)
    ca_file, cert_file, key_file = (folder / f"omnimock-{name}.pem" for name in ("ca", "cert", "key"))
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        ca_file.write_bytes(authority.cert_pem.bytes())
        cert_file.write_bytes(b"".join(each.bytes() for each in server.cert_chain_pems))
        _write_private(key_file, server.private_key_pem.bytes())
    except OSError as error:
        raise ValueError(f"tls-dir {folder}: {error.strerror or error}") from None
    context = _server_context()
    context.load_cert_chain(cert_file, key_file)
    return Tls(context, ca_file)


def _issue(authority: "trustme.CA", settings: Settings) -> "trustme.LeafCert":
    bound = () if settings.host in _WILDCARDS else (settings.host,)
    names = tuple(dict.fromkeys((*LOOPBACK_NAMES, *bound, *settings.tls_names)))
    now = datetime.now(UTC)
    # A day of grace for clients whose clock is behind.
    begins, ends = now - timedelta(days=1), now + _VALID
    match settings.tls_fault:
        case "wrong-host":
            names = (WRONG_NAME,)
        case "expired":
            begins, ends = begins - _VALID, now - timedelta(days=1)
    try:
        return authority.issue_cert(*names, not_before=begins, not_after=ends)
    except ValueError as error:
        raise ValueError(f"tls-name or host: {error}") from None


def _from_files(cert_file: Path, key_file: Path) -> ssl.SSLContext:
    _check_certificate(cert_file, _read(cert_file, "tls-cert"))
    _read(key_file, "tls-key")

    def no_password() -> str:
        raise ValueError(f"tls-key {key_file}: this key is encrypted; one without a password is needed")

    context = _server_context()
    try:
        context.load_cert_chain(cert_file, key_file, password=no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ValueError(f"tls-key {key_file}: this is not the key of the certificate in {cert_file}") from None
        raise ValueError(f"tls-key {key_file}: this is no private key in PEM form") from None
    return context


def _check_certificate(path: Path, pem: bytes) -> None:
    from cryptography import x509

    try:
        # The server's own comes first; those that have issued it may follow.
        certificate = x509.load_pem_x509_certificates(pem)[0]
    except ValueError:
        raise ValueError(f"tls-cert {path}: this is no certificate in PEM form") from None
    now, begins, ends = datetime.now(UTC), certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        hint = "to show clients such a one, use --tls --tls-fault expired"
        raise ValueError(f"tls-cert {path}: the certificate expired on {ends:%Y-%m-%d}; {hint}")
    if now < begins:
        raise ValueError(f"tls-cert {path}: the certificate is not valid before {begins:%Y-%m-%d %H:%M} UTC")


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Clients that would rather speak HTTP/2 learn here that it is not spoken.
    context.set_alpn_protocols(["http/1.1"])
    return context


def _read(path: Path, setting: str) -> bytes:
    try:
        with path.open("rb") as file:
            pem = file.read(_PEM_BYTES_MAX + 1)
    except OSError as error:
        raise ValueError(f"{setting} {path}: {error.strerror or error}") from None
    if len(pem) > _PEM_BYTES_MAX:
        raise ValueError(f"{setting} {path}: more than {_PEM_BYTES_MAX} bytes; a file in PEM form is needed")
    return pem


def _write_private(path: Path, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:  # noqa: PTH123  A descriptor.
        # One that was there before may have been open to others.
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
