"""Who gets what when several Ingresses want the same: the oldest (D7)."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import attrs

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.routes import Claim, ClaimKey, IngressPlan, describe
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.model import Route, VirtualHost

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

OVERALL: Final = ""
"""What the default backend for everything else is held under, where others have their host."""


@attrs.frozen
class Bid(Generic[V]):
    """What an Ingress wants to have; ``created`` is its ``creationTimestamp``, maybe empty."""

    ref: ObjectRef
    created: str
    wanted: V


def claim_bids(plan: IngressPlan) -> Mapping[ClaimKey, Bid[Claim]]:
    """Return what *plan* claims."""
    return {claim.key: Bid(plan.ref, plan.created, claim) for claim in plan.claims}


def default_bids(plan: IngressPlan) -> Mapping[str, Bid[Route]]:
    """
    Return for which hosts *plan* wants to have the default backend, by host.

    For those that its rules name, and, as `OVERALL`, for everything else. A rule without host
    names no host of its own.
    """
    if plan.default is None:
        return {}
    bids = {OVERALL: Bid(plan.ref, plan.created, plan.default)}
    for host in filter(None, plan.hosts):
        clients = plan.clients[host].clients
        route = attrs.evolve(plan.default, host=host, clients=clients)
        bids[host] = Bid(plan.ref, plan.created, route)
    return bids


def best_claim(bids: Sequence[Bid[Claim]]) -> Bid[Claim]:
    """
    Choose who gets a path; *bids* come oldest first.

    A Prefix beats an ImplementationSpecific of the same host and path, then the older Ingress
    beats the younger one.
    """
    return next((bid for bid in bids if not bid.wanted.yields), bids[0])


def oldest(bids: Sequence[V]) -> V:
    """Choose the first one."""
    return bids[0]


def settle(
    plans: Iterable[IngressPlan],
    bids_of: Callable[[IngressPlan], Mapping[K, Bid[V]]],
    choose: Callable[[Sequence[Bid[V]]], Bid[V]],
) -> Mapping[K, Bid[V]]:
    """Return who holds what; *plans* come oldest first."""
    contenders: dict[K, list[Bid[V]]] = {}
    for plan in plans:
        for key, bid in bids_of(plan).items():
            contenders.setdefault(key, []).append(bid)
    return {key: choose(bids) for key, bids in contenders.items()}


def routes_by_host(holders: Mapping[ClaimKey, Bid[Claim]]) -> Mapping[str, tuple[Route, ...]]:
    """Return the routes that stand by host, sorted by path."""
    hosts: dict[str, list[Route]] = {}
    for key in sorted(holders, key=by_host_and_path):
        hosts.setdefault(key[0], []).append(holders[key].wanted.route)
    return {host: tuple(routes) for host, routes in hosts.items()}


def by_host_and_path(key: ClaimKey) -> tuple[str, str, str]:
    """Return what routes are sorted by."""
    host, path, match = key
    return (host, path, match.value)


def virtual_hosts(
    routes: Mapping[str, tuple[Route, ...]], defaults: Mapping[str, Bid[Route]]
) -> Mapping[str, VirtualHost]:
    """Join the routes and the default backend of each host."""
    return {
        host: VirtualHost(host, routes.get(host, ()), default_of(host, defaults))
        for host in sorted({*routes, *(host for host in defaults if host != OVERALL)})
    }


def default_of(host: str, defaults: Mapping[str, Bid[Route]]) -> Route | None:
    """Return the default backend of *host* alone."""
    bid = defaults.get(host) if host != OVERALL else None
    return None if bid is None else bid.wanted


def note_lost_claims(
    plan: IngressPlan,
    holders: Mapping[ClaimKey, Bid[Claim]],
    passed: Container[str],
    book: FindingBook,
) -> None:
    """Tell *plan* of each claim that another Ingress holds, unless the TLS of its host passes."""
    for claim in plan.claims:
        holder = holders[claim.key]
        if holder.ref == plan.ref or claim.route.host in passed:
            continue
        why = precedence(holder, plan)
        if claim.yields and not holder.wanted.yields:
            why = "which says Prefix, not ImplementationSpecific"
        what = f"{describe(claim.key)} belongs to {holder.ref}, {why}"
        book.note(plan.ref, "claim_lost", claim.where, what, f"{holder.ref} is served there")


def note_lost_defaults(
    plan: IngressPlan,
    holders: Mapping[str, Bid[Route]],
    passed: Container[str],
    book: FindingBook,
) -> None:
    """
    Tell *plan* where it is not the default backend, but may have wanted to be.

    Everything else is wanted by an Ingress with a rule for every host, or without rules.
    """
    if plan.default is None:
        return
    if "" in plan.hosts or not plan.hosts:
        _note_lost_default(plan, "requests that no rule answers", holders[OVERALL], book)
    for host in filter(None, plan.hosts):
        if host in passed:
            continue
        _note_lost_default(plan, f"host {host}", holders[host], book)


def _note_lost_default(
    plan: IngressPlan, what_for: str, holder: Bid[Route], book: FindingBook
) -> None:
    if holder.ref == plan.ref:
        return
    why = precedence(holder, plan)
    what = f"{holder.ref}, {why}, already is the default backend for {what_for}"
    answers = f"{holder.ref} answers"
    book.note(plan.ref, "default_backend_lost", plan.default_where, what, answers)


def precedence(winner: Bid[V], loser: IngressPlan) -> str:
    """Say why *winner* comes before *loser*."""
    if winner.created == loser.created:
        return "which is first by namespace and name"
    return "which is older"
