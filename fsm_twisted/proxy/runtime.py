"""
Run-time facts beside the snapshot: pools, load, balancer positions (D4).

They are keyed by identity and survive every swap; a request keeps what it was bound to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from twisted.logger import Logger

from fsm_twisted.balancing.affinity import CookieAffinity, StickyCookie
from fsm_twisted.balancing.health import HealthGroup
from fsm_twisted.balancing.keys import make_key
from fsm_twisted.balancing.load import EndpointLoad
from fsm_twisted.balancing.selection import Balancer, make_balancer
from fsm_twisted.message.authority import parse_authority
from fsm_twisted.observe.access import pack_route
from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.routing.rewrite import compile_rewrite
from fsm_twisted.routing.router import Router, build_router
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.identity import Endpoint, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import EMPTY, Route, Snapshot, Upstream
from fsm_twisted.snapshot.policy import Affinity, HashSource, Timeouts

if TYPE_CHECKING:
    from fsm_twisted.message.fields import Fields
    from fsm_twisted.proxy.upstream import UpstreamConnection

_log = Logger()

_FIELDS = frozenset({HashSource.HEADER, HashSource.COOKIE})

_NO_TIMEOUTS = Timeouts()
_NEVER = float("inf")
REMEMBERED_HOSTS = 4096
EndpointKey = tuple[ServicePortId, Endpoint]


class EndpointState(EndpointLoad):
    """
    One endpoint of a Service port: its load, and its idle connections (the last one used first).

    Shared by all upstreams that reach the same Service port.
    """

    __slots__ = ("_group", "ejections", "has_failed", "idle", "is_retired", "text")

    def __init__(self, endpoint: Endpoint, group: HealthGroup[EndpointState]) -> None:
        super().__init__(endpoint)
        self._group = group
        self.text = str(endpoint).encode("utf-8", "replace")
        self.idle: list[UpstreamConnection] = []
        self.is_retired = False
        self.has_failed = False
        self.ejections = 0

    def failed(self, now: float) -> None:
        """Note that it has not answered; *now* is in seconds on the sweep's clock."""
        self.has_failed = True
        if self._group.failed(self, now):
            self.ejections += 1
            _log.warn("endpoint {endpoint} is ejected", endpoint=str(self.endpoint))

    def succeeded(self) -> None:
        """Note that it has answered after a failure."""
        self.has_failed = False
        self._group.succeeded(self)

    def retire(self) -> None:
        """Leave the snapshot: idle connections close, busy ones close when they are done."""
        self.is_retired = True
        for connection in tuple(self.idle):
            connection.close()


