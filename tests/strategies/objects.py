"""
Objects of a small world, in which names meet often, and objects of a wild one.

`objects` draws what a decoder could hand over: names that collide, ports that are missing, old
and young Ingresses. `wild_objects` draws any text at all where a text may stand; only the types
are kept.
"""

from __future__ import annotations

from typing import TypeVar

import attrs
from hypothesis import strategies as st

from fsm_twisted.objects.model import (
    Backend,
    EndpointPort,
    EndpointSlice,
    Ingress,
    IngressClass,
    IngressPath,
    IngressRule,
    IngressTLS,
    KubernetesObject,
    Metadata,
    PathType,
    ResourceBackend,
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
    SliceEndpoint,
)
from tests.strategies.certificates import make_pair

Part = TypeVar("Part", IngressPath, IngressRule, IngressTLS)

PREFIX = "pipy.ingress.kubernetes.io/"
ANNOTATION_NAMES = (
    "lb-type",
    "hash-by",
    "session-sticky",
    "rewrite-target-from",
    "rewrite-target-to",
    "proxy-connect-timeout",
    "proxy-read-timeout",
    "proxy-send-timeout",
    "proxy-body-size",
    "tls-verify-client",
    "tls-verify-depth",
    "tls-trusted-ca-secret",
    "upstream-protocol",
    "upstream-ssl-secret",
    "upstream-ssl-name",
    "upstream-ssl-verify",
    "ssl-passthrough",
    "ssl-passthrough",
    "ssl-redirect",
    "force-ssl-redirect",
    "lb-typ",
)
ANNOTATION_VALUES = (
    "hashing",
    "least-work",
    "round-robbin",
    "true",
    "off",
    "optional",
    "2",
    "cookie",
    "uri",
    "header:X-User",
    "cookie:",
    "^/a(.*)$",
    "(",
    "/$1",
    "/x?y",
    "5",
    "1.5m",
    "99999999999",
    "10m",
    "GRPC",
    "https",
    "a",
    "other/b",
    "",
)


def any_text() -> st.SearchStrategy[str]:
    """Any text, lone surrogates and control characters included (JSON can carry them)."""
    return st.text(st.characters(), max_size=20)


def namespaces() -> st.SearchStrategy[str]:
    return st.sampled_from(["default", "other"])


def names() -> st.SearchStrategy[str]:
    return st.sampled_from(["a", "b", "c"])


def hosts() -> st.SearchStrategy[str]:
    return st.sampled_from(["", "a.example.com", "b.example.com", "*.example.com"])


def paths() -> st.SearchStrategy[str]:
    return st.sampled_from(
        [
            "/",
            "/.well-known/acme-challenge/",
            "/a",
            "/a/",
            "/a/b",
            "/b",
            "/a//",
            "/%2e",
            "/é",
            "/a?b",
            "/..",
        ]
    )


