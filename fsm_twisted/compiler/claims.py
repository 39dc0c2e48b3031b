"""Who gets what when several Ingresses want the same: the oldest (D7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.routes import Claim, ClaimKey, IngressPlan, describe
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.snapshot.model import Route, VirtualHost


@attrs.frozen
class Defaults:
    """The default backends that stand: by host, and the one for everything else."""

    by_host: Mapping[str, Route]
    overall: Route | None


def settle_claims(
    plans: Iterable[IngressPlan], book: FindingBook
) -> Mapping[str, tuple[Route, ...]]:
    """
    Return the routes that stand by host, sorted by path.

    A Prefix beats an ImplementationSpecific of the same host and path, then the older Ingress
    beats the younger one; *plans* come oldest first. Each loser gets a finding naming the winner.
    """
    winners: dict[ClaimKey, tuple[IngressPlan, Claim]] = {}
    lost: list[tuple[IngressPlan, Claim]] = []
    for plan in plans:
        for claim in plan.claims:
            holder = winners.get(claim.key)
            if holder is None or (holder[1].yields and not claim.yields):
                winners[claim.key] = (plan, claim)
                lost += [holder] if holder is not None else []
            else:
                lost.append((plan, claim))
    for plan, claim in lost:
        _note_lost(plan.ref, claim, winners[claim.key][0].ref, book)
    hosts: dict[str, list[Route]] = {}
    for (host, _, _), (_, claim) in sorted(winners.items(), key=_by_host_and_path):
        hosts.setdefault(host, []).append(claim.route)
    return {host: tuple(routes) for host, routes in hosts.items()}


def settle_defaults(plans: Iterable[IngressPlan], book: FindingBook) -> Defaults:
    """
    Return the default backends that stand; *plans* come oldest first.

    A named host is answered by the oldest Ingress that has a rule for it and a default backend,
    everything else by the oldest default backend of all. A rule without host names no host of
    its own. An Ingress that loses what it can have wanted gets a finding.
    """
    by_host: dict[str, Route] = {}
    owners: dict[str, ObjectRef] = {}
    overall: tuple[ObjectRef, Route] | None = None
    for plan in plans:
        if plan.default is None:
            continue
        if overall is None:
            overall = (plan.ref, plan.default)
        elif "" in plan.hosts or not plan.hosts:
            _note_lost_default(plan.ref, "requests that no rule answers", overall[0], book)
        for host in filter(None, plan.hosts):
            owner = owners.setdefault(host, plan.ref)
            if owner is plan.ref:
                by_host[host] = attrs.evolve(plan.default, host=host)
            else:
                _note_lost_default(plan.ref, f"host {host}", owner, book)
    return Defaults(by_host, overall[1] if overall is not None else None)


def virtual_hosts(
    routes: Mapping[str, tuple[Route, ...]], defaults: Defaults
) -> Mapping[str, VirtualHost]:
    """Join the routes and the default backend of each host."""
    return {
        host: VirtualHost(host, routes.get(host, ()), defaults.by_host.get(host))
        for host in sorted({*routes, *defaults.by_host})
    }


def _by_host_and_path(
    item: tuple[ClaimKey, tuple[IngressPlan, Claim]],
) -> tuple[str, str, str]:
    (host, path, match), _ = item
    return (host, path, match.value)


def _note_lost(loser: ObjectRef, claim: Claim, winner: ObjectRef, book: FindingBook) -> None:
    why = "which is older" if not claim.yields else "which is older or says Prefix"
    what = f"{describe(claim.key)} belongs to {winner}, {why}"
    book.note(loser, "claim_lost", claim.where, what, f"{winner} is served there")


def _note_lost_default(
    loser: ObjectRef, what_for: str, winner: ObjectRef, book: FindingBook
) -> None:
    what = f"{winner}, which is older, already is the default backend for {what_for}"
    book.note(loser, "default_backend_lost", "spec.defaultBackend", what, f"{winner} answers")
