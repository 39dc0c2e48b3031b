"""
Snapshots as bytes, for the way from the master to its workers: whole, or what has changed.

One format for both: lines of JSON. The first is a list of the version, the base's generation
(null: nothing is presupposed), the new generation and what is set and removed, but for hosts and
upstreams: of them it says how many there are, and each has a line behind it. So no more than one
is ever read at a time, and reading a hundred thousand routes leaves no hole in memory. Rows are
lists without names, because ten thousand hosts travel. A reason travels by its code, the rest by
value.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from io import BytesIO
from itertools import islice
from typing import Any, Final, TypeVar

from fsm_twisted.snapshot.changes import changes
from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import (
    EMPTY,
    CertificateEntry,
    Match,
    Route,
    Snapshot,
    Upstream,
    VirtualHost,
)
from fsm_twisted.snapshot.policy import (
    Affinity,
    Algorithm,
    Balancing,
    ClientVerification,
    HashBy,
    HashSource,
    PlainAccess,
    Protocol,
    Timeouts,
    UpstreamTls,
    VerifyClient,
)
from fsm_twisted.snapshot.reasons import REPLIES
from fsm_twisted.snapshot.rewrite import Rewrite

VERSION: Final = 5

_NO_BALANCING: Final = Balancing()
_NO_TIMEOUTS: Final = Timeouts()

K = TypeVar("K")
V = TypeVar("V")
Row = list[Any]


class WireError(Exception):
    """Bytes that make no snapshot, or not from this base; the text says which."""


def encode_full(snapshot: Snapshot) -> bytes:
    """Write the whole of *snapshot*."""
    return _encode(None, EMPTY, snapshot)


def encode_delta(old: Snapshot, new: Snapshot) -> bytes:
    """Write what makes *new* out of *old*: only hosts, upstreams and so on that differ."""
    return _encode(old.generation, old, new)


def apply(base: Snapshot | None, data: bytes) -> Snapshot:
    """
    Return the snapshot that *data* makes out of *base*; what has not changed is shared with it.

    Args:
        base: What is served now; a whole snapshot does not look at it.
        data: From `encode_full` or `encode_delta` of the same program.

    Raises:
        WireError: *data* is of another version, starts from another generation than that of
            *base*, or is nothing that this module has written.
    """
    try:
        rows = (json.loads(line.decode("utf-8", "surrogatepass")) for line in BytesIO(data))
        version, since, *rest = next(rows, [])
        if version != VERSION:
            raise WireError(f"wire format {version!r}, not {VERSION}")
        return _Decoder(_base(base, since), rows).snapshot(*rest)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        # Shown to nobody: the bytes hold private keys.
        raise WireError("no snapshot of this wire format") from None


def _base(base: Snapshot | None, since: int | None) -> Snapshot:
    if since is None:
        return EMPTY
    if base is None or base.generation != since:
        have = "none" if base is None else base.generation
        raise WireError(f"changes since generation {since!r}, but {have} is here")
    return base


# Writing


def _encode(since: int | None, old: Snapshot, new: Snapshot) -> bytes:
    names, names_gone = _changes(old.certificates, new.certificates)
    known = {entry.fingerprint for entry in old.certificates.values()} if names else set()
    upstreams, upstreams_gone = _changes(old.upstreams, new.upstreams)
    hosts, hosts_gone = _changes(old.hosts, new.hosts)
    clients, clients_gone = _changes(old.clients, new.clients)
    passing, passing_gone = _changes(old.passthrough, new.passthrough)
    routes = [
        *(route for host in hosts.values() for route in host.all_routes()),
        *passing.values(),
        new.default,
    ]
    asked = (*clients.values(), *(each.clients for each in routes if each))
    parts = [
        VERSION,
        since,
        new.generation,
        len(hosts),
        hosts_gone,
        len(upstreams),
        [_upstream_id_row(each) for each in upstreams_gone],
        {
            # Chains and keys are ASCII in practice; latin-1 gives back any bytes.
            entry.fingerprint: [entry.chain_pem.decode("latin-1"), entry.key_pem.decode("latin-1")]
            for entry in names.values()
            if entry.fingerprint not in known
        },
        {name: entry.fingerprint for name, entry in names.items()},
        names_gone,
        *_set_changes(old.tls_hosts, new.tls_hosts),
        # [] says that it stays.
        [] if new.default == old.default else [_route_row_or_none(new.default)],
        [[pattern, _route_row(route)] for pattern, route in passing.items()],
        passing_gone,
        # Many upstreams share one: each travels once.
        {each.tls.fingerprint: _tls_row(each.tls) for each in upstreams.values() if each.tls},
        {each.fingerprint: _clients_row(each) for each in asked if each},
        {pattern: each.fingerprint for pattern, each in clients.items()},
        clients_gone,
    ]
    host_rows = ([pattern, _host_row(host)] for pattern, host in hosts.items())
    upstream_rows = (_upstream_row(upstream) for upstream in upstreams.values())
    return b"\n".join([_line(parts), *map(_line, host_rows), *map(_line, upstream_rows)])


def _line(row: Row) -> bytes:
    return _ENCODER.encode(row).encode("utf-8", "surrogatepass")


# Not ASCII only: a lone surrogate in a name survives, and so do two in a row.
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def _changes(old: Mapping[K, V], new: Mapping[K, V]) -> tuple[dict[K, V], tuple[K, ...]]:
    """Return what is new or different, and the keys of what is gone."""
    found = changes(old, new)
    differing = found.changed.items()
    return {key: each for key, each in differing if old.get(key) != each}, found.gone


def _set_changes(old: frozenset[str], new: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return what has come and what has gone."""
    return ([], []) if old is new else (sorted(new - old), sorted(old - new))


