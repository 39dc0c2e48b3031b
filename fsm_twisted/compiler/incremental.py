"""
The compiler with a memory: after a small change of the inventory, little is compiled anew.

`compile_snapshot` says what the result is. This one comes to the same, and besides keeps
everything that has not changed as the same objects, so that whoever comes after it (the wire, the
tables of the workers) finds a few changes among thousands by comparing identities.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from datetime import datetime
from operator import is_
from typing import TypeVar

from fsm_twisted.compiler.claims import note_lost_claims, note_lost_defaults
from fsm_twisted.compiler.classes import Age, age_of, is_ours, note_unclaimed
from fsm_twisted.compiler.client_tls import note_clients
from fsm_twisted.compiler.compile import Compiled
from fsm_twisted.compiler.desks import ClientDesk, HostDesk, TLSDesk
from fsm_twisted.compiler.draft import Draft
from fsm_twisted.compiler.findings import Finding, FindingBook, Place, place_of
from fsm_twisted.compiler.host_claims import note_lost_hosts, tls_hosts
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.ordered import Ordered
from fsm_twisted.compiler.parts import Part, merged, renewed, served_upstreams
from fsm_twisted.compiler.reads import Read, Reads, watched
from fsm_twisted.compiler.routes import plan_ingress
from fsm_twisted.compiler.standing import Standing
from fsm_twisted.compiler.tls import next_doubt, note_tls, tls_entries
from fsm_twisted.compiler.upstreams import BackendResolver, EndpointMemory, Slices
from fsm_twisted.objects.inventory import Inventory, Key
from fsm_twisted.objects.model import Ingress
from fsm_twisted.snapshot.changes import Changes, changes
from fsm_twisted.snapshot.identity import UpstreamId
from fsm_twisted.snapshot.model import Snapshot, Upstream

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Compiler:
    """
    Compiles one inventory after the other.

    Args:
        options: Which classes and annotations are ours.
        generation: What the next snapshot's is counted from.

    Attributes:
        translations: How often an Ingress has been translated since the start.
    """

    def __init__(self, options: CompilerOptions, generation: int = 0) -> None:
        self._options = options
        self._snapshot = Snapshot(generation)
        self._is_new = True
        self._inventory = Inventory()
        self._memory = EndpointMemory()
        self._reads = Reads()
        self._parts: dict[Key, Part] = {}
        self._ours: Ordered[Age, Ingress] = Ordered()
        self._hosts = HostDesk()
        self._tls = TLSDesk()
        self._clients = ClientDesk(mtls=options.mtls)
        self._served: dict[Key, Mapping[UpstreamId, Upstream]] = {}
        self._told: dict[Key, tuple[Finding, ...]] = {}
        self._findings: Ordered[tuple[Place, Key], Finding] = Ordered()
        self._calm: tuple[datetime, datetime | None] | None = None
        self.translations = 0

    def compile(self, inventory: Inventory, *, now: datetime) -> Compiled:
        """
        Translate all objects, as `compile_snapshot` does, which see.

        The snapshot is that of before when it says the same, else its generation is the next
        one; so is every table in it, every host, upstream and finding. The order of mappings
        means nothing.

        Args:
            inventory: Every object known; the work is little when it shares most of its objects,
                and the mappings of kinds without a change, with the one before.
            now: Aware time, for certificates that expire.
        """
        stale, suspects = self._touched(inventory)
        self._inventory = inventory
        concerned = {key for key in suspects if self._renew(key, is_stale=key in stale)}
        ages = self._hosts.settle() | self._tls.settle() | self._clients.settle()
        concerned.update((namespace, name) for _, _, namespace, name in ages)
        concerned.update(self._in_doubt(now, concerned))
        upstreams = Draft(self._snapshot.upstreams)
        for key in concerned:
            self._serve(key, upstreams)
            self._tell(key, now)
        self._snapshot = self._next_snapshot(upstreams.table())
        return Compiled(
            self._snapshot, self._findings.whole(), self._tls.times, self._ours.whole()
        )

    @property
    def standing(self) -> Standing:
        """Return who asked for what and who has got it, as of the last `compile`."""
        desk = self._hosts
        return Standing(self._parts, desk.claims, desk.defaults, desk.owners, self._tls.owners)

    # Which Ingresses to look at

    def _touched(self, inventory: Inventory) -> tuple[set[Key], set[Key]]:
        """Return who must be translated again, and who may be ours, or no longer, besides."""
        before, readers = self._inventory, self._reads.readers
        stale = _keys(changes(before.ingresses, inventory.ingresses))
        stale |= readers("ingresses", stale)
        stale |= readers("services", _keys(changes(before.services, inventory.services)))
        stale |= readers("secrets", _keys(changes(before.secrets, inventory.secrets)))
        if "slices" in self._reads.fields:
            stale |= readers("slices", _keys(changes(before.slices, inventory.slices)))
        stale |= readers("slices_by_service", self._regrouped(inventory))
        classes = _keys(changes(before.classes, inventory.classes))
        stale |= readers("classes", classes)
        if not classes:
            return stale, stale
        return stale, {*stale, *before.ingresses, *inventory.ingresses}

    def _regrouped(self, inventory: Inventory) -> list[Key]:
        """Return the Services whose slices are others than before."""
        old = self._inventory.slices_by_service
        changed = changes(old, inventory.slices_by_service)
        for service in changed.gone:
            self._memory.forget(service)
        groups = changed.changed.items()
        return [
            *(key for key, group in groups if not _is_same(old.get(key, ()), group)),
            *changed.gone,
        ]

    def _renew(self, key: Key, *, is_stale: bool) -> bool:
        """Translate an Ingress if it is ours; return whether it is another one than before."""
        ingress, old = self._inventory.ingresses.get(key), self._parts.get(key)
        new = None
        if ingress is not None and is_ours(ingress, self._inventory.classes, self._options):
            if old is not None and not is_stale:
                return False
            new = self._translate(key, ingress, old)
        if old is not None and (new is None or new.age != old.age):
            self._ours.drop(old.age)
        if new is None:
            self._reads.note(key, frozenset())
            self._parts.pop(key, None)
        else:
            self._ours.put(new.age, new.ingress)
            self._parts[key] = new
        self._hosts.hear(old, new)
        self._tls.hear(old, new)
        self._clients.hear(old, new)
        return True

    def _translate(self, key: Key, ingress: Ingress, old: Part | None) -> Part:
        self.translations += 1
        seen: set[Read] = set()
        view = watched(self._inventory, seen)
        plan = plan_ingress(ingress, BackendResolver(view, self._memory), self._options)
        part = Part(age_of(ingress), ingress, plan, tls_entries(ingress, view))
        self._reads.note(key, frozenset(seen))
        return part if old is None else renewed(old, part)

    def _in_doubt(self, now: datetime, concerned: set[Key]) -> set[Key]:
        """Return whose certificates may have expired since, or have become valid."""
        parts = self._parts
        if self._calm is not None:
            since, until = self._calm
            if since <= now and (until is None or now < until):
                fresh = [entry for key in concerned if key in parts for entry in parts[key].tls]
                if fresh:
                    # What is said of these is said of now: no earlier moment is calm any more.
                    ends = (each for each in (until, next_doubt(fresh, now)) if each)
                    self._calm = (now, min(ends, default=None))
                return set()
        doubts = {key: next_doubt(part.tls, now) for key, part in parts.items() if part.tls}
        self._calm = (now, min((each for each in doubts.values() if each), default=None))
        return set(doubts)

    # What comes of it

    def _serve(self, key: Key, upstreams: Draft[UpstreamId, Upstream]) -> None:
        part = self._parts.get(key)
        before = self._served.pop(key, {})
        served: Mapping[UpstreamId, Upstream] = {}
        if part is not None:
            desk = self._hosts
            served = served_upstreams(part, desk.claims, desk.defaults, desk.passthrough)
            self._served[key] = served
        for upstream_id in before.keys() - served.keys():
            upstreams.drop(upstream_id)
        for upstream_id, upstream in served.items():
            upstreams.put(upstream_id, upstream)

    def _tell(self, key: Key, now: datetime) -> None:
        before = self._told.pop(key, ())
        found = merged(before, self._findings_of(key, now), lambda each: each)
        if found:
            self._told[key] = found
        if found is before:
            return
        for finding in before:
            self._findings.drop((place_of(finding), key))
        for finding in found:
            self._findings.put((place_of(finding), key), finding)

    def _findings_of(self, key: Key, now: datetime) -> tuple[Finding, ...]:
        part, ingress = self._parts.get(key), self._inventory.ingresses.get(key)
        book = FindingBook()
        if part is None:
            if ingress is not None:
                note_unclaimed(ingress, self._inventory.classes, self._options, book)
            return book.findings()
        desk = self._hosts
        note_lost_claims(part.plan, desk.claims, desk.passthrough, book)
        note_lost_defaults(part.plan, desk.defaults, desk.passthrough, book)
        note_lost_hosts(part.plan, desk.owners, book)
        note_clients(part.plan.ref, part.plan.clients, self._clients.deciders, self._options, book)
        note_tls(part.tls, self._tls.owners, now, book)
        return (*part.plan.findings, *book.findings())

    def _next_snapshot(self, upstreams: Mapping[UpstreamId, Upstream]) -> Snapshot:
        before, hosts, tls = self._snapshot, self._hosts, self._tls
        secure = tls_hosts(tls.hosts, hosts.passthrough) if hosts.passthrough else tls.hosts
        if secure is not before.tls_hosts and secure == before.tls_hosts:
            secure = before.tls_hosts
        if (
            not self._is_new
            and hosts.hosts is before.hosts
            and upstreams is before.upstreams
            and tls.certificates is before.certificates
            and secure is before.tls_hosts
            and hosts.passthrough is before.passthrough
            and hosts.default == before.default
            and self._clients.clients is before.clients
        ):
            return before
        self._is_new = False
        return Snapshot(
            before.generation + 1,
            hosts.hosts,
            upstreams,
            tls.certificates,
            secure,
            hosts.default,
            hosts.passthrough,
            self._clients.clients,
        )


def _keys(changed: Changes[K, V]) -> set[K]:
    return {*changed.changed, *changed.gone}


def _is_same(old: Slices, new: Slices) -> bool:
    return len(old) == len(new) and all(map(is_, old, new))
