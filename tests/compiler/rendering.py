"""A compilation as plain YAML: what a reader of the corpus compares by eye."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from fsm_twisted.compiler import Compiled, Finding
from fsm_twisted.snapshot.model import Route, Snapshot, Upstream
from fsm_twisted.snapshot.policy import (
    Balancing,
    ClientVerification,
    PlainAccess,
    Protocol,
    Timeouts,
    UpstreamTls,
)

Plain = str | int | float | None | list["Plain"] | dict[str, "Plain"]


def rendered(compiled: Compiled) -> dict[str, Plain]:
    """Return snapshot and findings as YAML can hold them; empty parts are left out."""
    snapshot = compiled.snapshot
    whole: dict[str, Plain] = {
        "hosts": _hosts(snapshot),
        "default": _route(snapshot.default) if snapshot.default else None,
        "upstreams": {str(key): _upstream(each) for key, each in snapshot.upstreams.items()},
        "tls_hosts": list[Plain](sorted(snapshot.tls_hosts)),
        "passthrough": {host: _route(each) for host, each in snapshot.passthrough.items()},
        "clients": {host: _clients(each) for host, each in snapshot.clients.items()},
        "certificates": dict.fromkeys(snapshot.certificates, "present"),
        "findings": [_finding(each) for each in compiled.findings],
    }
    return {key: value for key, value in whole.items() if value}


def _hosts(snapshot: Snapshot) -> dict[str, Plain]:
    hosts: dict[str, Plain] = {}
    for name, host in snapshot.hosts.items():
        table: dict[str, Plain] = {
            f"{route.match.value} {route.path}": _route(route) for route in host.routes
        }
        if host.default is not None:
            table["default"] = _route(host.default)
        hosts[name or "(every host)"] = table
    return hosts


def _route(route: Route) -> Plain:
    target = f"{route.ingress} -> "
    if route.upstream is not None:
        target = str(route.upstream)
    elif route.refusal is not None:
        target += f"{route.refusal.status} {route.refusal.code}"
    extra: dict[str, Plain] = {"to": target}
    if route.clients is not None:
        extra["only_for"] = _clients(route.clients)
    if route.rewrite is not None:
        extra["rewrite"] = f"{route.rewrite.pattern} => {route.rewrite.template}"
    if route.body_limit_bytes is not None:
        extra["body_limit_bytes"] = route.body_limit_bytes
    if not route.is_logged:
        extra["access_log"] = "off"
    if route.plain is not PlainAccess.DEFAULT:
        extra["plain_http"] = route.plain.value
    return extra if len(extra) > 1 else target


def _clients(clients: ClientVerification) -> Plain:
    size = len(clients.authorities_pem.split(b"BEGIN")) - 1
    return f"{clients.mode.value}, depth {clients.depth}, {size} authorities"


def _upstream(upstream: Upstream) -> Plain:
    whole: dict[str, Plain] = {"endpoints": [str(each) for each in upstream.endpoints]}
    if upstream.balancing != Balancing():
        whole["balancing"] = _plain(attrs.asdict(upstream.balancing))
    if upstream.timeouts != Timeouts():
        whole["timeouts"] = _plain(attrs.asdict(upstream.timeouts))
    if upstream.protocol is not Protocol.HTTP1:
        whole["protocol"] = upstream.protocol.value
    if upstream.tls is not None:
        whole["tls"] = _tls(upstream.tls)
    return whole


def _tls(tls: UpstreamTls) -> Plain:
    words = ["verified" if tls.is_verified else "not verified"]
    words += [f"as {tls.server_name}"] if tls.server_name else ["as the Host"]
    words += ["by a CA of its own"] if tls.authorities_pem else []
    words += ["with a client pair"] if tls.chain_pem else []
    return ", ".join(words)


def _plain(value: object) -> Plain:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Enum):
        return str(value.value)
    assert value is None or isinstance(value, str | int | float)
    return value


def _finding(finding: Finding) -> Plain:
    return {
        "object": str(finding.object),
        "reason": f"{finding.reason.severity.value} {finding.reason.code}",
        "message": finding.message,
        "consequence": finding.consequence,
        "remedy": finding.remedy,
    }
