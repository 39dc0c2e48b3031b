"""
Who the client is, and what the endpoint is told of it.

Incoming claims (X-Forwarded-*, Forwarded, X-Real-IP, X-Request-ID) count only when the peer is a
trusted proxy; otherwise they are replaced. See docs/trusted-proxies.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import attrs

from fsm_twisted.message.fields import values_of
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.proxy.client_identity import ClientIdentity
from fsm_twisted.proxy.forwarded import (
    Address,
    Hop,
    hop_element,
    node_address,
    parse_forwarded,
    read_address,
)
from fsm_twisted.proxy.options import Network

Networks = tuple[Network, ...]

VIA = b"Via: 1.1 fsm\r\n"
_ID = re.compile(rb"[\x21-\x7e]{1,128}")
_PROTO = re.compile(rb"https?")
_PORT = re.compile(
    rb"[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]"
)
_HOST = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")
_WEB: Final = (b"http", b"https")
# Where one of these is, Forwarded is not consulted: a proxy speaks one language, and the other
# is what it has let through.
_X_FORWARDED: Final = frozenset(
    {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port"}
)


@attrs.frozen
class Peer:
    """
    The other end of a downstream connection, or whom a PROXY header has told to be there.

    ``address`` is its IP address as text (empty for a Unix socket); ``fields`` are the field lines
    that are the same for every request of an untrusted peer. ``identity`` is who it is by its
    certificate, None where nobody has asked for one.
    """

    address: bytes
    is_trusted: bool
    is_secure: bool
    port: int
    fields: bytes
    identity: ClientIdentity | None = None


@attrs.frozen
class Claims:
    """What is said, and believed, of the client of one request; by a trusted proxy, perhaps."""

    address: bytes
    is_secure: bool
    fields: bytes
    is_trusted: bool = False


@attrs.frozen
class _Told:
    """What a trusted proxy says, as far as it is well-formed; ``chain`` ends with the nearest."""

    chain: tuple[Address, ...]
    client: Address | None
    proto: bytes
    host: bytes


def make_peer(host: str, port: int, *, is_secure: bool, trusted: Networks) -> Peer:
    """
    Describe a peer.

    Args:
        host: Its IP address as the socket or a PROXY header tells it, empty for a Unix socket.
        port: The port that it has connected to.
        is_secure: Whether it speaks TLS with us.
        trusted: The networks whose claims are believed.
    """
    parsed = read_address(host.partition("%")[0])
    address = str(parsed).encode("ascii") if parsed is not None else b""
    is_trusted = parsed is not None and is_in(parsed, trusted)
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


def is_in(address: Address, networks: Networks) -> bool:
    """Return whether *address* belongs to one of *networks*."""
    return any(address in network for network in networks)


def claims_of(peer: Peer, head: RequestHead, request_id: bytes, trusted: Networks) -> Claims:
    """Say of a request what is known, or believed of a trusted proxy; *request_id* is new."""
    if peer.is_trusted:
        return claims_of_trusted(peer, head, request_id, trusted)
    return claims_of_untrusted(peer, head, request_id)


def claims_of_untrusted(peer: Peer, head: RequestHead, request_id: bytes) -> Claims:
    """Say what we know ourselves, whatever the request claims."""
    own = b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n" % (head.authority.wire, request_id)
    return Claims(peer.address, peer.is_secure, peer.fields + own)


def claims_of_trusted(
    peer: Peer, head: RequestHead, request_id: bytes, trusted: Networks
) -> Claims:
    """
    Believe the claims of a trusted proxy, as far as they are well-formed.

    The client is the right-most address of X-Forwarded-For (or Forwarded, or X-Real-IP) that is
    no trusted proxy itself; the peer is appended to the list.
    """
    said = {name.lower(): value for name, value in head.claims}
    forwarded, told = b"", None
    if b"forwarded" in said:
        hops = parse_forwarded(values_of(head.claims, b"forwarded"))
        if hops and said.keys().isdisjoint(_X_FORWARDED):
            told = _told_by_hops(hops, trusted)
        forwarded = _forwarded_field(hops, peer, head)
    if told is None:
        told = _told_by_x_forwarded(head, said, trusted)
    client = _text(told.client) if told.client is not None else peer.address
    proto = told.proto or _own_proto(peer)
    port = _valid(_PORT, said.get(b"x-forwarded-port")) or b"%d" % peer.port
    host = told.host or head.authority.wire
    identity = _valid(_ID, said.get(b"x-request-id")) or request_id
    hops_told = b", ".join((*map(_text, told.chain), peer.address or b"unknown"))
    fields = b"".join(
        (
            b"X-Forwarded-For: %b\r\nX-Real-IP: %b\r\n" % (hops_told, client or b"unknown"),
            b"X-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b\r\n" % (proto, port),
            VIA,
            b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n" % (host, identity),
            forwarded,
        )
    )
    return Claims(client, proto == b"https", fields, is_trusted=True)


def _text(address: Address) -> bytes:
    return str(address).encode("ascii")


def _own_proto(peer: Peer) -> bytes:
    return b"https" if peer.is_secure else b"http"


def _valid(pattern: re.Pattern[bytes], value: bytes | None) -> bytes:
    return value if value is not None and pattern.fullmatch(value) else b""


def _told_by_x_forwarded(
    head: RequestHead, said: Mapping[bytes, bytes], trusted: Networks
) -> _Told:
    chain = _chain(head)
    if not chain and b"x-forwarded-for" not in said and b"forwarded" not in said:
        real = _listed_address(said.get(b"x-real-ip", b""))
        chain = () if real is None else (real,)
    at = _client_at(chain, trusted)
    return _Told(
        chain,
        chain[at] if chain else None,
        _valid(_PROTO, said.get(b"x-forwarded-proto")),
        _valid(_HOST, said.get(b"x-forwarded-host")),
    )


def _chain(head: RequestHead) -> tuple[Address, ...]:
    """Return the addresses of X-Forwarded-For in order; a malformed one ends what is believed."""
    listed = [
        item.strip(b" \t")
        for value in values_of(head.claims, b"x-forwarded-for")
        for item in value.split(b",")
    ]
    good: list[Address] = []
    for item in reversed(listed):
        address = _listed_address(item)
        if address is None:
            break
        good.append(address)
    return tuple(reversed(good))


def _listed_address(item: bytes) -> Address | None:
    """Return the address of *item*, as in Forwarded or, as X-Forwarded-For has it, bare IPv6."""
    return node_address(item) or read_address(item.decode("latin-1"))


def _client_at(chain: tuple[Address, ...], trusted: Networks) -> int:
    """Return the place in *chain*, from its left, of the first from the right that is no proxy."""
    for at in range(len(chain) - 1, 0, -1):
        if not is_in(chain[at], trusted):
            return at
    return 0


def _told_by_hops(hops: tuple[Hop, ...], trusted: Networks) -> _Told:
    """
    Say what Forwarded says: the client, and how its request came to the outermost trusted proxy.

    A hop without an address (unknown, obfuscated) ends the chain, as a malformed one does; what
    it says of proto and host is still the word of a trusted proxy.
    """
    nameless = max((at for at, hop in enumerate(hops) if hop.address is None), default=-1)
    chain = tuple(hop.address for hop in hops[nameless + 1 :] if hop.address is not None)
    at = _client_at(chain, trusted)
    first = nameless + 1 + at
    if nameless >= 0 and at == 0 and (not chain or is_in(chain[0], trusted)):
        first = nameless
    proto = next((hop.proto for hop in hops[first:] if hop.proto), b"")
    host = next((hop.host for hop in hops[first:] if hop.host), b"")
    return _Told(chain, chain[at] if chain else None, proto if proto in _WEB else b"", host)


def _forwarded_field(hops: tuple[Hop, ...], peer: Peer, head: RequestHead) -> bytes:
    """Return Forwarded with our hop behind the believed ones, nothing when there are none."""
    if not hops:
        return b""
    own = hop_element(peer.address, _own_proto(peer), head.authority.wire)
    return b"Forwarded: %b\r\n" % b", ".join((*(hop.wire for hop in hops), own))