def _host_row(host: VirtualHost) -> Row:
    routes = [_route_row(route) for route in host.routes]
    return [host.host, routes, _route_row_or_none(host.default)]


def _route_row_or_none(route: Route | None) -> Row | None:
    return None if route is None else _route_row(route)


def _route_row(route: Route) -> Row:
    rewrite = route.rewrite
    return [
        route.ingress.namespace,
        route.ingress.name,
        route.host,
        route.path,
        route.match.value,
        None if route.upstream is None else _upstream_id_row(route.upstream),
        None if route.refusal is None else route.refusal.code,
        None if rewrite is None else [rewrite.pattern, rewrite.template],
        route.body_limit_bytes,
        route.is_logged,
        route.plain.value,
        None if route.clients is None else route.clients.fingerprint,
    ]


def _upstream_id_row(key: UpstreamId) -> Row:
    port = key.service_port
    return [key.ingress.namespace, key.ingress.name, port.namespace, port.service, port.port]


def _upstream_row(upstream: Upstream) -> Row:
    balancing, timeouts, tls = upstream.balancing, upstream.timeouts, upstream.tls
    row: Row = [
        _upstream_id_row(upstream.id),
        [[each.address, each.port] for each in upstream.endpoints],
        None if balancing == _NO_BALANCING else _balancing_row(balancing),
        None
        if timeouts == _NO_TIMEOUTS
        else [timeouts.connect_seconds, timeouts.read_seconds, timeouts.send_seconds],
    ]
    if tls is not None or upstream.protocol is not Protocol.HTTP1:
        row += [upstream.protocol.value, tls and [tls.fingerprint, tls.server_name]]
    return row


def _tls_row(tls: UpstreamTls) -> Row:
    pems = (tls.authorities_pem, tls.chain_pem, tls.key_pem)
    return [tls.is_verified, *(pem.decode("latin-1") for pem in pems)]


def _clients_row(clients: ClientVerification) -> Row:
    return [clients.mode.value, clients.depth, clients.authorities_pem.decode("latin-1")]


def _balancing_row(balancing: Balancing) -> Row:
    hash_by = balancing.hash_by
    return [
        balancing.algorithm.value,
        hash_by.source.value,
        hash_by.name,
        balancing.affinity.value,
    ]


# Reading


