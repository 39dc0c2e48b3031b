"""--watch-namespace-selector: whose objects count, as namespaces come, go and change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.label_selector import label_selector_fault
from tests.cluster.memory import Object
from tests.cluster.world import (
    CLASSES,
    INGRESSES,
    NAMESPACES,
    SECRETS,
    SERVICES,
    World,
    ingress,
    secret,
    service,
)


def namespace(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


@pytest.fixture
def world() -> World:
    world = World(selector="team=web")
    world.server.put(NAMESPACES, namespace("ours", team="web"))
    world.server.put(NAMESPACES, namespace("theirs", team="other"))
    for each in ("ours", "theirs"):
        world.server.put(INGRESSES, ingress(f"i-{each}", f"s-{each}", namespace=each))
        world.server.put(SERVICES, service(f"v-{each}", namespace=each))
        world.server.put(SECRETS, secret(f"s-{each}", namespace=each))
    world.server.put(CLASSES, {"metadata": {"name": "pipy"}, "spec": {"controller": "a/b"}})
    return world.start()


OURS = ["Ingress/i-ours", "IngressClass/pipy", "Secret/s-ours", "Service/v-ours"]
THEIRS = ["Ingress/i-theirs", "Secret/s-theirs", "Service/v-theirs"]


def test_only_objects_of_selected_namespaces_count(world: World) -> None:
    assert world.names == OURS
    assert not [each for each in world.server.asked if "s-theirs" in each.path]


def test_objects_appear_and_vanish_with_the_labels_of_their_namespace(world: World) -> None:
    world.server.put(NAMESPACES, namespace("theirs", team="web"))
    world.run(2)
    assert world.names == sorted(OURS + THEIRS)

    world.server.put(NAMESPACES, namespace("theirs"))
    world.run(2)
    assert world.names == OURS


def test_objects_vanish_with_their_namespace(world: World) -> None:
    world.server.delete(NAMESPACES, "", "ours")
    world.run(2)
    assert world.names == ["IngressClass/pipy"]


def test_what_changes_elsewhere_is_not_told(world: World) -> None:
    told = len(world.told)
    world.server.put(SERVICES, service("another", namespace="theirs"))
    world.run(2)
    assert len(world.told) == told


def test_a_broken_object_elsewhere_is_no_problem_of_ours(world: World) -> None:
    world.server.put(SERVICES, service("broken", "no port", namespace="theirs"))
    world.server.put(SERVICES, service("broken", "no port", namespace="ours"))
    world.run(2)
    assert [str(each.ref) for each in world.source.contents.problems] == ["Service ours/broken"]


def test_a_change_during_an_outage_counts_when_it_is_over(world: World) -> None:
    world.network.is_down = True
    world.server.break_watches()
    world.run(1)
    world.server.put(NAMESPACES, namespace("ours"))
    world.server.put(NAMESPACES, namespace("theirs", team="web"))
    world.server.compact()
    assert world.names == OURS
    world.network.is_down = False
    world.run(90, step=0.5)
    assert world.names == sorted([*THEIRS, "IngressClass/pipy"])


def test_without_the_right_to_namespaces_nothing_is_served_and_the_rule_is_named() -> None:
    world = World(selector="team=web")
    world.server.forbidden.add(NAMESPACES)
    world.start()
    world.run(10)
    assert world.told == []
    assert "namespaces" in world.source.missing()

    world.server.forbidden.clear()
    world.run(60)
    assert world.source.missing() == ""


def test_informers_are_counted(world: World) -> None:
    counts = world.source.counts()
    assert counts['informer_objects{kind="namespaces"}'] == 1
    assert counts['informer_objects{kind="secrets"}'] == 1
    assert counts['informer_lists_total{kind="services"}'] == 1
    assert counts['informer_synced{kind="ingresses"}'] == 1

    world.server.compact()
    world.server.version += 5
    world.server.oldest = world.server.version
    world.network.is_down = True
    world.server.break_watches()
    world.run(1)
    world.network.is_down = False
    world.run(60, step=0.5)
    counts = world.source.counts()
    assert counts['informer_lists_total{kind="services"}'] == 2
    assert counts['informer_failures_total{kind="services",reason="unreachable"}'] >= 1
    assert counts['informer_failures_total{kind="services",reason="gone"}'] == 1
    assert 0 < counts['informer_last_event_age_seconds{kind="services"}'] <= 60


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "!a",
        "a=b",
        "a==b",
        "a!=b",
        "a=",
        "kubernetes.io/metadata.name=x",
        "env in (a,b)",
        "env notin ( a , b ),!old, team = web",
        "in in (in)",
    ],
)
def test_a_selector_as_kubernetes_writes_it_is_taken(text: str) -> None:
    assert label_selector_fault(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ",",
        "a,",
        "a b",
        "a in b",
        "a in ()x",
        "a in (b",
        "=b",
        "a=b c",
        "-a",
        "a>1",
        "a!b",
    ],
)
def test_what_is_no_selector_is_refused(text: str) -> None:
    assert label_selector_fault(text)


@given(st.text(max_size=40))
def test_every_text_is_judged(text: str) -> None:
    label_selector_fault(text)


@given(st.text("a=!,() in", max_size=12), st.text("a=!,() in", max_size=12))
def test_two_good_selectors_joined_by_a_comma_are_a_good_one(one: str, other: str) -> None:
    are_good = label_selector_fault(one) is None and label_selector_fault(other) is None
    if are_good:
        assert label_selector_fault(f"{one},{other}") is None
