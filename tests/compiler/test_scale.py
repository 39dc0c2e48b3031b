"""How much work a change is among many objects: counted, not timed."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from fsm_twisted.compiler import Compiled, Compiler, CompilerOptions
from fsm_twisted.objects.inventory import Inventory
from fsm_twisted.objects.model import (
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
    Secret,
    Service,
    ServiceBackend,
    ServicePort,
    SliceEndpoint,
    ref_of,
)
from fsm_twisted.snapshot.changes import changes
from fsm_twisted.snapshot.wire import encode_delta
from tests.strategies.certificates import make_pair

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SIZE = 500


def ingress(number: int, *paths: str, service: int | None = None, secret: str = "") -> Ingress:
    backend = ServiceBackend(f"s{number if service is None else service}", 80)
    rule = IngressRule(
        f"h{number}.example",
        tuple(IngressPath(each, PathType.PREFIX, backend) for each in paths or ("/",)),
    )
    tls = (IngressTLS((), secret),) if secret else ()
    metadata = Metadata(f"i{number}", "default", "2025-01-01T00:00:00Z")
    return Ingress(metadata, "pipy", rules=(rule,), tls=tls)


def service(number: int, port: int = 80) -> Service:
    return Service(Metadata(f"s{number}", "default"), ports=(ServicePort("http", port, 8080),))


def endpoint_slice(number: int, *addresses: str) -> EndpointSlice:
    return EndpointSlice(
        Metadata(f"s{number}-x", "default"),
        f"s{number}",
        endpoints=tuple(SliceEndpoint((each,)) for each in addresses),
        ports=(EndpointPort("http", 8080),),
    )


def secret(data: dict[str, bytes]) -> Secret:
    return Secret(Metadata("shared", "default"), "kubernetes.io/tls", data)


class Cluster:
    """Many objects, compiled; number 0 to 4 share a Service, 0 to 9 a certificate."""

    def __init__(self) -> None:
        objects: list[KubernetesObject] = [secret(make_pair("a", ("*.example",)).data)]
        for number in range(SIZE):
            shared = 0 if number < 5 else None
            objects += [
                ingress(number, service=shared, secret="shared" if number < 10 else ""),
                service(number),
                endpoint_slice(number, f"10.0.{number // 250}.{number % 250}"),
            ]
        self.inventory = Inventory.of(objects)
        self.compiler = Compiler(CompilerOptions(passes_tls=True))
        self.before = self.compiled()

    def compiled(self) -> Compiled:
        return self.compiler.compile(self.inventory, now=NOW)

    def change(self, *values: KubernetesObject) -> tuple[Compiled, int]:
        """Compile after a change; returns also how many Ingresses were translated for it."""
        done = self.compiler.translations
        self.inventory = self.inventory.after({ref_of(each): each for each in values})
        return self.compiled(), self.compiler.translations - done


def test_at_first_every_ingress_is_translated_once() -> None:
    assert Cluster().compiler.translations == SIZE


def test_another_endpoint_translates_the_ingresses_of_its_service_alone() -> None:
    cluster = Cluster()
    after, translated = cluster.change(endpoint_slice(100, "10.9.9.9"))

    assert translated == 1
    assert after.snapshot.hosts is cluster.before.snapshot.hosts
    assert len(changes(cluster.before.snapshot.upstreams, after.snapshot.upstreams).changed) == 1
    assert len(encode_delta(cluster.before.snapshot, after.snapshot)) < 300
    assert cluster.change(endpoint_slice(0, "10.9.9.9"))[1] == 5


def test_another_rule_makes_one_other_host() -> None:
    cluster = Cluster()
    after, translated = cluster.change(ingress(100, "/", "/new"))

    assert translated == 1
    assert list(changes(cluster.before.snapshot.hosts, after.snapshot.hosts).changed) == [
        "h100.example"
    ]
    assert after.snapshot.upstreams is cluster.before.snapshot.upstreams
    assert after.findings is cluster.before.findings
    assert len(encode_delta(cluster.before.snapshot, after.snapshot)) < 500


def test_another_certificate_translates_those_who_name_it() -> None:
    cluster = Cluster()
    after, translated = cluster.change(secret(make_pair("b", ("*.example",)).data))

    assert translated == 10
    assert after.snapshot.hosts is cluster.before.snapshot.hosts
    assert len(changes(cluster.before.snapshot.certificates, after.snapshot.certificates).changed)
    assert after.snapshot.tls_hosts is cluster.before.snapshot.tls_hosts


def test_what_nobody_has_read_translates_nothing() -> None:
    cluster = Cluster()
    for value in (
        service(SIZE),
        endpoint_slice(SIZE, "10.9.9.9"),
        Secret(Metadata("other", "default")),
        IngressClass(Metadata("foreign"), "example.com/other"),
    ):
        after, translated = cluster.change(value)

        assert translated == 0
        assert after.snapshot is cluster.before.snapshot


def test_a_service_that_was_missed_is_found_when_it_comes() -> None:
    cluster = Cluster()
    lonely = attrs.evolve(ingress(SIZE), metadata=Metadata("lonely", "default"))
    without, _ = cluster.change(lonely)
    assert {each.reason.code for each in without.findings} >= {"service_missing"}

    after, translated = cluster.change(service(SIZE), endpoint_slice(SIZE, "10.9.9.9"))
    assert translated == 1
    assert after.findings == cluster.before.findings
