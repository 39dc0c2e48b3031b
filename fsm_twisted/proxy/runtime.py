"""
Run-time facts beside the snapshot: pools, load, balancer positions (D4).

They are keyed by identity and survive every swap; a request keeps what it was bound to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Self
from weakref import WeakValueDictionary

from fsm_twisted.balancing.affinity import CookieAffinity, StickyCookie
from fsm_twisted.balancing.keys import make_key
from fsm_twisted.balancing.selection import Balancer, make_balancer
from fsm_twisted.observe.access import pack_route
from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.proxy.active import Active
from fsm_twisted.proxy.choosing_fields import make_finder
from fsm_twisted.proxy.endpoints import Endpoints, EndpointState, GroupKey
from fsm_twisted.proxy.groups import Groups
from fsm_twisted.proxy.options import PlainHttp, ProxyOptions
from fsm_twisted.proxy.plain_hosts import PlainHosts
from fsm_twisted.routing.rewrite import compile_rewrite
from fsm_twisted.routing.router import Router, renew_router
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.changes import Changes, changes
from fsm_twisted.snapshot.identity import IngressId, UpstreamId
from fsm_twisted.snapshot.model import EMPTY, Route, Snapshot, Upstream, VirtualHost
from fsm_twisted.snapshot.policy import (
    Affinity,
    ClientVerification,
    PlainAccess,
    Protocol,
    Timeouts,
)
from fsm_twisted.snapshot.reasons import REPLIES

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields

_NO_TIMEOUTS = Timeouts()
# Routes that serve plain HTTP on TLS hosts.
_OPEN = {
    PlainHttp.REDIRECT: {PlainAccess.SERVED},
    PlainHttp.FORBID: set[PlainAccess](),
    PlainHttp.SERVE: {PlainAccess.SERVED, PlainAccess.DEFAULT},
}
_NEVER = float("inf")


class UpstreamState:
    """
    An upstream of the snapshot with its balancer.

    ``key_of`` makes the key that the balancer wants, None when it wants none; ``cookie`` is the
    affinity cookie, None where there is none. ``find_fields`` finds the fields of a head that have
    a part in the choice of an endpoint, None where none has. ``is_http2``: requests go on as
    HTTP/2, not as bytes of HTTP/1. ``is_by_name``: connections are made for the host of each
    request, which a usual one has to be told. ``wants_more``: of fields or host.
    """

    __slots__ = (
        "balancer",
        "cells",
        "connect_seconds",
        "cookie",
        "find_fields",
        "is_by_name",
        "is_http2",
        "key_of",
        "read_seconds",
        "send_seconds",
        "upstream",
        "wants_more",
    )

    def __init__(
        self,
        upstream: Upstream,
        draw: Callable[[int], int],
        affinity: CookieAffinity,
        cells: UpstreamCells,
    ) -> None:
        self.cells = cells
        self.balancer: Balancer[EndpointState] = make_balancer(upstream.balancing, draw)
        self.key_of = make_key(upstream.balancing)
        self.cookie: StickyCookie[EndpointState] | None = (
            affinity.for_upstream(upstream.id)
            if upstream.balancing.affinity is Affinity.COOKIE
            else None
        )

        self.is_http2 = upstream.protocol is Protocol.HTTP2
        self.find_fields = make_finder(upstream.balancing)

    def is_other_than(self, upstream: Upstream) -> bool:
        """Whether *upstream* wants a state that is made in another way."""
        mine = self.upstream
        return (mine.balancing, mine.protocol) != (upstream.balancing, upstream.protocol)

    def renew(self, upstream: Upstream, loads: list[EndpointState], default: Timeouts) -> None:
        """Take over the upstream and its endpoints as a new snapshot has them."""
        self.upstream = upstream
        self.is_by_name = upstream.tls is not None and not upstream.tls.server_name
        self.wants_more = self.is_by_name or self.find_fields is not None
        own = upstream.timeouts
        self.connect_seconds = _first(own.connect_seconds, default.connect_seconds)
        self.read_seconds = _first(own.read_seconds, default.read_seconds)
        self.send_seconds = _first(own.send_seconds, default.send_seconds)
        self.balancer.update(loads)
        if self.cookie is not None:
            self.cookie.update(loads)

    def pick_by_cookie(
        self, fields: Fields, key: bytes, tried: list[EndpointState]
    ) -> tuple[EndpointState | None, bool]:
        """Pick the endpoint of the request's cookie, else one; tell whether it had no cookie."""
        assert self.cookie is not None  # noqa: S101  the caller has looked
        kept = self.cookie.find(fields)
        return self.cookie.pick(kept, self.balancer, key, tried), kept is None

    def cookie_field(self, endpoint: EndpointState, *, is_secure: bool) -> bytes:
        """Return the Set-Cookie line that keeps a client with *endpoint*."""
        if self.cookie is None:
            return b""
        return b"Set-Cookie: %b\r\n" % self.cookie.header(endpoint, secure=is_secure)


