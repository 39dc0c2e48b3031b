"""Who gets what when several Ingresses want the same: the oldest (D7)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from fsm_twisted.compiler.findings import FindingBook
from fsm_twisted.compiler.routes import Claim, ClaimKey, IngressPlan, describe
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
        _note_lost((plan, claim), winners[claim.key], book)
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
    owners: dict[str, IngressPlan] = {}
    overall: IngressPlan | None = None
    for plan in plans:
        if plan.default is None:
            continue
        if overall is None:
            overall = plan
        elif "" in plan.hosts or not plan.hosts:
            _note_lost_default(plan, "requests that no rule answers", overall, book)
        for host in filter(None, plan.hosts):
            owner = owners.setdefault(host, plan)
            if owner is plan:
                by_host[host] = attrs.evolve(plan.default, host=host)
            else:
                _note_lost_default(plan, f"host {host}", owner, book)
    return Defaults(by_host, overall.default if overall is not None else None)


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


def _note_lost(
    loser: tuple[IngressPlan, Claim], winner: tuple[IngressPlan, Claim], book: FindingBook
) -> None:
    plan, claim = loser
    holder, held = winner
    why = _precedence(holder, plan)
    if claim.yields and not held.yields:
        why = "which says Prefix, not ImplementationSpecific"
    what = f"{describe(claim.key)} belongs to {holder.ref}, {why}"
    book.note(plan.ref, "claim_lost", claim.where, what, f"{holder.ref} is served there")


def _note_lost_default(
    loser: IngressPlan, what_for: str, winner: IngressPlan, book: FindingBook
) -> None:
    why = _precedence(winner, loser)
    what = f"{winner.ref}, {why}, already is the default backend for {what_for}"
    answers = f"{winner.ref} answers"
    book.note(loser.ref, "default_backend_lost", "spec.defaultBackend", what, answers)


def _precedence(winner: IngressPlan, loser: IngressPlan) -> str:
    if winner.created == loser.created:
        return "which is first by namespace and name"
    return "which is older"
