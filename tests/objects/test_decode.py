"""What holds for every kind: identity, metadata, totality."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.decode import decode_object
from fsm_twisted.objects.model import ObjectRef
from fsm_twisted.objects.names import host_fault, label_fault, subdomain_fault
from fsm_twisted.snapshot.reasons import FINDINGS
from tests.objects import documents as doc

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
anything = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3)
    ),
    max_leaves=6,
)

GOOD = (
    doc.ingress(
        doc.rule(doc.path("/a"), doc.path("/b", "Exact")),
        metadata={"annotations": {"a": "b"}, "creationTimestamp": "2024-01-31T12:00:00Z"},
        ingressClassName="pipy",
        defaultBackend=doc.backend(port="http"),
        tls=[{"hosts": ["web.example"], "secretName": "cert"}],
    ),
    doc.service({"port": 80, "name": "http", "targetPort": "web"}, {"port": 443, "name": "s"}),
    doc.endpoint_slice(
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True, "serving": None}, "zone": "a"}
    ),
    doc.endpoints({"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 8080}]}),
    doc.secret(data={"tls.crt": "AAAA"}, stringData={"a": "b"}, type="kubernetes.io/tls"),
    {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "IngressClass",
        "metadata": {"name": "pipy"},
        "spec": {"controller": "flomesh.io/ingress-pipy"},
    },
)


def places(value: Any, steps: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """List every place inside *value*, the root first."""
    found = [steps]
    children: Any = ()
    if isinstance(value, dict):
        children = value.items()
    elif isinstance(value, list):
        children = enumerate(value)
    for step, child in children:
        found += places(child, (*steps, step))
    return found


def replaced(value: Any, steps: tuple[Any, ...], new: object) -> Any:
    """Return *value* with *new* at the place *steps*."""
    if not steps:
        return new
    first, rest = steps[0], steps[1:]
    if isinstance(value, dict):
        return {k: replaced(v, rest, new) if k == first else v for k, v in value.items()}
    return [replaced(v, rest, new) if k == first else v for k, v in enumerate(value)]


@given(anything)
def test_decoding_never_raises_for_any_json_like_value(value: object) -> None:
    assert decode_object(value).value is None


@given(st.data())
def test_one_foreign_value_anywhere_gives_a_decoded_and_only_registered_reasons(
    data: st.DataObject,
) -> None:
    good = data.draw(st.sampled_from(GOOD))
    place = data.draw(st.sampled_from(places(good)))

    decoded = decode_object(replaced(good, place, data.draw(anything)))

    assert all(problem.reason in FINDINGS for problem in decoded.problems)
    assert all(problem.message.isprintable() for problem in decoded.problems)
    assert all(problem.path.isprintable() for problem in decoded.problems)


@given(st.sampled_from(GOOD), st.dictionaries(st.from_regex("x[a-z]{3}"), scalars, max_size=3))
def test_unknown_fields_change_nothing(good: doc.Document, extra: dict[str, object]) -> None:
    plain = decode_object(good)
    more = {**extra, **good, "metadata": {**extra, **good["metadata"]}}
    if "spec" in good:
        more["spec"] = {**extra, **good["spec"]}

    assert decode_object(more) == plain
    assert plain.values
    assert not plain.problems


@given(st.sampled_from(GOOD), st.data())
def test_null_is_the_same_as_absent(good: doc.Document, data: st.DataObject) -> None:
    place = data.draw(st.sampled_from([p for p in places(good) if p and isinstance(p[-1], str)]))
    without = replaced(good, place, None)
    inner = without
    for step in place[:-1]:
        inner = inner[step]
    absent = {key: value for key, value in inner.items() if key != place[-1]}
    if place[:-1] in {("data",), ("stringData",), ("metadata", "annotations")}:
        return  # a map of the user's own: null is the empty string there, as in Go
    if place[:-1] == ("metadata", "labels"):
        return

    assert decode_object(without) == decode_object(replaced(good, place[:-1], absent))


def test_an_object_without_namespace_lives_in_the_default_one() -> None:
    document = doc.ingress()
    del document["metadata"]["namespace"]

    assert decode_object(document).ref == ObjectRef("Ingress", "default", "web")
    assert decode_object(document, default_namespace="x").ref == ObjectRef("Ingress", "x", "web")


def test_a_class_lives_in_no_namespace() -> None:
    document = {**GOOD[-1], "metadata": {"name": "pipy", "namespace": "shop"}}
    decoded = decode_object(document)

    assert decoded.ref == ObjectRef("IngressClass", "", "pipy")
    assert decoded.value is not None
    assert decoded.value.metadata.namespace == ""


@pytest.mark.parametrize(
    "identity",
    [
        {"apiVersion": "apps/v1", "kind": "Deployment"},
        {"apiVersion": "v1", "kind": "Namespace"},
        {"apiVersion": "serving.knative.dev/v1", "kind": "Service"},
    ],
)
def test_a_kind_that_is_not_served_is_passed_over_quietly(identity: dict[str, str]) -> None:
    decoded = decode_object({**identity, "metadata": {"name": "x"}, "spec": 7})

    assert decoded.values == ()
    assert decoded.problems == ()
    assert decoded.ref == ObjectRef(identity["kind"], "", "x")


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"apiVersion": None}, "apiVersion"),
        ({"kind": None}, "kind"),
        ({"kind": 7}, "kind"),
        ({"apiVersion": "v1"}, "apiVersion"),
        ({"apiVersion": "networking.k8s.io/v2"}, "apiVersion"),
        ({"apiVersion": "extensions/v1"}, "apiVersion"),
        ({"metadata": None}, "metadata"),
        ({"metadata": {}}, "metadata.name"),
        ({"metadata": {"name": "Web"}}, "metadata.name"),
        ({"metadata": {"name": 7}}, "metadata.name"),
        ({"metadata": {"name": "web", "namespace": "a.b"}}, "metadata.namespace"),
        ({"metadata": {"name": "web", "annotations": []}}, "metadata.annotations"),
        ({"metadata": {"name": "web", "annotations": {7: "x"}}}, "metadata.annotations"),
        ({"metadata": {"name": "web", "annotations": {"a/b": 7}}}, "metadata.annotations[a/b]"),
        ({"metadata": {"name": "web", "annotations": {"a": "\ud800"}}}, "metadata.annotations[a]"),
        ({"metadata": {"name": "web", "labels": {"a": True}}}, "metadata.labels[a]"),
        (
            {"metadata": {"name": "web", "creationTimestamp": "today"}},
            "metadata.creationTimestamp",
        ),
        ({"spec": None}, "spec"),
        ({"spec": []}, "spec"),
        ({"spec": {"rules": {}}}, "spec.rules"),
        ({"spec": {"tls": "x"}}, "spec.tls"),
        ({"spec": {"tls": ["a.b"]}}, "spec.tls[0]"),
        ({"spec": {"tls": [{"hosts": "a.b"}]}}, "spec.tls[0].hosts"),
        ({"spec": {"tls": [{"hosts": ["a.b", 7]}]}}, "spec.tls[0].hosts[1]"),
        ({"spec": {"tls": [{"hosts": ["a.b"], "secretName": 7}]}}, "spec.tls[0].secretName"),
        ({"spec": {"ingressClassName": 7}}, "spec.ingressClassName"),
        ({"spec": {"ingressClassName": ""}}, "spec.ingressClassName"),
    ],
)
def test_a_fault_at_the_top_makes_the_object_unusable_and_names_the_field(
    change: doc.Document, path: str
) -> None:
    decoded = decode_object({**doc.ingress(), **change})

    assert decoded.values == ()
    assert [problem.path for problem in decoded.problems] == [path]


def test_an_unquoted_annotation_is_answered_with_the_line_to_write() -> None:
    decoded = decode_object(doc.ingress(metadata={"annotations": {"a/on": True}}))

    assert '"true"' in decoded.problems[0].message
    assert "quotes" in decoded.problems[0].message


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2024-01-31T12:00:00Z", "2024-01-31T12:00:00Z"),
        ("2024-01-31T12:00:00.5+02:00", "2024-01-31T10:00:00Z"),
        (None, ""),
    ],
)
def test_creation_times_are_kept_so_that_text_order_is_time_order(
    written: str | None, kept: str
) -> None:
    value = decode_object(doc.ingress(metadata={"creationTimestamp": written})).value

    assert value is not None
    assert value.metadata.created == kept


@pytest.mark.parametrize(
    ("name", "is_host"),
    [
        ("a", True),
        ("a-b.example", True),
        ("*.example", True),
        ("xn--bcher-kva.example", True),
        ("1.2.3", True),
        ("", False),
        ("*", False),
        ("*.", False),
        ("*.*.example", False),
        ("a.*.example", False),
        ("*a.example", False),
        ("10.0.0.1", False),
        ("::1", False),
        ("a:80", False),
        ("a_b.example", False),
        ("a.example.", False),
        (".a", False),
        ("a..b", False),
        ("-a.example", False),
        ("bücher.example", False),
        ("a" * 254, False),
        ("a\n", False),
    ],
)
def test_hosts_are_what_kubernetes_allows(name: str, *, is_host: bool) -> None:
    assert (host_fault(name) is None) is is_host


@given(st.from_regex(r"[a-z0-9.\-*_A-Z]{0,70}", fullmatch=True))
def test_every_label_is_a_subdomain_and_every_subdomain_a_host_unless_an_address(
    text: str,
) -> None:
    if label_fault(text) is None:
        assert subdomain_fault(text) is None
    if subdomain_fault(text) is None and not text.replace(".", "").isdigit():
        assert host_fault(text) is None
        assert host_fault(f"*.{text}") is None


def test_an_object_full_of_faults_tells_the_first_and_counts_the_rest() -> None:
    decoded = decode_object(doc.ingress(doc.rule(*[doc.path("x")] * 1000)))

    assert len(decoded.problems) == 21
    assert "980 more" in decoded.problems[-1].message


@pytest.mark.parametrize("metadata", [None, 7, {"name": 7}, {"name": "x", "namespace": 7}])
def test_a_foreign_object_without_a_usable_name_has_no_reference(metadata: object) -> None:
    decoded = decode_object({"apiVersion": "apps/v1", "kind": "Job", "metadata": metadata})

    assert (decoded.ref, decoded.problems) == (None, ())
