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

from fsm_twisted.message.fields import Fields, values_of
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.proxy.client_identity import ClientIdentity
from fsm_twisted.proxy.forwarded import Hop, hop_element, parse_forwarded, read_address
from fsm_twisted.proxy.trusted_proxies import Named, TrustedProxies

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

    chain: tuple[Named, ...]
    client: Named | None
    proto: bytes
    host: bytes


def make_peer(host: str, port: int, *, is_secure: bool, trusted: TrustedProxies) -> Peer:
    """
    Describe a peer.

    Args:
        host: Its IP address as the socket or a PROXY header tells it, empty for a Unix socket.
        port: The port that it has connected to.
        is_secure: Whether it speaks TLS with us.
        trusted: Whose claims are believed.
    """
    if not trusted and ":" not in host:  # as usual: IPv4 has one spelling here
        address, is_trusted = host.encode("ascii"), False
    else:
        parsed = read_address(host.partition("%")[0])
        address = str(parsed).encode("ascii") if parsed is not None else b""
        is_trusted = parsed is not None and parsed in trusted
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


def claims_of(peer: Peer, head: RequestHead, request_id: bytes, trusted: TrustedProxies) -> Claims:
    """Say of a request what is known, or believed of a trusted proxy; *request_id* is new."""
    host = head.authority.wire
    if peer.is_trusted:
        return claims_of_trusted(peer, head.claims, host, request_id, trusted)
    return claims_of_untrusted(peer, host, request_id)


def claims_of_untrusted(peer: Peer, host: bytes, request_id: bytes) -> Claims:
    """Say what we know ourselves, whatever the request for *host* (as sent) claims."""
    own = b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n" % (host, request_id)
    return Claims(peer.address, peer.is_secure, peer.fields + own)


def claims_of_trusted(
    peer: Peer, said: Fields, host: bytes, request_id: bytes, trusted: TrustedProxies
) -> Claims:
    """
    Believe the claims of a trusted proxy, as far as they are well-formed.

    The client is the right-most address of X-Forwarded-For (or Forwarded, or X-Real-IP) that is
    no trusted proxy itself; the peer is appended to the list.

    Args:
        peer: The proxy.
        said: As in `RequestHead.claims`.
        host: The authority that the request names, as sent.
        request_id: A new one.
        trusted: Who else is believed.
    """
    last = {name.lower(): value for name, value in said}
    forwarded, told = b"", None
    if b"forwarded" in last:
        hops = parse_forwarded(values_of(said, b"forwarded"))
        if hops and last.keys().isdisjoint(_X_FORWARDED):
            told = _told_by_hops(hops, trusted)
        forwarded = _forwarded_field(hops, peer, host)
    if told is None:
        told = _told_by_x_forwarded(said, last, trusted)
    client = told.client.text if told.client is not None else peer.address
    proto = told.proto or _own_proto(peer)
    port = _valid(_PORT, last.get(b"x-forwarded-port")) or b"%d" % peer.port
    identity = _valid(_ID, last.get(b"x-request-id")) or request_id
    hops_told = b", ".join([*(each.text for each in told.chain), peer.address or b"unknown"])
    fields = _FIELDS % (
        hops_told, client or b"unknown", proto, port, told.host or host, identity, forwarded
    )  # fmt: skip
    return Claims(client, proto == b"https", fields, is_trusted=True)


_FIELDS: Final = (
    b"X-Forwarded-For: %b\r\nX-Real-IP: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Port: %b\r\n"
    + VIA
    + b"X-Forwarded-Host: %b\r\nX-Request-ID: %b\r\n%b"
)


def _own_proto(peer: Peer) -> bytes:
    return b"https" if peer.is_secure else b"http"


def _valid(pattern: re.Pattern[bytes], value: bytes | None) -> bytes:
    return value if value is not None and pattern.fullmatch(value) else b""


def _told_by_x_forwarded(
    said: Fields, last: Mapping[bytes, bytes], trusted: TrustedProxies
) -> _Told:
    chain = _chain(values_of(said, b"x-forwarded-for"), trusted)
    if not chain and b"x-forwarded-for" not in last and b"forwarded" not in last:
        real = trusted.listed(last.get(b"x-real-ip", b""))
        chain = () if real is None else (real,)
    return _Told(
        chain,
        chain[_client_at(chain)] if chain else None,
        _valid(_PROTO, last.get(b"x-forwarded-proto")),
        _valid(_HOST, last.get(b"x-forwarded-host")),
    )


def _chain(values: tuple[bytes, ...], trusted: TrustedProxies) -> tuple[Named, ...]:
    """Return those listed in X-Forwarded-For; a malformed one ends what is believed."""
    good: list[Named] = []
    for value in reversed(values):
        for item in reversed(value.split(b",")):
            named = trusted.listed(item)
            if named is None:
                return tuple(reversed(good))
            good.append(named)
    return tuple(reversed(good))


def _client_at(chain: tuple[Named, ...]) -> int:
    """Return the place in *chain*, from its left, of the first from the right that is no proxy."""
    for at in range(len(chain) - 1, 0, -1):
        if not chain[at].is_trusted:
            return at
    return 0


def _told_by_hops(hops: tuple[Hop, ...], trusted: TrustedProxies) -> _Told:
    """
    Say what Forwarded says: the client, and how its request came to the outermost trusted proxy.

    A hop without an address (unknown, obfuscated) ends the chain, as a malformed one does; what
    it says of proto and host is still the word of a trusted proxy.
    """
    nameless = max((at for at, hop in enumerate(hops) if hop.address is None), default=-1)
    addresses = [hop.address for hop in hops[nameless + 1 :] if hop.address is not None]
    chain = tuple(map(trusted.named, addresses))
    at = _client_at(chain)
    first = nameless + 1 + at
    if nameless >= 0 and at == 0 and (not chain or chain[0].is_trusted):
        first = nameless
    proto = next((hop.proto for hop in hops[first:] if hop.proto), b"")
    host = next((hop.host for hop in hops[first:] if hop.host), b"")
    return _Told(chain, chain[at] if chain else None, proto if proto in _WEB else b"", host)


def _forwarded_field(hops: tuple[Hop, ...], peer: Peer, host: bytes) -> bytes:
    """Return Forwarded with our hop behind the believed ones, nothing when there are none."""
    if not hops:
        return b""
    own = hop_element(peer.address, _own_proto(peer), host)
    return b"Forwarded: %b\r\n" % b", ".join((*(hop.wire for hop in hops), own))
