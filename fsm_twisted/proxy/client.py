"""
Who the client is, and what the endpoint is told of it.

Incoming claims (X-Forwarded-*, X-Real-IP, X-Request-ID) count only when the peer is a trusted
proxy; otherwise they are replaced.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address

import attrs

from fsm_twisted.message.heads import RequestHead
from fsm_twisted.proxy.options import Network

VIA = b"Via: 1.1 fsm\r\n"
_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_PROTO = re.compile(rb"https?")
_PORT = re.compile(rb"[0-9]{1,5}")
_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")


@attrs.frozen
class Peer:
    """
    The other end of a downstream connection.

    ``address`` is its IP address as text (empty for a Unix socket); ``fields`` are the field lines
    that are the same for every request of an untrusted peer.
    """

    address: bytes
    is_trusted: bool
    is_secure: bool
    port: int
    fields: bytes


@attrs.frozen
class Claims:
    """What is said, and believed, of the client of one request."""

    address: bytes
    is_secure: bool
    fields: bytes


def make_peer(host: str, port: int, *, is_secure: bool, trusted: tuple[Network, ...]) -> Peer:
    """
    Describe a peer.

    Args:
        host: Its IP address as the socket tells it, empty for a Unix socket.
        port: The port of our listener.
        is_secure: Whether it speaks TLS with us.
        trusted: The networks of ``--trusted-proxies``.
    """
    parsed = _parse(host)
    address = str(parsed).encode("ascii") if parsed is not None else b""
    is_trusted = parsed is not None and any(parsed in network for network in trusted)
    shown = address or b"unknown"
    proto = b"https" if is_secure else b"http"
    fields = b"".join(
        (
            b"X-Forwarded-For: %b\r\nX-Real-IP: %b\r\n" % (shown, shown),
            b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: %d\r\n" % (proto, port),
            VIA,
        )
    )
    return Peer(address, is_trusted, is_secure, port, fields)


def _parse(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def claims_of_untrusted(peer: Peer, head: RequestHead, request_id: bytes) -> Claims:
    """Say what we know ourselves, whatever the request claims."""
    own = b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n" % (head.authority.wire, request_id)
    return Claims(peer.address, peer.is_secure, peer.fields + own)


def claims_of_trusted(
    peer: Peer, head: RequestHead, request_id: bytes, trusted: tuple[Network, ...]
) -> Claims:
    """
    Believe the claims of a trusted proxy, as far as they are well-formed.

    The client is the right-most address of X-Forwarded-For that is no trusted proxy itself; the
    peer is appended to the list.
    """
    said = _last_values(head)
    chain = _chain(head)
    client = _client(chain, trusted) or peer.address
    proto = _valid(_PROTO, said.get(b"x-forwarded-proto")) or _own_proto(peer)
    port = _valid(_PORT, said.get(b"x-forwarded-port")) or b"%d" % peer.port
    host = _valid(_HOST, said.get(b"x-forwarded-host")) or head.authority.wire
    identity = _valid(_ID, said.get(b"x-request-id")) or request_id
    hops = b", ".join((*chain, peer.address or b"unknown"))
    fields = b"".join(
        (
            b"X-Forwarded-For: %b\r\nX-Real-IP: %b\r\n" % (hops, client or b"unknown"),
            b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b\r\n" % (proto, port),
            VIA,
            b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n" % (host, identity),
        )
    )
    return Claims(client, proto == b"https", fields)


def _own_proto(peer: Peer) -> bytes:
    return b"https" if peer.is_secure else b"http"


def _last_values(head: RequestHead) -> dict[bytes, bytes]:
    return {name.lower(): value for name, value in head.claims}


def _chain(head: RequestHead) -> tuple[bytes, ...]:
    """Return the addresses of X-Forwarded-For in order; a malformed one ends what is believed."""
    listed = [
        item.strip(b" \t")
        for name, value in head.claims
        if name.lower() == b"x-forwarded-for"
        for item in value.split(b",")
    ]
    good: list[bytes] = []
    for item in reversed(listed):
        if _parse(item.decode("latin-1")) is None:
            break
        good.append(item)
    return tuple(reversed(good))


def _client(chain: tuple[bytes, ...], trusted: tuple[Network, ...]) -> bytes:
    client = b""
    for item in reversed(chain):
        client = item
        address = _parse(item.decode("latin-1"))
        if address is None or not any(address in network for network in trusted):
            break
    return client


def _valid(pattern: re.Pattern[bytes], value: bytes | None) -> bytes:
    return value if value is not None and pattern.fullmatch(value) else b""
