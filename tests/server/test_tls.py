import ssl
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from mock_server.settings import Settings
from mock_server.tls import tls_of, trusting

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> tuple[Path, Path]:
    """A certificate and its key."""
    return write_files(tmp_path, authority.issue_cert("localhost"))


def write_files(folder: Path, issued: trustme.LeafCert) -> tuple[Path, Path]:
    cert, key = folder / "cert.pem", folder / "key.pem"
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return cert, key


def refusal(cert: Path, key: Path) -> str:
    """Return why these files cannot serve."""
    with pytest.raises(ValueError, match="tls-") as caught, tls_of(Settings(tls_cert=cert, tls_key=key)):
        pass
    return str(caught.value)


def test_without_a_word_there_is_no_tls() -> None:
    with tls_of(Settings()) as tls:
        assert tls is None


def test_files_of_ones_own_serve_and_nothing_is_known_of_who_issued_them(files: tuple[Path, Path]) -> None:
    with tls_of(Settings(tls_cert=files[0], tls_key=files[1])) as tls:
        assert tls is not None
        assert tls.ca_file is None


@pytest.mark.parametrize("broken", [0, 1])
def test_a_missing_file_is_named(files: tuple[Path, Path], broken: int) -> None:
    files[broken].unlink()
    assert refusal(*files) == f"{('tls-cert', 'tls-key')[broken]} {files[broken]}: No such file or directory"


def test_a_folder_is_no_certificate(files: tuple[Path, Path], tmp_path: Path) -> None:
    assert refusal(tmp_path, files[1]) == f"tls-cert {tmp_path}: Is a directory"


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_what_is_no_certificate_is_named(files: tuple[Path, Path], content: bytes) -> None:
    files[0].write_bytes(content)
    assert refusal(*files) == f"tls-cert {files[0]}: this is no certificate in PEM form"


@pytest.mark.parametrize(
    "content", [b"", b"\xff\x00", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"]
)
def test_what_is_no_key_is_named(files: tuple[Path, Path], content: bytes) -> None:
    files[1].write_bytes(content)
    assert refusal(*files) == f"tls-key {files[1]}: this is no private key in PEM form"


def test_a_file_without_an_end_is_not_read_to_its_end(files: tuple[Path, Path]) -> None:
    assert "more than 1048576 bytes" in refusal(Path("/dev/zero"), files[1])


def test_the_key_of_another_certificate_is_named(files: tuple[Path, Path], authority: trustme.CA) -> None:
    authority.issue_cert("localhost").private_key_pem.write_to_path(files[1])
    assert refusal(*files) == f"tls-key {files[1]}: this is not the key of the certificate in {files[0]}"


def test_an_encrypted_key_is_refused_instead_of_asking_for_a_password(files: tuple[Path, Path]) -> None:
    key = load_pem_private_key(files[1].read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
    files[1].write_bytes(locked)
    assert refusal(*files) == f"tls-key {files[1]}: this key is encrypted; one without a password is needed"


def test_an_expired_certificate_is_refused_with_its_day(tmp_path: Path, authority: trustme.CA) -> None:
    files = write_files(tmp_path, authority.issue_cert("localhost", not_before=NOW - 3 * DAY, not_after=NOW - DAY))
    assert f"the certificate expired on {NOW - DAY:%Y-%m-%d}; " in refusal(*files)


def test_a_certificate_that_is_not_valid_yet_is_refused(tmp_path: Path, authority: trustme.CA) -> None:
    files = write_files(tmp_path, authority.issue_cert("localhost", not_before=NOW + DAY, not_after=NOW + 2 * DAY))
    assert f"is not valid before {NOW + DAY:%Y-%m-%d}" in refusal(*files)


def test_the_files_of_a_throwaway_authority_are_private_and_gone_at_the_end() -> None:
    with tls_of(Settings(tls=True)) as tls:
        assert tls is not None
        assert tls.ca_file is not None
        folder = tls.ca_file.parent
        assert {each.name for each in folder.iterdir()} == {f"omnimock-{name}.pem" for name in ("ca", "cert", "key")}
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "omnimock-key.pem").stat().st_mode) == 0o600
    assert not folder.exists()


def test_the_key_of_the_authority_is_in_no_file(tmp_path: Path) -> None:
    with tls_of(Settings(tls=True, tls_dir=tmp_path)):
        keys = [each.name for each in tmp_path.iterdir() if b"PRIVATE KEY" in each.read_bytes()]
    assert keys == ["omnimock-key.pem"]


def test_a_folder_that_is_named_is_made_and_kept(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with tls_of(Settings(tls=True, tls_dir=folder)) as tls:
        assert tls is not None
        assert tls.ca_file == folder / "omnimock-ca.pem"
    assert len(list(folder.iterdir())) == 3


def test_a_key_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    old = tmp_path / "omnimock-key.pem"
    old.touch(mode=0o644)
    with tls_of(Settings(tls=True, tls_dir=tmp_path)):
        assert stat.S_IMODE(old.stat().st_mode) == 0o600


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ValueError, match=rf"tls-dir {tmp_path}/file/x: "),
        tls_of(Settings(tls=True, tls_dir=tmp_path / "file" / "x")),
    ):
        pass


def test_a_name_that_no_certificate_can_carry_is_refused() -> None:
    with (
        pytest.raises(ValueError, match="tls-name or host: "),
        tls_of(Settings(tls=True, tls_names=("-twin.test",))),
    ):
        pass


CERTIFIED: list[tuple[Callable[[], Settings], list[str]]] = [
    (lambda: Settings(tls=True), ["localhost", "127.0.0.1", "::1"]),
    (lambda: Settings(tls=True, host="0.0.0.0"), ["localhost", "127.0.0.1", "::1"]),
    (lambda: Settings(tls=True, host="192.0.2.7"), ["localhost", "127.0.0.1", "::1", "192.0.2.7"]),
    (
        lambda: Settings(tls=True, tls_names=("twin.test", "*.twin.test", "localhost")),
        ["localhost", "127.0.0.1", "::1", "twin.test", "*.twin.test"],
    ),
    (lambda: Settings(tls=True, tls_names=("twin.test",), tls_fault="wrong-host"), ["wrong-host.invalid"]),
]


@pytest.mark.parametrize(("settings", "names"), CERTIFIED)
def test_the_certificate_names_whatever_the_server_is_called_by(
    settings: Callable[[], Settings], names: list[str]
) -> None:
    from cryptography import x509

    with tls_of(settings()) as tls:
        assert tls is not None
        assert tls.ca_file is not None
        pem = (tls.ca_file.parent / "omnimock-cert.pem").read_bytes()
    extension = x509.load_pem_x509_certificate(pem).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert [str(each.value) for each in extension.value] == names


def test_callbacks_trust_a_further_authority_beside_those_of_this_machine(
    tmp_path: Path, authority: trustme.CA
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    usual = ssl.create_default_context().cert_store_stats()["x509_ca"]
    context = trusting(tmp_path / "ca.pem")
    assert context.cert_store_stats()["x509_ca"] == usual + 1
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"no certificate"])
def test_what_is_no_authority_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ValueError, match=r"callback-ca .*ca\.pem: this is no certificate in PEM form"):
        trusting(tmp_path / "ca.pem")
