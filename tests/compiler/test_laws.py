"""The laws of the compiler: total, deterministic, and nobody's trouble is another's."""

from __future__ import annotations

from datetime import UTC, datetime
from random import Random

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.compiler import Compiled, CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    IngressPath,
    IngressRule,
    KubernetesObject,
    Metadata,
    PathType,
    ServiceBackend,
)
from fsm_twisted.snapshot.identity import IngressId
from fsm_twisted.snapshot.model import Match, Route
from fsm_twisted.snapshot.reasons import REPLIES
from tests.strategies.objects import PREFIX, ingress_values, names, wild_objects, worlds

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def compiled(objects: list[KubernetesObject]) -> Compiled:
    return compile_snapshot(
        Inventory.of(objects), CompilerOptions(passes_tls=True), now=NOW, generation=7
    )


@settings(max_examples=150)
@given(st.lists(wild_objects(), max_size=8))
def test_no_objects_make_the_compiler_raise(objects: list[KubernetesObject]) -> None:
    result = compiled(objects)

    assert result.snapshot.generation == 7
    assert all(each.message.isprintable() for each in result.findings)


@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_of_the_objects_does_not_matter(
    objects: list[KubernetesObject], random: Random
) -> None:
    shuffled = list(objects)
    random.shuffle(shuffled)

    first, second = compiled(objects), compiled(shuffled)

    assert first == second
    assert list(first.snapshot.hosts) == list(second.snapshot.hosts)
    assert list(first.snapshot.upstreams) == list(second.snapshot.upstreams)


@given(worlds())
def test_an_unrelated_ingress_changes_nothing_else(objects: list[KubernetesObject]) -> None:
    rule = IngressRule(
        "unrelated.test", (IngressPath("/", PathType.PREFIX, ServiceBackend("none", 80)),)
    )
    stranger = Ingress(Metadata("stranger", "elsewhere"), "pipy", rules=(rule,))
    before, after = compiled(objects), compiled([*objects, stranger])

    hosts = dict(after.snapshot.hosts)
    added = hosts.pop("unrelated.test", None)
    assert attrs.evolve(after.snapshot, hosts=hosts) == before.snapshot
    kept = tuple(each for each in after.findings if each.object.name != "stranger")
    assert kept == before.findings
    assert added is None or added.routes[0].ingress == IngressId("elsewhere", "stranger")


@st.composite
def passing_worlds(draw: st.DrawFn) -> list[KubernetesObject]:
    """Draw objects of which many Ingresses have TLS passed through."""
    return [
        attrs.evolve(
            each,
            metadata=attrs.evolve(each.metadata, annotations={f"{PREFIX}ssl-passthrough": "on"}),
        )
        if isinstance(each, Ingress) and draw(st.booleans())
        else each
        for each in draw(worlds())
    ]


@given(passing_worlds())
def test_a_host_whose_tls_goes_through_serves_nobody_but_answers_challenges(
    objects: list[KubernetesObject],
) -> None:
    snapshot = compiled(objects).snapshot

    assert snapshot.passthrough.keys() <= snapshot.tls_hosts
    for host, way in snapshot.passthrough.items():
        assert (way.host, way.ingress) == (host, snapshot.hosts[host].routes[0].ingress)
        assert snapshot.hosts[host].default is None
        refusal, *others = snapshot.hosts[host].routes
        assert refusal.path == "/"
        assert refusal.refusal is REPLIES["passthrough_only"]
        for route in others:
            assert route.path.startswith("/.well-known/acme-challenge")
            assert route.ingress.namespace == way.ingress.namespace
        if way.upstream is not None:
            assert snapshot.upstreams[way.upstream].tls is None


@given(passing_worlds())
def test_where_it_is_off_it_goes_nowhere_and_nothing_is_served_instead(
    objects: list[KubernetesObject],
) -> None:
    snapshot = compile_snapshot(Inventory.of(objects), CompilerOptions(), now=NOW).snapshot
    asking = {
        IngressId(each.metadata.namespace, each.metadata.name)
        for each in objects
        if isinstance(each, Ingress)
        and each.metadata.annotations.get(f"{PREFIX}ssl-passthrough") == "on"
    }

    assert snapshot.passthrough == {}
    routes = [route for host in snapshot.hosts.values() for route in (*host.routes, host.default)]
    for route in (*routes, snapshot.default):
        if route is not None and route.ingress in asking:
            assert route.refusal is REPLIES["unprotected"]


@given(worlds(), ingress_values(names()))
def test_a_younger_ingress_takes_no_path_from_an_older_one(
    objects: list[KubernetesObject], newcomer: Ingress
) -> None:
    newcomer = attrs.evolve(
        newcomer, metadata=Metadata("z", "zz", annotations=newcomer.metadata.annotations)
    )
    implied = {
        (rule.host, path.path.rstrip("/") or "/")
        for each in objects
        if isinstance(each, Ingress)
        for rule in each.rules
        for path in rule.paths
        if path.path_type is PathType.IMPLEMENTATION_SPECIFIC
    }
    before, after = compiled(objects).snapshot, compiled([*objects, newcomer]).snapshot

    for host, table in before.hosts.items():
        kept = {(route.path, route.match): route for route in after.hosts[host].routes}
        for route in table.routes:
            if (host, route.path) not in implied:
                assert kept[route.path, route.match] == route
        assert table.default is None or after.hosts[host].default == table.default
    assert before.default is None or after.default == before.default


@given(worlds())
def test_a_snapshot_keeps_its_own_promises(objects: list[KubernetesObject]) -> None:
    snapshot = compiled(objects).snapshot
    routes = [
        route
        for host in snapshot.hosts.values()
        for route in (*host.routes, host.default)
        if route is not None
    ]
    routes += [snapshot.default] if snapshot.default else []

    for route in routes:
        assert (route.upstream is None) == (route.refusal is not None)
        assert route.match is Match.EXACT or route.path == "/" or not route.path.endswith("/")
        assert route.upstream is None or route.upstream.ingress == route.ingress
    assert {route.upstream for route in routes if route.upstream} == set(snapshot.upstreams)
    for name, host in snapshot.hosts.items():
        keys = [_key(route) for route in host.routes]
        assert host.host == name
        assert keys == sorted(set(keys))
    for upstream in snapshot.upstreams.values():
        assert list(upstream.endpoints) == sorted(set(upstream.endpoints))
    assert set(snapshot.certificates) <= snapshot.tls_hosts


@given(st.lists(st.sampled_from(["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z", ""])))
def test_the_oldest_ingress_wins_and_every_other_one_is_told(ages: list[str]) -> None:
    rule = IngressRule("a.test", (IngressPath("/", PathType.PREFIX, ServiceBackend("none", 80)),))
    objects: list[KubernetesObject] = [
        Ingress(Metadata(f"i{index:03}", "default", created), "pipy", rules=(rule,))
        for index, created in enumerate(ages)
    ]
    order = sorted(range(len(ages)), key=lambda index: (ages[index] or "9999", index))
    result = compiled(objects)
    lost = [each.object.name for each in result.findings if each.reason.code == "claim_lost"]

    winners = [
        route.ingress.name for host in result.snapshot.hosts.values() for route in host.routes
    ]
    assert winners == [f"i{index:03}" for index in order[:1]]
    assert lost == sorted(f"i{index:03}" for index in order[1:])


def _key(route: Route) -> tuple[str, str]:
    return (route.path, route.match.value)
