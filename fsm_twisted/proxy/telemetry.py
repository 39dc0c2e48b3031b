"""
What the data plane of one process has counted, as reports.

Copying ten thousand upstreams at once would keep requests waiting; hence the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import reduce
from itertools import chain, islice
from typing import Final

from fsm_twisted.observe.cells import UpstreamCells
from fsm_twisted.observe.exposition import series
from fsm_twisted.observe.live import NOTHING, EndpointFacts, EndpointKey
from fsm_twisted.observe.live import Endpoints as LiveEndpoints
from fsm_twisted.observe.report import Number, Report, UpstreamCounts, UpstreamKey
from fsm_twisted.proxy.endpoints import EndpointState, GroupKey
from fsm_twisted.proxy.plane import DataPlane
from fsm_twisted.snapshot.identity import Endpoint, IngressId, UpstreamId
from fsm_twisted.snapshot.model import Snapshot

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
    for piece in _touched(plane):
        yield _added(piece, UpstreamCounts.of)


def news_of(plane: DataPlane) -> Iterator[Report]:
    """
    Take what *plane* has counted since this was last called, in pieces that add up.

    What has been taken is in no cell any more. Counters and gauges of the process as a whole come
    last, as they stand; pieces before that may be empty.
    """
    for piece in _touched(plane):
        plane.runtime.past_overhead_seconds += sum(cells.overhead_seconds for _, cells in piece)
        yield _added(piece, UpstreamCounts.taken)
    yield Report({}, _counters(plane), _gauges(plane))


_Key = UpstreamId | IngressId
_Counted = tuple[_Key, UpstreamCells]


def _touched(plane: DataPlane) -> Iterator[list[_Counted]]:
    """Look through all cells in pieces; only those are kept that something was counted into."""
    runtime = plane.runtime
    states = ((key, state.cells) for key, state in tuple(runtime.upstreams.items()))
    cells: Iterator[_Counted] = chain(states, tuple(runtime.cells_without_service.items()))
    while piece := tuple(islice(cells, UPSTREAMS_PER_PIECE)):
        yield [counted for counted in piece if not counted[1].is_untouched]


def _added(piece: Iterable[_Counted], copied: Callable[[UpstreamCells], UpstreamCounts]) -> Report:
    """Make a report of these cells, as one where they have the same label."""
    upstreams: dict[UpstreamKey, UpstreamCounts] = {}
    for key, cells in piece:
        label = label_of(key)
        counts = copied(cells)
        known = upstreams.get(label)
        upstreams[label] = counts if known is None else known.plus(counts)
    return Report(upstreams)


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


def label_of(key: UpstreamId | IngressId) -> UpstreamKey:
    """Return what an upstream is labelled with in metrics, or an Ingress without a Service."""
    if isinstance(key, IngressId):
        return (key.namespace, key.name, "")
    ingress = key.ingress
    return (ingress.namespace, ingress.name, key.service_port.service)


def labels_of(snapshot: Snapshot) -> Iterator[UpstreamKey]:
    """
    Return what has series, each once: every Ingress with each Service that it leads to.

    One with a route that leads to no Service has series without a Service as well.
    """
    refused = (route.ingress for route in snapshot.routes() if route.upstream is None)
    keys: Iterator[_Key] = chain(snapshot.upstreams, refused)
    return iter(dict.fromkeys(map(label_of, keys)))


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
