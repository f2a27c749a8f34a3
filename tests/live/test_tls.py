"""TLS as clients meet it: one that checks, one that does not trust, certificates that have to be refused."""

import contextlib
import json
import re
import shlex
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from mock_server.cli import serve
from tests.live.conftest import StartServer
from tests.live.support import (
    TO_THE_END,
    Client,
    Receiver,
    Server,
    assert_clean_end,
    connected,
    eventually,
    read_replies,
    run_omnimock,
)
from tests.live.test_serve import fails_in_one_line, run_in_shell
from tests.support import MINIMAL, OMNI

HEALTH = "/_mock/health"


@pytest.fixture(scope="module")
def tls_server(start_shared: StartServer) -> Server:
    """A server with an authority of its own, for `twin.test` as well; its clocks stand still."""
    return start_shared("--tls", "--tls-name", "twin.test", "--clock", "manual")


@contextlib.contextmanager
def encrypted(server: Server, name: str = "localhost", *protocols: str) -> Iterator[ssl.SSLSocket]:
    """Connect as a client that checks, and calls the server by this name."""
    context = ssl.create_default_context(cafile=server.ca_file)
    if protocols:
        context.set_alpn_protocols(protocols)
    with connected(server.port) as plain, context.wrap_socket(plain, server_hostname=name) as connection:
        yield connection


def test_a_client_that_trusts_the_authority_sees_a_task_through(tls_server: Server, key: str) -> None:
    assert tls_server.base_url == f"https://127.0.0.1:{tls_server.port}"
    assert Client(tls_server, key).finished()["task_result"]["videos"]


def test_result_urls_are_encrypted_too_and_lead_to_the_video(tls_server: Server, key: str) -> None:
    url = Client(tls_server, key).finished()["task_result"]["videos"][0]["url"]
    assert url.startswith(f"{tls_server.base_url}/")
    assert tls_server.http.get(url).headers["content-type"] == "video/mp4"


def test_a_client_that_does_not_trust_the_authority_refuses(tls_server: Server) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{tls_server.base_url}{HEALTH}", trust_env=False)


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1", "twin.test"])
def test_the_server_is_certified_by_each_name(tls_server: Server, name: str) -> None:
    with encrypted(tls_server, name) as connection:
        assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_the_server_is_not_certified_by_another_name(tls_server: Server) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match=r"other\.test"), encrypted(tls_server, "other.test"):
        pass


def test_a_connection_is_kept(tls_server: Server, key: str) -> None:
    body = json.dumps(MINIMAL).encode()
    head = f"POST {OMNI} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n"
    request = head.encode() + b"content-type: application/json\r\n\r\n" + body
    own = f"GET {HEALTH} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode()
    with encrypted(tls_server) as connection:
        for sent in (request, own, request + own + request):
            connection.sendall(sent)
            count = sent.count(b" HTTP/1.1\r\n")
            assert [each.status for each in read_replies(connection, count)] == [200] * count