class UpstreamState:
    """
    An upstream of the snapshot with its balancer.

    ``key_of`` makes the key that the balancer wants, None when it wants none; ``cookie`` is the
    affinity cookie, None where there is none. ``is_usual`` says that no field of a request has a
    part in the choice of its endpoint.
    """

    __slots__ = (
        "_defaults",
        "balancer",
        "balancing",
        "cells",
        "connect_seconds",
        "cookie",
        "is_usual",
        "key_of",
        "read_seconds",
        "send_seconds",
        "upstream",
    )

    def __init__(
        self,
        upstream: Upstream,
        draw: Callable[[int], int],
        affinity: CookieAffinity,
        defaults: Timeouts,
        cells: UpstreamCells,
    ) -> None:
        self.cells = cells
        self._defaults = defaults
        self.balancing = upstream.balancing
        self.balancer: Balancer[EndpointState] = make_balancer(upstream.balancing, draw)
        self.key_of = make_key(upstream.balancing)
        self.cookie: StickyCookie[EndpointState] | None = (
            affinity.for_upstream(upstream.id)
            if upstream.balancing.affinity is Affinity.COOKIE
            else None
        )

        self.is_usual = self.cookie is None and upstream.balancing.hash_by.source not in _FIELDS

    def renew(self, upstream: Upstream, loads: list[EndpointState]) -> None:
        """Take over the upstream and its endpoints as a new snapshot has them."""
        self.upstream = upstream
        own, default = upstream.timeouts, self._defaults
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

    ``usual`` is the upstream when the route asks for nothing but to be forwarded, else None.
    ``note`` is what the access log says of it.
    """

    __slots__ = ("body_limit_bytes", "is_logged", "note", "rewrite", "route", "upstream", "usual")

    def __init__(
        self, route: Route, upstream: UpstreamState | None, body_limit_bytes: int | None
    ) -> None:
        self.route = route
        self.upstream = upstream
        self.rewrite: Callable[[bytes], bytes | None] | None = (
            compile_rewrite(route.rewrite) if route.rewrite is not None else None
        )
        limit = route.body_limit_bytes
        self.body_limit_bytes = body_limit_bytes if limit is None else (limit or None)
        self.is_logged = route.is_logged
        self.note = _note_of(route)
        is_usual = upstream is not None and upstream.is_usual and route.rewrite is None
        self.usual = upstream if is_usual else None


def _note_of(route: Route) -> bytes:
    service, port = "", 0
    if route.upstream is not None:
        service, port = route.upstream.service_port.service, route.upstream.service_port.port
    return pack_route(route.ingress.namespace, route.ingress.name, route.path, service, port)


class Active:
    """
    The snapshot being served, with the tables built from it.

    ``hosts`` remembers how Host fields were read, as host and whether it is a TLS host; whoever
    fills it keeps it below `REMEMBERED_HOSTS`.
    """

    __slots__ = ("hosts", "router", "snapshot", "tls_hosts")

    def __init__(self, snapshot: Snapshot, router: Router[BoundRoute]) -> None:
        self.snapshot = snapshot
        self.router = router
        self.hosts: dict[bytes, tuple[bytes, bool]] = {}
        self.tls_hosts: ServerNames[bool] = ServerNames(dict.fromkeys(snapshot.tls_hosts, True))

    def host_of(self, wire: bytes) -> tuple[bytes, bool]:
        """
        Read a Host field: the host as it is matched, and whether it is a TLS host.

        Raises:
            AuthorityError: It is not valid.
        """
        host = parse_authority(wire).host
        if len(self.hosts) >= REMEMBERED_HOSTS:
            self.hosts.clear()
        self.hosts[wire] = found = (host, self.tls_hosts.covers(host))
        return found


class RunTime:
    """
    All run-time state of one data plane; `activate` reconciles it with a new snapshot.

    Args:
        draw: ``draw(n)`` gives a random number below n.
        affinity_key: Signs affinity cookies.
        body_limit_bytes: The limit of routes that set none.
        timeouts: Those of upstreams that set none.
    """

    def __init__(
        self,
        draw: Callable[[int], int],
        *,
        affinity_key: bytes = b"",
        body_limit_bytes: int | None = None,
        timeouts: Timeouts = _NO_TIMEOUTS,
    ) -> None:
        self._draw = draw
        self._timeouts = timeouts
        self._groups: dict[ServicePortId, HealthGroup[EndpointState]] = {}
        self._affinity = CookieAffinity(affinity_key)
        self._body_limit_bytes = body_limit_bytes
        self._upstreams: dict[UpstreamId, UpstreamState] = {}
        self._endpoints: dict[EndpointKey, EndpointState] = {}
        self._past_ejections = 0
        self._past_overhead_seconds = 0.0
        self.activate(EMPTY)

    def activate(self, snapshot: Snapshot) -> None:
        """Serve *snapshot* from now on: one assignment, after everything has been made ready."""
        endpoints: dict[EndpointKey, EndpointState] = {}
        upstreams = {
            key: self._upstream(upstream, endpoints)
            for key, upstream in snapshot.upstreams.items()
        }

        def bind(route: Route) -> BoundRoute:
            state = upstreams.get(route.upstream) if route.upstream is not None else None
            return BoundRoute(route, state, self._body_limit_bytes)

        self.active = Active(snapshot, build_router(snapshot, bind))
        gone = self._endpoints.keys() - endpoints.keys()
        retired = [self._endpoints[key] for key in gone]
        self._past_ejections += sum(each.ejections for each in retired)
        for deleted in self._upstreams.keys() - upstreams.keys():
            self._past_overhead_seconds += self._upstreams[deleted].cells.overhead_seconds
        self._upstreams, self._endpoints = upstreams, endpoints
        self._regroup()
        for state in retired:
            state.retire()

    def _regroup(self) -> None:
        members: dict[ServicePortId, list[EndpointState]] = {}
        for (service_port, _), state in self._endpoints.items():
            members.setdefault(service_port, []).append(state)
        for service_port in self._groups.keys() - members.keys():
            del self._groups[service_port]
        for service_port, group in self._groups.items():
            group.update(members[service_port])

    def readmit(self, now: float) -> None:
        """Let ejected endpoints whose time is over be picked again."""
        for group in self._groups.values():
            group.readmit(now)

    @property
    def upstreams(self) -> Mapping[UpstreamId, UpstreamState]:
        """Every upstream of the snapshot being served."""
        return self._upstreams

    @property
    def endpoints(self) -> tuple[EndpointState, ...]:
        """Every endpoint of the snapshot being served."""
        return tuple(self._endpoints.values())

    @property
    def ejections(self) -> int:
        """How often an endpoint has been left out since the start."""
        return self._past_ejections + sum(each.ejections for each in self._endpoints.values())

    @property
    def overhead_seconds(self) -> float:
        """Time of requests since the start before an endpoint had them."""
        return self._past_overhead_seconds + sum(
            each.cells.overhead_seconds for each in self._upstreams.values()
        )

    def _upstream(
        self, upstream: Upstream, endpoints: dict[EndpointKey, EndpointState]
    ) -> UpstreamState:
        loads = [self._endpoint(upstream, each, endpoints) for each in upstream.endpoints]
        state = self._upstreams.get(upstream.id)
        if state is None or state.balancing != upstream.balancing:
            state = self._new_state(upstream, state)
            state.renew(upstream, loads)
        elif state.upstream != upstream:
            state.renew(upstream, loads)
        return state

    def _new_state(self, upstream: Upstream, old: UpstreamState | None) -> UpstreamState:
        cells = UpstreamCells() if old is None else old.cells
        return UpstreamState(upstream, self._draw, self._affinity, self._timeouts, cells)

    def _endpoint(
        self,
        upstream: Upstream,
        endpoint: Endpoint,
        endpoints: dict[EndpointKey, EndpointState],
    ) -> EndpointState:
        key = (upstream.id.service_port, endpoint)
        state = endpoints.get(key)
        if state is None:
            group = self._groups.setdefault(upstream.id.service_port, HealthGroup())
            state = self._endpoints.get(key) or EndpointState(endpoint, group)
            endpoints[key] = state
        return state
