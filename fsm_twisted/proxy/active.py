"""The snapshot being served, with the tables that requests and handshakes look things up in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from fsm_twisted.message.authority import AuthorityError, parse_authority
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.changes import changes

if TYPE_CHECKING:
    from fsm_twisted.proxy.plain_hosts import PlainHosts
    from fsm_twisted.proxy.runtime import BoundRoute
    from fsm_twisted.routing.paths import PathTable
    from fsm_twisted.routing.router import Router
    from fsm_twisted.snapshot.model import Route, Snapshot
    from fsm_twisted.snapshot.policy import ClientVerification

    KnownHost = tuple[bytes, int, PathTable[BoundRoute]]

T = TypeVar("T")

# A cluster of 10,000 hosts must not read each Host field anew.
REMEMBERED_HOSTS: Final = 32768
REMEMBERED_HOST_BYTES: Final = 80
CARELESS, LOOKED_AT, VERIFIED = range(3)
"""
The care that requests for a host need: none, that of `Active.is_looked_at`, or a look at what the
client has shown, for clients are verified.
"""


class Active:
    """
    The snapshot being served, with the tables built from it.

    ``hosts`` remembers how Host fields were read, see `host_of`, and ``known`` what `known_of`
    says of them; both stay below `REMEMBERED_HOSTS`. ``passthrough`` says where TLS goes unopened,
    ``clients`` whose clients are verified (see `clients_of`), None for nowhere and nobody's.
    """

    __slots__ = (
        "clients",
        "hosts",
        "known",
        "passthrough",
        "plain_hosts",
        "router",
        "snapshot",
        "tls_hosts",
    )

    def __init__(
        self,
        snapshot: Snapshot,
        router: Router[BoundRoute],
        tls_hosts: ServerNames[bool],
        plain_hosts: PlainHosts,
        clients: ServerNames[ClientVerification] | None = None,
    ) -> None:
        self.snapshot = snapshot
        self.router = router
        self.tls_hosts = tls_hosts
        self.plain_hosts = plain_hosts
        self.passthrough: ServerNames[Route] | None = None
        self.clients = clients
        self.hosts: dict[bytes, tuple[bytes, int]] = {}
        self.known: dict[bytes, KnownHost] = {}

    def renewed(
        self, snapshot: Snapshot, router: Router[BoundRoute], plain_hosts: PlainHosts
    ) -> Active:
        """Return what serves *snapshot* by *router*, with the TLS hosts of *snapshot*."""
        before, now = self.snapshot.tls_hosts, snapshot.tls_hosts
        names, clients = self.tls_hosts, self.clients
        if before != now:
            names = names.renewed(dict.fromkeys(now - before, True), before - now)
        verified = changes(self.snapshot.clients, snapshot.clients)
        if verified:
            clients = ServerNames({}) if clients is None else clients
            clients = clients.renewed(verified.changed, verified.gone)
        active = Active(
            snapshot, router, names, plain_hosts, clients if snapshot.clients else None
        )
        if names is self.tls_hosts and plain_hosts is self.plain_hosts and not verified:
            active.hosts = self.hosts  # how a Host field reads depends on nothing else
            if router.has_tables_of(self.router):
                active.known = self.known
        if snapshot.passthrough:
            passed = changes(self.snapshot.passthrough, snapshot.passthrough)
            ways = ServerNames({}) if self.passthrough is None else self.passthrough
            active.passthrough = ways.renewed(passed.changed, passed.gone) if passed else ways
        return active

    def wants_tls(self, host: bytes) -> bool:
        """Tell whether plain HTTP is not what *host* is served by."""
        return self.tls_hosts.covers(host) or self.clients_of(host) is not None

    def clients_of(self, host: bytes) -> ClientVerification | None:
        """
        Return how the clients of *host* are verified, None where they are not.

        A TLS host of its own decides for itself, whatever a wildcard asks.
        """
        clients = self.clients
        return None if clients is None else clients.find_beside(host, self.tls_hosts)

    def _care_for(self, host: bytes) -> int:
        if self.clients_of(host) is not None:
            return VERIFIED
        return LOOKED_AT if self.is_looked_at(host) else CARELESS

    def host_of(self, wire: bytes) -> tuple[bytes, int]:
        """
        Read a Host field: the host as it is matched, and the care that it needs.

        Raises:
            AuthorityError: It is not valid.
        """
        host = parse_authority(wire).host
        found = (host, self._care_for(host))
        _remember(self.hosts, wire, found)
        return found

    def known_if_valid(self, wire: bytes) -> KnownHost | None:
        """Return what `known_of` does, None for a Host field that is not valid."""
        try:
            return self.known_of(wire)
        except AuthorityError:
            return None

    def known_of(self, wire: bytes) -> KnownHost:
        """
        Read a Host field as `host_of` does, and find the table that is asked first for it.

        Raises:
            AuthorityError: It is not valid.
        """
        host, care = self.hosts.get(wire) or self.host_of(wire)
        found = (host, care, self.router.first(host))
        _remember(self.known, wire, found)
        return found

    def way_of(self, server_name: bytes) -> Route | None:
        """
        Return where the TLS of a connection goes unopened, None where it is opened.

        A host with rules or a certificate of its own is opened, whatever a wildcard says.
        """
        ways = self.passthrough
        if ways is None:
            return None
        host = server_name.lower().removesuffix(b".")
        route = ways.find(host)
        if route is None or ways.has_own(host):
            return route
        is_opened = host in self.router.exact or self.tls_hosts.has_own(host)
        return None if is_opened else route

    def is_looked_at(self, host: bytes) -> bool:
        """Tell whether plain HTTP on *host* may be unwelcome, or HTTPS there be due a field."""
        plain_hosts = self.plain_hosts
        if plain_hosts.redirect(host):
            return True
        return plain_hosts.looks_at_tls_hosts and self.tls_hosts.covers(host)


def _remember(memory: dict[bytes, T], wire: bytes, found: T) -> None:
    if len(wire) <= REMEMBERED_HOST_BYTES:
        if len(memory) >= REMEMBERED_HOSTS:
            memory.clear()
        memory[wire] = found
