"""What the data plane of one process has counted, as a report."""

from __future__ import annotations

from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.report import Report, UpstreamCounts, UpstreamKey
from fsm_twisted.proxy.plane import DataPlane


def report_of(plane: DataPlane) -> Report:
    """Copy all cells and counters of *plane*; costs a few microseconds for each upstream."""
    upstreams: dict[UpstreamKey, UpstreamCounts] = {}
    for key, state in plane.runtime.upstreams.items():
        service = key.service_port.service
        label = (key.ingress.namespace, key.ingress.name, service)
        counts = UpstreamCounts.of(state.cells)
        known = upstreams.get(label)
        upstreams[label] = counts if known is None else known.plus(counts)
    return Report(upstreams, _counters(plane), _gauges(plane))


def _counters(plane: DataPlane) -> dict[str, int]:
    counters = {
        series("replies_total", reason=code): number for code, number in plane.replies.items()
    }
    for result, number in plane.handshakes.items():
        counters[series("tls_handshakes_total", result=result)] = number
    counters["connections_accepted_total"] = plane.accepted
    counters["ejections_total"] = plane.runtime.ejections
    return counters


def _gauges(plane: DataPlane) -> dict[str, int]:
    endpoints = plane.runtime.endpoints
    return {
        "connections": len(plane.connections),
        "endpoints_ejected": sum(not each.available for each in endpoints),
        "pool_idle_connections": sum(len(each.idle) for each in endpoints),
        "requests_in_flight": sum(each.in_flight for each in endpoints),
    }