def test_a_client_that_offers_http_2_hears_that_it_is_http_1(tls_server: Server) -> None:
    with encrypted(tls_server, "localhost", "h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


def test_the_command_of_the_banner_runs_as_it_is(tls_server: Server, tmp_path: Path) -> None:
    command = tls_server.out.partition("try it:\n")[2]
    assert f"--cacert {shlex.quote(str(tls_server.ca_file))} " in command
    status, answer = run_in_shell(command, tmp_path)
    assert (status, answer["code"]) == (200, 0)


def test_the_banner_and_the_ready_file_name_the_authority(tls_server: Server) -> None:
    ready = json.loads(tls_server.ready_file.read_text(encoding="utf-8"))
    assert ready["ca_file"] == tls_server.ca_file
    assert f"  CA file   {tls_server.ca_file}\n" in tls_server.out


FAULTS = [("expired", "certificate has expired"), ("wrong-host", "not valid for '127.0.0.1'")]


@pytest.mark.parametrize(("fault", "reason"), FAULTS)
def test_a_client_that_checks_refuses_a_faulty_certificate(start: StartServer, fault: str, reason: str) -> None:
    server = start("--tls", "--tls-fault", fault)
    with pytest.raises(httpx.ConnectError, match=reason):
        server.http.get(HEALTH)
    assert f"TLS fault {fault}" in server.out


def test_a_client_that_does_not_check_is_found_out_by_a_faulty_certificate(start: StartServer) -> None:
    server = start("--tls", "--tls-fault", "expired")
    answer = httpx.get(f"{server.base_url}{HEALTH}", verify=False, trust_env=False)
    assert answer.status_code == 200


def test_a_server_ends_cleanly_while_clients_are_connected(start: StartServer) -> None:
    """Two have a connection open and never look at it again."""
    server = start("--tls")
    with encrypted(server) as idle, encrypted(server) as begun:
        idle.sendall(f"GET {HEALTH} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert read_replies(idle, 1)[0].status == 200
        begun.sendall(f"GET {HEALTH} HTTP/1.1\r\nho".encode())
        assert_clean_end(server.end())


def test_a_client_that_waits_is_let_go_when_the_server_ends(start: StartServer, key: str) -> None:
    """It is answered, and does not say goodbye."""
    server = start("--tls")
    wait = f"GET /_mock/journal/wait?timeout=30s HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
    with encrypted(server) as waiting:
        waiting.sendall(wait.encode())
        eventually(lambda: "omnimock_journal_readers 1.0" in server.http.get("/_mock/metrics").text, "the wait")
        assert_clean_end(server.end())


def test_kept_files_serve_again_and_are_trusted_again(start: StartServer, tmp_path: Path) -> None:
    first = start("--tls", "--tls-dir", "mine", folder=tmp_path)
    assert first.ca_file == str(tmp_path / "mine" / "omnimock-ca.pem")
    trusted = ssl.create_default_context(cafile=first.ca_file)
    first.end()
    again = start("--tls-cert", "mine/omnimock-cert.pem", "--tls-key", "mine/omnimock-key.pem", folder=tmp_path)
    assert "CA file" not in again.out
    assert again.ca_file is None
    assert httpx.get(f"{again.base_url}{HEALTH}", verify=trusted, trust_env=False).status_code == 200


def test_the_files_are_gone_when_the_server_has_ended(start: StartServer) -> None:
    server = start("--tls")
    assert server.ca_file is not None
    folder = Path(server.ca_file).parent
    assert folder.exists()
    server.end()
    assert not folder.exists()


def test_a_table_and_the_environment_set_it_too(start: StartServer, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.omnimock]\ntls = true\n", encoding="utf-8")
    server = start(folder=tmp_path, environment={"OMNIMOCK_TLS_NAMES": "one.test two.test"})
    for name in ("one.test", "two.test"):
        with encrypted(server, name):
            pass
    server.end()
    assert start("--no-tls", folder=tmp_path).base_url.startswith("http:")


BAD = [
    (("--tls-cert", "cert.pem"), "tls-cert goes with tls-key, which is missing"),
    (("--tls-cert", "none.pem", "--tls-key", "none.pem"), "tls-cert none.pem: No such file or directory"),
    (("--tls-fault", "expired"), "tls-fault goes with tls"),
    (("--tls", "--tls-fault", "revoked"), "tls-fault"),
    (("--callback-ca", "none.pem"), "callback-ca none.pem: No such file or directory"),
]


@pytest.mark.parametrize(("arguments", "reason"), BAD)
def test_what_cannot_serve_is_told_in_one_line_before_it_listens(
    tmp_path: Path, arguments: tuple[str, ...], reason: str
) -> None:
    """The address is of no machine: listening there would be the error that is told."""
    line = fails_in_one_line(run_omnimock("serve", "--host", "192.0.2.1", *arguments, folder=tmp_path))
    assert reason in line


def test_the_page_names_no_setting_that_is_not_there() -> None:
    page = (Path(__file__).parents[2] / "docs/tls.md").read_text(encoding="utf-8")
    known = {name for each in serve.params for name in each.opts}
    assert set(re.findall(r"--[a-z-]+[a-z]", page)) - {"--cacert"} <= known


# Callbacks


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    """The authority of a receiver, in `ca.pem` of the test's folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


@pytest.fixture
def tls_receiver(authority: trustme.CA) -> Iterator[Receiver]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    receiver = Receiver(tls=context)
    yield receiver
    receiver.close()


def test_callbacks_reach_a_receiver_whose_authority_is_named(
    start: StartServer, tls_receiver: Receiver, tmp_path: Path, key: str
) -> None:
    client = Client(start("--clock", "manual", "--callback-ca", str(tmp_path / "ca.pem")), key)
    task_id = client.created(callback_url=tls_receiver.url())
    client.advance(TO_THE_END)
    assert [each.json["task_status"] for each in tls_receiver.wait(3)] == ["submitted", "processing", "succeed"]
    assert tls_receiver.url().startswith("https://")
    assert client.task(task_id)["task_status"] == "succeed"


def test_callbacks_do_not_reach_a_receiver_that_is_not_trusted(
    start: StartServer, tls_receiver: Receiver, key: str
) -> None:
    client = Client(start("--clock", "manual", "--callback-retries", "1s"), key)
    client.created(callback_url=tls_receiver.url())
    fired = client.advance(TO_THE_END)
    attempts = [each["callback"] for each in fired if each["what"] == "callback"]
    assert {each["outcome"] for each in attempts} == {"failed"}
    assert all("certificate verify failed" in each["reason"] for each in attempts), attempts
    assert tls_receiver.so_far() == []
