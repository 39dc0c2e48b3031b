"""Which proxy stands between us and the API server, and for whom ``NO_PROXY`` means none."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit

from fsm_twisted.sources.cluster.access import CredentialsError, Proxy

_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


def find_proxy(url: str, proxy: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """
    Read the URL of a *proxy*; None when there is none, or ``NO_PROXY`` exempts *url* from it.

    A name without a scheme is one of http. User and password of the URL are for the proxy alone.

    Raises:
        CredentialsError: It cannot be used. It is not named, for its URL may hold a password.
    """
    if not proxy or is_exempt(url, environ.get("no_proxy") or environ.get("NO_PROXY") or ""):
        return None
    host = urlsplit(url).hostname or ""
    whose = f"the proxy for {host} (proxy-url, or HTTPS_PROXY in the environment)"
    instead = f"use one of http or https, or add {host} to NO_PROXY"
    try:
        parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        name, port = parts.hostname, parts.port
    except ValueError:
        name, port = None, None
    else:
        if parts.scheme not in _PORTS:
            kind = "SOCKS proxies" if parts.scheme.startswith("socks") else "such proxies"
            raise CredentialsError(f"{whose}: {kind} are not supported: {instead}")
    if not name or not name.isascii() or port == 0:
        raise CredentialsError(f"{whose} has a URL that cannot be used: {instead}")
    return Proxy(
        name, port or _PORTS[parts.scheme], parts.scheme == "https", _authorization(parts)
    )


def _authorization(parts: SplitResult) -> bytes | None:
    if not parts.username and not parts.password:
        return None
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return b"Basic " + base64.b64encode(pair.encode())


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
