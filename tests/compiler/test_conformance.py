"""
The path, host and default backend rules of the Ingress conformance suite, without a network.

kubernetes-sigs/ingress-controller-conformance: from objects through compiler and router.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fsm_twisted.compiler import CompilerOptions, compile_snapshot
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
    EndpointPort,
    EndpointSlice,
    Ingress,
    IngressPath,
    IngressRule,
    KubernetesObject,
    Metadata,
    PathType,
    Service,
    ServiceBackend,
    ServicePort,
    SliceEndpoint,
)
from fsm_twisted.routing.router import Router, build_router
from fsm_twisted.snapshot.model import Route

NOW = datetime(2026, 1, 1, tzinfo=UTC)
EXACT, PREFIX = PathType.EXACT, PathType.PREFIX


def rule(host: str, *paths: tuple[PathType, str, str]) -> IngressRule:
    backends = ((kind, path, ServiceBackend(service, 8080)) for kind, path, service in paths)
    return IngressRule(host, tuple(IngressPath(path, kind, to) for kind, path, to in backends))


def router(ingress: Ingress) -> Router[Route]:
    named = {path.backend for each in ingress.rules for path in each.paths}
    named |= {ingress.default_backend} if ingress.default_backend else set()
    objects: list[KubernetesObject] = [ingress]
    for backend in named:
        assert isinstance(backend, ServiceBackend)
        name = backend.service
        objects += [
            Service(Metadata(name, "default"), ports=(ServicePort("http", 8080, 3000),)),
            EndpointSlice(
                Metadata(name, "default"),
                name,
                endpoints=(SliceEndpoint(("10.0.0.1",)),),
                ports=(EndpointPort("http", 3000),),
            ),
        ]
    compiled = compile_snapshot(Inventory.of(objects), CompilerOptions(), now=NOW)
    assert compiled.findings == ()
    return build_router(compiled.snapshot, lambda route: route)


def answer(table: Router[Route], host: str, path: str) -> str:
    """Return the Service that answers, ``404`` for none."""
    route = table.match(host.encode(), path.encode())
    return route.upstream.service_port.service if route and route.upstream else "404"


PATH_RULES = Ingress(
    Metadata("path-rules", "default"),
    "pipy",
    rules=(
        rule("exact", (EXACT, "/foo", "foo-exact")),
        rule(
            "prefix",
            (PREFIX, "/foo", "foo-prefix"),
            (PREFIX, "/aaa/bbb", "aaa-slash-bbb-prefix"),
            (PREFIX, "/aaa", "aaa-prefix"),
        ),
        rule("mixed", (PREFIX, "/foo", "foo-prefix"), (EXACT, "/foo", "foo-exact")),
        rule(
            "slash",
            (PREFIX, "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
            (EXACT, "/foo/", "foo-slash-exact"),
        ),
    ),
)


@pytest.mark.parametrize(
    ("host", "path", "service"),
    [
        ("exact", "/foo", "foo-exact"),
        ("exact", "/foo/", "404"),
        ("exact", "/FOO", "404"),
        ("exact", "/bar", "404"),
        ("prefix", "/foo", "foo-prefix"),
        ("prefix", "/foo/", "foo-prefix"),
        ("prefix", "/FOO", "404"),
        ("prefix", "/aaa/bbb", "aaa-slash-bbb-prefix"),
        ("prefix", "/aaa/bbb/ccc", "aaa-slash-bbb-prefix"),
        ("prefix", "/aaa/ccc", "aaa-prefix"),
        ("prefix", "/aaaccc", "404"),
        ("mixed", "/foo", "foo-exact"),
        ("slash", "/aaa/bbb", "aaa-slash-bbb-slash-prefix"),
        ("slash", "/aaa/bbb/", "aaa-slash-bbb-slash-prefix"),
        ("slash", "/foo/", "foo-slash-exact"),
        ("slash", "/foo", "404"),
    ],
)
def test_path_rules(host: str, path: str, service: str) -> None:
    assert answer(router(PATH_RULES), host, path) == service


@pytest.mark.parametrize(
    ("host", "service"),
    [
        ("foo.bar.com", "foo-bar-com"),
        ("subdomain.bar.com", "404"),
        ("bar.foo.com", "wildcard-foo-com"),
        ("baz.bar.foo.com", "404"),
        ("foo.com", "404"),
    ],
)
def test_host_rules(host: str, service: str) -> None:
    rules = (
        rule("*.foo.com", (PREFIX, "/", "wildcard-foo-com")),
        rule("foo.bar.com", (PREFIX, "/", "foo-bar-com")),
    )
    ingress = Ingress(Metadata("host-rules", "default"), "pipy", rules=rules)

    assert answer(router(ingress), host, "/") == service


@pytest.mark.parametrize("path", ["/", "/sub-path", "/resource"])
@pytest.mark.parametrize("host", ["my-host", "some-host", "10.0.0.1", ""])
def test_a_default_backend_answers_everything(host: str, path: str) -> None:
    backend = ServiceBackend("echo-service", 8080)
    ingress = Ingress(Metadata("default", "default"), "pipy", default_backend=backend)

    assert answer(router(ingress), host, path) == "echo-service"
