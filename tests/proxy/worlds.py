"""Small snapshots, and run-time state on them."""

from __future__ import annotations

from fsm_twisted.proxy.endpoints import EndpointState
from fsm_twisted.proxy.options import PlainHttp
from fsm_twisted.proxy.runtime import RunTime
from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import Match, Route, Snapshot, Upstream, VirtualHost
from fsm_twisted.snapshot.policy import Balancing
from fsm_twisted.snapshot.rewrite import Rewrite

HOST = "a.example"


def endpoint(number: int) -> Endpoint:
    return Endpoint(f"10.0.0.{number}", 8080)


def upstream(
    service: str,
    *numbers: int,
    ingress: str = "web",
    balancing: Balancing = Balancing(),  # noqa: B008  frozen
) -> Upstream:
    """Return the upstream of an Ingress for a Service with endpoints by number."""
    identity = UpstreamId(IngressId("default", ingress), ServicePortId("default", service, 80))
    return Upstream(identity, tuple(endpoint(each) for each in sorted(numbers)), balancing)


def prefix(
    path: str, target: Upstream, *, host: str = HOST, rewrite: Rewrite | None = None
) -> Route:
    return Route(target.id.ingress, host, path, Match.PREFIX, target.id, rewrite=rewrite)


def snapshot(*routes: Route, upstreams: tuple[Upstream, ...] = ()) -> Snapshot:
    """Return a snapshot of *routes*; upstreams not given have one endpoint."""
    known = {each.id: each for each in upstreams}
    for route in routes:
        if route.upstream is not None and route.upstream not in known:
            known[route.upstream] = Upstream(route.upstream, (endpoint(1),))
    hosts = {route.host for route in routes}
    return Snapshot(
        1,
        {
            host: VirtualHost(host, tuple(route for route in routes if route.host == host))
            for host in hosts
        },
        known,
    )


def serving(*upstreams: Upstream) -> Snapshot:
    """Return a snapshot with a route ``/SERVICE/INGRESS`` to each upstream."""
    routes = (
        prefix(f"/{each.id.service_port.service}/{each.id.ingress.name}", each)
        for each in upstreams
    )
    return snapshot(*routes, upstreams=upstreams)


def runtime(plain_http: PlainHttp = PlainHttp.REDIRECT) -> RunTime:
    """Return run-time state whose draws are all 0."""
    return RunTime(lambda _: 0, affinity_key=b"k" * 16, plain_http=plain_http)


def picks(state: RunTime, of: Upstream, times: int) -> list[str]:
    """Pick so often and return the last octets of the addresses."""
    balancer = state.upstreams[of.id].balancer
    found = [balancer.pick() for _ in range(times)]
    return [each.endpoint.address.rpartition(".")[2] if each else "" for each in found]


def loads(state: RunTime) -> dict[Endpoint, EndpointState]:
    """Return the endpoints that are served now."""
    return {each.endpoint: each for each in state.endpoints}
