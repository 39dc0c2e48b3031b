"""The laws of the compiler with a memory: it comes to the same, and keeps what has not changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from fsm_twisted.compiler import Compiled, Compiler, CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    Ingress,
    IngressPath,
    IngressRule,
    IngressTLS,
    KubernetesObject,
    Metadata,
    ObjectRef,
    PathType,
    Secret,
    ServiceBackend,
    ref_of,
)
from tests.strategies.certificates import make_pair
from tests.strategies.objects import PREFIX, objects, wild_objects

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS = CompilerOptions(passes_tls=True)

PAIRS = [
    make_pair("x", ("a.test",), begin=NOW + timedelta(days=begin), end=NOW + timedelta(days=end))
    for begin, end in ((-9, 1), (-9, 2), (1, 9))
]

K = TypeVar("K")
V = TypeVar("V")

Step = tuple[list[KubernetesObject], set[int], timedelta]
"""Objects that are new or other ones, the numbers of those that go, how much time passes."""

_times = st.sampled_from([0, 0, 1, 86400, 86400 * 2, -86400]).map(
    lambda seconds: timedelta(seconds=seconds)
)


def steps(of: st.SearchStrategy[KubernetesObject]) -> st.SearchStrategy[list[Step]]:
    """Changes of a world, some of them several at once."""
    gone = st.sets(st.integers(0, 30), max_size=2)
    return st.lists(st.tuples(st.lists(of, max_size=5), gone, _times), min_size=1, max_size=6)


class World:
    """Objects that change, and both compilers."""

    def __init__(self) -> None:
        self.objects: dict[ObjectRef, KubernetesObject] = {}
        self.inventory = Inventory()
        self.compiler = Compiler(OPTIONS)
        self.now = NOW

    def take(self, step: Step) -> None:
        new, gone, seconds = step
        changes: dict[ObjectRef, KubernetesObject | None] = {
            ref: None for number, ref in enumerate(self.objects) if number in gone
        }
        changes.update({ref_of(each): each for each in new})
        for ref, value in changes.items():
            self.objects.pop(ref, None)
            if value is not None:
                self.objects[ref] = value
        self.inventory = self.inventory.after(changes)
        self.now += seconds

    def compiled(self) -> Compiled:
        return self.compiler.compile(self.inventory, now=self.now)

    def expected(self, generation: int) -> Compiled:
        inventory = Inventory.of(self.objects.values())
        return compile_snapshot(inventory, OPTIONS, now=self.now, generation=generation)


@settings(max_examples=40)
@given(steps(objects()))
def test_after_any_changes_the_result_is_that_of_compiling_everything(changes: list[Step]) -> None:
    world = World()
    for change in changes:
        world.take(change)

        result = world.compiled()

        assert result == world.expected(result.snapshot.generation)


@settings(max_examples=30)
@given(steps(wild_objects()))
def test_so_it_is_with_objects_that_hold_any_text(changes: list[Step]) -> None:
    world = World()
    for change in changes:
        world.take(change)

        result = world.compiled()

        assert result == world.expected(result.snapshot.generation)


@st.composite
def rivals(draw: st.DrawFn) -> KubernetesObject:
    """Ingresses of ours that want the same, and the certificates that they name."""
    secrets, namespaces = st.sampled_from(["tls", "other"]), st.sampled_from(["default", "x"])
    if draw(st.integers(0, 3)) == 0:
        data = draw(st.sampled_from(PAIRS)).data
        return Secret(Metadata(draw(secrets), "default"), "kubernetes.io/tls", data)
    backend = ServiceBackend("web", 80)
    paths = st.sampled_from(["/", "/.well-known/acme-challenge/x"])
    path = st.builds(IngressPath, paths, st.sampled_from(PathType), st.just(backend))
    hosts = st.sampled_from(["a.test", ""])
    rule = st.builds(IngressRule, hosts, st.lists(path, max_size=1).map(tuple))
    tls = st.builds(IngressTLS, st.just(("a.test",)), secrets)
    created = draw(st.sampled_from(["2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]))
    annotations = draw(st.sampled_from([{}, {f"{PREFIX}ssl-passthrough": "true"}]))
    return Ingress(
        Metadata(draw(st.sampled_from("abc")), draw(namespaces), created, annotations),
        "pipy",
        draw(st.none() | st.just(backend)),
        draw(st.lists(rule, max_size=2).map(tuple)),
        draw(st.lists(tls, max_size=1).map(tuple)),
    )


def test_what_was_said_of_a_certificate_is_said_anew_when_the_clock_goes_back() -> None:
    secret = Secret(Metadata("tls", "default"), "kubernetes.io/tls", PAIRS[0].data)
    ingress = Ingress(
        Metadata("a", "default", "2024-01-01T00:00:00Z"),
        "pipy",
        None,
        (),
        (IngressTLS(("a.test",), "tls"),),
    )
    world, day = World(), timedelta(days=1)
    for new, passes in (([secret], 0 * day), ([ingress], 2 * day), ([], -day)):
        world.take((list(new), set(), passes))
        result = world.compiled()

        assert result == world.expected(result.snapshot.generation)


@settings(max_examples=60)
@given(steps(rivals()))
def test_so_it_is_where_everybody_wants_the_same_and_certificates_end(changes: list[Step]) -> None:
    world = World()
    for change in changes:
        world.take(change)

        result = world.compiled()

        assert result == world.expected(result.snapshot.generation)


@settings(max_examples=40)
@given(steps(objects()))
def test_what_says_the_same_stays_the_same_object(changes: list[Step]) -> None:
    world = World()
    before = world.compiled()
    for change in changes:
        world.take(change)
        after = world.compiled()
        is_same = attrs.evolve(after.snapshot, generation=0) == attrs.evolve(
            before.snapshot, generation=0
        )

        assert (after.snapshot is before.snapshot) == is_same
        assert after.snapshot.generation == before.snapshot.generation + (not is_same)
        for field in ("hosts", "upstreams", "certificates", "tls_hosts", "passthrough"):
            one, other = getattr(before.snapshot, field), getattr(after.snapshot, field)
            assert (one is other) == (one == other)
        kept(before.snapshot.hosts, after.snapshot.hosts)
        kept(before.snapshot.upstreams, after.snapshot.upstreams)
        kept(before.snapshot.certificates, after.snapshot.certificates)
        for host, table in after.snapshot.hosts.items():
            if host in before.snapshot.hosts:
                routes = before.snapshot.hosts[host].routes
                kept(
                    {(each.path, each.match, each.ingress): each for each in routes},
                    {(each.path, each.match, each.ingress): each for each in table.routes},
                )
        kept({each: each for each in before.findings}, {each: each for each in after.findings})
        assert (after.findings is before.findings) == (after.findings == before.findings)
        before = after


@settings(max_examples=40)
@given(steps(objects()))
def test_an_inventory_after_changes_is_one_of_what_is_there_then(changes: list[Step]) -> None:
    world = World()
    for change in changes:
        world.take(change)

        fresh = Inventory.of(world.objects.values())
        assert world.inventory == fresh
        assert world.inventory.slices_by_service == fresh.slices_by_service
        assert {ref_of(each): each for each in world.inventory.objects()} == world.objects


def kept(before: Mapping[K, V], after: Mapping[K, V]) -> None:
    """Assert that equal values are the same objects."""
    for key, value in after.items():
        assert before.get(key) != value or before[key] is value
