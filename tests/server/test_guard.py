import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from mock_server.guard import refusal

HOSTS = ["127.0.0.1", "localhost", "[::1]", "example.com", "10.0.0.1", "0.0.0.0", "127.1", "[::]", "a.localhost"]
PIECES = [
    *HOSTS,
    "@",
    ":",
    "/",
    "\\",
    "?",
    "#",
    "%",
    "%40",
    "%2f",
    ".",
    ":80",
    "\t",
    " ",
    "ⓛ",
    "。",
    "user:pass@",
    "[",
    "]",
]
addresses = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map(lambda pieces: "http://" + "".join(pieces))


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/hook",
        "http://127.9.9.9:8080/",
        "https://[::1]:9/hook?x=1",
        "http://localhost",
        "HTTP://LOCALHOST:65535",
        "http://localhost./",
        "http://a.localhost/",
        "http://[::ffff:127.0.0.1]/",
        "http://example.com@127.0.0.1/",
        "http://127.0.0.1:80/@example.com",
    ],
)
def test_this_machine_is_allowed(url: str) -> None:
    assert refusal(url, ()) == ""


@pytest.mark.parametrize(
    "host",
    [
        "0.0.0.0",
        "127.1",
        "0x7f.0.0.1",
        "2130706433",
        "10.0.0.1",
        "192.168.0.1",
        "169.254.169.254",
        "[::]",
        "[::ffff:10.0.0.1]",
        "[fe80::1]",
        "example.com",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "notlocalhost",
        "127.0.0.1@example.com",
        "localhost:80@example.com",
        "127.0.0.1%40example.com",
        "example.com#@127.0.0.1",
        "example.com?@127.0.0.1",
        "example.com\\@127.0.0.1.example.com",
    ],
)
def test_other_hosts_are_refused_and_the_way_to_allow_them_is_told(host: str) -> None:
    reason = refusal(f"http://{host}/hook", ())
    assert "is not this machine" in reason
    assert "--callback-allow" in reason


@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.com",
        "//127.0.0.1/",
        "/hook",
        "http://",
        "http:///hook",
        "http://:80/",
        "http://user@/",
        "ftp://127.0.0.1/",
        "file:///etc/passwd",
        "unix://127.0.0.1/socket",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:x/",
        "http://[::1/",
        "http://[127.0.0.1/",
    ],
)
def test_what_is_no_address_is_refused(url: str) -> None:
    assert "is not an" in refusal(url, ("127.0.0.1", ""))


@given(url=st.text() | addresses)
def test_no_text_at_all_makes_the_guard_fail(url: str) -> None:
    assert len(refusal(url, ())) < 3_000


@given(url=addresses)
def test_the_sender_reads_the_same_host_as_the_guard(url: str) -> None:
    """What the guard lets through leads to this machine in the library that sends it as well."""
    if refusal(url, ()) == "":
        try:
            host = URL(url).host or ""
        except ValueError:
            return
        name = host.rstrip(".")
        assert name == "localhost" or name.endswith(".localhost") or _loopback(name), (url, host)


def _loopback(host: str) -> bool:
    address = ipaddress.ip_address(host)
    return bool((getattr(address, "ipv4_mapped", None) or address).is_loopback)


def test_an_allowed_host_opens_exactly_that_host() -> None:
    urls = [f"https://{host}/" for host in ("hooks.example.com", "example.com", "x.hooks.example.com", "10.0.0.1")]
    assert [refusal(url, ("hooks.example.com",)) == "" for url in urls] == [True, False, False, False]


@pytest.mark.parametrize("allowed", ["Hooks.Example.com", "hooks.example.com"])
@pytest.mark.parametrize("host", ["hooks.example.com", "HOOKS.EXAMPLE.COM", "hooks.example.com."])
def test_the_case_of_a_host_name_makes_no_difference(allowed: str, host: str) -> None:
    assert refusal(f"http://{host}/", (allowed,)) == ""


def test_this_machine_stays_allowed_beside_other_hosts() -> None:
    assert refusal("http://127.0.0.1/", ("example.com",)) == ""