def _first(own: float | None, default: float | None) -> float:
    if own is not None:
        return own
    return _NEVER if default is None else default


class BoundRoute:
    """
    A route tied to run-time state; what a match gives.

    ``upstream`` is None when it cannot be served; ``refusal`` then says why. ``cells`` are where
    answers of ours to its requests are counted: those of its Service, else of its Ingress alone.
    ``usual`` is the upstream when the route asks for nothing but to be forwarded as HTTP/1, else
    None; so is ``verified``, which is for clients that have shown what ``clients`` wants: how
    those of its host are verified. ``is_open`` says that plain HTTP is served on TLS hosts too.
    ``made_note`` is `note` without asking a property, empty before that was ever asked.
    """

    __slots__ = (
        "body_limit_bytes",
        "cells",
        "clients",
        "is_logged",
        "is_open",
        "made_note",
        "refusal",
        "rewrite",
        "route",
        "upstream",
        "usual",
        "verified",
    )

    def __init__(
        self,
        route: Route,
        upstream: UpstreamState | None,
        cells: UpstreamCells,
        body_limit_bytes: int | None,
        plain_http: PlainHttp,
        clients: ClientVerification | None = None,
    ) -> None:
        self.route = route
        self.cells = cells
        self.refusal = route.refusal
        self.clients = clients
        asked = route.clients
        if asked is not None and (clients is None or not clients.covers(asked)):
            upstream, self.refusal = None, REPLIES["unprotected"]
        self.upstream = upstream
        self.rewrite: Callable[[bytes], bytes | None] | None = (
            compile_rewrite(route.rewrite) if route.rewrite is not None else None
        )
        limit = route.body_limit_bytes
        self.body_limit_bytes = body_limit_bytes if limit is None else (limit or None)
        self.is_logged = route.is_logged
        self.is_open = route.plain in _OPEN[plain_http]
        self.made_note = b""
        is_usual = upstream is not None and not upstream.is_http2 and route.rewrite is None
        self.usual = upstream if is_usual and clients is None else None
        self.verified = upstream if is_usual and clients is not None else None

    @property
    def note(self) -> bytes:
        """What the access log says of it, made when the first of its requests is recorded."""
        if not self.made_note:
            self.made_note = _note_of(self.route)
        return self.made_note


def _note_of(route: Route) -> bytes:
    service, port = "", 0
    if route.upstream is not None:
        service, port = route.upstream.service_port.service, route.upstream.service_port.port
    return pack_route(route.ingress.namespace, route.ingress.name, route.path, service, port)


