"""
Whose a host is where TLS may go through: the whole of it is the oldest Ingress's (D7).

TLS is either opened or not, so a host whose TLS goes through cannot be shared. As long as only
Ingresses want a host that open its TLS, or serve it without, each path is given away by itself
(`claims`), and nothing of this matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fsm_twisted.compiler.claims import Bid, precedence
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.routes import IngressPlan
from fsm_twisted.snapshot.model import Match, Route, VirtualHost
from fsm_twisted.snapshot.policy import PlainAccess
from fsm_twisted.snapshot.reasons import REPLIES

HostBid = Bid[Route | None]
"""A host is wanted: its TLS is to go this way, unopened; None: it is to be opened."""


def host_bids(plan: IngressPlan) -> Mapping[str, HostBid]:
    """Return which hosts *plan* wants."""
    bids = {host: HostBid(plan.ref, plan.created, None) for host in plan.terminates}
    bids.update((each.host, HostBid(plan.ref, plan.created, each)) for each in plan.passes)
    return bids


def passing_routes(holders: Mapping[str, HostBid]) -> Mapping[str, Route]:
    """Return where TLS goes through, by host."""
    return {host: bid.wanted for host, bid in sorted(holders.items()) if bid.wanted is not None}


def passed_host(route: Route) -> VirtualHost:
    """Return what requests for a host meet whose TLS goes by *route*: all are turned away."""
    refusal = Route(
        route.ingress,
        route.host,
        "/",
        Match.PREFIX,
        None,
        REPLIES["passthrough_only"],
        is_logged=route.is_logged,
        plain=PlainAccess.REDIRECTED,
    )
    return VirtualHost(route.host, (refusal,))


def tls_hosts(hosts: frozenset[str], passthrough: Iterable[str]) -> frozenset[str]:
    """Return all TLS hosts: those of ``spec.tls``, and those whose TLS goes through."""
    return hosts.union(passthrough)


def note_lost_hosts(plan: IngressPlan, holders: Mapping[str, HostBid], book: FindingBook) -> None:
    """Tell *plan* of each host that another Ingress holds, where that matters."""
    for host, bid in host_bids(plan).items():
        holder = holders[host]
        if holder.ref == plan.ref or (holder.wanted is None and bid.wanted is None):
            continue
        why = precedence(holder, plan)
        if holder.wanted is None:
            what = f"host {host} belongs to {holder.ref}, {why}, and its TLS is opened"
        else:
            what = f"TLS of host {host} goes through to {holder.ref}, {why}"
        served = f"{holder.ref} has the host, nothing of this Ingress is served there"
        book.note(plan.ref, "host_lost", "spec.rules", what, served)
