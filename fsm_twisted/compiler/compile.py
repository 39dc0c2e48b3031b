"""The whole of it: inventory in, snapshot and findings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import attrs

from fsm_twisted.compiler.claims import (
    OVERALL,
    best_claim,
    claim_bids,
    default_bids,
    note_lost_claims,
    note_lost_defaults,
    oldest,
    routes_by_host,
    settle,
    virtual_hosts,
)
from fsm_twisted.compiler.classes import our_ingresses
from fsm_twisted.compiler.client_tls import (
    Vote,
    clients_by_host,
    deciding,
    note_clients,
    votes_of,
)
from fsm_twisted.compiler.findings import Finding, FindingBook, in_order
from fsm_twisted.compiler.host_claims import (
    host_bids,
    note_lost_hosts,
    passed_host,
    passing_routes,
    tls_hosts,
)
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.routes import IngressPlan, plan_ingress
from fsm_twisted.compiler.tls import CertificateTime, settle_tls
from fsm_twisted.compiler.upstreams import BackendResolver
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import Ingress
from fsm_twisted.snapshot.identity import UpstreamId
from fsm_twisted.snapshot.model import Route, Snapshot, Upstream, VirtualHost


@attrs.frozen
class Compiled:
    """
    The snapshot, and what people want to know of the objects.

    ``findings`` are ordered by object, code and message; ``certificates`` by Secret; ``ours`` are
    the Ingresses that this controller serves, the oldest first.
    """

    snapshot: Snapshot
    findings: tuple[Finding, ...]
    certificates: tuple[CertificateTime, ...]
    ours: tuple[Ingress, ...]


def compile_snapshot(
    inventory: Inventory, options: CompilerOptions, *, now: datetime, generation: int = 0
) -> Compiled:
    """
    Translate all objects.

    Total: no inventory makes it raise, and the trouble of one object harms no other (D6).
    Deterministic: the same objects give the same result, in whatever order they came.

    Args:
        inventory: Every object known.
        options: Which classes and annotations are ours.
        now: Aware time, for certificates that expire.
        generation: The number of the snapshot.
    """
    book = FindingBook()
    ingresses = our_ingresses(inventory, options, book)
    resolver = BackendResolver(inventory)
    plans = [plan_ingress(each, resolver, options) for each in ingresses]
    claims = settle(plans, claim_bids, best_claim)
    defaults = settle(plans, default_bids, oldest)
    owners = settle(plans, host_bids, oldest)
    passing = passing_routes(owners)
    for plan in plans:
        note_lost_claims(plan, claims, passing, book)
        note_lost_defaults(plan, defaults, passing, book)
        note_lost_hosts(plan, owners, book)
    routes = routes_by_host(claims)
    hosts = {
        **virtual_hosts(routes, defaults),
        **{host: passed_host(route, routes.get(host, ())) for host, route in passing.items()},
    }
    default = defaults[OVERALL].wanted if OVERALL in defaults else None
    clients = _deciders(plans, options)
    for plan in plans:
        note_clients(plan.ref, plan.clients, clients, options, book)
    tls = settle_tls(ingresses, inventory, now, book)
    snapshot = Snapshot(
        generation,
        hosts,
        _named_upstreams(plans, hosts.values(), (default, *passing.values())),
        tls.certificates,
        tls_hosts(tls.hosts, passing),
        default,
        passing,
        dict(clients_by_host(clients)),
    )
    found = [finding for plan in plans for finding in plan.findings]
    return Compiled(snapshot, in_order([*found, *book.findings()]), tls.times, ingresses)


def _deciders(plans: Iterable[IngressPlan], options: CompilerOptions) -> Mapping[str, Vote]:
    """Return who decides how clients are verified, by host; *plans* come oldest first."""
    votes: dict[str, list[Vote]] = {}
    for plan in plans:
        for host, vote in votes_of(plan.ref, plan.clients).items():
            votes.setdefault(host, []).append(vote)
    return {host: deciding(each, mtls=options.mtls) for host, each in votes.items()}


def _named_upstreams(
    plans: Iterable[IngressPlan], hosts: Iterable[VirtualHost], others: Iterable[Route | None]
) -> Mapping[UpstreamId, Upstream]:
    """Return the upstreams that some route of the snapshot names, and no others."""
    routes = (route for host in hosts for route in host.all_routes())
    named = {route.upstream for route in (*routes, *others) if route is not None}
    upstreams = (each for plan in plans for each in plan.upstreams if each.id in named)
    return {each.id: each for each in sorted(upstreams, key=lambda each: each.id)}
