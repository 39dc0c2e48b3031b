"""
The straight road of a client's request: from one read to the bytes that an endpoint gets.

The usual request costs no more than what it needs. One that is usual but for lines that are for
this hop (`http1.set_apart`), or whose host or route wants more, has particulars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fsm_twisted.http1.recognise import forwarded, usual_request
from fsm_twisted.http1.set_apart import Asked, set_apart_request
from fsm_twisted.proxy.active import LOOKED_AT, VERIFIED, Active
from fsm_twisted.proxy.admission import is_verified
from fsm_twisted.proxy.client import claims_of_trusted, claims_of_untrusted
from fsm_twisted.proxy.http1_exchange import Http1Exchange

if TYPE_CHECKING:
    from fsm_twisted.http1.syntax import HeadLimits
    from fsm_twisted.http1.usual import Usual
    from fsm_twisted.proxy.active import KnownHost
    from fsm_twisted.proxy.client import Peer
    from fsm_twisted.proxy.downstream import Downstream
    from fsm_twisted.proxy.runtime import BoundRoute, UpstreamState


def usual_exchange(downstream: Downstream, data: bytes) -> Http1Exchange | None:
    """
    Make the exchange of one usual request, whole and alone in *data*, ready for its attempt.

    None when anything about it is unusual: the general road then finds out what it is.
    """
    plane, peer, size = downstream.plane, downstream.peer, len(data)
    asked = None
    found = None if peer.is_trusted else usual_request(data, plane.options.limits)
    if found is None:
        looked_at = _usual_but_for_lines(data, plane.options.limits, is_trusted=peer.is_trusted)
        if looked_at is None:
            return None
        asked, found = looked_at
        data = asked.rest
    method, target, path, authority, _, _, end = found
    active = plane.runtime.active
    known = active.known.get(authority) or active.known_if_valid(authority)
    if known is None:
        return None
    host, care, table = known
    bound = table.find(path) or active.router.match(host, path)
    if bound is None:
        return None
    limit = bound.body_limit_bytes
    if limit is not None and len(data) - end > limit:
        return None
    state = bound.usual
    # TLS on a host that is to have it is as usual as can be, where the answer gets no line for it.
    is_careless = not care or (care == LOOKED_AT and peer.is_secure and not plane.hsts_line)
    if not is_careless or asked is not None or state is None or state.wants_more:
        exchange = _particular_exchange(downstream, data, found, known, bound, asked)
        if exchange is None:
            return None
    else:
        head = forwarded(data, found, peer.fields, plane.next_request_id())
        make_key = state.key_of
        key = b"" if make_key is None else make_key(peer.address, target, ())
        exchange = Http1Exchange(downstream, state, method, head, key)
    if plane.access is not None:
        exchange.bound, exchange.bytes_in = bound, size
        if plane.tracer is not None:
            plane.tracer.begin(exchange, is_trusted=peer.is_trusted)
    return exchange


def _usual_but_for_lines(
    data: bytes, limits: HeadLimits, *, is_trusted: bool
) -> tuple[Asked, Usual] | None:
    """Set lines apart; return what these mean, and the rest, if it is usual."""
    asked = set_apart_request(data, limits)
    if asked is None or (asked.rest is data and not is_trusted):
        return None  # with nothing set apart it is as unusual as before
    found = usual_request(asked.rest, limits)
    return None if found is None else (asked, found)


def _particular_exchange(
    downstream: Downstream,
    data: bytes,
    found: Usual,
    known: KnownHost,
    bound: BoundRoute,
    asked: Asked | None,
) -> Http1Exchange | None:
    """Look closer at a request; None where it may have to be refused or redirected."""
    plane, peer = downstream.plane, downstream.peer
    method, target, _, authority, begin, cut, end = found
    identity = plane.next_request_id()
    if peer.is_trusted and asked is not None:
        claims = claims_of_trusted(peer, asked.claims, authority, identity, plane.trusted_proxies)
    else:
        claims = claims_of_untrusted(peer, authority, identity)
    state = _state_of(plane.runtime.active, known, bound, peer, is_secure=claims.is_secure)
    if state is None:
        return None
    own = claims.fields
    if bound.clients is not None and peer.identity is not None:
        own += peer.identity.field
    head = b"".join((data[:begin], own, data[cut:]))
    fields = () if state.find_fields is None else state.find_fields(data[:end])
    key = b"" if state.key_of is None else state.key_of(claims.address, target, fields)
    exchange = Http1Exchange(downstream, state, method, head, key)
    exchange.heed(known[0], fields, is_secure=claims.is_secure)
    if asked is not None:
        exchange.minor, exchange.persistent = asked.minor, asked.persistent
    if state.is_by_name:
        exchange.host = known[0]
    return exchange


def _state_of(
    active: Active, known: KnownHost, bound: BoundRoute, peer: Peer, *, is_secure: bool
) -> UpstreamState | None:
    """Return the upstream, if it may be asked for this host by such a client."""
    host, care, _ = known
    if care and not (is_secure or bound.is_open):
        return None
    if care < VERIFIED and bound.clients is None:
        return bound.usual
    if active.clients is None or not is_verified(host, bound, active, peer):
        return None
    return bound.usual if bound.clients is None else bound.verified
