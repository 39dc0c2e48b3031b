"""Whether a proxy stands between us and the API server: there is no support for one yet."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from fsm_twisted.sources.cluster.access import CredentialsError


def refuse_proxy(url: str, proxy: str | None, environ: Mapping[str, str]) -> None:
    """
    Refuse a *proxy* for *url*, unless ``NO_PROXY`` exempts it.

    Raises:
        CredentialsError: Requests would have to go through it. It is not named, for its URL may
            hold a password.
    """
    if not proxy or is_exempt(url, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return
    host = urlsplit(url).hostname or ""
    what = (
        f"a proxy is set for {host} (proxy-url, or HTTPS_PROXY in the environment), and proxies"
        f" are not supported: remove it, or add {host} to NO_PROXY"
    )
    raise CredentialsError(what)


def is_exempt(url: str, no_proxy: str) -> bool:
    """
    Return whether *no_proxy* exempts the host of *url*, or it is this machine.

    As Go reads it (golang.org/x/net/http/httpproxy): ``*``, addresses, networks, domains with all
    below them (with a leading dot: only those), each with an optional port.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".").lower()
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (each.strip().lower() for each in no_proxy.split(","))
    return any(_covers(each, host, address, port) for each in entries if each)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _covers(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        return address is not None and _is_in(address, entry)
    name, wanted = _split_port(entry)
    if wanted not in {"", str(port)}:
        return False
    if (same := _address(name)) is not None:
        return same == address
    name = name.removeprefix("*")
    return host.endswith(name if name.startswith(".") else f".{name}") or host == name


def _is_in(address: _Address, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False


def _split_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, port = entry[1:].partition("]")
        return name, port.removeprefix(":")
    if entry.count(":") == 1:
        name, _, port = entry.partition(":")
        return name, port
    return entry, ""


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
