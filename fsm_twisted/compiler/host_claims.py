"""
Whose a host is where TLS may go through: the whole of it is the oldest Ingress's (D7).

TLS is either opened or not, so a host whose TLS goes through cannot be shared. As long as only
Ingresses want a host that open its TLS, or serve it without, each path is given away by itself
(`claims`), and nothing of this matters. Challenges of certificate authorities (RFC 8555 section
8.3) come by plain HTTP, so others of the same namespace may answer these all the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from fsm_twisted.compiler.claims import Bid, precedence
from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.routes import IngressPlan
from fsm_twisted.snapshot.model import Match, Route, VirtualHost
from fsm_twisted.snapshot.policy import PlainAccess
from fsm_twisted.snapshot.reasons import REPLIES

_CHALLENGES: Final = "/.well-known/acme-challenge/"

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


def is_challenge(route: Route, owner: Route) -> bool:
    """Tell whether *route* answers challenges on the host that is *owner*'s, and may."""
    is_below = f"{route.path}/".startswith(_CHALLENGES)
    return is_below and route.ingress.namespace == owner.ingress.namespace


def passed_host(route: Route, others: Iterable[Route]) -> VirtualHost:
    """
    Return what requests for a host meet whose TLS goes by *route*: they are turned away.

    Args:
        route: The owner's.
        others: Those that would be served if TLS was opened, sorted.
    """
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
    return VirtualHost(
        route.host, (refusal, *(each for each in others if is_challenge(each, route)))
    )


def tls_hosts(hosts: frozenset[str], passthrough: Iterable[str]) -> frozenset[str]:
    """Return all TLS hosts: those of ``spec.tls``, and those whose TLS goes through."""
    return hosts.union(passthrough)


def note_lost_hosts(plan: IngressPlan, holders: Mapping[str, HostBid], book: FindingBook) -> None:
    """Tell *plan* of each host that another Ingress holds, where that matters."""
    for host, bid in host_bids(plan).items():
        holder = holders[host]
        if holder.ref == plan.ref or (holder.wanted is None and bid.wanted is None):
            continue
        if holder.wanted is not None and _has_only_challenges(plan, holder.wanted):
            continue
        why = precedence(holder, plan)
        if holder.wanted is None:
            what = f"host {host} belongs to {holder.ref}, {why}, and its TLS is opened"
        else:
            what = f"TLS of host {host} goes through to {holder.ref}, {why}"
        served = f"{holder.ref} has the host, nothing of this Ingress is served there"
        book.note(plan.ref, "host_lost", "spec.rules", what, served)


def _has_only_challenges(plan: IngressPlan, owner: Route) -> bool:
    wanted = [each.route for each in plan.claims if each.route.host == owner.host]
    return bool(wanted) and all(is_challenge(each, owner) for each in wanted)
