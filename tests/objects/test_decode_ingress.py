"""One bad part of an Ingress is left out, told with its place, and harms nothing else."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fsm_twisted.objects.decode import Decoded, decode_object
from fsm_twisted.objects.model import (
    Ingress,
    IngressPath,
    IngressTLS,
    PathType,
    ResourceBackend,
    ServiceBackend,
)
from tests.objects import documents as doc


def decoded_ingress(document: doc.Document) -> tuple[Ingress, Decoded]:
    decoded = decode_object(document)
    assert isinstance(decoded.value, Ingress), decoded.problems
    return decoded.value, decoded


def test_a_whole_ingress_is_read_field_by_field() -> None:
    value, decoded = decoded_ingress(
        doc.ingress(
            doc.rule(doc.path("/a", "Exact"), host="Web.Example"),
            ingressClassName="pipy",
            defaultBackend=doc.backend("rest", "http"),
            tls=[{"hosts": ["WEB.example", "*.web.example"], "secretName": "cert"}, {}],
        )
    )

    assert decoded.problems == ()
    assert value.class_name == "pipy"
    assert value.default_backend == ServiceBackend("rest", "http")
    assert value.rules[0].host == "web.example"
    assert value.rules[0].paths == (IngressPath("/a", PathType.EXACT, ServiceBackend("web", 80)),)
    assert value.tls == (
        IngressTLS(("web.example", "*.web.example"), "cert"),
        IngressTLS((), "", 1),
    )


@pytest.mark.parametrize(
    ("bad", "path", "reason"),
    [
        (doc.path(path_type="Regex"), "pathType", "path_invalid"),
        (doc.path(path_type=""), "pathType", "path_invalid"),
        (doc.path(pathType=7), "pathType", "object_invalid"),
        (doc.path("a"), "path", "path_invalid"),
        (doc.path(""), "path", "path_invalid"),
        (doc.path("a", "ImplementationSpecific"), "path", "path_invalid"),
        (doc.path("/a//b"), "path", "path_invalid"),
        (doc.path("/a/../b"), "path", "path_invalid"),
        (doc.path("/a/."), "path", "path_invalid"),
        (doc.path("/a%2fb", "Exact"), "path", "path_invalid"),
        (doc.path(path=7), "path", "object_invalid"),
        (doc.path(backend=None), "backend", "object_invalid"),
        (doc.path(backend={}), "backend.service", "object_invalid"),
        (doc.path(backend={"serviceName": "a"}), "backend.serviceName", "object_invalid"),
        (doc.path(backend=doc.backend("A")), "backend.service.name", "object_invalid"),
        (doc.path(backend={"service": {"name": "a"}}), "backend.service.port", "object_invalid"),
        (
            doc.path(backend={"service": {"name": "a", "port": {}}}),
            "backend.service.port",
            "object_invalid",
        ),
        (
            doc.path(backend={"service": {"name": "a", "port": {"name": "b", "number": 80}}}),
            "backend.service.port",
            "object_invalid",
        ),
        (
            doc.path(backend={"service": {"name": "a", "port": {"number": "80"}}}),
            "backend.service.port.number",
            "object_invalid",
        ),
        (doc.path(backend=doc.backend(port=0)), "backend.service.port.number", "object_invalid"),
        (
            doc.path(backend=doc.backend(port=65536)),
            "backend.service.port.number",
            "object_invalid",
        ),
        (doc.path(backend=doc.backend(port="80")), "backend.service.port.name", "object_invalid"),
        (
            doc.path(backend={**doc.backend(), "resource": {"kind": "B", "name": "b"}}),
            "backend",
            "object_invalid",
        ),
    ],
)
def test_a_bad_path_is_left_out_alone_and_named(bad: doc.Document, path: str, reason: str) -> None:
    value, decoded = decoded_ingress(
        doc.ingress(doc.rule(doc.path("/first"), bad, doc.path("/last")), doc.rule(host="b.c"))
    )

    assert [each.path for each in value.rules[0].paths] == ["/first", "/last"]
    assert [each.host for each in value.rules] == ["web.example", "b.c"]
    assert [(problem.path, problem.reason) for problem in decoded.problems] == [
        (f"spec.rules[0].http.paths[1].{path}", reason)
    ]


@pytest.mark.parametrize(
    ("bad", "path", "reason"),
    [
        (doc.rule(host="10.0.0.1"), "host", "host_invalid"),
        (doc.rule(host="a b"), "host", "host_invalid"),
        (doc.rule(host="web.example:8000"), "host", "host_invalid"),
        ({"host": 7}, "host", "object_invalid"),
        ({"http": {"paths": []}}, "http.paths", "object_invalid"),
        ({"http": []}, "http", "object_invalid"),
        ({"http": {"paths": {}}}, "http.paths", "object_invalid"),
    ],
)
def test_a_bad_rule_is_left_out_alone_and_named(bad: doc.Document, path: str, reason: str) -> None:
    value, decoded = decoded_ingress(doc.ingress(doc.rule(host="a.b"), bad, doc.rule(host="b.c")))

    assert [each.host for each in value.rules] == ["a.b", "b.c"]
    assert [(problem.path, problem.reason) for problem in decoded.problems] == [
        (f"spec.rules[1].{path}", reason)
    ]


def test_a_rule_that_is_no_object_is_left_out() -> None:
    document = doc.ingress()
    document["spec"]["rules"].insert(0, "web.example")
    value, decoded = decoded_ingress(document)

    assert len(value.rules) == 1
    assert decoded.problems[0].path == "spec.rules[0]"


def test_a_rule_without_paths_keeps_its_host() -> None:
    value, decoded = decoded_ingress(doc.ingress({"host": "a.b"}, {}))

    assert [(each.host, each.paths) for each in value.rules] == [("a.b", ()), ("", ())]
    assert decoded.problems == ()


def test_a_bad_default_backend_leaves_the_rules_alone() -> None:
    value, decoded = decoded_ingress(doc.ingress(defaultBackend={"service": {}}))

    assert value.default_backend is None
    assert len(value.rules) == 1
    assert decoded.problems[0].path == "spec.defaultBackend.service.name"


def test_an_ingress_that_routes_nothing_is_told_so() -> None:
    document = doc.ingress()
    del document["spec"]["rules"]
    value, decoded = decoded_ingress(document)

    assert value.rules == ()
    assert decoded.problems[0].path == "spec"


def test_an_implementation_specific_path_defaults_to_the_root_and_is_not_examined() -> None:
    paths = (doc.path("", "ImplementationSpecific"), doc.path("/a//b", "ImplementationSpecific"))
    value, decoded = decoded_ingress(doc.ingress(doc.rule(*paths)))

    assert [each.path for each in value.rules[0].paths] == ["/", "/a//b"]
    assert decoded.problems == ()


def test_a_resource_backend_is_kept_for_the_compiler_to_judge() -> None:
    backend = {"resource": {"apiGroup": "k8s.example", "kind": "Bucket", "name": "b"}}
    value, decoded = decoded_ingress(doc.ingress(doc.rule(doc.path(backend=backend))))

    assert value.rules[0].paths[0].backend == ResourceBackend("k8s.example", "Bucket", "b")
    assert decoded.problems == ()


def test_a_tls_entry_whose_hosts_are_all_bad_does_not_become_one_for_all_hosts() -> None:
    entries = [{"hosts": ["a b"], "secretName": "x"}, {"hosts": ["", "a.b"], "secretName": "y"}]
    value, decoded = decoded_ingress(doc.ingress(tls=entries))

    assert value.tls == (IngressTLS(("a.b",), "y", 1),)
    assert [problem.path for problem in decoded.problems] == [
        "spec.tls[0].hosts[0]",
        "spec.tls[0].hosts",
        "spec.tls[1].hosts[0]",
    ]


@pytest.mark.parametrize("name", ["other/cert", "A_b", "../x"])
def test_a_tls_entry_stays_one_although_no_secret_can_have_the_name(name: str) -> None:
    entries = [{"hosts": ["a.b"], "secretName": name}]
    value, decoded = decoded_ingress(doc.ingress(tls=entries))

    assert value.tls == (IngressTLS(("a.b",), name),)
    assert decoded.problems == ()


@pytest.mark.parametrize("api_version", ["networking.k8s.io/v1beta1", "extensions/v1beta1"])
def test_the_older_versions_say_the_same_in_their_own_words(api_version: str) -> None:
    old_path = {"path": "/", "backend": {"serviceName": "web", "servicePort": 80}}
    document = doc.ingress(
        {"host": "web.example", "http": {"paths": [old_path]}},
        backend={"serviceName": "rest", "servicePort": "http"},
    )
    old, decoded = decoded_ingress({**document, "apiVersion": api_version})
    new, _ = decoded_ingress(
        doc.ingress(
            doc.rule(doc.path("/", "ImplementationSpecific")),
            defaultBackend=doc.backend("rest", "http"),
        )
    )

    assert old.default_where == "spec.backend"
    assert attrs.evolve(old, default_where=new.default_where) == new
    assert decoded.problems == ()


@pytest.mark.parametrize(
    ("version", "wrong", "right"),
    [("v1", "backend", "defaultBackend"), ("v1beta1", "defaultBackend", "backend")],
)
def test_a_default_backend_under_the_name_of_another_version_is_told(
    version: str, wrong: str, right: str
) -> None:
    document = doc.ingress(**{wrong: doc.backend()})
    del document["spec"]["rules"]
    value, decoded = decoded_ingress({**document, "apiVersion": f"networking.k8s.io/{version}"})

    assert value.default_backend is None
    (problem,) = decoded.problems
    assert problem.path == f"spec.{wrong}"
    assert problem.message.endswith(f"in {version} it is {right}")


@pytest.mark.parametrize(
    "backend",
    [
        {"serviceName": "web"},
        {"serviceName": "web", "servicePort": 0},
        {"serviceName": "web", "servicePort": "80"},
        {"servicePort": 80},
        doc.backend(),
    ],
)
def test_an_older_backend_needs_a_name_and_a_port(backend: doc.Document) -> None:
    document = doc.ingress(doc.rule(doc.path(backend=backend)))
    value, decoded = decoded_ingress({**document, "apiVersion": "extensions/v1beta1"})

    assert value.rules[0].paths == ()
    assert decoded.problems[0].path.startswith("spec.rules[0].http.paths[0].backend.service")


good_path = st.sampled_from(["/", "/a", "/a/b", "/c"]).map(doc.path)
bad_path = st.sampled_from([doc.path("x"), doc.path(path_type="no"), doc.path(backend={}), {}])


@given(st.lists(st.tuples(st.booleans(), good_path, bad_path), min_size=1, max_size=6))
def test_bad_paths_never_change_what_is_kept_of_the_good_ones(
    drawn: list[tuple[bool, doc.Document, doc.Document]],
) -> None:
    mixed = [good if is_good else bad for is_good, good, bad in drawn]
    value, decoded = decoded_ingress(doc.ingress(doc.rule(*mixed)))

    assert [each.path for each in value.rules[0].paths] == [
        good["path"] for is_good, good, _ in drawn if is_good
    ]
    assert len(decoded.problems) == sum(not is_good for is_good, _, _ in drawn)
