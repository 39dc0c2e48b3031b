"""What one Ingress contributes; what is as before stays the same objects (`is`)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

import attrs

from fsm_twisted.compiler.claims import OVERALL, Bid
from fsm_twisted.compiler.classes import Age
from fsm_twisted.compiler.host_claims import is_challenge
from fsm_twisted.compiler.routes import Claim, ClaimKey, IngressPlan
from fsm_twisted.compiler.tls import CertificateTime, TLSEntry
from fsm_twisted.objects.model import Ingress
from fsm_twisted.snapshot.identity import UpstreamId
from fsm_twisted.snapshot.model import Route, Upstream

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


@attrs.frozen
class Part:
    """An Ingress of ours, translated by itself."""

    age: Age
    ingress: Ingress
    plan: IngressPlan
    tls: tuple[TLSEntry, ...]


def renewed(old: Part, new: Part) -> Part:
    """Return *new* made of what *old* has, as far as that says the same."""
    tls = old.tls if old.tls == new.tls else new.tls
    return attrs.evolve(new, plan=_renewed_plan(old.plan, new.plan), tls=tls)


def _renewed_plan(old: IngressPlan, new: IngressPlan) -> IngressPlan:
    if old == new:
        return old
    routes = {each.key: each.route for each in old.claims}
    claims = (
        attrs.evolve(each, route=_kept(routes.get(each.key, each.route), each.route))
        for each in new.claims
    )
    return attrs.evolve(
        new,
        claims=merged(old.claims, claims, lambda each: each.key),
        default=_kept(old.default, new.default),
        passes=merged(old.passes, new.passes, lambda each: each.host),
        clients=_kept(old.clients, new.clients),
        upstreams=merged(old.upstreams, new.upstreams, lambda each: each.id),
        findings=merged(old.findings, new.findings, lambda each: each),
    )


def _kept(old: V, new: V) -> V:
    return old if old == new else new


def merged(old: tuple[V, ...], new: Iterable[V], key_of: Callable[[V], K]) -> tuple[V, ...]:
    """Return *new* with the equal values of *old* in it, *old* itself when all are equal."""
    known = {key_of(each): each for each in old}
    return _kept(old, tuple(_kept(known.get(key_of(each), each), each) for each in new))


def tls_offers(part: Part) -> Mapping[str, TLSEntry]:
    """Return the hosts that *part* has a certificate for, its first one each."""
    offers: dict[str, TLSEntry] = {}
    for entry in part.tls:
        for host in entry.hosts if entry.certificate is not None else ():
            offers.setdefault(host, entry)
    return offers


def time_offers(part: Part) -> Mapping[tuple[str, str], CertificateTime]:
    """Return until when the certificates of *part* are valid, by Secret."""
    times = (entry.time for entry in part.tls)
    return {(each.secret.namespace, each.secret.name): each for each in times if each is not None}


def served_upstreams(
    part: Part,
    claims: Mapping[ClaimKey, Bid[Claim]],
    defaults: Mapping[str, Bid[Route]],
    passing: Mapping[str, Route],
) -> Mapping[UpstreamId, Upstream]:
    """Return those upstreams that a route of *part* names which holds its place."""
    plan = part.plan
    routes = [
        each.route
        for each in plan.claims
        if claims[each.key].ref == plan.ref and _is_served(each.route, passing)
    ]
    places = (OVERALL, *(host for host in plan.hosts if host not in passing))
    if plan.default is not None and any(
        bid is not None and bid.ref == plan.ref for bid in map(defaults.get, places)
    ):
        routes.append(plan.default)
    routes += [each for each in plan.passes if passing.get(each.host) == each]
    named = {route.upstream for route in routes}
    return {each.id: each for each in plan.upstreams if each.id in named}


def _is_served(route: Route, passing: Mapping[str, Route]) -> bool:
    owner = passing.get(route.host)
    return owner is None or is_challenge(route, owner)