class _Decoder:
    """Rows to values; equal identities and paths of one message become one object."""

    def __init__(self, base: Snapshot, rows: Iterator[Any]) -> None:
        self._base = base
        self._rows = rows
        self._paths: dict[str, str] = {}
        self._host_name = ""
        self._ingresses: dict[tuple[str, str], IngressId] = {}
        self._upstream_ids: dict[tuple[str | int, ...], UpstreamId] = {}
        self._tls_rows: dict[str, Row] = {}
        self._tls: dict[tuple[str, str], UpstreamTls] = {}
        self._clients: dict[str, ClientVerification] = {}

    def snapshot(self, generation: int, *parts: Any) -> Snapshot:
        hosts, hosts_gone, upstreams, upstreams_gone, entries, names, names_gone, *rest = parts
        tls_more, tls_fewer, default, passed, passed_gone, self._tls_rows, *rest = rest
        asked, clients, clients_gone = rest
        base = self._base
        self._clients = {print_: _clients(print_, *row) for print_, row in asked.items()}
        rows, made = self._rows, self._upstream
        new_hosts = {pattern: self._host(*row) for pattern, row in islice(rows, hosts)}
        new_upstreams = {each.id: each for each in (made(*row) for row in islice(rows, upstreams))}
        if (len(new_hosts), len(new_upstreams)) != (hosts, upstreams) or list(rows):
            raise ValueError  # lines are missing, or too many
        return Snapshot(
            generation=_integer(generation),
            hosts=_merged(base.hosts, new_hosts, hosts_gone),
            upstreams=_merged(
                base.upstreams, new_upstreams, [self._upstream_id(row) for row in upstreams_gone]
            ),
            certificates=self._certificates(entries, names, names_gone),
            tls_hosts=(base.tls_hosts | set(tls_more)) - set(tls_fewer)
            if tls_more or tls_fewer
            else base.tls_hosts,
            default=self._route_or_none(default[0]) if default else base.default,
            passthrough=_merged(
                base.passthrough, {name: self._route(*row) for name, row in passed}, passed_gone
            ),
            clients=_merged(
                base.clients,
                {pattern: self._clients[print_] for pattern, print_ in clients.items()},
                clients_gone,
            ),
        )

    def _certificates(
        self, entries: dict[str, Row], names: dict[str, str], gone: list[str]
    ) -> Mapping[str, CertificateEntry]:
        base = self._base.certificates
        if not names and not gone:
            return base
        known = {entry.fingerprint: entry for entry in base.values()}
        for fingerprint, (chain, key) in entries.items():
            known[fingerprint] = CertificateEntry(
                fingerprint, chain.encode("latin-1"), key.encode("latin-1")
            )
        return _merged(base, {name: known[print_] for name, print_ in names.items()}, gone)

    def _host(self, host: str, routes: list[Row], default: Row | None) -> VirtualHost:
        self._host_name = host  # that of its routes, too
        return VirtualHost(
            host, tuple([self._route(*row) for row in routes]), self._route_or_none(default)
        )

    def _route_or_none(self, row: Row | None) -> Route | None:
        return None if row is None else self._route(*row)

    def _route(self, namespace: str, name: str, host: str, path: str, *rest: Any) -> Route:
        match, upstream, refusal, rewrite, body_limit_bytes, is_logged, plain, clients = rest
        return Route(
            self._ingress(namespace, name),
            self._host_name if host == self._host_name else host,
            self._paths.setdefault(path, path),
            _MATCHES[match],
            None if upstream is None else self._upstream_id(upstream),
            None if refusal is None else REPLIES[refusal],
            None if rewrite is None else Rewrite(*rewrite),
            body_limit_bytes,
            is_logged,
            _PLAIN_ACCESS[plain],
            None if clients is None else self._clients[clients],
        )

    def _ingress(self, namespace: str, name: str) -> IngressId:
        key = (namespace, name)
        found = self._ingresses.get(key)
        if found is None:
            found = self._ingresses[key] = IngressId(namespace, name)
        return found

    def _upstream_id(self, row: Row) -> UpstreamId:
        key = tuple(row)
        found = self._upstream_ids.get(key)
        if found is None:
            namespace, name, *service_port = row
            found = self._upstream_ids[key] = UpstreamId(
                self._ingress(namespace, name), ServicePortId(*service_port)
            )
        return found

    def _upstream(
        self,
        row: Row,
        endpoints: list[Row],
        balancing: Row | None,
        timeouts: Row | None,
        protocol: str = Protocol.HTTP1.value,
        tls: Row | None = None,
    ) -> Upstream:
        return Upstream(
            self._upstream_id(row),
            tuple([Endpoint(*each) for each in endpoints]),
            _NO_BALANCING if balancing is None else _balancing(*balancing),
            _NO_TIMEOUTS if timeouts is None else Timeouts(*timeouts),
            _PROTOCOLS[protocol],
            None if tls is None else self._upstream_tls(*tls),
        )

    def _upstream_tls(self, fingerprint: str, server_name: str) -> UpstreamTls:
        key = (fingerprint, server_name)
        found = self._tls.get(key)
        if found is None:
            is_verified, *pems = self._tls_rows[fingerprint]
            authorities, chain, key_pem = (each.encode("latin-1") for each in pems)
            found = self._tls[key] = UpstreamTls(
                fingerprint, server_name, is_verified, authorities, chain, key_pem
            )
        return found


_MATCHES = {each.value: each for each in Match}
_PROTOCOLS = {each.value: each for each in Protocol}
_PLAIN_ACCESS = {each.value: each for each in PlainAccess}


def _clients(fingerprint: str, mode: str, depth: int, authorities: str) -> ClientVerification:
    pem = authorities.encode("latin-1")
    return ClientVerification(fingerprint, VerifyClient(mode), depth, pem)


def _balancing(algorithm: str, source: str, name: str, affinity: str) -> Balancing:
    return Balancing(Algorithm(algorithm), HashBy(HashSource(source), name), Affinity(affinity))


def _merged(base: Mapping[K, V], changed: dict[K, V], gone: list[K]) -> Mapping[K, V]:
    if not changed and not gone:
        return base
    merged = {**base, **changed}
    for key in gone:
        del merged[key]
    return merged


def _integer(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value
