"""What happens to a request before any endpoint is asked: refused, redirected, or routed."""

from __future__ import annotations

import re

import attrs

from fsm_twisted.message.heads import RequestHead
from fsm_twisted.proxy.active import Active
from fsm_twisted.proxy.client import Peer
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.proxy.replies import ALLOW
from fsm_twisted.proxy.runtime import BoundRoute, UpstreamState
from fsm_twisted.snapshot.policy import ClientVerification, PlainAccess, VerifyClient
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

_NUMBER = re.compile(rb"0*([0-9]{1,9})([0-9]*)")
_MOST_HOPS = 999_999_999
_ACME = b"/.well-known/acme-challenge/"
_ACME_ROUTE = _ACME.decode("ascii")


@attrs.frozen
class LocalReply:
    """
    An answer of our own: its reason, field lines of this answer alone, its route if any.

    ``ends``: an HTTP/1 client is to ask again on another connection.
    """

    reason: ReplyReason
    fields: bytes = b""
    bound: BoundRoute | None = None
    ends: bool = False


@attrs.frozen
class Admitted:
    """
    A request that may go on: its route, and head and target as the endpoint will see them.

    ``identity`` is the field line that tells the endpoint who the client is by its certificate.
    """

    head: RequestHead
    bound: BoundRoute
    upstream: UpstreamState
    target: bytes
    identity: bytes = b""


_NO_ROUTE = LocalReply(REPLIES["no_route"])
_BAD_TARGET = LocalReply(REPLIES["bad_target"])
_ANSWERED_HERE = LocalReply(REPLIES["last_hop"], ALLOW)
_UNPROTECTED = LocalReply(REPLIES["unprotected"])
_MISDIRECTED = LocalReply(REPLIES["client_unverified"], ends=True)


def admit(
    head: RequestHead, active: Active, options: ProxyOptions, peer: Peer, *, is_secure: bool
) -> Admitted | LocalReply:
    """
    Decide what becomes of a request.

    Args:
        head: A valid head.
        active: The snapshot that this request keeps.
        options: The operator's values.
        peer: Whom we speak with.
        is_secure: Whether the client speaks TLS, with us or with a trusted proxy.
    """
    if head.method == b"OPTIONS":
        counted = _count_hop(head)
        if counted is None:
            return _ANSWERED_HERE
        head = counted
    bound = active.router.match(head.authority.host, head.target.path)
    if not is_secure:
        answer = _plain_answer(head, bound, active, options)
        if answer is not None:
            return answer
    if active.clients is None:
        return _route(head, bound)
    return _route_verified(head, bound, active, peer)


def _route_verified(
    head: RequestHead,
    bound: BoundRoute | None,
    active: Active,
    peer: Peer,
) -> Admitted | LocalReply:
    """
    Route a request where some hosts verify their clients.

    What the host of the request wants must be met, and so must what that of the route wants, which
    may be another one (a wildcard, say).
    """
    host = head.authority.host
    wanted = active.clients_of(host)
    own = None if bound is None else bound.clients
    if wanted is not None:
        unmet = _unmet(host, wanted, peer)
        if unmet is not None:
            is_challenge = _is_challenge(head, bound, peer)
            return _route(head, bound) if is_challenge else attrs.evolve(unmet, bound=bound)
    if own is None:
        return _route(head, bound)
    if own is not wanted:
        unmet = _unmet(host, own, peer)
        if unmet is not None:
            return attrs.evolve(unmet, bound=bound)
    decision = _route(head, bound)
    if isinstance(decision, Admitted) and peer.identity is not None:
        return attrs.evolve(decision, identity=peer.identity.field)
    return decision


def is_verified(host: bytes, bound: BoundRoute, active: Active, peer: Peer) -> bool:
    """Tell whether *peer* has shown all that *host* and the host of the route want."""
    wanted = active.clients_of(host), bound.clients
    return all(each is None or _unmet(host, each, peer) is None for each in wanted)


def _is_challenge(head: RequestHead, bound: BoundRoute | None, peer: Peer) -> bool:
    """Tell whether it is a challenge of ACME in plain, by a route of its own that asks nothing."""
    if peer.is_secure or bound is None or not head.target.path.startswith(_ACME):
        return False
    route = bound.route
    return route.clients is None and f"{route.path}/".startswith(_ACME_ROUTE)


def _unmet(host: bytes, wanted: ClientVerification, peer: Peer) -> LocalReply | None:
    """Return what a client gets that has not shown what is *wanted*, None for one that has."""
    if wanted.mode is VerifyClient.IMPOSSIBLE or not peer.is_secure:
        return _UNPROTECTED
    if peer.identity is not None and peer.identity.meets(host, wanted):
        return None
    return _MISDIRECTED


def _route(head: RequestHead, bound: BoundRoute | None) -> Admitted | LocalReply:
    target = head.target
    if bound is None:
        return _NO_ROUTE
    if bound.upstream is None:
        return LocalReply(bound.refusal or REPLIES["no_service"], bound=bound)
    if head.upgrade and bound.upstream.is_http2:
        return LocalReply(REPLIES["upgrade_refused"], bound=bound)
    if bound.rewrite is None:
        return Admitted(head, bound, bound.upstream, target.wire)
    path = bound.rewrite(target.path)
    if path is None:
        return LocalReply(REPLIES["bad_target"], bound=bound)
    query = target.query
    rewritten = path if query is None else b"%b?%b" % (path, query)
    return Admitted(head, bound, bound.upstream, rewritten)


def _count_hop(head: RequestHead) -> RequestHead | None:
    """Take one off Max-Forwards (RFC 9110 section 7.6.2); None when we are the last hop."""
    fields = []
    for name, value in head.fields:
        if name.lower() == b"max-forwards" and (found := _NUMBER.fullmatch(value)):
            if not int(found[1]):
                return None
            hops = _MOST_HOPS if found[2] else int(found[1]) - 1
            fields.append((name, b"%d" % hops))
        else:
            fields.append((name, value))
    return attrs.evolve(head, fields=tuple(fields))


def _plain_answer(
    head: RequestHead, bound: BoundRoute | None, active: Active, options: ProxyOptions
) -> LocalReply | None:
    """Answer plain HTTP as operator and Ingress want; None when the route does, as for ACME."""
    host = head.authority.host
    if head.target.path.startswith(_ACME):
        return None
    access = PlainAccess.DEFAULT if bound is None else bound.route.plain
    is_tls_host = active.wants_tls(host)
    if is_tls_host and options.plain_http is PlainHttp.FORBID:
        return LocalReply(REPLIES["https_required"], bound=bound)
    if access is PlainAccess.ALWAYS_REDIRECTED or (is_tls_host and _redirects(access, options)):
        return _redirect(head, bound, options.https_redirect_port)
    return None


def _redirects(access: PlainAccess, options: ProxyOptions) -> bool:
    """Tell whether plain HTTP on a TLS host is redirected."""
    if access is PlainAccess.REDIRECTED:
        return options.has_https
    return access is PlainAccess.DEFAULT and options.plain_http is PlainHttp.REDIRECT


def _redirect(head: RequestHead, bound: BoundRoute | None, port: int) -> LocalReply:
    host = head.authority.host
    where = host if port == 443 else b"%b:%d" % (host, port)  # noqa: PLR2004  https
    # OPTIONS * of another server is its URI without a path (RFC 9112 section 3.2.4).
    rest = b"" if head.target.path == b"*" else head.target.wire
    location = b"Location: https://%b%b\r\n" % (where, rest)
    return LocalReply(REPLIES["https_redirect"], location, bound)
