"""Who asked for what, and who has got it: every path that an Ingress wants, with its fate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

import attrs

from fsm_twisted.compiler.claims import OVERALL, Bid, default_bids
from fsm_twisted.compiler.host_claims import HostBid
from fsm_twisted.compiler.parts import Part
from fsm_twisted.compiler.passthrough import Place, roots
from fsm_twisted.compiler.paths import normal_path
from fsm_twisted.compiler.routes import Claim, ClaimKey
from fsm_twisted.compiler.tls import TLSEntry
from fsm_twisted.objects.inventory import Key
from fsm_twisted.objects.model import Backend, IngressPath, ObjectRef, PathType
from fsm_twisted.snapshot.model import Match, Route


class Fate(Enum):
    """What has become of a path that an Ingress wants."""

    HELD = "held"
    """There is a route for it, which may answer with an error all the same."""
    LOST = "lost"
    """Another Ingress has it."""
    REPEATED = "repeated"
    """Another rule of the same Ingress has it."""
    UNUSABLE = "unusable"
    """It cannot be matched at all."""


@attrs.frozen
class Wish:
    """
    One path, or default backend, that an Ingress of ours wants.

    ``where`` is its field in the Ingress; ``path_type`` is as written, None for a default
    backend, whose ``host`` is the one that it is the default of (``""``: everything else).
    ``route`` is what it comes to, None when it is unusable; ``holder`` is who has the place, and
    ``holder_where`` the field there.
    """

    ref: ObjectRef
    where: str
    host: str
    path: str
    path_type: PathType | None
    backend: Backend
    fate: Fate
    route: Route | None
    holder: ObjectRef | None
    holder_where: str


@attrs.frozen
class Standing:
    """
    The state of all contests as of the last compilation; true until the next one.

    ``parts`` are our Ingresses by namespace and name; ``claims``, ``defaults`` and ``owners``
    say who has which path, default backend and certificate. ``hosts`` says whose a host is where
    TLS may go through.
    """

    parts: Mapping[Key, Part]
    claims: Mapping[ClaimKey, Bid[Claim]]
    defaults: Mapping[str, Bid[Route]]
    hosts: Mapping[str, HostBid]
    owners: Mapping[str, TLSEntry]

    def wishes(self) -> Iterator[Wish]:
        """Return what all Ingresses want, the oldest Ingress first, in the order of its fields."""
        for part in sorted(self.parts.values(), key=lambda each: each.age):
            yield from self.wishes_of(part)

    def wishes_of(self, part: Part) -> Iterator[Wish]:
        """Return what one Ingress wants, in the order of its fields."""
        own = {claim.key: claim for claim in part.plan.claims}
        passed = {route.host: route for route in part.plan.passes}
        chosen = roots(part.ingress) if passed else {}
        for where, host, path in part.ingress.paths():
            if host in passed:
                yield self._passed(part, passed[host], path, where, chosen.get(host))
            else:
                yield self._path(part, own, host, path, where)
        yield from self._defaults(part)

    def _path(
        self,
        part: Part,
        own: Mapping[ClaimKey, Claim],
        host: str,
        path: IngressPath,
        where: str,
    ) -> Wish:
        match = Match.EXACT if path.path_type is PathType.EXACT else Match.PREFIX
        key = (host, normal_path(path.path, path.path_type), match)
        claim, ref = own.get(key), part.plan.ref
        fate, route, holder, holder_where = Fate.UNUSABLE, None, None, ""
        if claim is not None:
            held = self.claims[key]
            fate = Fate.HELD if held.ref == ref else Fate.LOST
            if fate is Fate.HELD and claim.where != where:
                fate = Fate.REPEATED
            route, holder, holder_where = claim.route, held.ref, held.wanted.where
            if (passing := self._passes(host)) is not None:
                fate, holder, holder_where = Fate.LOST, passing, ""
        return Wish(
            ref, where, host, path.path, path.path_type, path.backend, fate, route, holder,
            holder_where,
        )  # fmt: skip

    def _passes(self, host: str) -> ObjectRef | None:
        """Return to whom TLS of *host* goes through, None where it is opened."""
        owner = self.hosts.get(host)
        return None if owner is None or owner.wanted is None else owner.ref

    def _passed(
        self, part: Part, route: Route, path: IngressPath, where: str, root: Place | None
    ) -> Wish:
        """Tell a path of a host whose TLS is to go through: only ``/`` means anything there."""
        owner, ref = self.hosts[route.host], part.plan.ref
        fate, holder_where = Fate.UNUSABLE, ""
        if path.path == "/":
            fate = Fate.HELD if owner.ref == ref else Fate.LOST
            if fate is Fate.HELD and root is not None and root.where != where:
                fate, holder_where = Fate.REPEATED, root.where
        return Wish(
            ref, where, route.host, path.path, path.path_type, path.backend, fate, route,
            owner.ref, holder_where,
        )  # fmt: skip

    def _defaults(self, part: Part) -> Iterator[Wish]:
        backend, ref = part.ingress.default_backend, part.plan.ref
        where = part.ingress.default_where
        if backend is None:
            return
        chosen = roots(part.ingress) if part.plan.passes else {}
        for route in part.plan.passes:
            if route.host not in chosen:
                owner = self.hosts[route.host]
                fate = Fate.HELD if owner.ref == ref else Fate.LOST
                yield Wish(ref, where, route.host, "/", None, backend, fate, route, owner.ref, "")
        hosts = part.plan.hosts
        for host, bid in default_bids(part.plan).items():
            held = self.defaults[host]
            if host == OVERALL and held.ref != ref and hosts and "" not in hosts:
                continue  # it has hosts of its own, and wants nothing else
            fate = Fate.HELD if held.ref == ref else Fate.LOST
            if self._passes(host) is not None:
                fate = Fate.LOST
            holder = self.parts[(held.ref.namespace, held.ref.name)]
            yield Wish(
                ref, where, host, "/", None, backend, fate, bid.wanted, held.ref,
                holder.ingress.default_where,
            )  # fmt: skip
