"""
The snapshot: one immutable configuration of the data plane, with a generation number.

Made by `compiler.compile_snapshot` only. Mappings are never changed after construction; a swap is
one assignment of a new snapshot, and a request keeps the one that it started with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

import attrs

from fsm_twisted.snapshot.identity import Endpoint, IngressId, UpstreamId
from fsm_twisted.snapshot.policy import (
    Balancing,
    ClientVerification,
    PlainAccess,
    Protocol,
    Timeouts,
    UpstreamTls,
)
from fsm_twisted.snapshot.reasons import ReplyReason
from fsm_twisted.snapshot.rewrite import Rewrite


class Match(Enum):
    """How a route's path is compared; ImplementationSpecific has become PREFIX by now."""

    EXACT = "exact"
    PREFIX = "prefix"


@attrs.frozen
class Upstream:
    """
    A named set of endpoints with its policy.

    ``endpoints`` are those that may be picked, sorted, without duplicates: the ready ones, or the
    serving terminating ones when no other is left. Empty is an ordinary outcome (503).
    ``tls`` is None for plain connections.
    """

    id: UpstreamId
    endpoints: tuple[Endpoint, ...] = ()
    balancing: Balancing = Balancing()
    timeouts: Timeouts = Timeouts()
    protocol: Protocol = Protocol.HTTP1
    tls: UpstreamTls | None = None


@attrs.frozen
class Route:
    """
    One path of one host, or a default backend.

    ``host`` is lower-case, ``""`` for any host, ``*.`` in front for one label. ``path`` begins
    with ``/``; a PREFIX path has no trailing slash but for the root, which is ``/`` itself.
    ``upstream`` is None when the route cannot be served; ``refusal`` then says why (its status and
    code are the answer). ``body_limit_bytes`` is None for the option's limit, 0 for none.
    ``is_logged`` says whether its requests are for the access log, ``plain`` what becomes of those
    that do not come by TLS. ``clients`` is the verification that its Ingress asks for: it is
    served only where `Snapshot.clients` has that for its host.
    """

    ingress: IngressId
    host: str
    path: str
    match: Match
    upstream: UpstreamId | None
    refusal: ReplyReason | None = None
    rewrite: Rewrite | None = None
    body_limit_bytes: int | None = None
    is_logged: bool = True
    plain: PlainAccess = PlainAccess.DEFAULT
    clients: ClientVerification | None = None


@attrs.frozen
class VirtualHost:
    """
    The routes of one host pattern.

    ``routes`` are sorted, one for each (path, match). ``default`` answers what none of the
    host's paths matches: the ``defaultBackend`` of the oldest Ingress that has a rule for this
    host and a default backend. It is asked after *all* host levels (D7). Rules without host own
    none, so the table of ``""`` has no default: `Snapshot.default` is theirs.
    """

    host: str
    routes: tuple[Route, ...] = ()
    default: Route | None = None

    def all_routes(self) -> tuple[Route, ...]:
        """Return the routes and the default."""
        return self.routes if self.default is None else (*self.routes, self.default)


@attrs.frozen
class CertificateEntry:
    """
    A chain and key that may answer a server name.

    ``chain_pem`` is the leaf followed by its intermediates; ``fingerprint`` identifies chain and
    key together (SHA-256, hexadecimal), so that an unchanged entry keeps its TLS context.
    """

    fingerprint: str
    chain_pem: bytes = attrs.field(repr=False)
    key_pem: bytes = attrs.field(repr=False)


@attrs.frozen
class Snapshot:
    """
    Everything that the data plane needs to know.

    ``hosts`` is keyed by host pattern (``""`` for host-less rules). ``certificates`` is keyed by
    the server name pattern of ``spec.tls`` (exact or ``*.``). ``tls_hosts`` are the patterns for
    which plain HTTP is redirected, refused or served as the option says, whether or not their
    Secret could be used. ``default`` is the oldest claimant of ``defaultBackend``, for everything
    that no route and no host's own default answers. ``passthrough`` is keyed by server name
    pattern: where the TLS of a host goes, unopened; such a host has one more route, which refuses
    requests that come in another way. ``clients`` says of host patterns (exact or ``*.``) that
    their clients are verified, and how.
    """

    generation: int = 0
    hosts: Mapping[str, VirtualHost] = attrs.field(factory=dict)
    upstreams: Mapping[UpstreamId, Upstream] = attrs.field(factory=dict)
    certificates: Mapping[str, CertificateEntry] = attrs.field(factory=dict)
    tls_hosts: frozenset[str] = frozenset()
    default: Route | None = None
    passthrough: Mapping[str, Route] = attrs.field(factory=dict)
    clients: Mapping[str, ClientVerification] = attrs.field(factory=dict)

    def routes(self) -> Iterator[Route]:
        """Go through all routes: of hosts, of default backends, and of TLS that goes through."""
        for host in self.hosts.values():
            yield from host.all_routes()
        if self.default is not None:
            yield self.default
        yield from self.passthrough.values()


EMPTY = Snapshot()
