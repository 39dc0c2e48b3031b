"""What an Ingress asks for besides its backends, as people read it."""

from __future__ import annotations

from fsm_twisted.admin.documents.world import Json, World, once_a_compilation
from fsm_twisted.routing.paths import as_sent
from fsm_twisted.routing.server_name import ServerNames
from fsm_twisted.snapshot.model import Route, Snapshot, Upstream
from fsm_twisted.snapshot.policy import ClientVerification


class VerifiedHosts:
    """
    Looks up how the clients of hosts are verified, as the data plane does.

    Args:
        snapshot: What is served.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._clients = ServerNames(snapshot.clients)
        self._tls_hosts = ServerNames(dict.fromkeys(snapshot.tls_hosts, True))

    def clients_of(self, host: str) -> ClientVerification | None:
        """Return what clients of *host*, a name or a pattern, must show; None for nothing."""
        return self._clients.find_beside(as_sent(host), self._tls_hosts)


@once_a_compilation
def verified_hosts(world: World) -> VerifiedHosts:
    """Return those of *world*."""
    return VerifiedHosts(world.outcome.snapshot)


def policies_json(
    route: Route, upstream: Upstream | None, clients: ClientVerification | None
) -> Json:
    """
    Tell the policies of a route and its upstream; None stands for the option's value.

    ``clients`` is what clients of the host must show.
    """
    told: Json = {
        "body_limit_bytes": route.body_limit_bytes,
        "access_log": route.is_logged,
        "client_certificates": None
        if clients is None
        else {
            "asked": clients.mode.value,
            "depth": clients.depth,
            "fingerprint": clients.fingerprint,
        },
    }
    if upstream is not None:
        told |= upstream_policies(upstream)
    return told


def upstream_policies(upstream: Upstream) -> Json:
    """Tell how the endpoints of *upstream* are shared out and reached."""
    balancing, timeouts, tls = upstream.balancing, upstream.timeouts, upstream.tls
    hash_by = balancing.hash_by
    return {
        "balancing": balancing.algorithm.value,
        "hash_by": f"{hash_by.source.value}:{hash_by.name}"
        if hash_by.name
        else hash_by.source.value,
        "affinity": balancing.affinity.value,
        "connect_seconds": timeouts.connect_seconds,
        "read_seconds": timeouts.read_seconds,
        "send_seconds": timeouts.send_seconds,
        "protocol": upstream.protocol.value,
        "tls": None
        if tls is None
        else {
            "verified": tls.is_verified,
            "server_name": tls.server_name,
            "has_authorities": bool(tls.authorities_pem),
            "shows_certificate": bool(tls.chain_pem),
        },
    }
