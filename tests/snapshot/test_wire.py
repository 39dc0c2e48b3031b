"""Laws and limits of the wire format of snapshots."""

from __future__ import annotations

import gc
import json
import time

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.snapshot.identity import Endpoint, IngressId, ServicePortId, UpstreamId
from fsm_twisted.snapshot.model import (
    CertificateEntry,
    Match,
    Route,
    Snapshot,
    Upstream,
    VirtualHost,
)
from fsm_twisted.snapshot.wire import VERSION, WireError, apply, encode_delta, encode_full
from tests.snapshot.strategies import snapshots, successors

HOSTS = 10_000
few = settings(max_examples=40)


@few
@given(snapshots(), st.none() | snapshots())
def test_a_whole_snapshot_arrives_as_it_was_whatever_was_there(
    snapshot: Snapshot, base: Snapshot | None
) -> None:
    assert apply(base, encode_full(snapshot)) == snapshot


@given(successors())
def test_a_delta_makes_the_new_snapshot_out_of_the_old_one(
    pair: tuple[Snapshot, Snapshot],
) -> None:
    old, new = pair

    assert apply(old, encode_delta(old, new)) == new


@given(successors())
def test_what_has_not_changed_is_shared_with_the_base(pair: tuple[Snapshot, Snapshot]) -> None:
    old, new = pair

    made = apply(old, encode_delta(old, new))

    for before, after in (
        (old.hosts, made.hosts),
        (old.upstreams, made.upstreams),
        (old.certificates, made.certificates),
    ):
        for key in before.keys() & after.keys():
            assert before[key] != after[key] or before[key] is after[key]  # type: ignore[index]


@few
@given(snapshots(), snapshots(), snapshots())
def test_a_delta_is_refused_on_every_other_generation(
    old: Snapshot, new: Snapshot, other: Snapshot
) -> None:
    data = encode_delta(old, new)
    other = attrs.evolve(other, generation=old.generation + 1)

    for base in (None, other):
        with pytest.raises(WireError, match="changes since generation"):
            apply(base, data)


@few
@given(snapshots())
def test_another_version_is_refused(snapshot: Snapshot) -> None:
    first, *lines = encode_full(snapshot).split(b"\n")
    parts = json.loads(first.decode("utf-8", "surrogatepass"))
    parts[0] = VERSION + 1

    with pytest.raises(WireError, match=f"wire format {VERSION + 1}"):
        apply(None, b"\n".join((json.dumps(parts).encode(), *lines)))


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.binary())
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(WireError):
        apply(None, data)


@few
@given(snapshots(), st.data())
def test_a_part_of_another_shape_is_a_wire_error_or_a_snapshot(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    lines = encode_full(snapshot).split(b"\n")
    number = data.draw(st.integers(0, len(lines) - 1))
    parts = json.loads(lines[number].decode("utf-8", "surrogatepass"))
    at = data.draw(st.integers(0, len(parts) - 1))
    parts[at] = data.draw(_json)
    lines[number] = json.dumps(parts).encode()

    try:
        made = apply(None, b"\n".join(lines))
    except WireError:
        return
    assert isinstance(made, Snapshot)


@few
@given(snapshots(), st.data())
def test_a_cut_message_is_refused(snapshot: Snapshot, data: st.DataObject) -> None:
    whole = encode_full(snapshot)
    kept = data.draw(st.integers(0, len(whole) - 1))

    with pytest.raises(WireError):
        apply(None, whole[:kept])


@few
@given(snapshots(), st.data())
def test_a_message_with_a_line_more_or_less_is_refused(
    snapshot: Snapshot, data: st.DataObject
) -> None:
    lines = encode_full(snapshot).split(b"\n")
    at = data.draw(st.integers(0, len(lines) - 1))

    for other in ([*lines[:at], *lines[at + 1 :]], [*lines, lines[at]]):
        with pytest.raises(WireError):
            apply(None, b"\n".join(other))


def test_no_error_shows_a_private_key() -> None:
    entry = CertificateEntry("f", b"chain", b"SECRET")
    whole = encode_full(Snapshot(generation=1, certificates={"a": entry}))

    with pytest.raises(WireError) as refused:
        apply(None, whole.replace(b'"a"', b"{"))

    error: BaseException | None = refused.value
    while error is not None:
        assert "SECRET" not in str(error)
        error = error.__cause__


def large_snapshot() -> Snapshot:
    """Make a snapshot of `HOSTS` hosts, each with three routes, an upstream and a certificate."""
    hosts, upstreams, certificates = {}, {}, {}
    for number in range(HOSTS):
        name, ingress = f"host-{number}.example.com", IngressId("default", f"ingress-{number}")
        key = UpstreamId(ingress, ServicePortId("default", f"service-{number}", 80))
        endpoints = tuple(Endpoint(f"10.0.{number % 250}.{each}", 8080) for each in range(3))
        upstreams[key] = Upstream(key, endpoints)
        routes = [Route(ingress, name, path, Match.PREFIX, key) for path in ("/", "/a", "/b")]
        hosts[name] = VirtualHost(name, tuple(routes))
        certificates[name] = CertificateEntry(f"{number:064}", b"c" * 1500, b"k" * 250)
    return Snapshot(1, hosts, upstreams, certificates, frozenset(certificates))


def _best_seconds(times: int, call: object) -> float:
    assert callable(call)
    best = float("inf")
    gc.collect()
    gc.freeze()  # as in the program
    for _ in range(times):
        begun = time.process_time()
        call()
        best = min(best, time.process_time() - begun)
    gc.unfreeze()
    return best


def test_ten_thousand_hosts_travel_in_a_second_and_one_endpoint_in_a_moment() -> None:
    snapshot = large_snapshot()
    key = next(iter(snapshot.upstreams))
    changed = attrs.evolve(
        snapshot,
        generation=2,
        upstreams={**snapshot.upstreams, key: Upstream(key, (Endpoint("10.9.9.9", 8080),))},
    )
    whole, delta = encode_full(snapshot), encode_delta(snapshot, changed)

    assert len(delta) < 300
    assert apply(snapshot, delta) == changed
    # Of CPU time, so that a busy machine does not matter; the usual figures are far below.
    assert _best_seconds(2, lambda: encode_full(snapshot)) < 1
    assert _best_seconds(2, lambda: apply(None, whole)) < 1
    assert _best_seconds(5, lambda: encode_delta(snapshot, changed)) < 0.1
    assert _best_seconds(5, lambda: apply(snapshot, delta)) < 0.05
    assert len(whole) < 30e6
