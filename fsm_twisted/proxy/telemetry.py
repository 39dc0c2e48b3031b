"""
What the data plane of one process has counted, as reports.

Copying ten thousand upstreams at once would keep requests waiting; hence the pieces.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import reduce
from itertools import islice
from typing import Final

from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.live import NOTHING, EndpointFacts, EndpointKey
from fsm_twisted.observe.live import Endpoints as LiveEndpoints
from fsm_twisted.observe.report import Number, Report, UpstreamCounts, UpstreamKey
from fsm_twisted.proxy.endpoints import EndpointState, GroupKey
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.snapshot.identity import Endpoint, UpstreamId

UPSTREAMS_PER_PIECE: Final = 100
ENDPOINTS_PER_PIECE: Final = 500


def report_of(plane: DataPlane) -> Report:
    """Copy all cells and counters of *plane* at once."""
    return reduce(Report.plus, reports_of(plane))


def reports_of(plane: DataPlane) -> Iterator[Report]:
    """
    Copy the cells and counters of *plane* in pieces that add up, each well below a millisecond.

    Upstreams that have never been used are left out. Other things may happen between two pieces:
    what is counted then may be in or not.
    """
    yield Report({}, _counters(plane), _gauges(plane))
    states = iter(tuple(plane.runtime.upstreams.items()))
    while piece := tuple(islice(states, UPSTREAMS_PER_PIECE)):
        upstreams: dict[UpstreamKey, UpstreamCounts] = {}
        for key, state in piece:
            if state.cells.is_untouched:
                continue
            label = label_of(key)
            counts = UpstreamCounts.of(state.cells)
            known = upstreams.get(label)
            upstreams[label] = counts if known is None else known.plus(counts)
        yield Report(upstreams)


def news_of(plane: DataPlane) -> Iterator[Report]:
    """
    Take what *plane* has counted since this was last called, in pieces that add up.

    What has been taken is in no cell any more. Counters and gauges of the process as a whole come
    last, as they stand.
    """
    states = iter(tuple(plane.runtime.upstreams.items()))
    touched = ((key, state.cells) for key, state in states if not state.cells.is_untouched)
    while piece := tuple(islice(touched, UPSTREAMS_PER_PIECE)):
        upstreams: dict[UpstreamKey, UpstreamCounts] = {}
        for key, cells in piece:
            label = label_of(key)
            plane.runtime.past_overhead_seconds += cells.overhead_seconds
            counts = UpstreamCounts.taken(cells)
            known = upstreams.get(label)
            upstreams[label] = counts if known is None else known.plus(counts)
        yield Report(upstreams)
    yield Report({}, _counters(plane), _gauges(plane))


def facts_of(plane: DataPlane) -> Iterator[LiveEndpoints]:
    """
    Look at the endpoints of *plane* in pieces, each well below a millisecond.

    Those without requests, connections and ejections are left out: there are many of them.
    """
    states = plane.runtime.endpoints_by_group()
    while piece := tuple(islice(states, ENDPOINTS_PER_PIECE)):
        found = {live_key(group, state.endpoint): _facts(state) for group, state in piece}
        yield {key: facts for key, facts in found.items() if facts != NOTHING}


def live_key(group: GroupKey, endpoint: Endpoint) -> EndpointKey:
    """Return by what facts of *endpoint* are known outside of its process."""
    port, protocol, fingerprint, name = group
    own = (port.namespace, port.service, port.port)
    return (*own, protocol, fingerprint, name, str(endpoint))


def _facts(state: EndpointState) -> EndpointFacts:
    is_ejected = not state.available
    return EndpointFacts(state.in_flight, state.idle_count, int(is_ejected), state.ejections)


def label_of(upstream: UpstreamId) -> UpstreamKey:
    """Return what *upstream* is labelled with in metrics."""
    ingress = upstream.ingress
    return (ingress.namespace, ingress.name, upstream.service_port.service)


def _counters(plane: DataPlane) -> dict[str, Number]:
    counters: dict[str, Number] = {
        series("replies_total", reason=code): number for code, number in plane.replies.items()
    }
    for result, number in plane.handshakes.items():
        counters[series("tls_handshakes_total", result=result)] = number
    for refusal, number in plane.places.refused.items():
        counters[series("connections_refused_total", reason=refusal.name.lower())] = number
    if plane.access is not None:
        counters.update(plane.access.counters(is_log=plane.options.access_share is not None))
    counters["connections_accepted_total"] = plane.accepted
    counters["ejections_total"] = plane.runtime.ejections
    counters["overhead_seconds_total"] = plane.runtime.overhead_seconds
    return counters


def _gauges(plane: DataPlane) -> dict[str, int]:
    endpoints = plane.runtime.endpoints
    tunnels = {series("tunnels", kind=kind): number for kind, number in plane.tunnels.items()}
    return {
        **tunnels,
        "connections": len(plane.connections),
        "endpoints_ejected": sum(not each.available for each in endpoints),
        "pool_idle_connections": sum(each.idle_count for each in endpoints),
        "requests_in_flight": sum(each.in_flight for each in endpoints),
    }
