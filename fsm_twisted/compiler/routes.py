"""What one Ingress asks for: claims of host and path, a default backend, upstreams."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import attrs

from fsm_twisted.compiler.client_tls import Voice, voices
from fsm_twisted.compiler.findings import Finding, FindingBook
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.compiler.passthrough import passing_backends
from fsm_twisted.compiler.paths import normal_path, path_fault
from fsm_twisted.compiler.policies import Policy, read_policy
from fsm_twisted.compiler.upstreams import BackendFault, BackendResolver, ResolvedBackend
from fsm_twisted.objects.model import (
    Backend,
    Ingress,
    IngressPath,
    ObjectRef,
    PathType,
    ref_of,
)
from fsm_twisted.objects.names import shown
from fsm_twisted.snapshot.identity import IngressId, UpstreamId
from fsm_twisted.snapshot.model import Match, Route, Upstream
from fsm_twisted.snapshot.reasons import REPLIES

_PATH_REMEDY: Final = (
    "write the path as requests have it: '/' first, visible ASCII, without '?', '#', '//' and "
    "segments of dots"
)

_SILENT: Final = Voice()

ClaimKey = tuple[str, str, Match]
"""Host, path and match: what only one Ingress can have."""


@attrs.frozen
class Claim:
    """
    A route that an Ingress wants; ``where`` is the field that says so.

    ``yields``: its type is ImplementationSpecific, so a Prefix of the same path comes first.
    """

    route: Route
    backend: Backend
    where: str
    yields: bool

    @property
    def key(self) -> ClaimKey:
        """Return what is claimed."""
        return (self.route.host, self.route.path, self.route.match)


@attrs.frozen
class IngressPlan:
    """
    What one Ingress asks for, before others are heard.

    ``created`` is ``creationTimestamp``, maybe empty.
    ``claims`` have different keys; ``hosts`` are those of all rules, with and without paths;
    ``default`` has no host yet, and ``default_where`` is the field that says it; ``upstreams`` are
    those that claims, default and passes name.
    ``passes`` are routes, one for each host, of TLS that goes through; ``terminates`` are the
    other hosts of the Ingress, as far as that matters to Ingresses with such ones.
    ``clients`` is what it says of the clients of its hosts, see `client_tls.voices`.
    """

    ref: ObjectRef
    created: str
    claims: tuple[Claim, ...]
    hosts: tuple[str, ...]
    default: Route | None
    upstreams: tuple[Upstream, ...]
    findings: tuple[Finding, ...]
    passes: tuple[Route, ...] = ()
    terminates: tuple[str, ...] = ()
    clients: Mapping[str, Voice] = attrs.field(factory=dict)
    default_where: str = ""


def plan_ingress(
    ingress: Ingress, resolver: BackendResolver, options: CompilerOptions
) -> IngressPlan:
    """Translate *ingress* alone; depends on it and on the Services that it names only."""
    return _Translation(ingress, resolver, options).plan()


class _Translation:
    """The work on one Ingress: its policy, its upstreams so far, its findings so far."""

    def __init__(
        self, ingress: Ingress, resolver: BackendResolver, options: CompilerOptions
    ) -> None:
        self._ingress = ingress
        self._ref = ref_of(ingress)
        self._id = IngressId(ingress.metadata.namespace, ingress.metadata.name)
        self._resolver = resolver
        self._book = FindingBook()
        self._options = options
        self._policy: Policy = read_policy(ingress, options, resolver.secret, self._book)
        self._clients = voices(ingress, self._policy.clients, resolver.secret, options, self._book)
        self._upstreams: dict[UpstreamId, Upstream] = {}

    def plan(self) -> IngressPlan:
        passes = self._passes()
        passed = {route.host for route in passes}
        claims = self._claims(passed)
        default, backend = None, self._ingress.default_backend
        if backend is not None and not passes:
            default = self._route("", "/", Match.PREFIX, backend, self._ingress.default_where)
        return IngressPlan(
            self._ref,
            self._ingress.metadata.created,
            claims,
            tuple(dict.fromkeys(rule.host for rule in self._ingress.rules)),
            default,
            tuple(self._upstreams.values()),
            self._book.findings(),
            passes,
            self._terminates(passed),
            self._clients,
            self._ingress.default_where,
        )

    def _passes(self) -> tuple[Route, ...]:
        """Return the routes of hosts whose TLS goes through; a fault refuses all the Ingress."""
        policy = self._policy
        if not policy.passes_tls or policy.is_refused:
            return ()
        backends = passing_backends(self._ingress, self._book)
        if backends is None:
            self._policy = attrs.evolve(policy, is_refused=True)
            return ()
        return tuple(
            self._route(host, "/", Match.PREFIX, each.backend, each.where)
            for host, each in backends.items()
        )

    def _terminates(self, passed: Collection[str]) -> tuple[str, ...]:
        if not self._options.passes_tls:
            return ()
        ingress = self._ingress
        named = [rule.host for rule in ingress.rules]
        named += [host.lower() for tls in ingress.tls for host in tls.hosts]
        return tuple(host for host in dict.fromkeys(named) if host and host not in passed)

    def _claims(self, passed: Collection[str]) -> tuple[Claim, ...]:
        claims: dict[ClaimKey, Claim] = {}
        for where, host, path in self._ingress.paths():
            claim = None if host in passed else self._claim(host, path, where)
            if claim is None:
                continue
            other = claims.setdefault(claim.key, claim)
            if other.yields and not claim.yields:
                claims[claim.key] = claim
                self._note_repeated(claim, other)
            elif other is not claim:
                self._note_repeated(other, claim)
        return tuple(claims.values())

    def _claim(self, host: str, path: IngressPath, where: str) -> Claim | None:
        if fault := path_fault(path.path):
            what = f"path {shown(path.path)} cannot be used: {fault}"
            left_out = "the path is left out"
            self._book.note(self._ref, "path_invalid", where, what, left_out, _PATH_REMEDY)
            return None
        match = Match.EXACT if path.path_type is PathType.EXACT else Match.PREFIX
        wanted = normal_path(path.path, path.path_type)
        route = self._route(host, wanted, match, path.backend, where)
        yields = path.path_type is PathType.IMPLEMENTATION_SPECIFIC
        return Claim(route, path.backend, where, yields)

    def _route(self, host: str, path: str, match: Match, backend: Backend, where: str) -> Route:
        resolved = self._resolver.resolve(self._id.namespace, backend)
        if isinstance(resolved, BackendFault):
            consequence = self._unserved("no_service")
            self._book.note(self._ref, resolved.code, where, resolved.what, consequence)
        elif not resolved.endpoints:
            self._note_no_endpoints(resolved, where)
        policy = self._policy
        upstream, refusal = None, None
        if policy.is_refused:
            refusal = REPLIES["unprotected"]
        elif isinstance(resolved, BackendFault):
            refusal = REPLIES["no_service"]
        else:
            upstream = self._upstream(resolved)
        return Route(
            self._id,
            host,
            path,
            match,
            upstream,
            refusal,
            policy.rewrite,
            policy.body_limit_bytes,
            policy.is_logged,
            policy.plain,
            self._clients.get(host, _SILENT).clients,
        )

    def _upstream(self, resolved: ResolvedBackend) -> UpstreamId:
        upstream_id = UpstreamId(self._id, resolved.service_port)
        upstream = self._upstreams.get(upstream_id)
        if upstream is None:
            policy = self._policy
            upstream = self._upstreams[upstream_id] = Upstream(
                upstream_id,
                resolved.endpoints,
                policy.balancing,
                policy.timeouts,
                policy.protocol,
                policy.tls,
            )
        return upstream.id  # one object for all routes

    def _note_no_endpoints(self, resolved: ResolvedBackend, where: str) -> None:
        what = f"Service {resolved.service_port} has no ready endpoint"
        consequence = self._unserved("no_endpoints")
        self._book.note(self._ref, "no_endpoints", where, what, consequence)

    def _unserved(self, code: str) -> str:
        if self._policy.passes_tls:
            return f"connections for it are closed ({code})"
        return f"requests for it are answered with 503 ({code})"

    def _note_repeated(self, winner: Claim, loser: Claim) -> None:
        same_port = winner.route.upstream is not None and winner.route == loser.route
        if same_port or winner.backend == loser.backend:
            return
        what = f"{winner.where} has the same {describe(loser.key)}"
        served = f"{winner.where} is served"
        self._book.note(self._ref, "claim_repeated", loser.where, what, served)


def describe(key: ClaimKey) -> str:
    """Return what is claimed, for people."""
    host, path, match = key
    whose = f"host {host}" if host else "every host"
    return f"{match.value} path {shown(path)} of {whose}"