class RunTime:
    """
    All run-time state of one data plane; `activate` reconciles it with a new snapshot.

    Args:
        draw: ``draw(n)`` gives a random number below n.
        affinity_key: Signs affinity cookies.
        body_limit_bytes: The limit of routes that set none.
        timeouts: Those of upstreams that set none.
        plain_http: What plain HTTP gets on TLS hosts.
        has_hsts: Whether answers of TLS hosts may be due a field.

    Attributes:
        active: What is served now.
        past_overhead_seconds: What stands in no cell any more of the time of requests before an
            endpoint had them.
    """

    def __init__(
        self,
        draw: Callable[[int], int],
        *,
        affinity_key: bytes = b"",
        body_limit_bytes: int | None = None,
        timeouts: Timeouts = _NO_TIMEOUTS,
        plain_http: PlainHttp = PlainHttp.REDIRECT,
        has_hsts: bool = False,
    ) -> None:
        self._draw = draw
        self._timeouts = timeouts
        self._plain_http = plain_http
        self._affinity = CookieAffinity(affinity_key)
        self._body_limit_bytes = body_limit_bytes
        self._upstreams: dict[UpstreamId, UpstreamState] = {}
        self._endpoints = Endpoints(Groups().group_of)
        self._hosts_of: dict[UpstreamId, set[str]] = {}
        # Those that no route leads to any more are gone by themselves.
        self._without_service: WeakValueDictionary[IngressId, UpstreamCells]
        self._without_service = WeakValueDictionary()
        self.past_overhead_seconds = 0.0
        plain_hosts = PlainHosts(looks_at_tls_hosts=has_hsts or plain_http is not PlainHttp.SERVE)
        self.active = Active(EMPTY, Router({}, {}, None, None), ServerNames({}), plain_hosts)

    @classmethod
    def of_options(cls, options: ProxyOptions, draw: Callable[[int], int]) -> Self:
        """Make that of a data plane with these options."""
        silent = options.upstream_seconds
        return cls(
            draw,
            affinity_key=options.affinity_key,
            body_limit_bytes=options.body_limit_bytes,
            timeouts=Timeouts(options.connect_seconds, silent, silent),
            plain_http=options.plain_http,
            has_hsts=bool(options.hsts),
        )

    def activate(self, snapshot: Snapshot) -> None:
        """
        Serve *snapshot* from now on: one assignment, after everything has been made ready.

        What costs time is what has changed: hosts and upstreams that are the same objects as in
        the snapshot before keep their tables and states.
        """
        active = self.active
        stale = self._renew_upstreams(changes(active.snapshot.upstreams, snapshot.upstreams))
        hosts = changes(active.snapshot.hosts, snapshot.hosts)
        verified = changes(active.snapshot.clients, snapshot.clients)
        stale.update(verified.changed, verified.gone)
        also = {each: snapshot.hosts[each] for each in stale if each in snapshot.hosts}
        hosts = Changes({**hosts.changed, **also}, hosts.gone)
        self._note_users(active.snapshot, hosts)
        bind = partial(self._bind, snapshot)
        router = renew_router(active.router, hosts, snapshot.default, bind)
        self.active = active.renewed(
            snapshot, router, active.plain_hosts.after(hosts, snapshot.default)
        )
        self._endpoints.settle()

    def bind(self, route: Route) -> BoundRoute:
        """Tie a route of the active snapshot to its upstream."""
        return self._bind(self.active.snapshot, route)

    def _bind(self, snapshot: Snapshot, route: Route) -> BoundRoute:
        state = self._upstreams.get(route.upstream) if route.upstream is not None else None
        return BoundRoute(
            route,
            state,
            self._cells_without_service(route.ingress) if state is None else state.cells,
            self._body_limit_bytes,
            self._plain_http,
            snapshot.clients.get(route.host),
        )

    def _cells_without_service(self, ingress: IngressId) -> UpstreamCells:
        cells = self._without_service.get(ingress)
        if cells is None:
            cells = self._without_service[ingress] = UpstreamCells()
        return cells

    def _note_users(self, before: Snapshot, hosts: Changes[str, VirtualHost]) -> None:
        """Keep in mind which hosts have routes to which upstream."""
        users = self._hosts_of
        for pattern in (*hosts.gone, *hosts.changed):
            for key in _upstreams_of(before.hosts.get(pattern)):
                if key in users:
                    users[key].discard(pattern)
                    if not users[key]:
                        del users[key]
        for pattern, host in hosts.changed.items():
            for key in _upstreams_of(host):
                users.setdefault(key, set()).add(pattern)

    def readmit(self, now: float) -> None:
        """Let ejected endpoints whose time is over be picked again."""
        self._endpoints.readmit(now)

    @property
    def upstreams(self) -> Mapping[UpstreamId, UpstreamState]:
        """Every upstream of the snapshot being served."""
        return self._upstreams

    @property
    def cells_without_service(self) -> Mapping[IngressId, UpstreamCells]:
        """What is counted for Ingresses alone, of those with routes that lead to no Service."""
        return self._without_service

    @property
    def endpoints(self) -> tuple[EndpointState, ...]:
        """Every endpoint of the snapshot being served."""
        return tuple(self._endpoints)

    def endpoints_by_group(self) -> Iterator[tuple[GroupKey, EndpointState]]:
        """Go through them, each with the key of its group."""
        return self._endpoints.by_group()

    @property
    def ejections(self) -> int:
        """How often an endpoint has been left out since the start."""
        return self._endpoints.ejections

    @property
    def overhead_seconds(self) -> float:
        """Time of requests since the start before an endpoint had them."""
        return self.past_overhead_seconds + sum(
            each.cells.overhead_seconds for each in self._upstreams.values()
        )

    def _renew_upstreams(self, found: Changes[UpstreamId, Upstream]) -> set[str]:
        """Take over what has changed; return the hosts whose routes need another state."""
        stale: set[str] = set()
        for key, upstream in found.changed.items():
            old = self._upstreams.get(key)
            if old is not None and old.upstream == upstream:
                continue
            loads = self._endpoints.hold(upstream)
            if old is not None:
                self._endpoints.release(old.upstream)
            if old is None or old.is_other_than(upstream):
                self._upstreams[key] = self._new_state(upstream, old)
                stale |= self._hosts_of.get(key, set())
            self._upstreams[key].renew(upstream, loads, self._timeouts)
        for key in found.gone:
            gone = self._upstreams.pop(key)
            self._endpoints.release(gone.upstream)
            self.past_overhead_seconds += gone.cells.overhead_seconds
            stale |= self._hosts_of.get(key, set())
        return stale

    def _new_state(self, upstream: Upstream, old: UpstreamState | None) -> UpstreamState:
        cells = UpstreamCells() if old is None else old.cells
        return UpstreamState(upstream, self._draw, self._affinity, cells)


def _upstreams_of(host: VirtualHost | None) -> set[UpstreamId]:
    if host is None:
        return set()
    return {route.upstream for route in host.all_routes() if route.upstream is not None}
