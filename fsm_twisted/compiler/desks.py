"""
The tables of a snapshot in which Ingresses meet, kept up to date Ingress by Ingress.

A desk hears of every Ingress that comes, changes or goes, and then settles: its tables are new,
and it says whose findings may be others now.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial

from fsm_twisted.compiler.claims import (
    OVERALL,
    Bid,
    best_claim,
    by_host_and_path,
    claim_bids,
    default_bids,
    default_of,
    oldest,
)
from fsm_twisted.compiler.classes import Age
from fsm_twisted.compiler.client_tls import Vote, deciding, votes_of
from fsm_twisted.compiler.contest import Contest
from fsm_twisted.compiler.draft import Draft
from fsm_twisted.compiler.host_claims import HostBid, host_bids, passed_host
from fsm_twisted.compiler.parts import Part, time_offers, tls_offers
from fsm_twisted.compiler.routes import Claim, ClaimKey
from fsm_twisted.compiler.tls import CertificateTime, TLSEntry, entry_of
from fsm_twisted.objects.inventory import Key
from fsm_twisted.snapshot.model import CertificateEntry, Route, VirtualHost
from fsm_twisted.snapshot.policy import ClientVerification


class HostDesk:
    """
    Paths, default backends, and hosts whose TLS goes through.

    Attributes:
        hosts: See `Snapshot`.
        passthrough: See `Snapshot`.
        default: See `Snapshot`.
    """

    def __init__(self) -> None:
        self._claims: Contest[ClaimKey, Bid[Claim]] = Contest(best_claim)
        self._defaults: Contest[str, Bid[Route]] = Contest(oldest)
        self._owners: Contest[str, HostBid] = Contest(oldest)
        self._held: dict[str, set[ClaimKey]] = {}
        self.hosts: Mapping[str, VirtualHost] = {}
        self.passthrough: Mapping[str, Route] = {}
        self.default: Route | None = None

    @property
    def claims(self) -> Mapping[ClaimKey, Bid[Claim]]:
        """Return who holds which path."""
        return self._claims.holders

    @property
    def defaults(self) -> Mapping[str, Bid[Route]]:
        """Return who holds which default backend."""
        return self._defaults.holders

    @property
    def owners(self) -> Mapping[str, HostBid]:
        """Return who holds which host, of those where TLS may go through."""
        return self._owners.holders

    def hear(self, old: Part | None, new: Part | None) -> None:
        """Take *new* for *old*; None for one that was not there, or is no longer."""
        if old is not None and (new is None or new.age != old.age):
            self._owners.leave(old.age)
            self._claims.leave(old.age)
            self._defaults.leave(old.age)
            old = None
        if new is None:
            return
        plan, before = new.plan, None if old is None else old.plan
        if before is None or before.claims is not plan.claims:
            self._claims.enter(new.age, claim_bids(plan))
        if before is None or (
            (before.default, before.hosts, before.clients)
            != (plan.default, plan.hosts, plan.clients)
        ):
            self._defaults.enter(new.age, default_bids(plan))
        if before is None or (before.passes, before.terminates) != (plan.passes, plan.terminates):
            self._owners.enter(new.age, host_bids(plan))

    def settle(self) -> frozenset[Age]:
        """Make the tables; return who is concerned."""
        claims, defaults = self._claims.settle(), self._defaults.settle()
        owners = self._owners.settle()
        hosts = {host for host in defaults.keys if host != OVERALL}
        hosts |= self._settle_passing(owners.keys)
        for key in claims.keys:
            hosts.add(key[0])
            held = self._held.setdefault(key[0], set())
            if key in self.claims:
                held.add(key)
            else:
                held.discard(key)
        draft = Draft(self.hosts)
        for host in hosts:
            self._settle_host(host, draft)
        self.hosts = draft.table()
        overall = self.defaults.get(OVERALL)
        self.default = None if overall is None else overall.wanted
        return claims.concerned | defaults.concerned | owners.concerned

    def _settle_passing(self, hosts: Iterable[str]) -> set[str]:
        """Make the table of *hosts* whose TLS goes through; return those that came or went."""
        draft, before = Draft(self.passthrough), self.passthrough
        for host in hosts:
            bid = self.owners.get(host)
            if bid is not None and bid.wanted is not None:
                draft.put(host, bid.wanted)
            else:
                draft.drop(host)
        self.passthrough = draft.table()
        return {host for host in hosts if before.get(host) is not self.passthrough.get(host)}

    def _settle_host(self, host: str, draft: Draft[str, VirtualHost]) -> None:
        held = sorted(self._held.get(host, ()), key=by_host_and_path)
        default = default_of(host, self.defaults)
        if not held:
            self._held.pop(host, None)
        routes = tuple(self.claims[key].wanted.route for key in held)
        route = self.passthrough.get(host)
        if route is not None:
            draft.put(host, passed_host(route, routes))
        elif held or default is not None:
            draft.put(host, VirtualHost(host, routes, default))
        else:
            draft.drop(host)


class TLSDesk:
    """
    Certificates and TLS hosts.

    Attributes:
        certificates: See `Snapshot`.
        hosts: ``tls_hosts`` of the `Snapshot`.
        times: See `Compiled`.
    """

    def __init__(self) -> None:
        self._owners: Contest[str, TLSEntry] = Contest(oldest)
        self._times: Contest[Key, CertificateTime] = Contest(oldest)
        self._mentions: Counter[str] = Counter()
        self._mentioned: set[str] = set()
        self.certificates: Mapping[str, CertificateEntry] = {}
        self.hosts: frozenset[str] = frozenset()
        self.times: tuple[CertificateTime, ...] = ()

    @property
    def owners(self) -> Mapping[str, TLSEntry]:
        """Return whose certificate answers, by host."""
        return self._owners.holders

    def hear(self, old: Part | None, new: Part | None) -> None:
        """Take *new* for *old*; None for one that was not there, or is no longer."""
        if old is not None and new is not None and old.tls is new.tls and old.age == new.age:
            return
        if old is not None:
            self._mention(old, -1)
            if new is None or new.age != old.age:
                self._owners.leave(old.age)
                self._times.leave(old.age)
        if new is not None:
            self._mention(new, 1)
            self._owners.enter(new.age, tls_offers(new))
            self._times.enter(new.age, time_offers(new))

    def settle(self) -> frozenset[Age]:
        """Make the tables; return who is concerned."""
        verdict = self._owners.settle()
        draft = Draft(self.certificates)
        for host in verdict.keys:
            if (owner := self.owners.get(host)) is not None:
                draft.put(host, entry_of(owner))
            else:
                draft.drop(host)
        self.certificates = draft.table()
        if self._times.settle().keys:
            times = self._times.holders
            self.times = tuple(times[secret] for secret in sorted(times))
        self._settle_hosts()
        return verdict.concerned

    def _mention(self, part: Part, times: int) -> None:
        for entry in part.tls:
            for host in entry.hosts:
                self._mentions[host] += times
                self._mentioned.add(host)

    def _settle_hosts(self) -> None:
        there = {host for host in self._mentioned if self._mentions[host]}
        gone = self._mentioned - there
        for host in gone:
            del self._mentions[host]
        if not there <= self.hosts or not gone.isdisjoint(self.hosts):
            self.hosts = (self.hosts | there) - gone
        self._mentioned = set()


class ClientDesk:
    """
    Who decides how the clients of a host are verified.

    Args:
        mtls: See `CompilerOptions`.

    Attributes:
        clients: See `Snapshot`.
    """

    def __init__(self, *, mtls: bool) -> None:
        self._votes: Contest[str, Vote] = Contest(partial(deciding, mtls=mtls))
        self.clients: Mapping[str, ClientVerification] = {}

    @property
    def deciders(self) -> Mapping[str, Vote]:
        """Return who decides, by host."""
        return self._votes.holders

    def hear(self, old: Part | None, new: Part | None) -> None:
        """Take *new* for *old*; None for one that was not there, or is no longer."""
        if old is not None and (new is None or new.age != old.age):
            self._votes.leave(old.age)
            old = None
        if new is not None and (old is None or old.plan.clients is not new.plan.clients):
            self._votes.enter(new.age, votes_of(new.plan.ref, new.plan.clients))

    def settle(self) -> frozenset[Age]:
        """Make the table; return who is concerned."""
        verdict = self._votes.settle()
        draft = Draft(self.clients)
        for host in verdict.keys:
            decider = self.deciders.get(host)
            clients = None if decider is None else decider.voice.clients
            if clients is None:
                draft.drop(host)
            else:
                draft.put(host, clients)
        self.clients = draft.table()
        return verdict.concerned
