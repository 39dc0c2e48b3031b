"""What Events say, and how many there may be."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.compiler.findings import Finding
from fsm_twisted.control.event_limits import OBJECT_BURST, OBJECT_SECONDS, Bucket, ObjectLimits
from fsm_twisted.control.notes import (
    NOTE_LIMIT_BYTES,
    Author,
    FindingNotes,
    Note,
    cut_note,
    synced_note,
)
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    EndpointSlice,
    Ingress,
    IngressTLS,
    Metadata,
    ObjectRef,
    Service,
    ServiceBackend,
)
from fsm_twisted.snapshot.reasons import FINDINGS

PREFIX = "pipy.ingress.kubernetes.io/"
WHEN = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
WEB = Ingress(
    Metadata("web", "shop", uid="u1", resource_version="7"),
    default_backend=ServiceBackend("cart", 80),
    tls=(IngressTLS(("a.example",), "cert"),),
)


def notes(about: ObjectRef, code: str = "object_invalid") -> tuple[Note, ...]:
    finding = Finding(about, FINDINGS[code], "what", "instead", "how")
    cart = EndpointSlice(Metadata("cart-1", "shop"), "cart")
    inventory = Inventory.of((WEB, Service(Metadata("cart", "shop")), cart))
    return tuple(FindingNotes(PREFIX).of((finding,), inventory, (WEB,)).values())


def test_a_finding_of_an_ingress_is_told_on_it() -> None:
    (note,) = notes(ObjectRef("Ingress", "shop", "web"))
    body = note.body(Author("flomesh.io/ingress-pipy", "pod-1"), WHEN)

    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": note.name, "namespace": "shop"},
        "eventTime": "2026-01-02T03:04:05.000678Z",
        "type": "Warning",
        "reason": "ObjectInvalid",
        "action": "Translate",
        "note": "what; instead; how",
        "regarding": {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "Ingress",
            "namespace": "shop",
            "name": "web",
            "uid": "u1",
            "resourceVersion": "7",
        },
        "reportingController": "flomesh.io/ingress-pipy",
        "reportingInstance": "pod-1",
    }


def test_a_finding_of_what_an_ingress_uses_is_told_on_the_ingress() -> None:
    used = [("Service", "cart"), ("EndpointSlice", "cart-1"), ("Secret", "cert")]
    for kind, name in used:
        (note,) = notes(ObjectRef(kind, "shop", name))
        assert str(note.about) == "Ingress shop/web"
        assert note.text == f"{kind} shop/{name}: what; instead; how"


def test_what_no_ingress_of_ours_uses_is_not_told() -> None:
    for kind, name in [("Service", "other"), ("Secret", "other"), ("File", "x"), ("Ingress", "*")]:
        assert notes(ObjectRef(kind, "shop", name)) == ()


def test_an_event_of_an_ingress_class_lives_in_the_default_namespace() -> None:
    (note,) = notes(ObjectRef("IngressClass", "", "pipy"))
    regarding = note.body(Author("a/b", "c"), WHEN)["regarding"]

    assert note.namespace == "default"
    assert regarding == {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "name": "pipy",
    }


def test_a_changed_ingress_is_served_anew_and_a_changed_version_alone_says_nothing() -> None:
    name = synced_note(WEB, PREFIX).name
    newer = attrs.evolve(WEB, metadata=attrs.evolve(WEB.metadata, resource_version="8"))
    other = attrs.evolve(WEB, default_backend=ServiceBackend("cart", 81))
    annotated = attrs.evolve(
        WEB, metadata=attrs.evolve(WEB.metadata, annotations={f"{PREFIX}x": "y"})
    )

    assert synced_note(newer, PREFIX).name == name
    assert len({synced_note(each, PREFIX).name for each in (WEB, other, annotated)}) == 3


@given(st.text(max_size=1500))
def test_a_note_is_never_longer_than_the_api_server_takes(text: str) -> None:
    cut = cut_note(text)

    assert len(cut.encode()) <= NOTE_LIMIT_BYTES
    assert cut == text or (cut.endswith("…") and text.startswith(cut[:-1]))


def test_a_controller_of_several_slashes_is_written_as_a_qualified_name() -> None:
    fields = Author("example.com/team/ingress", "p" * 200).fields()

    assert fields["reportingController"] == "example.com/team-ingress"
    assert len(fields["reportingInstance"]) == 128


def test_a_burst_of_one_object_ends_and_harms_no_other() -> None:
    limits = ObjectLimits()
    one, other = ObjectRef("Ingress", "a", "b"), ObjectRef("Ingress", "a", "c")

    assert [limits.take(one, 0.0) for _ in range(OBJECT_BURST + 1)][-2:] == [True, False]
    assert limits.take(other, 0.0)
    assert not limits.take(one, OBJECT_SECONDS - 1)
    assert limits.take(one, OBJECT_SECONDS)


@given(st.lists(st.floats(0, 100), max_size=60))
def test_a_bucket_never_gives_more_than_its_burst_and_its_rate(pauses: list[float]) -> None:
    bucket = Bucket(5, 10.0, 0.0)
    now, given_out = 0.0, 0
    for pause in pauses:
        now += pause
        given_out += bucket.take(now)

    assert given_out <= 5 + now / 10.0 + 1e-6


def test_a_recreated_object_gets_notes_of_its_own() -> None:
    finding = Finding(ObjectRef("Ingress", "shop", "web"), FINDINGS["path_invalid"], "a", "b", "c")
    made = FindingNotes(PREFIX)
    other = attrs.evolve(WEB, metadata=attrs.evolve(WEB.metadata, uid="u2"))
    before, same, after = (
        made.of((finding,), Inventory.of((each,)), (each,)) for each in (WEB, WEB, other)
    )

    assert before == same
    assert before.keys() != after.keys()
