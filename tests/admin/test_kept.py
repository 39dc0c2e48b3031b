"""What is made of a compilation is made once, and is what would be made anew."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import attrs
import pytest

from fsm_twisted.admin.documents.certificates import certificate_rows, certificate_states
from fsm_twisted.admin.documents.findings import finding_rows
from fsm_twisted.admin.documents.routes import route_rows, summary
from fsm_twisted.admin.documents.world import World
from fsm_twisted.cli.lists import why_of
from fsm_twisted.compiler.options import CompilerOptions
from fsm_twisted.control.controller import Controller
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import KubernetesObject, Metadata, PathType, Secret, ServiceBackend
from fsm_twisted.sources.manifests import Contents
from tests.compiler.test_scale import NOW, endpoint_slice, ingress, service
from tests.strategies.certificates import make_pair
from tests.strategies.objects import PREFIX

OPTIONS = CompilerOptions(passes_tls=True)


def following(*objects: KubernetesObject) -> Controller:
    controller = Controller(OPTIONS, lambda _: None, lambda: NOW)
    controller.contents_changed(Contents(inventory=Inventory.of(objects)))
    return controller


def seen(controller: Controller, before: World | None = None, days: int = 0) -> World:
    world = World.of(controller, OPTIONS, NOW + timedelta(days=days), before)
    assert world is not None
    return world


OBJECTS: tuple[KubernetesObject, ...] = (
    ingress(1, secret="tls"),  # noqa: S106  its name
    ingress(2, "/", "/more"),  # has no Service
    ingress(3),  # has no endpoint
    *(service(number) for number in (1, 3)),
    endpoint_slice(1, "10.0.0.1"),
    Secret(Metadata("tls", "default"), "kubernetes.io/tls", make_pair("a", ("h1.example",)).data),
)


def test_nothing_is_made_twice_of_a_compilation() -> None:
    controller = following(*OBJECTS)
    first = seen(controller)
    again = seen(controller, first)

    assert finding_rows(again) is finding_rows(first)
    assert summary(again) is summary(first)


def test_a_change_is_seen_at_once() -> None:
    controller = following(*OBJECTS)
    first = seen(controller)
    assert len(summary(first).broken) == 3
    mended = (*OBJECTS, endpoint_slice(3, "10.0.0.3"))
    controller.contents_changed(Contents(inventory=Inventory.of(mended)))

    assert len(summary(seen(controller, first)).broken) == 2


def test_time_passes_for_certificates_all_the_same() -> None:
    controller = following(*OBJECTS)
    first = seen(controller)
    before = certificate_states(first)
    after = certificate_states(seen(controller, first, days=100_000))

    assert (before, after) == (certificate_states(seen(controller)), ["expired"])
    assert before != after


def test_the_short_forms_say_what_the_lists_say() -> None:
    world = seen(following(*OBJECTS))
    rows = route_rows(world)

    assert list(summary(world).broken) == [row for row in rows if row["state"] == "broken"]
    counted = {state.value: number for state, number in summary(world).states.items()}
    assert counted == Counter(row["state"] for row in rows)
    assert certificate_states(world) == [row["state"] for row in certificate_rows(world)]


@pytest.mark.parametrize("where", ["spec.defaultBackend", "spec.backend"])
def test_a_fault_of_the_default_backend_is_on_its_row_alone(where: str) -> None:
    gone = ServiceBackend("gone", 80)
    whole = attrs.evolve(ingress(1), default_backend=gone, default_where=where)
    world = seen(following(whole, service(1), endpoint_slice(1, "10.0.0.1")))

    told = {(row["where"], row["state"], *row["findings"]) for row in route_rows(world)}

    path = ("spec.rules[0].http.paths[0]", "ok")
    assert told == {path, (where, "broken", "service_missing")}


def test_of_two_paths_to_let_tls_through_one_is_repeated() -> None:
    passing = {f"{PREFIX}ssl-passthrough": "true"}
    plain = ingress(1)
    (rule,) = plain.rules
    (root,) = rule.paths
    exact = attrs.evolve(root, path_type=PathType.EXACT, backend=ServiceBackend("other", 80))
    paths = (exact, attrs.evolve(root, index=1))
    whole = attrs.evolve(
        plain,
        metadata=attrs.evolve(plain.metadata, annotations=passing),
        rules=(attrs.evolve(rule, paths=paths),),
    )
    world = seen(following(whole, service(1), endpoint_slice(1, "10.0.0.1")))

    told = {row["where"]: (row["outcome"], row["findings"]) for row in route_rows(world)}

    assert told == {
        "spec.rules[0].http.paths[0]": ("repeated", ["claim_repeated"]),
        "spec.rules[0].http.paths[1]": ("served", []),
    }


def test_a_path_that_is_only_written_twice_is_served_as_it_was_asked_for() -> None:
    whole = ingress(1)
    (rule,) = whole.rules
    (root,) = rule.paths
    twice = attrs.evolve(rule, paths=(root, attrs.evolve(root, index=1)))
    world = seen(
        following(attrs.evolve(whole, rules=(twice,)), service(1), endpoint_slice(1, "10.0.0.1"))
    )

    rows = route_rows(world)

    told = {row["where"]: (row["state"], row["outcome"], row["findings"]) for row in rows}
    assert told == {
        "spec.rules[0].http.paths[0]": ("ok", "served", []),
        "spec.rules[0].http.paths[1]": ("ok", "repeated", []),
    }
    assert {why_of(row) for row in rows} == {"", "repeated to default/i1"}
