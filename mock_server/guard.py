"""Where callbacks may go: to this machine, and to the hosts that were named."""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit


def refusal(url: str, allowed_hosts: Collection[str]) -> str:
    """Return why nothing is sent to `url`, or an empty text where it may go there.

    No name is looked up: only loopback addresses, `localhost` and its subdomains are this machine.
    """
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        return f"{url[:200]!r} is not an address: {error}"
    if parts.scheme not in ("http", "https") or not host:
        return f"{url[:200]!r} is not an http(s) address"
    if _is_loopback(host) or any(host == allowed.lower().rstrip(".") for allowed in allowed_hosts):
        return ""
    return f"{host} is not this machine; --callback-allow {host} would send there"


def _is_loopback(host: str) -> bool:
    try:
        address = ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
