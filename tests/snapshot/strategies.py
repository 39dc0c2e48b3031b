"""Snapshots: what the compiler makes of any objects, and arbitrary values beyond that."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
from hypothesis import strategies as st

from fsm_twisted.compiler import CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import KubernetesObject
from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import (
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
from tests.strategies.objects import any_text, wild_objects, worlds

NOW = datetime(2026, 1, 1, tzinfo=UTC)

_numbers = st.integers(0, 70000)
_names = st.sampled_from(["a", "b"]) | any_text()
_seconds = st.none() | st.integers(0, 10) | st.floats(0, allow_nan=False)
_ingress_ids = st.builds(IngressId, _names, _names)
_upstream_ids = st.builds(
    UpstreamId, _ingress_ids, st.builds(ServicePortId, _names, _names, _numbers)
)
_clients = st.builds(
    ClientVerification.of, st.sampled_from(VerifyClient), st.integers(0, 99), st.binary(max_size=9)
)
_routes = st.builds(
    Route,
    _ingress_ids,
    _names,
    _names,
    st.sampled_from(Match),
    st.none() | _upstream_ids,
    st.none() | st.sampled_from(list(REPLIES.values())),
    st.none() | st.builds(Rewrite, _names, _names),
    st.none() | st.integers(0),
    st.booleans(),
    st.sampled_from(PlainAccess),
    st.none() | _clients,
)
_hosts = st.builds(
    VirtualHost, _names, st.lists(_routes, max_size=3).map(tuple), st.none() | _routes
)
# The fingerprint says what all but the name are.
_tls = st.builds(
    lambda data, name, is_verified: UpstreamTls(
        f"{data.hex()} {is_verified}", name, is_verified, data, b"chain" + data, b"key" + data
    ),
    st.binary(max_size=20),
    _names,
    st.booleans(),
)
_upstreams = st.builds(
    Upstream,
    _upstream_ids,
    st.lists(st.builds(Endpoint, _names, _numbers), max_size=3).map(tuple),
    st.builds(
        Balancing,
        st.sampled_from(Algorithm),
        st.builds(HashBy, st.sampled_from(HashSource), _names),
        st.sampled_from(Affinity),
    ),
    st.builds(Timeouts, _seconds, _seconds, _seconds),
    st.sampled_from(Protocol),
    st.none() | _tls,
)
# The fingerprint says what the entry holds.
_certificates = st.binary(max_size=20).map(
    lambda data: CertificateEntry(data.hex(), b"chain" + data, b"key" + data)
)


def _compiled(objects: list[KubernetesObject]) -> Snapshot:
    return compile_snapshot(
        Inventory.of(objects), CompilerOptions(passes_tls=True), now=NOW, generation=0
    ).snapshot


# Built once: building a strategy costs more than drawing from it.
_compiled_snapshots = (worlds() | st.lists(wild_objects(), max_size=6)).map(_compiled)
_arbitrary_snapshots = st.builds(
    Snapshot,
    hosts=st.dictionaries(_names, _hosts, max_size=3),
    upstreams=st.lists(_upstreams, max_size=3).map(lambda made: {each.id: each for each in made}),
    certificates=st.dictionaries(_names, _certificates, max_size=3),
    tls_hosts=st.frozensets(_names, max_size=3),
    default=st.none() | _routes,
    passthrough=st.dictionaries(_names, _routes, max_size=3),
    clients=st.dictionaries(_names, _clients, max_size=3),
)
_snapshots = st.builds(
    attrs.evolve, _compiled_snapshots | _arbitrary_snapshots, generation=st.integers(0, 2**40)
)
_choices = st.tuples(*[st.booleans()] * 7)


def snapshots() -> st.SearchStrategy[Snapshot]:
    """
    Snapshots of any generation.

    Some are what the compiler makes of objects, others what the types alone allow.
    """
    return _snapshots


def _successor(
    old: Snapshot, other: Snapshot, choices: tuple[bool, ...], steps: int
) -> tuple[Snapshot, Snapshot]:
    names = [each.name for each in attrs.fields(Snapshot) if each.name != "generation"]
    kept = {
        name: getattr(old if is_old else other, name)
        for name, is_old in zip(names, choices, strict=True)
    }
    return old, Snapshot(generation=old.generation + steps, **kept)


def successors() -> st.SearchStrategy[tuple[Snapshot, Snapshot]]:
    """Pairs of snapshots, the second with parts of the first."""
    return st.builds(_successor, _snapshots, _snapshots, _choices, st.integers(1, 5))