def annotation_maps(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    keys = st.sampled_from(ANNOTATION_NAMES).map(PREFIX.__add__)
    values = st.sampled_from(ANNOTATION_VALUES) | text
    return st.dictionaries(keys | text, values, max_size=3)


@st.composite
def metadata(
    draw: st.DrawFn,
    name: st.SearchStrategy[str],
    namespace: st.SearchStrategy[str],
    annotated: st.SearchStrategy[dict[str, str]],
) -> Metadata:
    created = draw(st.sampled_from(["", "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"]))
    return Metadata(draw(name), draw(namespace), created, draw(annotated))


def backends(text: st.SearchStrategy[str]) -> st.SearchStrategy[Backend]:
    ports = st.sampled_from(["http", "admin", 80, 81]) | text | st.integers()
    services = st.builds(ServiceBackend, names() | text, ports)
    return services | st.builds(ResourceBackend, text, text, text)


def in_places(
    parts: st.SearchStrategy[Part], *, least: int = 0, most: int
) -> st.SearchStrategy[tuple[Part, ...]]:
    """Return lists of parts of an Ingress, each of which knows its place."""
    return st.lists(parts, min_size=least, max_size=most).map(
        lambda found: tuple(attrs.evolve(each, index=index) for index, each in enumerate(found))
    )


def ingress_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[Ingress]:
    backend = backends(text)
    path = st.builds(IngressPath, paths() | text, st.sampled_from(PathType), backend)
    rule = st.builds(IngressRule, hosts() | text, in_places(path, most=4))
    tls = st.builds(IngressTLS, st.lists(hosts() | text, max_size=2).map(tuple), names() | text)
    return st.builds(
        Ingress,
        metadata(names() | text, namespaces() | text, annotation_maps(text)),
        st.sampled_from([None, "pipy", "ours", "foreign"]) | text,
        st.none() | backend,
        in_places(rule, most=3),
        in_places(tls, most=2),
        st.sampled_from(["spec.defaultBackend", "spec.backend"]),
    )


def class_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[IngressClass]:
    key = "ingressclass.kubernetes.io/is-default-class"
    annotated = st.sampled_from([{}, {key: "true"}, {key: "false"}])
    name = st.sampled_from(["pipy", "ours", "foreign"]) | text
    controller = st.sampled_from(["flomesh.io/ingress-pipy", "example.com/other"]) | text
    return st.builds(IngressClass, metadata(name, st.just(""), annotated), controller)


def service_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[Service]:
    protocols = st.sampled_from(["TCP", "UDP"])
    port = st.builds(
        ServicePort,
        st.sampled_from(["", "http", "admin"]) | text,
        st.sampled_from([80, 81]) | st.integers(-1, 70000),
        st.just(8080),
        protocols,
    )
    return st.builds(
        Service,
        metadata(names() | text, namespaces() | text, st.just({})),
        st.sampled_from(["ClusterIP", "LoadBalancer", "ExternalName"]) | text,
        st.lists(port, max_size=2).map(tuple),
    )


def slice_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[EndpointSlice]:
    addresses = st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "FD00:0::1", "pod.local"])
    endpoint = st.builds(
        SliceEndpoint,
        st.lists(addresses | text, max_size=2).map(tuple),
        ready=st.booleans(),
        serving=st.booleans(),
        terminating=st.booleans(),
    )
    port = st.builds(
        EndpointPort,
        st.sampled_from(["", "http", "admin"]) | text,
        st.sampled_from([8080, 8081]) | st.integers(-1, 70000),
        st.sampled_from(["TCP", "UDP"]),
    )
    return st.builds(
        EndpointSlice,
        metadata(names() | text, namespaces() | text, st.just({})),
        names() | text,
        st.sampled_from(["IPv4", "IPv6", "FQDN"]) | text,
        st.lists(endpoint, max_size=3).map(tuple),
        st.lists(port, max_size=2).map(tuple),
    )


def secret_values(text: st.SearchStrategy[str]) -> st.SearchStrategy[Secret]:
    good = st.sampled_from([make_pair(), make_pair("b", ("b.example.com",), "Ed25519")])
    bad = st.dictionaries(
        st.sampled_from(["ca.crt", "tls.crt", "tls.key"]), st.binary(max_size=40)
    )
    whole = good.map(lambda pair: pair.data)
    data = whole | good.map(lambda pair: {**pair.data, "ca.crt": pair.crt}) | bad
    kind = st.sampled_from(["kubernetes.io/tls", "Opaque"]) | text
    return st.builds(
        Secret, metadata(names() | text, namespaces() | text, st.just({})), kind, data
    )


def _of(text: st.SearchStrategy[str]) -> st.SearchStrategy[KubernetesObject]:
    return st.one_of(
        ingress_values(text),
        ingress_values(text),
        class_values(text),
        service_values(text),
        slice_values(text),
        secret_values(text),
    )


def objects() -> st.SearchStrategy[KubernetesObject]:
    """Objects of the small world."""
    return _of(names())


def wild_objects() -> st.SearchStrategy[KubernetesObject]:
    """Objects with any text at all."""
    return _of(any_text())


def worlds(max_size: int = 14) -> st.SearchStrategy[list[KubernetesObject]]:
    """Lists of objects of the small world, each reference once."""
    return st.lists(
        objects(), max_size=max_size, unique_by=lambda each: (type(each), _place(each))
    )


def _place(value: KubernetesObject) -> tuple[str, str]:
    return (value.metadata.namespace, value.metadata.name)
