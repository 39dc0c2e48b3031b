"""What an Ingress asks for besides its backends, as people read it."""

from __future__ import annotations

from fsm_twisted.admin.documents.world import Json
from fsm_twisted.snapshot.model import Route, Upstream


def policies_json(route: Route, upstream: Upstream | None) -> Json:
    """Tell the policies of a route and its upstream; None stands for the option's value."""
    told: Json = {
        "body_limit_bytes": route.body_limit_bytes,
        "access_log": route.is_logged,
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
