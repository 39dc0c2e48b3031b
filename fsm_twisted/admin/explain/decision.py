"""What the data plane would do with a request: its own code is asked, on tables of our own."""

from __future__ import annotations

import attrs

from fsm_twisted.admin.documents.upstreams import Live
from fsm_twisted.admin.explain.question import Question
from fsm_twisted.http1.errors import RequestError
from fsm_twisted.http1.grammar import parse_request_head
from fsm_twisted.http1.reader import body_reader
from fsm_twisted.message.fields import Fields
from fsm_twisted.message.framing import is_empty
from fsm_twisted.message.heads import RequestHead
from fsm_twisted.net.client_certificates import Shown
from fsm_twisted.observe.live import NOTHING
from fsm_twisted.proxy.admission import Admitted, LocalReply, admit
from fsm_twisted.proxy.client import Claims, Peer, claims_of, make_peer
from fsm_twisted.proxy.client_identity import ClientIdentity
from fsm_twisted.proxy.endpoints import EndpointState, group_key
from fsm_twisted.proxy.options import ProxyOptions
from fsm_twisted.proxy.runtime import RunTime, UpstreamState
from fsm_twisted.proxy.telemetry import live_key
from fsm_twisted.proxy.trusted_proxies import TrustedProxies
from fsm_twisted.snapshot.identity import Endpoint
from fsm_twisted.snapshot.model import Route, Snapshot, Upstream
from fsm_twisted.snapshot.reasons import REPLIES, ReplyReason

_NO_ID = b"0" * 32


@attrs.frozen
class Forwarded:
    """
    The request goes to an endpoint.

    ``host`` is the one that routes were matched with. ``target`` is path and query as the
    endpoint sees them. ``is_sure``: the same request meets this endpoint again, as long as
    endpoints stay; else it is one of several that take turns. ``is_passed``: TLS goes through
    unopened, so that nobody here sees the request.
    """

    host: str
    path: str
    route: Route
    upstream: Upstream
    target: str
    endpoint: Endpoint
    is_sure: bool
    is_passed: bool = False


@attrs.frozen
class Answered:
    """
    The proxy answers itself.

    ``host`` and ``path`` are those that routes were matched with, empty for what is not valid.
    ``route`` is the one that the request would take, also where the answer comes before routing.
    ``location`` is where a redirect leads; ``detail`` is why a request is not valid.
    ``is_passed``: TLS was to go through; there is no request to answer, the connection closes.
    """

    host: str
    path: str
    reason: ReplyReason
    route: Route | None = None
    location: str = ""
    detail: str = ""
    is_passed: bool = False


Decision = Forwarded | Answered


class Decider:
    """
    Decides requests as a data plane with these options would.

    Args:
        options: Those of the proxy.
    """

    def __init__(self, options: ProxyOptions) -> None:
        self._options = options
        self._runtime = RunTime.of_options(options, lambda _: 0)

    def decide(self, snapshot: Snapshot, question: Question, live: Live) -> Decision:
        """
        Say what becomes of a request.

        Args:
            snapshot: What is served; the tables of the one before are renewed, not made anew.
            question: The request.
            live: What is known of endpoints: those that all workers leave out are left out.
        """
        if self._runtime.active.snapshot is not snapshot:
            self._runtime.activate(snapshot)
        name = question.server_name.encode("ascii") if question.is_secure else b""
        route = self._runtime.active.way_of(name) if name else None
        if route is not None:
            return self._pass_through(question, route, live)
        options = self._options
        try:
            head = parse_request_head(question.head, options.limits)
        except RequestError as error:
            return Answered("", "", error.reason, detail=error.detail)
        trusted = TrustedProxies(options.trusted_proxies)
        port = 443 if question.is_secure else 80
        peer = make_peer(question.client, port, is_secure=question.is_secure, trusted=trusted)
        claims = claims_of(peer, head, _NO_ID, trusted)
        peer = attrs.evolve(peer, identity=self._identity(name))
        return self._admit(head, claims, live, peer)

    def _identity(self, name: bytes) -> ClientIdentity | None:
        """Take it that the client has shown what the host of its handshake wants, if any."""
        wanted = self._runtime.active.clients_of(name.lower().removesuffix(b"."))
        return None if wanted is None else ClientIdentity(Shown(wanted), name)

    def _pass_through(self, question: Question, route: Route, live: Live) -> Decision:
        host, state = question.server_name, self._runtime.bind(route).upstream
        if state is None:
            refusal = route.refusal or REPLIES["no_service"]
            return Answered(host, "/", refusal, route, is_passed=True)
        self._learn(state.upstream, live)
        endpoint, is_sure = _pick(state, question.client.encode("ascii"), b"", ())
        if endpoint is None:
            return Answered(host, "/", REPLIES["no_endpoints"], route, is_passed=True)
        return Forwarded(
            host, "/", route, state.upstream, "", endpoint.endpoint, is_sure, is_passed=True
        )

    def _admit(self, head: RequestHead, claims: Claims, live: Live, peer: Peer) -> Decision:
        active, options = self._runtime.active, self._options
        found = admit(head, active, options, peer, is_secure=claims.is_secure)
        if isinstance(found, Admitted):
            return self._forward(head, claims, found, live)
        host, path = _texts(head)
        # An answer that comes before routing has no route; people want to know it all the same.
        bound = found.bound or active.router.match(head.authority.host, head.target.path)
        route = None if bound is None else bound.route
        return Answered(host, path, found.reason, route, _location(found))

    def _forward(
        self, head: RequestHead, claims: Claims, admitted: Admitted, live: Live
    ) -> Decision:
        (host, path), bound = _texts(head), admitted.bound
        if not is_empty(head.framing):
            try:
                limit = bound.body_limit_bytes
                body_reader(head.framing, limit=limit, limits=self._options.limits)
            except RequestError as error:
                return Answered(host, path, error.reason, bound.route, detail=error.detail)
        state = admitted.upstream
        self._learn(state.upstream, live)
        wire = head.target.wire
        endpoint, is_sure = _pick(state, claims.address, wire, head.fields)
        if endpoint is None:
            return Answered(host, path, REPLIES["no_endpoints"], bound.route)
        target = admitted.target.decode("ascii")
        return Forwarded(
            host, path, bound.route, state.upstream, target, endpoint.endpoint, is_sure
        )

    def _learn(self, upstream: Upstream, live: Live) -> None:
        """Let our endpoints be as those of the workers are."""
        group = group_key(upstream)
        for key, state in self._runtime.endpoints_by_group():
            if key == group:
                facts = live.endpoints.get(live_key(group, state.endpoint), NOTHING)
                state.available = not (facts.ejected_in and facts.ejected_in >= live.workers)
                state.in_flight = facts.in_flight


def _pick(
    state: UpstreamState, client: bytes, target: bytes, fields: Fields
) -> tuple[EndpointState | None, bool]:
    make_key = state.key_of
    key = b"" if make_key is None else make_key(client, target, fields)
    is_sure = make_key is not None or len(state.upstream.endpoints) == 1
    if state.cookie is None:
        return state.balancer.pick(key), is_sure
    endpoint, is_new = state.pick_by_cookie(fields, key, [])
    return endpoint, is_sure or not is_new


def _texts(head: RequestHead) -> tuple[str, str]:
    return head.authority.host.decode("ascii"), head.target.path.decode("ascii")


def _location(reply: LocalReply) -> str:
    begin = b"Location: "
    lines = reply.fields.split(b"\r\n")
    return next(
        (each[len(begin) :].decode("ascii") for each in lines if each.startswith(begin)), ""
    )
