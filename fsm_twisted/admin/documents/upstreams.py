"""Upstreams: the Services that Ingresses lead to, with their endpoints as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import attrs

from fsm_twisted.admin.documents.policies import upstream_policies
from fsm_twisted.admin.documents.world import Json, World
from fsm_twisted.observe.cells import SECONDS
from fsm_twisted.observe.live import NOTHING, EndpointFacts, Endpoints
from fsm_twisted.observe.report import Durations, Report, UpstreamCounts
from fsm_twisted.proxy.endpoints import group_key
from fsm_twisted.proxy.telemetry import label_of, live_key
from fsm_twisted.snapshot.identity import UpstreamId
from fsm_twisted.snapshot.model import Snapshot, Upstream


@attrs.frozen
class Live:
    """What the processes that serve know, all together; empty for manifests that nobody serves."""

    endpoints: Endpoints = attrs.field(factory=dict)
    report: Report = attrs.field(factory=Report)
    workers: int = 0


def upstream_rows(world: World, live: Live) -> list[Json]:
    """Return all upstreams, those without a usable endpoint first, otherwise by name."""
    snapshot = world.outcome.snapshot
    routes = routes_by_upstream(snapshot)
    rows = [upstream_json(each, routes, live) for each in snapshot.upstreams.values()]
    order = ["broken", "degraded", "ok"]
    return sorted(rows, key=lambda row: (order.index(row["state"]), row["id"]))


def routes_by_upstream(snapshot: Snapshot) -> Mapping[UpstreamId, int]:
    """Return how many routes lead to each upstream."""
    found: dict[UpstreamId, int] = {}
    for route in snapshot.routes():
        if route.upstream is not None:
            found[route.upstream] = found.get(route.upstream, 0) + 1
    return found


def upstream_json(upstream: Upstream, routes: Mapping[UpstreamId, int], live: Live) -> Json:
    """Tell one upstream, with what is known of it live."""
    key, port = upstream.id, upstream.id.service_port
    endpoints = endpoint_rows(upstream, live)
    counts = live.report.upstreams.get(label_of(key), UpstreamCounts())
    return {
        "state": _state(endpoints),
        "id": str(key),
        "ingress": {
            "kind": "Ingress",
            "namespace": key.ingress.namespace,
            "name": key.ingress.name,
        },
        "namespace": port.namespace,
        "service": port.service,
        "port": port.port,
        "routes": routes.get(key, 0),
        "policies": upstream_policies(upstream),
        "endpoints": endpoints,
        "in_flight": sum(each["in_flight"] for each in endpoints),
        "idle_connections": sum(each["idle_connections"] for each in endpoints),
        "requests": counts_json(counts),
    }


def endpoint_rows(upstream: Upstream, live: Live) -> list[Json]:
    """Tell the endpoints of *upstream*, in their order."""
    group = group_key(upstream)
    return [
        _endpoint(str(each), live.endpoints.get(live_key(group, each), NOTHING), live.workers)
        for each in upstream.endpoints
    ]


def _endpoint(text: str, facts: EndpointFacts, workers: int) -> Json:
    health = "ok"
    if facts.ejected_in:
        health = "ejected" if facts.ejected_in >= workers else "ejected by some"
    return {"endpoint": text, "health": health, **attrs.asdict(facts)}


def _state(endpoints: Sequence[Json]) -> str:
    if not endpoints:
        return "broken"
    return "ok" if all(each["health"] == "ok" for each in endpoints) else "degraded"


def counts_json(counts: UpstreamCounts) -> Json:
    """
    Tell what has been counted for one (Ingress, Service), all its ports together.

    Times are in seconds; a quantile is the upper bound of its bucket, None where nothing has been
    counted, or beyond the last bound.
    """
    classes: dict[str, int] = {}
    for (_, digit), number in counts.requests.items():
        classes[f"{digit}xx"] = classes.get(f"{digit}xx", 0) + number
    return {
        "total": sum(classes.values()),
        "by_status": dict(sorted(classes.items())),
        "retries": counts.retries,
        "bytes_in": counts.bytes_in,
        "bytes_out": counts.bytes_out,
        "duration": durations_json(counts.duration),
        "upstream_duration": durations_json(counts.upstream),
    }


def durations_json(durations: Durations) -> Json:
    """Tell mean and quantiles of a histogram."""
    total = sum(durations.counts)
    return {
        "mean": durations.seconds / total if total else None,
        "p50": quantile(durations, 0.5),
        "p90": quantile(durations, 0.9),
        "p99": quantile(durations, 0.99),
    }


def quantile(durations: Durations, share: float) -> float | None:
    """Return the bound below which so many of all lie; None for no bound."""
    wanted, seen = share * sum(durations.counts), 0
    if not wanted:
        return None
    for bound, number in zip(SECONDS, durations.counts, strict=False):
        seen += number
        if seen >= wanted:
            return bound
    return None
